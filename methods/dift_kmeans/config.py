"""The settings of the clustered diffusion features, and their two presets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field, PositiveInt

from methods.base import MethodConfig
from methods.feature_kmeans.config import ClusterSettings

# For the mini model: the paper's block and timestep are the best ones here too; fewer noise samples are averaged.
MINI: dict[str, Any] = {"model": "mini", "ensemble": 2, "fit_images": 60}


class DiffusionSettings(MethodConfig):
    """Settings of diffusion features (Tang et al., NeurIPS 2023)."""

    preset: Literal["paper", "mini"] = Field(
        default="paper", description="Source of the other defaults: the paper, or the small mini model."
    )

    model: str = Field(
        default="stable-diffusion-v1-5/stable-diffusion-v1-5",
        description="Diffusion model: a folder in diffusers' layout, a Hugging Face hub id, or mini for the small "
        "model of this repository (chosen here; paper: Stable Diffusion 2.1).",
    )
    revision: str | None = Field(
        default=None,
        description="Branch, tag or commit of a hub id; none takes the hub's default (chosen here).",
    )
    image_size: int = Field(
        default=0,
        ge=0,
        description="Side in pixels of the square images that the model sees; 0 is the side that the model was made "
        "for (paper: 768).",
    )
    dtype: Literal["float32", "bfloat16", "float16"] = Field(
        default="float32", description="Number type of weights and features (chosen here)."
    )
    timestep: int = Field(
        default=261,
        ge=0,
        description="Training timestep, counted from 0, whose noise is added to the latent (paper: 261).",
    )
    up_block: int = Field(
        default=1,
        ge=0,
        description="Block of the UNet's up path, counted from 0, whose output is the features (paper: 1).",
    )
    ensemble: PositiveInt = Field(
        default=8, description="Number of noise samples over which features are averaged (paper: 8)."
    )

    predict_batch: PositiveInt = Field(
        default=4, exclude=True, description="Images in one pass of the UNet on a GPU (chosen here)."
    )


class DiftKmeansConfig(ClusterSettings, DiffusionSettings):
    """Settings of diffusion features (Tang et al., NeurIPS 2023) and of their clusters, which are chosen here.

    A ``preset`` fills in every setting that is not given; ``mini`` is the default wherever ``model`` is ``mini``. The
    caption is empty, as no class is known; the released code names the class on SPair-71k. The paper uses Stable
    Diffusion 2.1; the default here is the model of Stable Keypoints, so that both methods use the same one.
    """

    of_frozen: ClassVar[str] = "model"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"paper": {}, "mini": MINI}
