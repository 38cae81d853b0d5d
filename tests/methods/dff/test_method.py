"""Deep feature factorization: planted parts are found, and each kind of features is loaded the real way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import save_file

from methods.base import MethodError
from methods.dff import DFF, DFFConfig
from methods.training.features import VGG
from tests.methods.tiny_pipeline import ArrayImages, blobs
from tests.methods.tiny_vit import build_vit

K = 3


@pytest.fixture(autouse=True)
def _no_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty hub cache, and no network."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


def ignore(done: int, total: int, **scalars: float) -> None:
    """A report that is ignored."""


def make(**settings: Any) -> DFF:
    return DFF(DFFConfig(**{"iterations": 20, "fit_images": 4, **settings}))


def fitted(seed: int = 0, **settings: Any) -> DFF:
    method = make(**settings)
    method.fit(ArrayImages(blobs(5, method.image_size)), K, seed, ignore)
    return method


def predicted(method: DFF) -> np.ndarray:
    return method.predict(ArrayImages(blobs(4, method.image_size, seed=1), prefix="new").load(range(4)))


@pytest.mark.parametrize("rectify", ["relu", "centred", "split"])
def test_planted_parts_are_found_where_they_are(rectify: str):
    """Each part has channels of its own, on 3 x 3 cells of every image; the rest of the image is empty."""
    generator = np.random.default_rng(0)
    count, side = 20, 16
    maps, where = torch.zeros(count, 6, side, side), np.zeros((count, K, 2), int)
    for image in range(count):
        for part, slot in enumerate(generator.permutation(4)[:K]):
            x, y = (np.array(divmod(slot, 2)) * 8 + 4) + generator.integers(-2, 3, 2)
            where[image, part] = x, y
            maps[image, 2 * part : 2 * part + 2, y - 1 : y + 2, x - 1 : x + 2] = torch.tensor([1.0, 2.0])[:, None, None]
    method = make(features="mini_vae", rectify=rectify, iterations=300, tolerance=0.0, point="maximum", window=2)
    tensors, scalars = method.learn(maps, K, 0)
    found = method.locate(maps, tensors).numpy() * side
    distance = np.linalg.norm(found[:, :, None] - (where[:, None] + 0.5), axis=-1)  # image, factor, part
    assert sorted(distance.mean(0).argmin(1)) == [0, 1, 2]
    assert distance.mean(0).min(1).max() < 0.5
    assert 0 <= scalars["error"] < 0.4


def test_vgg_is_the_default_and_is_read_from_a_file(tmp_path: Path):
    torch.manual_seed(0)
    network = VGG("vgg19")
    state = network.state_dict()
    save_file({theirs: state[ours] for ours, theirs in network.weight_names().items()}, tmp_path / "vgg.safetensors")
    method = fitted(features_weights=str(tmp_path / "vgg.safetensors"))
    assert (method.config.features, method.config.layer, method.image_size) == ("vgg19", "conv5_4", 224)
    assert method.frozen_data(method.config) is None, "a file of the user's can hold anything"
    found = predicted(method)
    assert found.shape == (4, K, 2) and found.min() >= 0 and found.max() <= 1
    features, _ = method._learned()
    assert features.maps(["a"], torch.zeros(1, 3, 224, 224)).shape == (1, 512, 14, 14)


def test_a_vision_transformer_and_a_diffusion_model_are_read_from_their_folders(tmp_path: Path, pipeline: Path):
    for settings in (
        {"features": "vit", "model": str(build_vit(tmp_path))},
        {"features": "diffusion", "model": str(pipeline), "ensemble": 1, "timestep": 200},
    ):
        method = fitted(**settings)
        found = predicted(method)
        assert found.shape == (4, K, 2)
        assert predicted(fitted(**settings)).tobytes() == found.tobytes()
        assert predicted(fitted(seed=1, **settings)).tobytes() != found.tobytes()


def test_the_place_is_no_part_of_what_is_learned(tmp_path: Path):
    method = fitted(features="mini_vae")
    method.save(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"factors.safetensors", "state.json"}
    other = make(features="mini_vae", point="maximum", window=0)
    other.load(tmp_path)
    cells = predicted(other) * 32 - 0.5
    np.testing.assert_allclose(cells, cells.round(), atol=1e-9)
    assert DFFConfig.of_predict == {"point", "window"}
    with pytest.raises(MethodError, match="the factors in .* belong to weights"):
        make(features="mini_vae", features_weights=None, layer="down_0").load(edited(tmp_path))


def edited(folder: Path) -> Path:
    file = folder / "state.json"
    file.write_text(file.read_text().replace('"features_sha256": "', '"features_sha256": "0'))
    return folder


def test_mistakes_are_one_line(tmp_path: Path):
    attempts = {
        "dff: no weights of vgg19: .*set dff.features_weights=FILE.*hf download timm/vgg19": lambda: fitted(),
        "dff: mini_vae has no layer 'up_1'": lambda: fitted(features="mini_vae", layer="up_1"),
        "dff: no factors yet; call fit or load": lambda: predicted(make(features="mini_vae")),
    }
    for message, attempt in attempts.items():
        with pytest.raises(MethodError, match=message) as error:
            attempt()
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"features": "mini_vae", "model": "mini"}, "model is a setting of features diffusion and vit, got model=mini"),
        ({"features": "vit", "layer": "conv5_4"}, "layer is conv5_4, expected a number"),
        ({"features": "vgg19", "layer": 3}, "layer is 3, expected a name"),
        ({"features": "vit", "layer": -1}, "layer is -1, expected at least 0"),
        ({"features": "mini_vae", "features_weights": "x"}, "features_weights is a setting of features vgg19, got "),
        (
            {"features": "vgg19", "dtype": "float16"},
            "dtype is a setting of features diffusion and vit, got dtype=float16",
        ),
        ({"features": "vit", "timestep": 5}, "timestep is a setting of features diffusion, got timestep=5"),
        ({"features": "diffusion", "layer_norm": False}, "layer_norm is a setting of features vit, got layer_norm=Fa"),
        ({"features": "vit", "model": "mini", "revision": "x"}, "revision is that of a hub id, got revision=x with mo"),
        ({"features": "mini_vae", "image_size": 1}, "image_size is 1, expected 0 or at least 16"),
    ],
)
def test_settings_that_do_not_fit_together_are_refused(settings: dict[str, Any], message: str):
    with pytest.raises(ValidationError, match=message):
        DFFConfig(**settings)


def test_a_preset_may_have_settings_that_other_features_do_not_use():
    assert DFFConfig(preset="mini", features="vit").ensemble == DFFConfig(preset="mini").ensemble
