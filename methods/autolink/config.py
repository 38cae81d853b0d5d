"""The settings of AutoLink, and their two presets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from methods.training.base import TrainedConfig
from methods.training.perceptual import Choice, at_hand, check_weights

PAINTER = 16  # the painter halves its image four times

# Small images and networks for the mini profile, and changes that make a few hundred steps enough: edges visible from
# the start, mask blocks too large to be filled in without the edges, and keypoints kept near fixed places (``reach``).
MINI: dict[str, Any] = {
    "image_size": 64,
    "painted_size": 32,
    "steps": 300,
    "batch_size": 8,
    "learning_rate": 3e-3,
    "schedule": "cosine",
    "warmup": 10,
    "width": 8,
    "levels": 3,
    "thickness": 0.01,
    "edge_rate": 16.0,
    "edge_start": -2.0,
    "detector_rate": 0.1,
    "masked": 0.8,
    "mask_blocks": 8,
    "reach": 0.2,
    "flip": False,
    "recolour": True,
    "features": "pixels",
    "features_size": 0,
}


class EdgeConfig(TrainedConfig):
    """Settings of a method that restores a masked image from a drawing of edges between its keypoints."""

    of_label: ClassVar[frozenset[str]] = frozenset({"features"})
    of_frozen: ClassVar[str] = "features"

    image_size: PositiveInt = Field(
        default=128, description="Side of the square images, in pixels (released code: 128)."
    )
    steps: int = Field(default=20_001, ge=0, description="Optimisation steps (released code: 20,001).")
    batch_size: PositiveInt = Field(default=64, description="Images in a step (released code: 64).")
    learning_rate: PositiveFloat = Field(
        default=1e-4,
        description="Learning rate of AdamW, multiplied by detector_rate for the detector and edge_rate for the edges "
        "(released code: 0.0001).",
    )
    weight_decay: NonNegativeFloat = Field(
        default=1e-3, description="Decoupled weight decay of AdamW (released code: 0.001)."
    )

    width: PositiveInt = Field(
        default=64,
        description="Channels of the first layers of detector and painter; deeper layers have multiples of it "
        "(released code: 64).",
    )
    levels: int = Field(
        default=4, ge=2, description="Number of times that the detector halves the image (released code: 4)."
    )
    painted_size: int = Field(
        default=0,
        ge=0,
        description="Side in pixels, a multiple of 16, of the image that the painter restores; 0 is image_size "
        "(released code).",
    )
    reach: NonNegativeFloat = Field(
        default=0.0,
        description="Standard deviation, in halves of the image, of a Gaussian that keeps each keypoint near a place "
        "of its own; 0 leaves it out (chosen here, not in the paper).",
    )
    thickness: PositiveFloat = Field(
        default=1e-3,
        description="Thickness of edges: at distance d, in halves of the image, an edge has exp(-d^2 / thickness) of "
        "its weight (released code: 0.001; tuned to the dataset in the paper's dagger rows, whose checkpoints have "
        "0.0025 for CelebA in the wild with K = 8, 0.00075 with K = 32 and 0.05 for CUB with K = 4).",
    )
    edge_rate: PositiveFloat = Field(
        default=512.0, description="Factor of the learning rate for the weights of edges (released code: 512)."
    )
    detector_rate: PositiveFloat = Field(
        default=1.0, description="Factor of the learning rate for the detector (chosen here, not in the paper)."
    )
    edge_start: float = Field(
        default=-4.0, description="Weights of edges start near softplus of this number (released code: -4)."
    )
    masked: float = Field(
        default=0.8,
        ge=0,
        lt=1,
        description="Share of the blocks that are hidden from the painter (released code: 0.8).",
    )
    mask_blocks: PositiveInt = Field(
        default=16, description="Number of blocks of the mask along each side (released code: 16)."
    )
    flip: bool = Field(
        default=True,
        description="Whether half of the images are mirrored (released code: yes for CelebA in the wild, Tai-Chi and "
        "Human3.6M with background; no for DeepFashion, CUB and Human3.6M without background: set it to false there).",
    )
    recolour: bool = Field(
        default=False,
        description="Whether the detector sees images with channels permuted and negated at random, so that keypoints "
        "cannot encode colours (chosen here, not in the paper).",
    )

    features: Choice = Field(
        default="auto",
        description="Features in which the painted and the true image are compared, by mean absolute error summed "
        "over layers: vgg16 (paper), vgg19, mini_vae or pixels; auto takes vgg16 where its weights are found, else "
        "mini_vae, else pixels.",
    )
    features_weights: str | None = Field(
        default=None,
        description="File or Hugging Face hub id of the weights of vgg16 or vgg19; none is timm's (chosen here).",
    )
    features_layers: tuple[str, ...] | None = Field(
        default=None, description="Layers to compare, by name; none is those of the released code."
    )
    features_size: int = Field(
        default=224,
        ge=0,
        description="Side in pixels to which images are resized for their features; 0 leaves their size (released "
        "code: 224).",
    )

    @classmethod
    def resolve(cls, settings: dict[str, Any]) -> dict[str, Any]:
        """Replace the features 'auto' by those available, so that every record names them."""
        return {**settings, "features": at_hand(settings.get("features", "auto"), settings.get("features_weights"))}

    @model_validator(mode="after")
    def _check_together(self) -> EdgeConfig:
        """Raise ValueError for weights of other features, and unless the networks can halve their images evenly."""
        check_weights(self.features, self.features_weights)
        sizes = {"image_size": (self.image_size, 2**self.levels), "painted_size": (self.painted_size, PAINTER)}
        if not self.painted_size:
            sizes["image_size"] = (self.image_size, max(2**self.levels, PAINTER))
        for name, (size, multiple) in sizes.items():
            if size % multiple:
                raise ValueError(f"{name} is {size}, expected a multiple of {multiple}: networks halve it evenly")
        return self


class AutoLinkConfig(EdgeConfig):
    """Settings of AutoLink (He, Wandt and Rhodin, NeurIPS 2022).

    Preset ``paper`` has what the released code trains with, in float32 where that code uses half precision. ``mini``
    is for less than a minute on one CPU core: small images and networks, and three settings that short fits need and
    the paper does not have (``reach``, ``recolour``, ``detector_rate``). In its few hundred steps the painter learns to
    restore images, but the keypoints depend more on ``reach`` than on training, as a run with ``steps=0`` shows.

    A keypoint is the detector's output / 2 + 0.5, as in the released evaluation. -1 and 1 are the centres of the outer
    cells of its maps, which have 32 cells a side at 128 pixels; so a keypoint at the border is off by half a cell, 1/64
    of the side. The protocols ``autolink/*`` depend on that, and the backward errors of ``sanchez``; other regressions
    are about the centre or have a bias, which corrects it.
    """

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"paper": {}, "mini": MINI}

    weights: str | None = Field(
        default=None,
        description="Checkpoint of the released code (model.ckpt), whose detector is used without any training.",
    )
