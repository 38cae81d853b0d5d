"""The random tokens that Stable Keypoints starts from, as a baseline of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from methods.base import MethodCard, MethodConfig
from methods.stable_keypoints.method import StableKeypoints


class RandomTokens(StableKeypoints):
    """Stable Keypoints without optimisation: how good the diffusion model is with random tokens.

    Every setting of Stable Keypoints applies except ``steps`` and ``tokens``, which are always 0 and None.
    """

    card: ClassVar[MethodCard] = StableKeypoints.card.model_copy(
        update={
            "id": "random_tokens",
            "name": "Random tokens",
            "summary": "Stable Keypoints without optimisation",
            "trained_on": "the fit images choose among random tokens; the diffusion model saw captioned images",
            "is_floor": True,
        }
    )
    floor: ClassVar[str | None] = None

    def __init__(self, config: MethodConfig | None = None, device: str = "cpu") -> None:
        super().__init__((config or self.Config()).model_copy(update={"steps": 0, "tokens": None}), device)

    @classmethod
    def config_for(cls, profile: str, settings: Mapping[str, Any]) -> MethodConfig:
        """The config of Stable Keypoints under a profile, with no steps and no tokens."""
        return super().config_for(profile, {**settings, "steps": 0, "tokens": None})
