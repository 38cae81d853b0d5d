"""The settings of the method of Thewlis et al. (2017), and their two presets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from methods.training.base import TrainedConfig
from methods.training.warp_config import WarpConfig

# For less than a minute on one CPU core: small images, a narrow network that sees less of the image, a high and falling
# learning rate, and less weight on the spread of the maps.
MINI: dict[str, Any] = {
    "image_size": 32,
    "margin": 0.0,
    "steps": 1500,
    "batch_size": 8,
    "learning_rate": 1e-2,
    "weight_decay": 0.0,
    "schedule": "cosine",
    "channels": (8, 16, 16, 16, 32),
    "dilations": (1, 1, 1, 2, 1),
    "first_warp": {"rotation_degrees": 5.0, "scale": 0.05, "translation": 0.1, "bend": (0.001, 0.005)},
    "second_warp": {"rotation_degrees": 8.0, "scale": 0.1, "translation": 0.12, "bend": (0.001, 0.005)},
    "outside": "mirrored",
    "colour": 0.05,
    "pool": 2,
    "diversity_weight": 2.0,
    "spread_weight": 0.1,
}


class ThewlisConfig(TrainedConfig):
    """Settings of the method of Thewlis et al. (ICCV 2017).

    Preset ``paper`` has the losses of the paper and the sizes of its network; ``mini`` is for about a minute on one CPU
    core. The authors released no code of this paper. What is not known from the paper is taken from their code of a
    later paper that has a network of the same channels ("code of Thewlis et al., ICCV 2019":
    github.com/jamt9000/DVE), and else from an independent reimplementation
    (github.com/alldbi/Factorized-Spatial-Embeddings). This implementation differs from them in the following points:

    - Images are located in whole; in training, the border of the warped images is cropped.
    - A keypoint is the expected place under its heatmap, which is the place that the alignment loss compares.
    - The last convolution is neither normalised nor rectified, since its values are scores of a softmax. The others
      are rectified without a slope below 0 (ICCV 2019: a slope of 0.2).
    - Blocks of the diversity loss do not overlap, as in the paper; in the reimplementation they do.
    - Weight decay is decoupled from the gradient.
    - -1 and 1 are the borders of the image, not the centres of its first and last pixel.
    """

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"paper": {}, "mini": MINI}

    image_size: PositiveInt = Field(
        default=100,
        multiple_of=2,
        description="Side of the square images before they are cropped, in pixels, an even number (paper: 100).",
    )
    margin: float = Field(
        default=0.1,
        ge=0,
        lt=0.5,
        description="Width of the border that is cropped from warped images, as a share of the side; images to predict "
        "are not cropped (paper: 80 of 100 pixels are left).",
    )
    steps: int = Field(default=100_000, ge=0, description="Optimisation steps (chosen here).")
    batch_size: PositiveInt = Field(default=32, description="Images in a step (an independent reimplementation: 32).")
    learning_rate: PositiveFloat = Field(
        default=1e-4, description="Largest learning rate of AdamW (an independent reimplementation: Adam at 0.0001)."
    )
    weight_decay: NonNegativeFloat = Field(
        default=5e-4,
        description="Decoupled weight decay of AdamW (an independent reimplementation: 0.0005, as a term of the loss).",
    )

    channels: tuple[PositiveInt, PositiveInt, PositiveInt, PositiveInt, PositiveInt] = Field(
        default=(20, 48, 64, 80, 256),
        description="Channels of the five convolutions before that which gives the heatmaps (paper: 20, 48, 64, 80, "
        "256).",
    )
    dilations: tuple[PositiveInt, PositiveInt, PositiveInt, PositiveInt, PositiveInt] = Field(
        default=(1, 1, 2, 4, 2),
        description="Dilations of these convolutions (code of Thewlis et al., ICCV 2019).",
    )
    normalisation: Literal["batch", "group"] = Field(
        default="batch",
        description="Normalisation over the batch (code of Thewlis et al., ICCV 2019), or over groups of "
        "channels of one image.",
    )
    padding: Literal["zeros", "reflect", "replicate"] = Field(
        default="zeros",
        description="What a convolution sees beyond the border of its input: zeros (code of Thewlis et al., ICCV "
        "2019), from which it can tell where the border is, or values mirrored or repeated at the border.",
    )
    sharpness: PositiveFloat = Field(
        default=1.0, description="Factor of the heatmaps before their softmax (chosen here; paper: 1)."
    )
    diversity_weight: NonNegativeFloat = Field(
        default=500.0,
        description="Weight of the diversity of each of two images beside their alignment, in squared cells of "
        "the heatmap (an independent reimplementation: 500).",
    )
    spread_weight: NonNegativeFloat = Field(
        default=1.0,
        description="Weight of the spread of the heatmaps, which is a part of the alignment loss (chosen here; paper: "
        "1). With less, heatmaps stay broad, and gradients reach places far from their means.",
    )
    pool: PositiveInt = Field(
        default=4,
        description="Side of the blocks, in cells of the heatmap, that two landmarks should not share (an independent "
        "reimplementation: 4).",
    )
    first_warp: WarpConfig = Field(
        default=WarpConfig(rotation_degrees=2.5, scale=0.05, translation=0.05, bend=(0.0005, 0.005)),
        description="Random warp of the image that gives the first image of a pair, as a JSON object (code of Thewlis "
        "et al., ICCV 2019).",
    )
    second_warp: WarpConfig = Field(
        default=WarpConfig(rotation_degrees=2.5, scale=0.05, translation=0.05, bend=(0.0005, 0.005)),
        description="Random warp of the first image that gives the second, as a JSON object (code of Thewlis et al., "
        "ICCV 2019).",
    )
    control_points: int = Field(
        default=10,
        ge=2,
        description="Control points of the spline along each side (code of Thewlis et al., ICCV 2019: 10).",
    )
    outside: Literal["black", "mirrored"] = Field(
        default="black",
        description="What a warp shows from beyond the border: black (code of Thewlis et al., ICCV 2019), or the image "
        "mirrored.",
    )
    colour: NonNegativeFloat = Field(
        default=0.0,
        description="Standard deviation of the random change of contrast, and of the factor and offset of each colour "
        "channel, in each image of a pair (chosen here; paper: 0).",
    )

    @property
    def cut(self) -> int:
        """Width of the margin in cells of the heatmap."""
        return round(self.margin * self.image_size / 2)

    @model_validator(mode="after")
    def _check_together(self) -> ThewlisConfig:
        if self.image_size // 2 <= 2 * self.cut:
            raise ValueError(f"margin ({self.margin}) leaves nothing of image_size {self.image_size}, expected less")
        return self
