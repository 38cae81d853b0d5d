"""Settings, presets and the search for weights, none of which needs torch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from methods.base import MethodError
from methods.diffusion import weights
from methods.stable_keypoints import StableKeypoints, StableKeypointsConfig
from methods.stable_keypoints.config import MINI


def config_for(profile: str, settings: dict) -> StableKeypointsConfig:
    config = StableKeypoints.config_for(profile, settings)
    assert isinstance(config, StableKeypointsConfig)
    return config


def test_import_needs_no_torch():
    code = (
        "import sys; from methods.stable_keypoints import StableKeypoints; StableKeypoints.config_for('mini', {});"
        "sys.exit(bool({'torch', 'diffusers', 'numpy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("profile", "settings", "preset"),
    [
        ("paper", {}, "paper"),
        ("mini", {}, "mini"),
        ("paper", {"model": "mini"}, "mini"),
        ("paper", {"preset": "official"}, "official"),
        ("mini", {"preset": "official"}, "official"),
        ("paper", {"model": "mini", "preset": "paper"}, "paper"),
    ],
)
def test_preset_rule(profile: str, settings: dict, preset: str):
    config = config_for(profile, settings)
    assert config.preset == preset
    if preset == "mini":
        assert config.model_dump() == {**config.model_dump(), **MINI}


def test_settings_go_on_top_of_a_preset():
    config = config_for("mini", {"steps": 7, "sigma": 1.5})
    assert (config.steps, config.sigma, config.map_size) == (7, 1.5, MINI["map_size"])
    assert StableKeypointsConfig(**config.model_dump()) == config
    assert StableKeypointsConfig.model_validate_json(config.model_dump_json()) == config


@pytest.mark.parametrize(
    "settings", [{"stpes": 1}, {"steps": -1}, {"preset": "fast"}, {"scale_range": (1.2, 1.0)}, {"ranking": "kl"}]
)
def test_bad_settings_are_refused(settings: dict):
    with pytest.raises(ValidationError, match=next(iter(settings))):
        StableKeypoints.config_for("paper", settings)


def test_image_size_is_the_pipelines_own_unless_set(pipeline: Path):
    assert StableKeypoints(StableKeypointsConfig(model=str(pipeline))).image_size == 64
    assert StableKeypoints(StableKeypointsConfig(model=str(pipeline), image_size=96)).image_size == 96


def test_identity_follows_the_weights(tmp_path: Path):
    for part in ("unet", "vae", "scheduler"):
        (tmp_path / part).mkdir()
        (tmp_path / part / "config.json").write_text("{}")
        (tmp_path / part / "diffusion_pytorch_model.safetensors").write_bytes(part.encode())
    method = StableKeypoints(StableKeypointsConfig(model=str(tmp_path)))
    before = method.identity()
    assert method.identity() == before
    (tmp_path / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(b"other")
    assert method.identity() != before


def test_missing_weights_say_where_and_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(weights, "MINI_MODEL", tmp_path / "mini_model")
    for model, where, remedy in [
        (str(tmp_path / "nowhere"), str(tmp_path / "nowhere"), "--set stable_keypoints.model=FOLDER"),
        ("mini", str(tmp_path / "mini_model"), "benchmarks.pretrain"),
        (str(tmp_path), str(tmp_path), "--set stable_keypoints.model=mini"),
    ]:
        method = StableKeypoints(StableKeypointsConfig(model=model))
        for ask in (method.identity, lambda method=method: method.image_size):
            with pytest.raises(MethodError) as caught:
                ask()
            assert where in str(caught.value)
            assert remedy in str(caught.value)
            assert "\n" not in str(caught.value)


def test_weights_that_are_not_safetensors_are_missing(tmp_path: Path, pipeline: Path):
    for part in ("unet", "vae", "scheduler"):
        (tmp_path / part).mkdir()
        for file in (pipeline / part).glob("*.json"):
            (tmp_path / part / file.name).write_text(file.read_text())
    (tmp_path / "unet" / "diffusion_pytorch_model.bin").write_bytes(b"")
    method = StableKeypoints(StableKeypointsConfig(model=str(tmp_path)))
    with pytest.raises(MethodError, match=r"no \.safetensors file"):
        method.identity()
    with pytest.raises(MethodError, match="no usable weights"):
        method._new_learner(4, 0)


def test_a_broken_json_config_is_named(tmp_path: Path):
    (tmp_path / "unet").mkdir()
    (tmp_path / "unet" / "config.json").write_text(json.dumps({"sample_size": 8})[:-3])
    with pytest.raises(MethodError, match="JSONDecodeError"):
        _ = StableKeypoints(StableKeypointsConfig(model=str(tmp_path))).image_size
