"""The settings of the supervised heatmap regressor, and their two presets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from methods.training.base import TrainedConfig

GROUPS = 8  # of channels, in each group normalisation

# For some seconds on one core: images of 64 pixels, a narrow network, and few steps with a high, falling learning rate.
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
        description="Largest number of channels of a level, a multiple of 8; each level has twice as many as the one "
        "before (chosen here).",
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
        description="Largest random change of contrast, as a share; the largest change of brightness is half of it "
        "(chosen here).",
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
