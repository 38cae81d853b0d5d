"""Every setting of IMM, and its two presets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from methods.training.base import TrainedConfig
from methods.training.perceptual import Choice, at_hand

# For the mini profile, less than a minute on one CPU core: small images and networks, and settings with which points
# begin to move within some hundred steps. Wider Gaussians and larger warps tell them more; sharper heatmaps spread
# them from the beginning; where the image is mirrored outside, its black rim does not give the warp away.
MINI: dict[str, Any] = {
    "image_size": 32,
    "steps": 600,
    "batch_size": 8,
    "learning_rate": 3e-3,
    "weight_decay": 0.0,
    "schedule": "cosine",
    "channels": 16,
    "decoder_channels": 32,
    "least_channels": 16,
    "normalisation": "group",
    "initial_deviation": 0.0,
    "sigma": 0.15,
    "sharpness": 4.0,
    "features": "mini_vae",
    "target_warp": {"rotation_degrees": 8.0, "scale": 0.1, "translation": 0.15, "bend": (0.001, 0.005)},
    "source_warp": {"rotation_degrees": 8.0, "scale": 0.1, "translation": 0.15, "bend": (0.001, 0.01)},
    "outside": "mirrored",
}


class WarpConfig(BaseModel):
    """Standard deviations of a random warp: its affine part, and the two of its spline's coefficients.

    ``translation`` is a share of half the image. Without ``bend`` the warp is affine.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    rotation_degrees: NonNegativeFloat = 0.0
    scale: NonNegativeFloat = 0.0
    translation: NonNegativeFloat = 0.0
    bend: tuple[NonNegativeFloat, NonNegativeFloat] = (0.0, 0.0)


class IMMConfig(TrainedConfig):
    """Settings of IMM (Jakab et al., NeurIPS 2018). The defaults, preset ``paper``, are those it was published with.

    What the text leaves out (the warps, the border mask, the averages' decay), and optimiser and batch, are the
    released code's, as is a softmax along each axis, ``softmax='marginal'``, where the text has one over the
    ``'plane'``. That code trains until it is stopped: 100,000 steps are ours. Its weight decay is a part of the loss,
    here it is decoupled from Adam's averages; it clips the gradient of each tensor to ``clip_gradient``, here that of
    all parameters together is clipped. Its Gaussians are exp(-d^2 / sigma^2), here they have the usual 2 in the
    denominator: ``sigma=0.0707`` gives the code's. Its coordinates run from the centre of the first pixel to that of
    the last, here from border to border. The network of its loss was trained to colourise grey images and is not to
    be had as safetensors; ``features`` are ImageNet's. Other differences from that code:

    - the decoder doubles its maps bilinearly about pixel centres, there without the half pixel (TensorFlow 1);
    - a convolution of stride 2 is padded by a pixel on either side, there at the right and below only ("SAME");
    - images that are encoded and drawn have values in [0, 1], there in [0, 255];
    - every warp is drawn anew, there it comes from a cache of 1,000;
    - the learning rate stays, there it falls to 0.95 of itself every 100,000 steps, which this preset does not reach.

    Networks: ``channels`` of an encoder's first block, ``decoder_channels`` of the decoder's first and
    ``least_channels`` of its last; ``normalisation`` over a batch, or over groups of channels of one image;
    ``initial_deviation`` of the truncated Gaussian of the first weights, 0 for PyTorch's own; ``map_size`` the side of
    heatmaps; ``sigma`` of the Gaussians, half of the image being 1; ``sharpness`` multiplies heatmaps before their
    softmax.

    Loss: ``features`` are ``vgg16``, ``vgg19``, ``mini_vae`` (the encoder of the small model's autoencoder),
    ``pixels``, or ``auto``: VGG-16 where its weights are at hand, else ``mini_vae``; the config keeps what came of it.
    ``features_weights`` is a file (safetensors, or a state dict as torchvision has it) or a hub id. ``features_layers``
    None are the paper's. ``average_decay`` is that of the moving averages by which layers are weighed.

    Pairs: the image warped by ``target_warp`` is the target, and the target warped by ``source_warp`` the source.
    What comes into view from ``outside`` is black, or the image mirrored. ``control_points`` a side has the spline;
    ``mask_margin`` and ``mask_step`` are shares of the side.
    """

    of_label: ClassVar[frozenset[str]] = frozenset({"features"})
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"paper": {}, "mini": MINI}

    image_size: PositiveInt = 128
    steps: int = Field(default=100_000, ge=0)
    batch_size: PositiveInt = 50
    learning_rate: PositiveFloat = 1e-3
    weight_decay: NonNegativeFloat = 1e-5
    clip_gradient: NonNegativeFloat = 1.0

    channels: PositiveInt = 32
    decoder_channels: PositiveInt = 256
    least_channels: PositiveInt = 32
    normalisation: Literal["batch", "group"] = "batch"
    initial_deviation: NonNegativeFloat = 0.01
    map_size: PositiveInt = 16
    sigma: PositiveFloat = 0.1
    sharpness: PositiveFloat = 1.0
    softmax: Literal["marginal", "plane"] = "marginal"

    features: Choice = "auto"
    features_weights: str | None = None
    features_layers: tuple[str, ...] | None = None
    distance: Literal["l1", "l2"] = "l2"
    average_decay: float = Field(default=0.99, ge=0, lt=1)
    reconstruction_weight: PositiveFloat = 1000.0

    target_warp: WarpConfig = WarpConfig(translation=0.1, bend=(0.001, 0.005))
    source_warp: WarpConfig = WarpConfig(rotation_degrees=5.0, scale=0.1, translation=0.1, bend=(0.001, 0.01))
    outside: Literal["black", "mirrored"] = "black"
    control_points: int = Field(default=10, ge=2)
    mask_margin: float = Field(default=10 / 128, ge=0, lt=0.5)
    mask_step: float = Field(default=20 / 128, ge=0, lt=0.5)

    @classmethod
    def settle(cls, settings: dict[str, Any]) -> dict[str, Any]:
        """Put the features that are at hand in place of 'auto', so that every record says which they were."""
        if settings.get("features", "auto") == "auto":
            settings["features"] = at_hand("auto", settings.get("features_weights"))
        return settings

    @model_validator(mode="after")
    def _check_together(self) -> IMMConfig:
        halvings, rest = divmod(self.image_size, self.map_size)
        if rest or halvings & (halvings - 1):
            raise ValueError(f"image_size is {self.image_size}, expected map_size ({self.map_size}) times a power of 2")
        if self.features_weights is not None and self.features not in ("vgg16", "vgg19"):
            raise ValueError(f"features_weights are those of vgg16 or vgg19, got features={self.features}")
        if self.mask_margin + self.mask_step > 0.5:
            raise ValueError(f"mask_margin + mask_step is {self.mask_margin + self.mask_step}, expected at most 0.5")
        return self
