"""Every setting of the clustered diffusion features, and the presets that name two sets of them."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from methods.base import MethodConfig

# The small model of the mini profile: the paper's block and timestep serve it best too, with less noise to average.
MINI: dict[str, Any] = {"model": "mini", "ensemble": 2, "fit_images": 60}

PRESETS: dict[str, dict[str, Any]] = {"paper": {}, "mini": MINI}


class DiftKmeansConfig(MethodConfig):
    """Settings of diffusion features (Tang et al., NeurIPS 2023) and of what is made of them.

    A ``preset`` fills in what is not given; ``mini`` is chosen wherever the model is ``mini`` and no preset is given.

    Features, as in the paper: what leaves ``up_block`` of the UNet (counted from 0) for an image with the noise of
    ``timestep``, averaged over ``ensemble`` draws of that noise. The caption is empty, as no class is known here; the
    released code names it on SPair-71k. The paper's model is Stable Diffusion 2.1 on images of 768 pixels; the default
    here is that of Stable Keypoints, so that both rows stand on the same one. ``model``, ``revision``, ``image_size``
    and ``dtype`` mean the same as there.

    Clusters: ``fit_images`` are drawn from the fit images (0 takes all), and from each ``vectors_per_image`` of its
    features; k-means makes ``clusters_per_keypoint`` times K centres of them in ``iterations`` rounds. Of these the K
    with the largest ``consistency - spread_weight * spread`` are kept (see ``methods.dift_kmeans.clusters``) that lie
    at least ``min_distance`` image sides from each other on average. ``temperature`` is that of the softmax that turns
    cosine similarities into a distribution over places.

    Places: a keypoint is where its centre's similarity is highest; ``window`` is how many cells of the feature map on
    every side of it count in a soft-argmax, 0 takes the cell itself. ``predict_batch`` is how many images go through
    the UNet at once on a GPU; it identifies no fit.
    """

    of_predict: ClassVar[frozenset[str]] = frozenset({"window"})

    preset: Literal["paper", "mini"] = "paper"

    model: str = "stable-diffusion-v1-5/stable-diffusion-v1-5"
    revision: str | None = None
    image_size: int = Field(default=0, ge=0)
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    timestep: int = Field(default=261, ge=0)
    up_block: int = Field(default=1, ge=0)
    ensemble: PositiveInt = 8

    fit_images: int = Field(default=100, ge=0)
    vectors_per_image: PositiveInt = 100
    clusters_per_keypoint: PositiveInt = 5
    iterations: PositiveInt = 15
    temperature: PositiveFloat = 0.05
    spread_weight: NonNegativeFloat = 3.0
    min_distance: NonNegativeFloat = 0.05

    window: int = Field(default=2, ge=0)
    predict_batch: PositiveInt = Field(default=4, exclude=True)

    @model_validator(mode="before")
    @classmethod
    def _fill_in_preset(cls, given: Any) -> Any:
        """Put what is given on top of its preset; an unknown preset is left for the field to refuse."""
        if not isinstance(given, dict):
            return given
        preset = given.get("preset") or ("mini" if given.get("model") == "mini" else "paper")
        return {**PRESETS.get(preset, {}), **given, "preset": preset}
