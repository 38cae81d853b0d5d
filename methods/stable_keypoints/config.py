"""The settings of Stable Keypoints, and their three presets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from methods.base import MethodConfig

Fraction = tuple[float, float]

# The paper, section 4.1: "except for the human pose datasets, for which we optimize 500 iterations".
HUMAN_POSES = frozenset({"taichi", "deepfashion", "human36m", "human36m_unaligned"})
HUMAN_POSE_STEPS = 500

# The defaults of the released code, where they differ from the text.
OFFICIAL: dict[str, Any] = {
    "steps": 500,
    "batch_size": 4,
    "loss_reduction": "mean",
    "sharpening_weight": 100.0,
    "equivariance_weight": 1000.0,
    "loss_on": "kept",
    "ranking": "official",
    "scale_of": "window",
    "scale_range": (0.8, 1.0),
    "translation": 0.125,
    "selection_images": 100,
}

# The released code's settings, except for those that scale with the model's size, and without test-time ensembling.
# Errors with 0, 2, 4 and 10 views, means over three seeds: cub_all 4.97, 6.30, 5.74 and 5.35 % of the side;
# celeba_wild_k8 24.3, 29.8 and 28.0 % IOD; taichi 173.5, 233.4 and 207.0 px (the last two without 10 views).
MINI: dict[str, Any] = {
    **OFFICIAL,
    "model": "mini",
    "num_tokens": 48,
    "map_size": 64,
    "sigma": 4.0,
    "kappa": 0,
    "timestep": 150,
    "learning_rate": 0.03,
    "steps": 60,
    "selection_images": 50,
    "test_augmentations": 0,
}


class StableKeypointsConfig(MethodConfig):
    """Settings of Stable Keypoints (Hedlin et al., CVPR 2024). A ``preset`` fills in every setting that is not given.

    ``paper`` follows the text, and where the text is silent the code at the time of the paper. ``official`` follows the
    released code. ``mini`` is for the small model of this repository, and the default wherever ``model`` is ``mini``.
    Of tokens that are chosen in equally many images the one with the lower id comes first; the released code sorts them
    in an order that differs between machines.
    """

    of_predict: ClassVar[frozenset[str]] = frozenset({"test_augmentations", "output_size"})
    of_frozen: ClassVar[str] = "model"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"paper": {}, "official": OFFICIAL, "mini": MINI}

    preset: Literal["paper", "official", "mini"] = Field(
        default="paper",
        description="Source of the other defaults: the paper's text, the released code, or the small mini model.",
    )

    model: str = Field(
        default="stable-diffusion-v1-5/stable-diffusion-v1-5",
        description="Diffusion model: a folder in diffusers' layout, a Hugging Face hub id, or mini for the small "
        "model of this repository (paper, section 3.3: Stable Diffusion 1.5).",
    )
    revision: str | None = Field(
        default=None,
        description="Branch, tag or commit of a hub id; none takes the hub's default (chosen here).",
    )
    image_size: int = Field(
        default=0,
        ge=0,
        description="Side in pixels of the square images that the model sees; 0 is the side that the model was made "
        "for (released code: 512, which is that of Stable Diffusion 1.5).",
    )
    timestep: int = Field(
        default=0,
        ge=0,
        description="Training timestep, counted from 0, that sets how much noise the latent gets (released code: 0; "
        "paper, section 3.1: the last of 50 denoising steps).",
    )
    noise: bool = Field(default=True, description="Whether noise is added to the latent at all (released code: yes).")
    layers: tuple[str, ...] | None = Field(
        default=None,
        description="Cross-attention modules to read, by name, such as up_blocks.1.attentions.0.transformer_blocks.0."
        "attn2; none chooses them by max_layers and max_layer_side.",
    )
    max_layers: PositiveInt = Field(
        default=4,
        description="Number of cross-attention layers to average: the first of the up path with maps of at most "
        "max_layer_side (released code; in Stable Diffusion 1.5 layers 7 to 10, Eq. 3).",
    )
    max_layer_side: PositiveInt = Field(
        default=32, description="Largest side, in cells, of the maps of a layer that is read (released code: 32)."
    )
    keep_null_tokens: bool = Field(
        default=False,
        description="Whether the frozen tokens of the empty caption stay beside the learned ones; they have no maps "
        "(chosen here; released code: no).",
    )
    dtype: Literal["float64", "float32", "bfloat16", "float16"] = Field(
        default="float32",
        description="Number type of weights and features; maps and losses are at least float32 (released code: "
        "float32). On the small model bfloat16 moves 3 % of keypoints by more than 1/128 of the image, float16 none.",
    )
    latent_cache: int = Field(
        default=2048,
        ge=0,
        description="Largest number of untransformed fit images whose latents are kept in memory (chosen here).",
    )
    memory: Literal["auto", "low"] = Field(
        default="auto",
        description="low saves memory: it recomputes the UNet's blocks in the backward pass and takes one image of a "
        "batch at a time (chosen here).",
    )
    compile: bool = Field(
        default=False,
        description="Whether the UNet's and the encoder's blocks are compiled, which pays off in long fits on a GPU "
        "(chosen here).",
    )

    num_tokens: PositiveInt = Field(
        default=500, description="Number N of tokens that are optimised, or K if that is more (released code: 500)."
    )
    token_scale: PositiveFloat = Field(
        default=1.0, description="Standard deviation of the random tokens at the start (released code: 1)."
    )
    learning_rate: PositiveFloat = Field(default=5e-3, description="Learning rate of Adam (released code: 0.005).")
    adam_betas: Fraction = Field(
        default=(0.9, 0.999), description="Decay rates of Adam's two running averages (released code)."
    )
    adam_epsilon: PositiveFloat = Field(
        default=1e-8, description="Number added to the denominator of Adam's step (released code)."
    )
    steps: int = Field(
        default=10_000,
        ge=0,
        description="Optimisation steps (paper, section 4.1: 10,000, but 500 for a fit on Tai-Chi, DeepFashion or "
        "Human3.6M that sets no steps; released code: 500); 0 keeps the random tokens.",
    )
    batch_size: PositiveInt = Field(
        default=1, description="Images in a step (the code at the time of the paper: 1; released code: 4)."
    )

    map_size: PositiveInt = Field(
        default=128, description="Side R in pixels of the attention maps (paper, section 3.3: 128)."
    )
    upsample_queries: bool = Field(
        default=True,
        description="Whether queries are upsampled to map_size before the softmax (paper, section 3.3); false "
        "upsamples the maps after it, as in a row of Table 4.",
    )
    sigma: PositiveFloat = Field(
        default=2.0,
        description="Standard deviation of the target Gaussian, in pixels of the map (Eq. 8; released code: 2).",
    )
    kappa: int = Field(
        default=25,
        ge=0,
        description="Number of most local tokens that remain candidates in each image (Eq. 9; paper, section 3.2: 25); "
        "0 stands for K + 6 (chosen here).",
    )
    ranking: Literal["paper", "official"] = Field(
        default="paper",
        description="Measure of locality: paper is the KL divergence of Gaussian and map, both normalised to sum 1 "
        "(Eq. 9); official first applies a second softmax, over its pixels, to the map (released code).",
    )
    loss_on: Literal["candidates", "kept"] = Field(
        default="candidates",
        description="Tokens in the losses: candidates is all kappa of them (Eq. 9), kept is the K that furthest point "
        "sampling keeps (released code).",
    )
    fps_in_loss_on: Literal["transformed", "original"] = Field(
        default="transformed",
        description="View in which furthest point sampling compares the maxima of maps, if loss_on is kept (released "
        "code: transformed).",
    )
    loss_reduction: Literal["sum", "mean"] = Field(
        default="sum",
        description="Whether squared differences are summed over the pixels of a map (Eq. 5 and 6) or averaged "
        "(released code).",
    )
    sharpening_weight: float = Field(
        default=1.0, ge=0, description="Weight of the localisation loss (Eq. 4: 1; released code: 100)."
    )
    equivariance_weight: float = Field(
        default=10.0, ge=0, description="Weight of the equivariance loss (Eq. 4: 10; released code: 1000)."
    )
    equivariance: bool = Field(
        default=True,
        description="Whether a step also takes a transformed view of each image and the equivariance loss (Eq. 5); "
        "false is a row of Table 4.",
    )
    furthest_point_sampling: bool = Field(
        default=True,
        description="Whether furthest point sampling keeps K of the kappa candidates (Eq. 10); false sets kappa to K, "
        "as in a row of Table 4.",
    )

    rotation_degrees: float = Field(
        default=15.0,
        ge=0,
        description="Largest rotation of a transformed view, in degrees either way (paper, section 3.2: 15).",
    )
    scale_of: Literal["image", "window"] = Field(
        default="image",
        description="Meaning of scale_range: size of the rendered image (paper, section 3.2), or side of the window "
        "that the view shows (released code).",
    )
    scale_range: Fraction = Field(
        default=(1.0, 1.2),
        description="Bounds of the scale of a transformed view, sampled uniformly, as a share of the image's side "
        "(paper, section 3.2: 1 to 1.2 of the image; released code: 0.8 to 1 of the window).",
    )
    translation: float = Field(
        default=0.25,
        ge=0,
        description="Largest shift of a transformed view along either axis, as a share of the image's width (paper, "
        "section 3.2: 0.25; released code: 0.125).",
    )

    selection_images: int = Field(
        default=0,
        ge=0,
        description="Number of fit images on which the K tokens are chosen, with repetition if there are fewer; 0 "
        "takes each image once "
        "(paper, section 3.2; released code: 100).",
    )
    test_augmentations: int = Field(
        default=10,
        ge=0,
        description="Number of transformed views averaged in prediction (Eq. 11; released code: 10); 0 reads the "
        "image itself.",
    )
    output_size: int = Field(
        default=0,
        ge=0,
        description="Side in pixels at which maps are warped back and their maximum is read; 0 is the image's side "
        "(released code).",
    )
    predict_batch: PositiveInt = Field(
        default=10,
        description="Views in one pass without gradient; the views of one image always stay together (chosen here).",
    )

    tokens: str | None = Field(
        default=None,
        description="Folder of learned tokens to use without optimisation: embedding.pt and indices.pt of the released "
        "code, or a fit under runs/fits.",
    )
    checkpoint_every: int = Field(
        default=100,
        ge=0,
        exclude=True,
        description="Steps, and then batches of selection images, between two checkpoints of a fit; 0 keeps none "
        "(chosen here).",
    )

    @model_validator(mode="after")
    def _check_ranges(self) -> StableKeypointsConfig:
        low, high = self.scale_range
        if not 0 < low <= high:
            raise ValueError(f"scale_range is ({low}, {high}), expected 0 < low <= high")
        return self
