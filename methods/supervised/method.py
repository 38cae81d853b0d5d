"""Supervised landmark regression as a method of the benchmark: settings, card and losses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from methods.base import SUPERVISED, ImageBatch, ImageStream, LabelledBatch, MethodCard, MethodConfig, MethodError
from methods.training.base import TrainedConfig, TrainedMethod

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

GROUPS = 8  # channels that are normalised together

# For images of 64 pixels and some seconds on one core: a narrow network, and few steps with a high rate that falls.
MINI: dict[str, Any] = {
    "image_size": 64,
    "width": 16,
    "stem_stride": 2,
    "levels": 3,
    "steps": 250,
    "batch_size": 16,
    "learning_rate": 4e-3,
    "schedule": "cosine",
    "warmup": 20,
    "sigma": 1.0,
}


class SupervisedConfig(TrainedConfig):
    """Settings of the supervised heatmap regressor, all chosen here; preset ``paper`` is for a GPU.

    Images are never mirrored, as that would swap left and right.
    """

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"paper": {}, "mini": MINI}

    batch_size: PositiveInt = Field(default=32, description="Images in a step (chosen here).")
    learning_rate: PositiveFloat = Field(default=1e-3, description="Largest learning rate of AdamW (chosen here).")
    weight_decay: NonNegativeFloat = Field(default=1e-4, description="Decoupled weight decay of AdamW (chosen here).")
    schedule: Literal["constant", "cosine"] = Field(
        default="cosine",
        description="Learning rate after the warm-up: constant, or cosine, which falls to 0 along half a cosine wave "
        "(chosen here).",
    )
    warmup: int = Field(
        default=200, ge=0, description="Steps over which the learning rate rises linearly at the start (chosen here)."
    )
    clip_gradient: NonNegativeFloat = Field(
        default=1.0,
        description="Largest norm of the gradient over all parameters together; 0 clips nothing (chosen here).",
    )

    width: PositiveInt = Field(
        default=64, description="Channels of the network's first level, a multiple of 8 (chosen here)."
    )
    max_width: PositiveInt = Field(
        default=256,
        description="Most channels of a level, a multiple of 8; each level has twice those of the one before (chosen "
        "here).",
    )
    levels: PositiveInt = Field(
        default=4, description="Number of times that the network halves the image after the stem (chosen here)."
    )
    stem_stride: PositiveInt = Field(
        default=2,
        description="Factor, 1, 2 or 4, by which the stem shrinks the image; heatmaps have image_size / stem_stride "
        "pixels a side (chosen here).",
    )
    sigma: PositiveFloat = Field(
        default=1.5, description="Standard deviation of the target Gaussians, in pixels of the heatmap (chosen here)."
    )
    heatmap_weight: NonNegativeFloat = Field(
        default=1.0, description="Weight of the cross-entropy of target and heatmap in the loss (chosen here)."
    )
    coordinate_weight: NonNegativeFloat = Field(
        default=1.0,
        description="Weight of the distance of landmark and soft-argmax, in image sides, in the loss (chosen here; "
        "loss of Sun et al., ECCV 2018).",
    )

    rotation_degrees: float = Field(
        default=20.0, ge=0, description="Largest random rotation of images, in degrees either way (chosen here)."
    )
    scale_range: tuple[float, float] = Field(
        default=(0.8, 1.25), description="Bounds of the random scale of images, sampled uniformly (chosen here)."
    )
    translation: float = Field(
        default=0.1, ge=0, description="Largest random shift along either axis, in halves of the width (chosen here)."
    )
    colour: float = Field(
        default=0.2,
        ge=0,
        lt=1,
        description="Largest random change of contrast, as a share; that of brightness is half of it (chosen here).",
    )

    @model_validator(mode="after")
    def _check_ranges(self) -> SupervisedConfig:
        low, high = self.scale_range
        if not 0 < low <= high:
            raise ValueError(f"scale_range is ({low}, {high}), expected 0 < low <= high")
        if self.width % GROUPS or self.max_width % GROUPS:
            raise ValueError(f"width is {self.width} and max_width {self.max_width}, expected multiples of {GROUPS}")
        smallest = self.stem_stride * 2**self.levels
        if self.image_size % smallest:
            raise ValueError(
                f"image_size is {self.image_size}, expected a multiple of {smallest} (stem_stride x 2^levels)"
            )
        return self


class Supervised(TrainedMethod):
    """Learns heatmaps of the annotated landmarks and predicts their soft-argmax: an upper bound, not a rival.

    As in Sun et al., ECCV 2018, the heatmap and its expectation are trained jointly. The network is a small one of our
    own, trained from scratch, without batch statistics. Landmarks that are not visible, or that leave the image in
    augmentation, do not count.
    """

    card: ClassVar[MethodCard] = MethodCard(
        id="supervised",
        name="Supervised heatmaps",
        summary="a small heatmap regressor that learns from landmarks: the ceiling, no rival",
        paper="Integral Human Pose Regression, Sun et al., ECCV 2018",
        year=2018,
        licence="Apache-2.0",
        supervision=SUPERVISED,
        trained_on="the fit images and their landmarks",
    )
    Config: ClassVar[type[MethodConfig]] = SupervisedConfig

    def begin(self, images: ImageStream, num_keypoints: int, seed: int) -> None:
        """Raise MethodError unless the images come with ``num_keypoints`` landmarks."""
        batch = images.load([0])
        if not isinstance(batch, LabelledBatch):
            raise MethodError(
                f"{self.card.id}: the fit images came without landmarks, expected {num_keypoints} of each; fit on a "
                "dataset with annotations"
            )
        if batch.landmarks.shape[1] != num_keypoints:
            raise MethodError(
                f"{self.card.id}: {num_keypoints} keypoints were asked for, images have {batch.landmarks.shape[1]} "
                "landmarks; ask for one keypoint a landmark"
            )

    def build(self, num_keypoints: int) -> nn.Module:
        """A network with one heatmap a landmark."""
        from methods.supervised.network import HeatmapNetwork

        config = self.config
        return HeatmapNetwork(num_keypoints, config.width, config.max_width, config.levels, config.stem_stride, GROUPS)

    def losses(
        self, network: nn.Module, batch: ImageBatch, pixels: Tensor, generator: np.random.Generator
    ) -> dict[str, Tensor]:
        """Losses of augmented images and their landmarks."""
        from methods.supervised.learning import Augmentation, Landmarks, augmented, heatmap_losses

        if not isinstance(batch, LabelledBatch):
            raise MethodError(f"{self.card.id}: images {', '.join(batch.ids[:3])} came without landmarks")
        config, landmarks = self.config, Landmarks.of(batch, pixels.device)
        bounds = Augmentation(config.rotation_degrees, config.scale_range, config.translation, config.colour)
        pixels, landmarks = augmented(bounds, batch.ids, pixels, landmarks, int(generator.integers(2**62)))
        heatmap, distance = heatmap_losses(network(pixels), landmarks, config.sigma)
        loss = config.heatmap_weight * heatmap + config.coordinate_weight * distance
        return {"loss": loss, "heatmap": heatmap, "distance": distance}

    def locate(self, network: nn.Module, pixels: Tensor) -> Tensor:
        """Soft-argmax (B, L, 2) of the heatmaps, (x, y) in [0, 1]."""
        from methods.supervised.learning import soft_argmax

        return soft_argmax(network(pixels))
