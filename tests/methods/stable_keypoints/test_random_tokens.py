"""Random tokens: the settings of Stable Keypoints, but no optimisation."""

from __future__ import annotations

from pathlib import Path

import pytest

from methods.base import MethodError
from methods.stable_keypoints import StableKeypointsConfig
from methods.stable_keypoints.random_tokens import RandomTokens
from tests.methods.tiny_pipeline import ArrayImages, blobs


def test_random_tokens_take_every_setting_but_steps() -> None:
    config = RandomTokens.config_for("mini", {"steps": 7, "num_tokens": 99})
    assert isinstance(config, StableKeypointsConfig)
    assert (config.steps, config.num_tokens) == (0, 99)
    assert RandomTokens(StableKeypointsConfig(steps=7, tokens="anywhere")).config.tokens is None
    assert RandomTokens().config.steps == 0
    assert RandomTokens.card.is_floor


@pytest.mark.parametrize("setting", ["kappa", "layers", "timestep", "image_size", "model"])
def test_mistakes_are_told_in_its_own_name(setting: str, pipeline: Path) -> None:
    value = {"layers": ("none",), "timestep": 5000, "image_size": 128, "model": "no/such/model"}.get(setting, 2)
    small = {"preset": "official", "model": str(pipeline), "num_tokens": 8, "kappa": 5, "map_size": 16}
    with pytest.raises(MethodError, match="^random_tokens: ") as error:
        RandomTokens(StableKeypointsConfig(**{**small, setting: value})).fit(
            ArrayImages(blobs(2)), 3, 0, lambda *_, **__: None
        )
    assert "stable_keypoints" not in str(error.value)
