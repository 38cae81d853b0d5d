"""The settings that choose frozen features, and the source of the features that they choose. Imports no torch."""

from __future__ import annotations

from typing import Any, Literal, get_args

from pydantic import Field, PositiveInt, model_validator

from methods.base import MethodConfig
from methods.diffusion.weights import EXAMPLE, ModelFiles
from methods.features.provider import FeatureSource
from methods.features.sources import ConvolutionSource, DiffusionSource, VitSource
from methods.features.vit_files import PAPER_MODEL, VitFiles, mini_is_there
from methods.frozen import DIFFUSION, PERCEPTUAL, VIT, FrozenData

Features = Literal["vgg19", "diffusion", "vit", "mini_vae"]
Layer = int | str

DEFAULT_MODEL = {"diffusion": EXAMPLE, "vit": PAPER_MODEL}
# Settings that not all features use, by the features that do
USED: dict[str, frozenset[str]] = {
    "vgg19": frozenset({"features_weights"}),
    "diffusion": frozenset({"model", "revision", "dtype", "timestep", "ensemble"}),
    "vit": frozenset({"model", "revision", "dtype", "layer_norm"}),
    "mini_vae": frozenset(),
}
SMALLEST = 16  # pixels: VGG halves an image four times
DEFAULT_LAYER: dict[str, Layer] = {"vgg19": "conv5_4", "diffusion": 1, "vit": 0, "mini_vae": "down_1"}


class FeatureSettings(MethodConfig):
    """Settings of frozen features; a subclass says which ``features`` its method offers."""

    preset: Literal["paper", "mini"] = Field(
        default="paper", description="Source of the other defaults: the paper, or the small models of this repository."
    )

    features: str = Field(default="auto", description="Network whose features are read.")
    model: str | None = Field(
        default=None,
        description="Model of features vit: a folder in Hugging Face's layout, a hub id, or mini for the small one of "
        "this repository; none takes the preset's.",
    )
    revision: str | None = Field(
        default=None,
        description="Branch, tag or commit of a hub id; none takes the hub's default (chosen here).",
    )
    image_size: int = Field(
        default=0,
        ge=0,
        description="Side in pixels of the square images that the network sees, for vit a multiple of its patch; 0 is "
        "the side that the network was made for (chosen here).",
    )
    layer: Layer | None = Field(
        default=None,
        description="Layer whose output is the features. vit: number of the block, counted from 1, or 0 for the last; "
        "mini_vae: conv_in, down_0 or down_1; none is the last (chosen here).",
    )
    layer_norm: bool = Field(
        default=True,
        description="Whether the final layer norm of a vit follows the block (chosen here; DINOv2: yes).",
    )
    dtype: Literal["float32", "bfloat16", "float16"] = Field(
        default="float32", description="Number type of weights and features of a vit (chosen here)."
    )
    predict_batch: PositiveInt = Field(
        default=4, exclude=True, description="Images in one pass of the network on a GPU (chosen here)."
    )

    @classmethod
    def resolve(cls, settings: dict[str, Any]) -> dict[str, Any]:
        """Replace features 'auto', model and layer by those that are used, so that every record names them.

        Features 'auto' are those of the mini vision transformer, or of the mini autoencoder where this repository has
        no such transformer.
        """
        features = settings.get("features", cls.model_fields["features"].default)
        if features == "auto":
            features = "vit" if mini_is_there() or settings.get("model") else "mini_vae"
        found = {**settings, "features": features}
        if found.get("layer") is None:
            found["layer"] = DEFAULT_LAYER.get(features)
        if found.get("model") is None and features in DEFAULT_MODEL:
            found["model"] = "mini" if settings.get("preset") == "mini" else DEFAULT_MODEL[features]
        return found

    @model_validator(mode="after")
    def _check_together(self) -> FeatureSettings:
        for name in sorted(frozenset().union(*USED.values()) - USED[self.features]):
            self._check_unused(name)
        if self.revision is not None and self.model == "mini":
            raise ValueError(f"revision is that of a hub id, got revision={self.revision} with model=mini")
        if 0 < self.image_size < SMALLEST:
            raise ValueError(f"image_size is {self.image_size}, expected 0 or at least {SMALLEST}")
        if isinstance(self.layer, int) != (self.features in DEFAULT_MODEL):
            expected = "a number" if self.features in DEFAULT_MODEL else "a name"
            raise ValueError(f"layer is {self.layer}, expected {expected} with features={self.features}")
        if isinstance(self.layer, int) and self.layer < 0:
            raise ValueError(f"layer is {self.layer}, expected at least 0")
        return self

    def _check_unused(self, name: str) -> None:
        """Raise ValueError if a setting that the features do not use is neither its default nor a preset's."""
        if name not in type(self).model_fields:
            return
        plain = [type(self).model_fields[name].default, *(each.get(name) for each in self.presets.values())]
        if (value := getattr(self, name)) not in plain:
            offered = get_args(type(self).model_fields["features"].annotation)
            kinds = " and ".join(kind for kind, names in USED.items() if name in names and kind in offered)
            raise ValueError(
                f"{name} is a setting of features {kinds}, got {name}={value} with features={self.features}"
            )


def source_of(config: Any, method: str) -> FeatureSource:
    """The source of the features that ``FeatureSettings`` name; error messages name the settings of ``method``."""
    side, batch, layer = config.image_size, config.predict_batch, config.layer
    if config.features == "vit":
        files = VitFiles(config.model, config.revision, method)
        return VitSource(files, side, config.dtype, layer, config.layer_norm, batch)
    if config.features == "diffusion":
        pipeline = ModelFiles(config.model, config.revision, method)
        return DiffusionSource(pipeline, side, config.dtype, config.timestep, layer, config.ensemble, batch)
    return ConvolutionSource(config.features, getattr(config, "features_weights", None), side, layer, method, batch)


def frozen_data_of(config: Any) -> FrozenData | None:
    """What the network that ``FeatureSettings`` name was trained on; None if that is unknown."""
    if config.features in DEFAULT_MODEL:
        return {"vit": VIT, "diffusion": DIFFUSION}[config.features].get(config.model)
    return PERCEPTUAL[config.features] if getattr(config, "features_weights", None) is None else None
