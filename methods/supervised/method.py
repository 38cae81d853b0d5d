"""Supervised landmark regression as a method of the benchmark."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from methods.base import ImageBatch, ImageStream, LabelledBatch, MethodCard, MethodConfig, MethodError
from methods.frozen import NOTHING
from methods.supervised.config import GROUPS, SupervisedConfig
from methods.training.base import TrainedMethod

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn


class Supervised(TrainedMethod):
    """Learns heatmaps of the annotated landmarks and predicts their soft-argmax.

    It shows what labels make possible and is never ranked with unsupervised methods. As in Sun et al., ECCV 2018, the
    heatmap and its expectation are trained jointly. The network is a small one of our own, trained from scratch,
    without batch statistics. Landmarks that are not visible, or that leave the image in
    augmentation, do not count.
    """

    card: ClassVar[MethodCard] = MethodCard(
        id="supervised",
        name="Supervised heatmaps",
        summary="a heatmap regressor that learns from landmarks, for comparison",
        paper="Integral Human Pose Regression, Sun et al., ECCV 2018",
        year=2018,
        licence="Apache-2.0",
        supervision="supervised",
        saw_landmarks=True,
        trained_on="the fit images and their landmarks",
        frozen={"": NOTHING},
    )
    Config: ClassVar[type[MethodConfig]] = SupervisedConfig

    def begin(self, images: ImageStream, num_keypoints: int, seed: int) -> None:
        """Raise MethodError unless the images come with ``num_keypoints`` landmarks."""
        batch = images.load([0])
        if not isinstance(batch, LabelledBatch):
            raise MethodError(
                f"{self.card.id}: the fit images came without landmarks, expected {num_keypoints} per image; fit on a "
                "dataset with annotations"
            )
        if batch.landmarks.shape[1] != num_keypoints:
            raise MethodError(
                f"{self.card.id}: {num_keypoints} keypoints were asked for, images have {batch.landmarks.shape[1]} "
                "landmarks; ask for one keypoint per landmark"
            )

    def build(self, num_keypoints: int) -> nn.Module:
        """A network with one heatmap per landmark."""
        from methods.supervised.network import HeatmapNetwork

        config = self.config
        return HeatmapNetwork(num_keypoints, config.width, config.max_width, config.levels, config.stem_stride, GROUPS)

    def losses(
        self, network: nn.Module, batch: ImageBatch, pixels: Tensor, generator: np.random.Generator
    ) -> dict[str, Tensor]:
        """Losses of augmented images and their landmarks."""
        from methods.supervised.learning import Landmarks, augmented, heatmap_losses

        if not isinstance(batch, LabelledBatch):
            raise MethodError(f"{self.card.id}: images {', '.join(batch.ids[:3])} came without landmarks")
        config, landmarks = self.config, Landmarks.of(batch, pixels.device)
        pixels, landmarks = augmented(config, batch.ids, pixels, landmarks, int(generator.integers(2**62)))
        heatmap, distance = heatmap_losses(network(pixels), landmarks, config.sigma)
        loss = config.heatmap_weight * heatmap + config.coordinate_weight * distance
        return {"loss": loss, "heatmap": heatmap, "distance": distance}

    def locate(self, network: nn.Module, pixels: Tensor) -> Tensor:
        """Soft-argmax (B, L, 2) of the heatmaps, (x, y) in [0, 1]."""
        from methods.supervised.learning import soft_argmax

        return soft_argmax(network(pixels))
