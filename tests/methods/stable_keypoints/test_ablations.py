"""The ablations of Stable Keypoints."""

from __future__ import annotations

from typing import Any

import pytest

from methods.stable_keypoints import StableKeypoints
from methods.stable_keypoints.ablations import ablations
from methods.stable_keypoints.config import StableKeypointsConfig

TABLE_4 = {
    "without test-time ensembling": {"test_augmentations": 0},
    "without furthest point sampling": {"furthest_point_sampling": False},
    "without query upsampling": {"upsample_queries": False},
    "without equivariance": {"equivariance": False},
}


def config_of(profile: str, **settings: Any) -> StableKeypointsConfig:
    config = StableKeypoints.config_for(profile, settings)
    assert isinstance(config, StableKeypointsConfig)
    return config


def named(profile="paper", num_keypoints=4, **settings):
    found = ablations(config_of(profile, **settings), num_keypoints)
    assert len({each.name for each in found}) == len(found)
    return {each.name: each.settings for each in found}


def test_the_paper_profile_has_table_4_first():
    assert dict(list(named().items())[:4]) == TABLE_4
    assert list(named())[4:] == [
        "timestep 150 instead of 0",
        "timestep 300 instead of 0",
        "kappa 12 instead of 25",
        "kappa 50 instead of 25",
        "250 tokens instead of 500",
        "1000 tokens instead of 500",
    ]


def test_where_ensembling_is_off_it_is_added_and_the_table_says_so():
    mini = ablations(config_of("mini"), 4)
    assert mini[0].name == "with test-time ensembling"
    assert mini[0].settings == {"test_augmentations": 10}
    assert "off" in mini[0].note
    assert "without test-time ensembling" in named("mini", test_augmentations=10)


def test_what_is_off_already_is_not_taken_away():
    off = named(equivariance=False, upsample_queries=False, furthest_point_sampling=False)
    assert next(iter(off)) == "without test-time ensembling"
    assert not [name for name in off if name.startswith(("without eq", "without fur", "without query", "kappa"))]


def test_what_matters_in_learning_alone_is_left_out_for_tokens_that_are_given():
    assert list(named(tokens="/elsewhere")) == [
        "without test-time ensembling",
        "without query upsampling",
        "timestep 150 instead of 0",
        "timestep 300 instead of 0",
    ]


@pytest.mark.parametrize("profile", ["mini", "paper"])
@pytest.mark.parametrize("num_keypoints", [1, 4, 10, 16])
def test_every_variant_can_be_learned_and_changes_something(profile, num_keypoints):
    full = config_of(profile)
    for name, settings in named(profile, num_keypoints).items():
        config = config_of(profile, **settings)
        assert config != full, name
        assert num_keypoints <= (config.kappa or num_keypoints + 6) <= config.num_tokens, name


def test_kappa_of_the_mini_preset_is_what_it_stands_for():
    assert {"kappa 5 instead of 10", "kappa 20 instead of 10"} < set(named("mini", 4))


@pytest.mark.parametrize("setting", sorted(StableKeypoints.Config.of_predict))
def test_settings_of_predict_are_settings(setting):
    assert setting in StableKeypoints.Config.model_fields
