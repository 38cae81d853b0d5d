"""The settings of Pose Prior Learner, and their two presets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from methods.autolink.config import MINI, EdgeConfig

# AutoLink's small networks and short fit, with a small memory.
SMALL: dict[str, Any] = {**MINI, "tokens": 8, "entries": 8, "token_width": 32, "encoder_layers": 1}


class PPLConfig(EdgeConfig):
    """Settings of Pose Prior Learner (Wang, Han and Zhang, ICLR 2026).

    This is a reading: losses, networks and numbers of the preset ``paper`` are facts of the released code, because of
    the paper only the abstract was at hand. Where the code leaves something out, a setting says 'chosen here'. ``mini``
    has AutoLink's small settings, among them ``reach``, which neither paper has.
    """

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"paper": {}, "mini": SMALL}

    steps: int = Field(default=20_000, ge=0, description="Optimisation steps (released code: 20,000).")
    learning_rate: PositiveFloat = Field(
        default=1e-3,
        description="Learning rate of Adam, multiplied by detector_rate for the detector and edge_rate for the edges "
        "(released code: 0.001).",
    )
    weight_decay: NonNegativeFloat = Field(
        default=0.0, description="Decoupled weight decay of Adam (released code: none)."
    )
    thickness: PositiveFloat = Field(
        default=1e-3,
        description="Thickness of edges: at distance d, in halves of the image, an edge has exp(-d^2 / thickness) of "
        "its weight (released code: 0.001 by default, 0.00005 in its script for Human3.6M).",
    )
    flip: bool = Field(
        default=True, description="Whether half of the images are mirrored (released code: yes, but not for CUB)."
    )

    tokens: PositiveInt = Field(
        default=34, description="Tokens of the memory, each of which encodes a part of a pose (released code: 34)."
    )
    entries: PositiveInt = Field(
        default=16, description="Entries that the memory has for each token (released code: 16)."
    )
    token_width: PositiveInt = Field(
        default=512, description="Numbers in a token and in the hidden layers of the encoder (released code: 512)."
    )
    encoder_layers: PositiveInt = Field(
        default=4, description="Mixer layers of the memory's encoder; its decoder has one (released code: 4)."
    )
    memory_decay: float = Field(
        default=0.9,
        ge=0,
        lt=1,
        description="Share of the old in the moving averages whose quotients are the entries (released code: 0.9).",
    )
    boundary_weight: NonNegativeFloat = Field(
        default=1.0, description="Weight of the loss of keypoints outside the image (released code: 1)."
    )
    memory_weight: NonNegativeFloat = Field(
        default=100.0,
        description="Weight of the squared error of poses that the memory returns (released code: 100).",
    )
    commitment_weight: NonNegativeFloat = Field(
        default=1.0, description="Weight of the squared distance of tokens to their entries (released code: 1)."
    )
