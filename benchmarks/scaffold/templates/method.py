"""Template: centres of the K colours of the fit images."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from methods.arrays import ArrayMethod
from methods.base import ImageBatch, ImageStream, MethodCard, MethodConfig, Report


class TemplateConfig(MethodConfig):
    sharpness: float = Field(default=100.0, description="Falloff of weights with squared RGB distance; chosen here.")


class Template(ArrayMethod):
    card: ClassVar[MethodCard] = MethodCard(
        id="template",
        name="Template",
        summary="centres of the K colours of the fit images",
        paper="unpublished",
        year=2026,
        licence="Apache-2.0",
        trained_on="the fit images",
    )
    Config: ClassVar[type[MethodConfig]] = TemplateConfig

    def fit(self, images: ImageStream, num_keypoints: int, seed: int, report: Report) -> None:
        from scipy.cluster.vq import kmeans2

        sample = np.concatenate([np.moveaxis(batch.pixels[:, :, ::8, ::8], 1, -1).reshape(-1, 3) for batch in images])
        self.learned["colours"], _ = kmeans2(sample.astype(np.float64), num_keypoints, minit="++", seed=seed)  # (K, 3)
        report(len(images), len(images))  # images done, and their total

    def predict(self, batch: ImageBatch) -> NDArray[np.float64]:
        distance = ((batch.pixels[:, None] - self.array("colours")[:, :, None, None]) ** 2).sum(axis=2)  # (B, K, H, W)
        weight = np.exp(-self.config.sharpness * distance) + 1e-9
        place = (np.arange(weight.shape[-1]) + 0.5) / weight.shape[-1]  # centres of the pixels
        return np.stack([weight.sum(axis) @ place / weight.sum((2, 3)) for axis in (2, 3)], axis=-1)  # mean x, mean y
