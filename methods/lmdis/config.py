"""The settings of LMDIS, and their two presets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from methods.training.base import TrainedConfig

DETECTOR = 8  # the detector halves the padded image three times
DECODER = 16  # the decoder halves the image four times

# For about a minute on one CPU core: narrow networks, maps of half the resolution, and Gaussians of one scale. Sharper
# score maps spread the points from the start. Smaller warps, which show a window inside the mirrored image, keep the
# image's border out of most warped images, so that keypoints cannot follow it.
MINI: dict[str, Any] = {
    "image_size": 64,
    "padding": 8,
    "stem": 1,
    "skips": 1,
    "steps": 450,
    "batch_size": 8,
    "learning_rate": 3e-3,
    "weight_decay": 0.0,
    "schedule": "cosine",
    "warmup": 20,
    "detector_channels": 8,
    "feature_channels": 8,
    "most_channels": 32,
    "sharpness": 5.0,
    "decoded_deviations": (0.08,),
    "outside": "mirrored",
    "bend": 0.05,
    "scale": 1.15,
    "translation": 0.1,
    "zoom": 0.75,
}


class LMDISConfig(TrainedConfig):
    """Settings of LMDIS (Zhang et al., CVPR 2018).

    Preset ``paper`` has the settings of the released code for 10 keypoints on CelebA; ``mini`` is for about a minute on
    one CPU core. This implementation differs from the released code in the following points:

    - The network sees the whole image; the released code crops the central 0.8 of CelebA's images.
    - Padding and warps repeat the border's colours; the released code pads with the border's mean.
    - A warp bends the image, then turns, scales and shifts it; in the released code in the opposite order.
    - Maps for drawing are shares of Gaussian densities and a background of 1; the released code divides the densities
      by the squared deviation and the number of pixels, which favours the background.
    - The linear maps to and from descriptors have no batch normalisation.
    - The layers of an hourglass's way up mirror those of its way down; the released code narrows the last ones.
    - The moving averages of batch normalisation forget 0.1 in a step; in the released code 0.0003.
    - The weight decay is decoupled; in the released code it is a term of the loss.
    """

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"paper": {}, "mini": MINI}

    image_size: PositiveInt = Field(
        default=80, description="Side of the square images, in pixels, a multiple of 16 (released code: 80)."
    )
    padding: int = Field(
        default=8,
        ge=0,
        description="Pixels by which an image is continued beyond each border before keypoints are detected (released "
        "code: 8 of 80).",
    )
    outside: Literal["border", "mirrored"] = Field(
        default="border",
        description="Padding and warps show, beyond the border, the colours of the border (chosen here; released code: "
        "the mean of the border) or the image mirrored.",
    )
    steps: int = Field(
        default=300_000,
        ge=0,
        description="Optimisation steps (chosen here: the released code has three stages of 100,000 steps, the last of "
        "which ends when it is stopped).",
    )
    batch_size: PositiveInt = Field(default=16, description="Images in a step (released code: 16).")
    learning_rate: PositiveFloat = Field(
        default=1e-3, description="Largest learning rate of AdamW (released code: Adam at 0.001)."
    )
    schedule: Literal["constant", "cosine", "thirds"] = Field(
        default="thirds",
        description="Learning rate after the warm-up: constant; cosine, which falls to 0 along half a cosine wave; or "
        "thirds, which falls to a tenth after each third of the steps (released code).",
    )
    weight_decay: NonNegativeFloat = Field(
        default=1e-6, description="Decoupled weight decay of AdamW (released code: 0.000001, as a term of the loss)."
    )
    colour: float = Field(
        default=0.2,
        ge=0,
        lt=1,
        description="Largest random change of an image's contrast, as a share; the largest change of a channel's "
        "brightness is half of it (chosen here: the released code changes colours, its amounts are not known).",
    )

    detector_channels: PositiveInt = Field(
        default=32,
        description="Channels of the detector's first level; the others have twice as many (released code: 32).",
    )
    feature_channels: PositiveInt = Field(
        default=32,
        description="Channels of the first convolution for descriptors; deeper ones of descriptors and decoder have 2, "
        "4, 8 and 16 times as many (released code: 32).",
    )
    most_channels: PositiveInt = Field(
        default=512, description="Largest number of channels of a convolution (released code: 512)."
    )
    normalisation: Literal["batch", "group"] = Field(
        default="batch",
        description="Normalisation over the batch (released code), or over groups of channels of one image.",
    )
    stem: int = Field(
        default=0,
        ge=0,
        description="Number of times that images are halved before the hourglasses of detector and descriptors; the "
        "image is drawn at that size (released code: 0 at 80 pixels, 1 at 128).",
    )
    skips: PositiveInt = Field(
        default=3,
        description="Convolutions in a skip connection of the detector; the other networks have one less "
        "(released code: 3).",
    )
    sharpness: PositiveFloat = Field(
        default=1.0, description="Factor of the score maps before their softmax (chosen here; released code: 1)."
    )
    descriptor_size: PositiveInt = Field(
        default=8, description="Numbers in the descriptor of a keypoint or of the background (released code: 8)."
    )
    decoded_deviations: tuple[PositiveFloat, ...] = Field(
        default=(0.125, 0.177, 0.25, 0.354, 0.5),
        min_length=1,
        description="Standard deviations, in sides of the image, of the Gaussians at the keypoints from which the "
        "image is drawn, one for each scale (released code: 1/8 to 1/2 in five steps by a factor of sqrt 2).",
    )

    reconstruction_weight: NonNegativeFloat = Field(
        default=0.1,
        description="Weight of the reconstruction loss in the first third of the steps (released code: 0.1).",
    )
    reconstruction_growth: PositiveFloat = Field(
        default=10.0,
        description="Factor by which that weight grows after each third of the steps (released code: 10).",
    )
    equivariance_weight: NonNegativeFloat = Field(
        default=100_000 / 3,
        description="Weight of the squared distance, in sides of the image, between keypoints and those of the warped "
        "image mapped back (released code: 10,000 for halves of the padded image over its ratio 80/96, the same loss).",
    )
    concentration_weight: NonNegativeFloat = Field(
        default=100.0, description="Weight of the concentration loss (released code: 100)."
    )
    separation_weight: NonNegativeFloat = Field(
        default=20.0, description="Weight of the separation loss (released code: 20; 10 for 30 keypoints)."
    )
    separation_bandwidth: PositiveFloat = Field(
        default=0.08,
        description="Distance, in sides of the image, within which keypoints repel each other (released code: 0.08; "
        "0.04 for 30 keypoints).",
    )

    control_points: int = Field(
        default=7,
        ge=2,
        description="Control points of the random spline along each side, the outer ones at the border (released code: "
        "7, the outer ones half a cell inside).",
    )
    bend: NonNegativeFloat = Field(
        default=0.1,
        description="Standard deviation of a control point's shift along each axis, in halves of the padded image "
        "(released code: 0.1).",
    )
    rotation_degrees: NonNegativeFloat = Field(
        default=10.0, description="Standard deviation of the random rotation, in degrees (released code: 10)."
    )
    scale: float = Field(
        default=1.25,
        ge=1,
        description="Random scale at one standard deviation; its logarithm is normally distributed (released code: "
        "1.25).",
    )
    zoom: PositiveFloat = Field(
        default=1.0,
        description="Side of the window that warps show, in sides of the padded image, at scale 1 (chosen here; "
        "released code: 1).",
    )
    translation: NonNegativeFloat = Field(
        default=0.15,
        description="Largest random shift along each axis, in sides of the padded image (released code: 0.15).",
    )

    @model_validator(mode="after")
    def _check_sizes(self) -> LMDISConfig:
        """Raise ValueError unless the networks can halve their images evenly."""
        sizes = {
            "image_size": (self.image_size, DECODER * 2**self.stem),
            "image_size + 2 x padding": (self.image_size + 2 * self.padding, DETECTOR * 2**self.stem),
        }
        for name, (size, multiple) in sizes.items():
            if size % multiple:
                raise ValueError(f"{name} is {size}, expected a multiple of {multiple}: networks halve it evenly")
        if self.padding >= self.image_size:
            raise ValueError(f"padding is {self.padding}, expected less than image_size ({self.image_size})")
        return self
