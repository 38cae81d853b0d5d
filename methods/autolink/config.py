"""Every setting of AutoLink, and its two presets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from methods.training.base import TrainedConfig
from methods.training.perceptual import Choice, at_hand

PAINTER = 16  # the painter halves its image four times

# Small images and networks for the mini profile, and what a few hundred steps need: edges that are seen from the start,
# blocks so large that what they hide cannot be guessed, and a detector that is led rather than left alone (see below).
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


class AutoLinkConfig(TrainedConfig):
    """Settings of AutoLink (He, Wandt and Rhodin, NeurIPS 2022).

    The ``paper`` preset has the defaults below: what the released code trains with (20,001 steps of 64 images of 128
    pixels, 80 % of their 16 x 16 blocks masked, Adam at 1e-4 with a weight decay of 1e-3, edges at 512 times that
    rate), in float32 where the code uses half precision.

    ``thickness`` is that of the edges: a pixel at distance d has exp(-d^2 / ``thickness``) of an edge's weight, with
    the image reaching from -1 to 1. It is the one setting that the paper tunes to the dataset (its dagger variant).
    The default is the released code's; its checkpoints were made with 0.0025 (CelebA in the wild, K = 8), 0.00075
    (the same, K = 32) and 0.05 (CUB, K = 4). ``edge_rate`` multiplies the learning rate of the edges' weights, which
    begin near softplus(``edge_start``). ``masked`` is the share of ``mask_blocks`` x ``mask_blocks`` blocks that the
    painter does not see. ``flip`` mirrors half of the images, as the released code does for CelebA in the wild,
    Tai-Chi and Human3.6M with its background, and not for DeepFashion, CUB or Human3.6M without: there set it to False.
    ``width`` is the number of channels of the first layers, which the deeper ones have multiples of; the detector
    halves the image ``levels`` times, and the painter paints at ``painted_size``, 0 for the image's.

    Three settings are not of the paper, whose 20,000 steps do without; they serve short fits. ``reach`` above 0 ties
    each keypoint to a place of its own, from which it is rarely further than twice this (in halves of the image), so
    that keypoints need not learn to be apart. ``recolour`` shows the detector images whose channels are permuted and
    negated at random, so that places cannot stand for colours. ``detector_rate`` multiplies its learning rate.

    ``features`` are what the painted image and the true one are compared in (mean absolute error, summed over
    layers): ``vgg16`` (the paper's), ``vgg19``, ``mini_vae`` or ``pixels``; ``auto`` takes vgg16 where its weights are
    at hand, else what is, and the record says which. ``features_weights`` is a file or hub id, ``features_layers``
    names other layers than the paper's, and images are resized to ``features_size`` first unless it is 0.

    Keypoints are the detector's numbers halved and moved by 0.5, as the released evaluation has them. -1 and 1 are the
    centres of the outer cells of its maps (32 a side at 128 pixels), so that a keypoint as drawn lies up to half a cell
    (1/64 of the side) off at the border. Errors of regressions about the centre or with a bias do not depend on it.

    ``weights`` is a checkpoint of the released code (``model.ckpt``): its detector is taken and nothing is learned.

    ``mini`` is the preset of the mini profile, for less than a minute on one CPU core: small images and networks, and
    all three of those settings. It shows the machinery: in a few hundred steps the painter learns to paint, while
    where keypoints are owes more to ``reach`` than to what is painted (``steps=0`` shows how much).
    """

    of_label: ClassVar[frozenset[str]] = frozenset({"features"})
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"paper": {}, "mini": MINI}

    image_size: PositiveInt = 128
    steps: int = Field(default=20_001, ge=0)
    batch_size: PositiveInt = 64
    learning_rate: PositiveFloat = 1e-4
    weight_decay: NonNegativeFloat = 1e-3

    width: PositiveInt = 64
    levels: int = Field(default=4, ge=2)
    painted_size: int = Field(default=0, ge=0)
    reach: NonNegativeFloat = 0.0
    thickness: PositiveFloat = 1e-3
    edge_rate: PositiveFloat = 512.0
    detector_rate: PositiveFloat = 1.0
    edge_start: float = -4.0
    masked: float = Field(default=0.8, ge=0, lt=1)
    mask_blocks: PositiveInt = 16
    flip: bool = True
    recolour: bool = False

    features: Choice = "auto"
    features_weights: str | None = None
    features_layers: tuple[str, ...] | None = None
    features_size: int = Field(default=224, ge=0)

    weights: str | None = None

    @classmethod
    def settle(cls, settings: dict[str, Any]) -> dict[str, Any]:
        """Put the features that are at hand in place of 'auto', so that every record says which they were."""
        if settings.get("features", "auto") == "auto":
            settings["features"] = at_hand("auto", settings.get("features_weights"))
        return settings

    @model_validator(mode="after")
    def _check_sizes(self) -> AutoLinkConfig:
        """The networks halve their images, evenly each time."""
        sizes = {"image_size": (self.image_size, 2**self.levels), "painted_size": (self.painted_size, PAINTER)}
        if not self.painted_size:
            sizes["image_size"] = (self.image_size, max(2**self.levels, PAINTER))
        for name, (size, multiple) in sizes.items():
            if size % multiple:
                raise ValueError(f"{name} is {size}, expected a multiple of {multiple}: networks halve it evenly")
        return self
