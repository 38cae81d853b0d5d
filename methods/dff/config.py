"""The settings of deep feature factorization, and their two presets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field, NonNegativeFloat, PositiveInt

from methods.features.config import FeatureSettings, Layer

# For the mini models, whose features have both signs: of the three ways to rectify them and the two kinds of places,
# these have the smallest errors on aligned faces and birds. The mini diffusion model's features are the best ones here.
MINI: dict[str, Any] = {
    "features": "diffusion",
    "ensemble": 2,
    "fit_images": 60,
    "rectify": "split",
    "point": "maximum",
    "window": 4,
}


class DFFConfig(FeatureSettings):
    """Settings of deep feature factorization (Collins et al., ECCV 2018).

    Preset ``paper`` has the settings of the released code; ``mini`` is for less than a minute on one CPU core. This
    implementation differs from the paper in the following points:

    - The paper factorises the images in which it wants the parts. Here the factors come from the fit images and stay
      fixed; the heat maps of any other image are its non-negative least-squares weights.
    - The paper shows heat maps and segments, and has no keypoints. The tables that report DFF do not say how they got
      keypoints; ``point`` centre is what SCOPS, which they follow, does with its own parts.
    - The factors are computed in float64, and VGG's weights are timm's.
    """

    of_predict: ClassVar[frozenset[str]] = frozenset({"point", "window"})
    of_label: ClassVar[frozenset[str]] = frozenset({"features"})
    of_frozen: ClassVar[str] = "features"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"paper": {}, "mini": MINI}

    features: Literal["vgg19", "diffusion", "vit", "mini_vae"] = Field(
        default="vgg19",
        description="Network whose features are factorised: vgg19 (paper), diffusion (block of a diffusion model's "
        "UNet), vit (a vision transformer) or mini_vae (encoder of the mini model's autoencoder).",
    )
    model: str | None = Field(
        default=None,
        description="Model of features vit or diffusion: a folder, a Hugging Face hub id, or mini for the small one of "
        "this repository; none takes mini with preset mini, else the default of dino_kmeans or dift_kmeans.",
    )
    layer: Layer | None = Field(
        default=None,
        description="Layer whose output is the features. vgg19 and mini_vae: its name; vit: number of the block, "
        "counted from 1, or 0 for the last; diffusion: block of the UNet's up path, counted from 0. None is conv5_4 "
        "(paper), down_1, 0 and 1.",
    )
    image_size: int = Field(
        default=0,
        ge=0,
        description="Side in pixels of the square images that the network sees, for vit a multiple of its patch; 0 is "
        "the side that the network was made for, 224 for vgg19 (released code: 224).",
    )
    dtype: Literal["float32", "bfloat16", "float16"] = Field(
        default="float32", description="Number type of weights and features of vit or diffusion (chosen here)."
    )
    features_weights: str | None = Field(
        default=None,
        description="File (safetensors, or a state dict named as torchvision's) or Hugging Face hub id of the weights "
        "of vgg19; none is timm's (chosen here).",
    )
    timestep: int = Field(
        default=261,
        ge=0,
        description="Training timestep of features diffusion, counted from 0 (chosen here: as dift_kmeans).",
    )
    ensemble: PositiveInt = Field(
        default=8,
        description="Number of noise samples over which features diffusion are averaged (chosen here: as dift_kmeans).",
    )
    rectify: Literal["relu", "centred", "split"] = Field(
        default="relu",
        description="How features are made non-negative: relu sets negative values to 0 (paper: features after a ReLU, "
        "which it does not change); centred subtracts the mean over the fit images first; split does so and keeps "
        "negative values as channels of their own (chosen here).",
    )

    fit_images: int = Field(
        default=100,
        ge=0,
        description="Number of fit images to sample for the factors; 0 takes all (chosen here; paper: all images).",
    )
    iterations: PositiveInt = Field(
        default=200, description="Most multiplicative updates of the factorisation (released code: 200)."
    )
    tolerance: NonNegativeFloat = Field(
        default=1e-4,
        description="The updates end where ten of them lower the error by less than this share of the first error "
        "(released code: 0.0001).",
    )

    point: Literal["centre", "maximum"] = Field(
        default="centre",
        description="Place of a keypoint in its factor's heat map: the centre of mass of the whole map, or of the "
        "cells by its maximum (chosen here).",
    )
    window: int = Field(
        default=2,
        ge=0,
        description="Number of cells of the heat map, on each side of its maximum, that count for point maximum; 0 "
        "takes the centre of the best cell (chosen here).",
    )
