"""Which files of a pipeline are read, and the error messages for unusable ones."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from methods.base import MethodError
from methods.diffusion.weights import ModelFiles, weight_files
from tests.methods.tiny_pipeline import CAPTION_LENGTH, build_layout, edit, loaded


def refusal(folder: Path, **settings: Any) -> str:
    """The error message, one line, for a folder."""
    with pytest.raises(MethodError) as caught:
        loaded(folder, **settings)
    assert "\n" not in str(caught.value) and str(caught.value).startswith("tiny: ")
    return str(caught.value)


@pytest.mark.parametrize("sharded", [False, True])
@pytest.mark.parametrize("variant", [None, "fp16"])
def test_variants_and_shards(variant: str | None, sharded: bool, tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    """Weights in half precision only, in one file or in shards, are read and converted to the requested dtype."""
    pipeline = build_layout("sd1", tmp_path / "plain")
    if variant:
        pipeline = pipeline.to(torch.float16)
    folder = tmp_path / "saved"
    pipeline.save_pretrained(folder, variant=variant, max_shard_size="100KB" if sharded else "1GB")
    assert (len(list((folder / "unet").glob("*.safetensors"))) > 1) is sharded
    names = [path.name for path in (folder / "unet").iterdir()]
    assert weight_files(names, "diffusion_pytorch_model")[1] == variant
    capfd.readouterr()
    parts = loaded(folder, keep_null_tokens=True)
    assert "it/s" not in capfd.readouterr().err  # a progress bar
    if sharded:
        shard = sorted(name for name in names if "-00002-of-" in name)[0]
        (folder / "unet" / shard).rename(folder / "elsewhere")
        assert f"at {folder / 'unet'} (no {shard}); download {shard} as well" in refusal(folder)
    expected = {name: value.float() for name, value in pipeline.unet.state_dict().items()}
    torch.testing.assert_close(parts.unet.state_dict(), expected, rtol=0, atol=0)
    assert parts.null_tokens is not None
    assert parts.null_tokens.shape == (CAPTION_LENGTH, 32)


def test_full_precision_goes_first_and_only_what_is_read_names_the_weights(sd1: Path):
    parts = ("unet", "vae", "scheduler")
    before = ModelFiles(str(sd1), None, "tiny").identity(parts)
    (sd1 / "unet" / "diffusion_pytorch_model.fp16.safetensors").write_bytes(b"unread")
    (sd1 / "unet" / "diffusion_pytorch_model.non_ema.safetensors").write_bytes(b"unread")
    assert ModelFiles(str(sd1), None, "tiny").identity(parts) == before
    loaded(sd1)
    (sd1 / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(b"other")
    assert ModelFiles(str(sd1), None, "tiny").identity(parts) != before


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["model.bin", "config.json"], ()),
        (["model.non_ema.safetensors"], ()),
        (["diffusion_pytorch_model.safetensors"], ()),
        (["model.safetensors.index.json", "model-00001-of-00002.safetensors"], ()),
        (["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"], ()),
        (["model.fp16.safetensors", "model.safetensors"], ("model.safetensors",)),
        (["model.safetensors.index.json", "model.fp16.safetensors"], ("model.fp16.safetensors",)),
    ],
)
def test_weight_files(names: list[str], expected: tuple[str, ...]):
    assert weight_files(names, "model")[0] == expected


def test_tensor_names_of_older_releases(sd1: Path, layouts):
    """The released files of Stable Diffusion 1.5 use older names for parts of the autoencoder and the text encoder."""
    expected = loaded(sd1, keep_null_tokens=True)
    file = sd1 / "vae" / "diffusion_pytorch_model.safetensors"
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    tensors = load_file(file)
    renamed = {}
    for name, tensor in tensors.items():
        for new, before in old.items():
            name = name.replace(f"attentions.0.{new}.", f"attentions.0.{before}.")
        renamed[name] = tensor
    assert sum("proj_attn" in name for name in renamed) == 4
    save_file(renamed, file, {"format": "pt"})
    file = sd1 / "text_encoder" / "model.safetensors"
    tensors = {f"text_model.{name.removeprefix('text_model.')}": tensor for name, tensor in load_file(file).items()}
    tensors["text_model.embeddings.position_ids"] = torch.arange(CAPTION_LENGTH)[None]
    save_file(tensors, file, {"format": "pt"})
    found = loaded(sd1, keep_null_tokens=True)
    torch.testing.assert_close(found.autoencoder.state_dict(), expected.autoencoder.state_dict(), rtol=0, atol=0)
    torch.testing.assert_close(found.null_tokens, expected.null_tokens, rtol=0, atol=0)


def test_pickled_weights_are_refused_with_the_command_that_converts_them(sd1: Path):
    file = sd1 / "unet" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(file)
    file.unlink()
    torch.save(tensors, sd1 / "unet" / "diffusion_pytorch_model.bin")
    message = refusal(sd1)
    assert f"at {sd1 / 'unet'} (no .safetensors file, only diffusion_pytorch_model.bin)" in message
    with pytest.raises(MethodError, match="convert such a file once"):
        ModelFiles(str(sd1), None, "tiny").identity(("unet",))
    command = shlex.split(message[message.index("python -c") :])
    subprocess.run([sys.executable, *command[1:]], check=True)
    torch.testing.assert_close(loaded(sd1).unet.state_dict(), tensors, rtol=0, atol=0)


@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder"])
def test_incomplete_weights_are_refused(part: str, sd1: Path):
    (file,) = (sd1 / part).glob("*.safetensors")
    tensors = load_file(file)
    first = min(tensors)
    save_file({name: tensor for name, tensor in tensors.items() if name != first}, file, {"format": "pt"})
    assert f"{sd1 / part} (the file lacks 1 of its tensors" in refusal(sd1, keep_null_tokens=True)
    file.write_bytes(file.read_bytes()[:1000])
    assert str(sd1 / part) in refusal(sd1, keep_null_tokens=True)


@pytest.mark.parametrize(
    ("file", "changes", "message"),
    [
        ("unet/config.json", {"in_channels": 9}, "takes 9 channels, its autoencoder gives 4: for inpainting"),
        ("unet/config.json", {"cross_attention_dim": [32, 32]}, r"cross_attention_dim is [32, 32]"),
        ("unet/config.json", {"addition_embed_type": "image"}, "addition_embed_type is image"),
        ("unet/config.json", {"class_embed_type": "projection"}, "further inputs: class_embed_type"),
        ("unet/config.json", {"projection_class_embeddings_input_dim": 60}, "of width 60, not 68: a refiner?"),
        ("unet/config.json", {"_class_name": "UNet3DConditionModel"}, "its unet is a UNet3DConditionModel"),
        ("unet/config.json", {"addition_time_embed_dim": None}, "addition_time_embed_dim in unet/config.json is None"),
        ("vae/config.json", {"shift_factor": 0.1}, "normalises latents by shift_factor"),
        ("vae/config.json", {"latent_channels": "4"}, "takes 4 channels, its autoencoder gives '4'"),
        (
            "vae/config.json",
            {"_class_name": "AutoencoderTiny"},
            "its vae is an AutoencoderTiny, expected Auto",
        ),
        ("vae/config.json", {"block_out_channels": None}, "block_out_channels in vae/config.json is None"),
        ("text_encoder_2/config.json", {"model_type": "t5"}, "its text_encoder_2 is of type t5"),
        ("text_encoder_2/config.json", {"projection_dim": "x"}, "projection_dim in text_encoder_2/config.json is x"),
        ("scheduler/scheduler_config.json", {"num_train_timesteps": "x"}, "its scheduler's config cannot be used"),
    ],
)
def test_models_of_other_kinds_are_refused(file: str, changes: dict[str, Any], message: str, layouts, tmp_path: Path):
    folder = Path(shutil.copytree(layouts["sdxl"][0], tmp_path / "other"))
    edit(folder / file, **changes)
    found = refusal(folder)
    assert message in found
    assert "expected a text-to-image model laid out as Stable Diffusion 1.x, 2.x or XL" in found


@pytest.mark.parametrize("text", ["[]", "3", "null", "", "{", "[" * 100_000])
@pytest.mark.parametrize("file", ["unet/config.json", "vae/config.json", "scheduler/scheduler_config.json"])
def test_configs_that_are_no_json_object_are_refused(file: str, text: str, sd1: Path):
    (sd1 / file).write_text(text)
    assert f"no usable weights of '{sd1}' at {sd1 / file}" in refusal(sd1)


def test_a_config_of_the_right_class_with_broken_values_is_one_line(sd1: Path):
    edit(sd1 / "unet" / "config.json", attention_head_dim=0)
    assert f"at {sd1 / 'unet'} (ZeroDivisionError: " in refusal(sd1)


def test_a_schedule_without_betas_is_refused(sd1: Path):
    flow = {"_class_name": "FlowMatchEulerDiscreteScheduler", "num_train_timesteps": 1000, "shift": 3.0}
    (sd1 / "scheduler" / "scheduler_config.json").write_text(json.dumps(flow))
    assert "its FlowMatchEulerDiscreteScheduler has no betas" in refusal(sd1)


def test_a_pipeline_without_a_unet_is_refused(tmp_path: Path):
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": "StableDiffusion3Pipeline"}))
    assert "it is a StableDiffusion3Pipeline, expected Stable Diffusion 1.x, 2.x or XL" in refusal(tmp_path)


def test_image_size_has_to_be_given_where_the_model_has_none(sd1: Path):
    edit(sd1 / "unet" / "config.json", sample_size=None)
    assert "set tiny.image_size" in refusal(sd1)
    assert loaded(sd1, image_size=256).latent_side == 32
