"""Paths that hold something else than a pipeline: said by what was found, never taken for a hub id."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from methods import hub
from methods.base import MethodError
from methods.diffusion.mistakes import missing_shards
from methods.diffusion.weights import MINI_MODEL, ModelFiles


def refusal(model: str | Path) -> str:
    with pytest.raises(MethodError) as caught:
        ModelFiles(str(model), None, "tiny").image_side()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture(autouse=True)
def no_hub(monkeypatch: pytest.MonkeyPatch):
    """The hub must not be asked."""
    monkeypatch.setattr(hub, "folder_with", lambda *_: pytest.fail("asked the hub for a path that exists"))


@pytest.mark.parametrize("name", ["v1-5.safetensors", "v1-5.ckpt"])
def test_a_single_file_is_refused_with_its_conversion(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = tmp_path / "models" / name
    file.parent.mkdir()
    file.write_bytes(b"weights")
    monkeypatch.chdir(tmp_path)
    for model in (file, f"models/{name}", file.parent):
        message = refusal(model)
        assert "it is a single-file checkpoint" in message
        assert "from_single_file(sys.argv[1]).save_pretrained(sys.argv[2])" in message
        assert f"{name}' FOLDER" in message


@pytest.mark.parametrize("name", ["pytorch_lora_weights.safetensors", "style.safetensors"])
def test_a_lora_is_no_model(name: str, tmp_path: Path):
    save_file({"unet.to_k.lora_A.weight": torch.zeros(1)}, tmp_path / name)
    for model in (tmp_path, tmp_path / name):
        assert "changes to a model, but no model); merge it into its base model" in refusal(model)


def test_a_part_and_a_folder_above_name_the_pipeline(tmp_path: Path):
    for part, kind in (("unet", "UNet2DConditionModel"), ("vae", "AutoencoderKL")):
        message = refusal(MINI_MODEL / part)
        assert f"one part of a pipeline: {kind}); give the folder of the pipeline: {MINI_MODEL}" in message
    snapshot = tmp_path / "snapshots" / "0123"
    snapshot.mkdir(parents=True)
    (snapshot / "model_index.json").write_text("{}")
    assert f"give that folder: {snapshot}" in refusal(tmp_path)


def test_another_file_is_no_folder(tmp_path: Path):
    (tmp_path / "notes.txt").write_text("text")
    assert "it is a file, expected a folder in diffusers' layout" in refusal(tmp_path / "notes.txt")


@pytest.mark.parametrize(
    ("names", "missing"),
    [
        (["model.safetensors"], []),
        (["m-00001-of-00002.safetensors", "m.safetensors.index.json"], ["m-00002-of-00002.safetensors"]),
        (["m-00001-of-00001.safetensors"], ["m.safetensors.index.json"]),
        (
            ["m-00002-of-00003.fp16.safetensors", "m.safetensors.index.fp16.json"],
            ["m-00001-of-00003.fp16.safetensors", "m-00003-of-00003.fp16.safetensors"],
        ),
        (["m.fp16-00001-of-00002.safetensors"], ["m.fp16-00002-of-00002.safetensors", "m.safetensors.index.fp16.json"]),
        (["m.safetensors.index.json", "config.json"], ["m-*.safetensors"]),
    ],
)
def test_missing_shards_are_named(names: list[str], missing: list[str]):
    assert list(missing_shards(names)) == missing
