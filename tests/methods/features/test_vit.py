"""Features of vision transformers against whole passes of transformers' own networks, and files that are missing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel

from methods.base import MethodError
from methods.features import vit_files
from methods.features.provider import FeatureProvider
from methods.features.sources import VitSource
from methods.features.vit_files import VitFiles
from tests.methods.tiny_pipeline import edit
from tests.methods.tiny_vit import LAYERS, LAYOUTS, PATCH, SIDE, WIDTH, build_vit

IDS = ("a", "b")
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's colours


@pytest.fixture(autouse=True)
def _no_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty hub cache, and no network."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


@pytest.fixture(scope="module")
def vit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_vit(tmp_path_factory.mktemp("vit"))


def source(model: Path | str, side: int = 0, layer: int = 0, layer_norm: bool = True) -> VitSource:
    return VitSource(VitFiles(str(model), None, "tiny"), side, "float32", layer, layer_norm, 4)


def opened(model: Path | str, **settings: Any) -> FeatureProvider:
    return source(model, **settings).open("cpu", 0)


def images(side: int = SIDE, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).random((2, 3, side, side), dtype=np.float32))


def whole_pass(folder: Path, pixels: torch.Tensor, mean=MEAN, deviation=DEVIATION, **options: Any) -> Any:
    network = AutoModel.from_pretrained(folder).eval()
    normalised = (pixels - torch.tensor(mean)[:, None, None]) / torch.tensor(deviation)[:, None, None]
    with torch.no_grad():
        return network(normalised, output_hidden_states=True, **options), network


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("side", [SIDE, 48])
def test_every_layout_gives_the_tokens_of_its_patches_and_no_others(layout: str, side: int, tmp_path: Path):
    folder, pixels = build_vit(tmp_path, layout), images(side)
    options = {} if layout.startswith("dino") else {"interpolate_pos_encoding": True}
    expected, _ = whole_pass(folder, pixels, **options)
    cells = side // PATCH
    for layer, norm, tokens in (
        (0, True, expected.last_hidden_state),
        (LAYERS, True, expected.last_hidden_state),
        (1, False, expected.hidden_states[1]),
        (2, False, expected.hidden_states[2]),
    ):
        assert tokens.shape[1] == LAYOUTS[layout] + cells**2
        found = opened(folder, side=side, layer=layer, layer_norm=norm).maps(IDS, pixels)
        assert (found.shape, found.dtype) == ((2, WIDTH, cells, cells), torch.float32)
        patches = tokens[:, LAYOUTS[layout] :].transpose(1, 2)
        torch.testing.assert_close(found.flatten(2), patches, atol=1e-4, rtol=1e-4)


def test_a_layer_norm_follows_an_earlier_block_if_wanted(vit: Path):
    expected, network = whole_pass(vit, images())
    with torch.no_grad():
        tokens = network.layernorm(expected.hidden_states[1])[:, LAYOUTS["dinov2_with_registers"] :]
    found = opened(vit, layer=1).maps(IDS, images())
    torch.testing.assert_close(found.flatten(2), tokens.transpose(1, 2), atol=1e-4, rtol=1e-4)


def test_a_bright_patch_is_in_its_row_and_column(tmp_path: Path):
    """With layer scales and positions of 0 a token is the projection of its patch alone."""
    folder = build_vit(tmp_path, "dinov2")
    state = load_file(folder / "model.safetensors")
    for name, tensor in state.items():
        if "lambda1" in name or "position_embeddings" in name:
            tensor.zero_()
    save_file(state, folder / "model.safetensors", {"format": "pt"})
    pixels = torch.zeros(1, 3, SIDE, SIDE)
    pixels[..., 2 * PATCH : 3 * PATCH, PATCH : 2 * PATCH] = 1
    found = opened(folder, layer_norm=False).maps(["a"], pixels)[0]
    differs = (found - found[:, :1, :1]).abs().amax(0) > 1e-3
    assert differs.nonzero().tolist() == [[2, 1]]


def test_colours_are_normalised_as_the_preprocessor_says(vit: Path, tmp_path: Path):
    folder = shutil.copytree(vit, tmp_path / "vit")
    mean, deviation = (0.5, 0.4, 0.3), (0.2, 0.3, 0.4)
    before = source(folder).identity()
    (folder / "preprocessor_config.json").write_text(json.dumps({"image_mean": mean, "image_std": deviation}))
    expected, _ = whole_pass(folder, images(), mean, deviation)
    patches = expected.last_hidden_state[:, LAYOUTS["dinov2_with_registers"] :].transpose(1, 2)
    torch.testing.assert_close(opened(folder).maps(IDS, images()).flatten(2), patches, atol=1e-4, rtol=1e-4)
    assert source(folder).identity() != before
    edit(folder / "preprocessor_config.json", image_mean=[0.5])
    with pytest.raises(MethodError, match="tiny: image_mean and image_std in .* expected three numbers each"):
        opened(folder)


def test_no_bit_of_a_feature_depends_on_the_other_images(vit: Path):
    provider = opened(vit)
    whole = provider.maps(IDS, images())
    assert torch.equal(whole[1:], provider.maps(["b"], images()[1:]))
    assert torch.equal(whole.flip(0), provider.maps(["b", "a"], images().flip(0)))
    assert provider.parameters() == sum(each.numel() for each in load_file(vit / "model.safetensors").values())


def test_the_side_is_that_of_the_training_or_a_multiple_of_the_patch(vit: Path, tmp_path: Path):
    assert (source(vit).image_size, source(vit, side=56).image_size) == (SIDE, 56)
    with pytest.raises(MethodError, match="tiny: image_size is 60, expected a multiple of 8, .* such as 64"):
        _ = source(vit, side=60).image_size
    folder = shutil.copytree(vit, tmp_path / "vit")
    edit(folder / "config.json", image_size=[36, 36])
    assert source(folder).image_size == 32
    with pytest.raises(MethodError, match=r"images are \(40, 40\), expected 32 a side"):
        opened(vit).maps(["a"], images(40)[:1])


def test_tensors_that_no_feature_needs_may_be_missing_and_others_may_not(vit: Path, tmp_path: Path):
    folder = build_vit(tmp_path, "vit")
    state = load_file(folder / "model.safetensors")
    before = opened(folder).maps(IDS, images())
    without = {name: tensor for name, tensor in state.items() if "pooler" not in name}
    assert len(without) < len(state)
    save_file(without, folder / "model.safetensors", {"format": "pt"})
    assert torch.equal(opened(folder).maps(IDS, images()), before)
    save_file(dict(list(without.items())[:-1]), folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(MethodError, match="tiny: no usable weights of .* lacks 1 of its tensors, such as "):
        opened(folder)


def test_the_file_that_is_read_names_the_weights(vit: Path, tmp_path: Path):
    folder = tmp_path / "vit"
    shutil.copytree(vit, folder)
    before = source(folder).identity()
    for unread in ("diffusion_pytorch_model.safetensors", "model.fp16.safetensors"):
        shutil.copy(folder / "model.safetensors", folder / unread)
    assert source(folder).identity() == before
    weights = load_file(folder / "model.safetensors")
    save_file({name: 2 * value for name, value in weights.items()}, folder / "model.safetensors", {"format": "pt"})
    assert source(folder).identity() != before
    (folder / "model.safetensors").unlink()
    with pytest.raises(MethodError, match=r"no model\.safetensors"):
        source(folder).identity()


def broken(vit: Path, folder: Path) -> Path:
    shutil.copytree(vit, folder)
    (folder / "model.safetensors").write_bytes(b"broken")
    return folder


def test_mistakes_are_one_line_that_says_what_to_do(vit: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    empty, pickled, other = tmp_path / "empty", tmp_path / "pickled", tmp_path / "other"
    empty.mkdir()
    shutil.copytree(vit, pickled)
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    shutil.copytree(vit, other)
    edit(other / "config.json", model_type="resnet")
    monkeypatch.setattr(vit_files, "MINI_VIT", tmp_path / "none")
    get = "hf download facebook/dinov2-with-registers-base config.json preprocessor_config.json model.safetensors"
    attempts = {
        f"set tiny.model=FOLDER.*{get}.*set tiny.features=mini_vae": lambda: source(tmp_path / "absent").identity(),
        "HF_HUB_OFFLINE is set.*hf download": lambda: source("facebook/dinov2-with-registers-base").identity(),
        "mini.*no such folder.*restore it from the repository": lambda: source("mini").identity(),
        "config.json.*FileNotFoundError": lambda: source(empty).image_size,
        "no model.safetensors, only pytorch_model.bin, which is never read": lambda: opened(pickled),
        "its model_type is resnet.*expected one of vit, ": lambda: opened(other),
        f"layer is 4, expected a block from 1 to {LAYERS}": lambda: opened(vit, layer=4),
        "no usable weights of ": lambda: opened(broken(vit, tmp_path / "broken")),
    }
    for message, attempt in attempts.items():
        with pytest.raises(MethodError, match=message) as error:
            attempt()
        assert "\n" not in str(error.value) and str(error.value).startswith("tiny: ")
