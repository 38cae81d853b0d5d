"""The method of Thewlis et al. (2017) as a method of the benchmark."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from methods.base import ImageBatch, MethodCard, MethodConfig
from methods.frozen import NOTHING
from methods.thewlis.config import ThewlisConfig
from methods.training.base import TrainedMethod

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn


class Thewlis(TrainedMethod):
    """Learns landmarks that follow every known warp of an image and stay apart from each other.

    Source: Thewlis, Bilen and Vedaldi, ICCV 2017.
    """

    card: ClassVar[MethodCard] = MethodCard(
        id="thewlis",
        name="Thewlis et al.",
        summary="heatmaps that follow known warps of an image and stay apart from each other",
        paper=("Unsupervised Learning of Object Landmarks by Factorized Spatial Embeddings, Thewlis et al., ICCV 2017"),
        year=2017,
        licence="own code, Apache-2.0; the authors released none",
        supervision="unsupervised",
        trained_on="the fit images",
        frozen={"": NOTHING},
    )
    Config: ClassVar[type[MethodConfig]] = ThewlisConfig

    def build(self, num_keypoints: int) -> nn.Module:
        """A detector with one score map per keypoint."""
        from methods.layout import memory_format
        from methods.thewlis.network import Detector

        network = Detector(self.config, num_keypoints)
        return network.to(memory_format=memory_format(self.device))  # type: ignore[call-overload]

    def losses(
        self, network: nn.Module, batch: ImageBatch, pixels: Tensor, generator: np.random.Generator
    ) -> dict[str, Tensor]:
        """Alignment of the keypoints of two warped versions of each image, and diversity in both."""
        import torch

        from methods.thewlis.losses import alignment, diversity, shares
        from methods.thewlis.pairs import drawn

        config = self.config
        pair = drawn(config, pixels, generator)
        first, second = shares(config.sharpness * network(torch.cat([pair.first, pair.second]))).chunk(2)
        spread, distance = alignment(first, second, pair.places, pair.warped)
        apart = diversity(first, config.pool) + diversity(second, config.pool)
        return {
            "loss": config.spread_weight * spread + distance + config.diversity_weight * apart,
            "spread": spread,
            "distance": distance,
            "diversity": apart,
        }

    def locate(self, network: nn.Module, pixels: Tensor) -> Tensor:
        """Expected places (B, K, 2), (x, y) in [0, 1], under the softmax of the score maps."""
        from methods.thewlis.losses import means, shares
        from methods.training.warps import cells

        maps = shares(self.config.sharpness * network(pixels))
        return (means(maps, cells(maps.shape[-1])[None]) + 1) / 2
