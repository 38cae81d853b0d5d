"""The settings of IMM, and their two presets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from methods.training.base import TrainedConfig
from methods.training.perceptual import Choice, at_hand, check_weights
from methods.training.warp_config import WarpConfig

# For less than a minute on one CPU core: small images and networks, and settings with which points begin to move within
# a few hundred steps. Wider Gaussians and larger warps give larger gradients, sharper heatmaps spread the points from
# the start, and an image mirrored beyond its border has no black rim that reveals the warp.
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


class IMMConfig(TrainedConfig):
    """Settings of IMM (Jakab et al., NeurIPS 2018).

    Preset ``paper`` has the settings of the released code; ``mini`` is for less than a minute on one CPU core. This
    implementation differs from the released code in the following points:

    - -1 and 1 are the borders of the image; in the released code, the centres of its first and last pixel. The
      protocols ``autolink/*``, which regress about the corner, depend on that.
    - VGG in the loss was trained on ImageNet; the network of the released code was trained to colourise grey images,
      and its weights do not exist as safetensors.
    - The decoder upsamples bilinearly with half-pixel centres; the released code without (TensorFlow 1).
    - Convolutions of stride 2 pad one pixel on every side; the released code at the right and bottom only ("SAME").
    - Encoded and rendered images have values in [0, 1]; in the released code in [0, 255].
    - Each warp is sampled anew; the released code samples from a cache of 1,000 warps.
    - The learning rate is constant; the released code multiplies it by 0.95 every 100,000 steps, which are all the
      steps of ``paper``.
    """

    of_label: ClassVar[frozenset[str]] = frozenset({"features"})
    of_frozen: ClassVar[str] = "features"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"paper": {}, "mini": MINI}

    image_size: PositiveInt = Field(
        default=128, description="Side of the square images, in pixels (released code: 128)."
    )
    steps: int = Field(
        default=100_000,
        ge=0,
        description="Optimisation steps (chosen here: the released code trains until it is stopped).",
    )
    batch_size: PositiveInt = Field(default=50, description="Images in a step (released code: 50).")
    learning_rate: PositiveFloat = Field(
        default=1e-3, description="Largest learning rate of AdamW (released code: Adam at 0.001)."
    )
    weight_decay: NonNegativeFloat = Field(
        default=1e-5,
        description="Decoupled weight decay of AdamW (released code: 0.00001, as a term of the loss).",
    )
    clip_gradient: NonNegativeFloat = Field(
        default=1.0,
        description="Largest norm of the gradient over all parameters together; 0 clips nothing (released code: 1 for "
        "each tensor alone).",
    )

    channels: PositiveInt = Field(
        default=32, description="Channels of the first block of both encoders (released code: 32)."
    )
    decoder_channels: PositiveInt = Field(
        default=256, description="Channels of the decoder's first block (released code: 256)."
    )
    least_channels: PositiveInt = Field(
        default=32, description="Fewest channels of a block of the decoder (released code: 32)."
    )
    normalisation: Literal["batch", "group"] = Field(
        default="batch",
        description="Normalisation over the batch (released code), or over groups of channels of one image.",
    )
    initial_deviation: NonNegativeFloat = Field(
        default=0.01,
        description="Standard deviation of the truncated Gaussian of the initial weights (released code: 0.01); 0 is "
        "PyTorch's own initialisation.",
    )
    map_size: PositiveInt = Field(default=16, description="Side of the heatmaps, in cells (released code: 16).")
    sigma: PositiveFloat = Field(
        default=0.1,
        description="Standard deviation of the rendered Gaussians, in halves of the image (released code: "
        "exp(-d^2 / 0.1^2), which sigma 0.0707 gives here).",
    )
    sharpness: PositiveFloat = Field(
        default=1.0, description="Factor of the heatmaps before their softmax (chosen here; released code: 1)."
    )
    softmax: Literal["marginal", "plane"] = Field(
        default="marginal",
        description="Softmax along each axis of the averaged heatmap (released code) or over the plane (paper, "
        "section 3.1).",
    )

    features: Choice = Field(
        default="auto",
        description="Features in which images are compared: vgg16, vgg19, mini_vae (encoder of the small model's "
        "autoencoder) or pixels; auto takes vgg16 where its weights are found, else mini_vae, else pixels.",
    )
    features_weights: str | None = Field(
        default=None,
        description="File (safetensors, or a state dict named as torchvision's) or Hugging Face hub id of the weights "
        "of vgg16 or vgg19; none is timm's (chosen here).",
    )
    features_layers: tuple[str, ...] | None = Field(
        default=None, description="Layers to compare, by name; none is those of the paper."
    )
    distance: Literal["l1", "l2"] = Field(
        default="l2", description="Absolute (l1) or squared (l2) difference of features (released code: l2)."
    )
    average_decay: float = Field(
        default=0.99,
        ge=0,
        lt=1,
        description="Decay of the moving averages by which the distances of layers are divided (released code: 0.99).",
    )
    reconstruction_weight: PositiveFloat = Field(
        default=1000.0, description="Factor of the loss (released code: 1000)."
    )

    target_warp: WarpConfig = Field(
        default=WarpConfig(translation=0.1, bend=(0.001, 0.005)),
        description="Random warp of the image that gives the target, as a JSON object (released code).",
    )
    source_warp: WarpConfig = Field(
        default=WarpConfig(rotation_degrees=5.0, scale=0.1, translation=0.1, bend=(0.001, 0.01)),
        description="Random warp of the target that gives the source, as a JSON object (released code).",
    )
    outside: Literal["black", "mirrored"] = Field(
        default="black",
        description="What a warp shows from beyond the border: black (released code), or the image mirrored.",
    )
    control_points: int = Field(
        default=10, ge=2, description="Control points of the spline along each side (released code: 10)."
    )
    mask_margin: float = Field(
        default=10 / 128,
        ge=0,
        lt=0.5,
        description="Width of the border that does not count in the loss, as a share of the side (released code: 10 "
        "of 128 pixels).",
    )
    mask_step: float = Field(
        default=20 / 128,
        ge=0,
        lt=0.5,
        description="Width, as a share of the side, over which the weight of pixels rises from 0 to 1 (released code: "
        "20 of 128 pixels).",
    )

    @classmethod
    def resolve(cls, settings: dict[str, Any]) -> dict[str, Any]:
        """Replace the features 'auto' by those available, so that every record names them."""
        return {**settings, "features": at_hand(settings.get("features", "auto"), settings.get("features_weights"))}

    @model_validator(mode="after")
    def _check_together(self) -> IMMConfig:
        halvings, rest = divmod(self.image_size, self.map_size)
        if rest or halvings & (halvings - 1):
            raise ValueError(f"image_size is {self.image_size}, expected map_size ({self.map_size}) times a power of 2")
        check_weights(self.features, self.features_weights)
        if self.mask_margin + self.mask_step > 0.5:
            raise ValueError(f"mask_margin + mask_step is {self.mask_margin + self.mask_step}, expected at most 0.5")
        return self
