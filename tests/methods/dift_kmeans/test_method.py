"""Clustered diffusion features: the features against full passes of the UNet, and the method."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from methods.base import MethodError
from methods.dift_kmeans import DiftKmeans, DiftKmeansConfig
from methods.draws import noise
from tests.methods.tiny_pipeline import ArrayImages, blobs, edit, loaded

K = 3
TINY = {"preset": "mini", "timestep": 200, "fit_images": 4, "vectors_per_image": 60}


def ignore(done: int, total: int, **scalars: float) -> None:
    """A report that is ignored."""


def make(pipeline: Path, **settings) -> DiftKmeans:
    return DiftKmeans(DiftKmeansConfig(**{**TINY, "model": str(pipeline), **settings}))


def fitted(pipeline: Path, seed: int = 0, batch_size: int = 4, **settings) -> DiftKmeans:
    method = make(pipeline, **settings)
    method.fit(ArrayImages(blobs(5), batch_size), K, seed, ignore)
    return method


def predicted(method: DiftKmeans, rows=range(4)) -> np.ndarray:
    return method.predict(ArrayImages(blobs(4, seed=1), prefix="new").load(rows))


@pytest.fixture(scope="module")
def method(pipeline: Path) -> DiftKmeans:
    return fitted(pipeline)


def test_features_are_the_mean_of_what_the_block_gives_in_whole_passes(pipeline: Path):
    """Against full passes of diffusers' own UNet, one draw at a time."""
    method = DiftKmeans(DiftKmeansConfig(model=str(pipeline), timestep=200, ensemble=3, up_block=1))
    batch = ArrayImages(blobs(2)).load([0, 1])
    found = method.source().open("cpu", seed=4).maps(batch.ids, torch.tensor(batch.pixels))
    parts = loaded(pipeline, timestep=200, keep_null_tokens=True)
    given = []
    parts.unet.up_blocks[1].register_forward_hook(lambda module, inputs, output: given.append(output))
    latents = parts.autoencoder.encode(2 * torch.tensor(batch.pixels) - 1).latent_dist.mean
    latents = latents * parts.autoencoder.config.scaling_factor
    for row, image_id in enumerate(batch.ids):
        given.clear()
        for number in range(3):
            drawn = torch.from_numpy(noise([(4, "features", image_id, number)], latents.shape[1:]))
            noisy = parts.signal * latents[row : row + 1] + parts.deviation * drawn
            assert parts.null_tokens is not None
            parts.unet(noisy, 200, encoder_hidden_states=parts.null_tokens[None])
        torch.testing.assert_close(found[row], torch.cat(given).mean(0), atol=1e-4, rtol=1e-4)
    assert found.shape[-2:] == (32, 32)


def test_the_small_model_takes_the_mini_preset():
    assert DiftKmeans.config_for("mini", {}).model_dump()["model"] == "mini"
    assert DiftKmeansConfig(model="mini").preset == "mini"
    with pytest.raises(ValidationError):
        DiftKmeansConfig(ensemble=0)


def test_same_seed_same_bytes_whatever_order_and_batches(method: DiftKmeans, pipeline: Path):
    expected = predicted(method)
    assert predicted(fitted(pipeline, batch_size=2)).tobytes() == expected.tobytes()
    assert predicted(method, [2, 0, 3, 1]).tobytes() == expected[[2, 0, 3, 1]].tobytes()
    assert predicted(fitted(pipeline, seed=1)).tobytes() != expected.tobytes()
    assert predicted(method, []).shape == (0, K, 2)


def test_what_is_saved_predicts_the_same_and_is_refused_for_other_weights(
    method: DiftKmeans, pipeline: Path, tmp_path: Path
):
    method.save(tmp_path)
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".safetensors"}
    again = make(pipeline)
    again.load(tmp_path)
    assert predicted(again).tobytes() == predicted(method).tobytes()
    other = shutil.copytree(pipeline, tmp_path / "other")
    edit(other / "scheduler" / "scheduler_config.json", beta_end=0.03)
    with pytest.raises(MethodError, match="belong to weights"):
        make(other).load(tmp_path)
    (tmp_path / "centres.safetensors").write_bytes(b"broken")
    with pytest.raises(MethodError, match="cannot load .* fit again"):
        make(pipeline).load(tmp_path)
    (tmp_path / "state.json").write_text(json.dumps([1]))
    with pytest.raises(MethodError, match="cannot load .* fit again"):
        make(pipeline).load(tmp_path)


def test_mistakes_are_one_line_in_this_methods_name(pipeline: Path, tmp_path: Path):
    attempts = {
        "dift_kmeans: up_block is 7, expected 0 to 2": lambda: fitted(pipeline, up_block=7),
        "dift_kmeans: timestep is 5000, expected at most 999": lambda: fitted(pipeline, timestep=5000),
        "got 5 images and 0 keypoints": lambda: make(pipeline).fit(ArrayImages(blobs(5)), 0, 0, ignore),
        "set dift_kmeans.image_size|--set dift_kmeans.model=": lambda: make(tmp_path / "none").identity(),
        "dift_kmeans: no clusters yet; call fit or load": lambda: predicted(make(pipeline)),
    }
    for message, attempt in attempts.items():
        with pytest.raises(MethodError, match=message) as error:
            attempt()
        assert "\n" not in str(error.value)
        assert "stable_keypoints" not in str(error.value)


def test_the_window_is_no_part_of_what_is_learned(pipeline: Path, method: DiftKmeans, tmp_path: Path):
    method.save(tmp_path)
    wide = make(pipeline, window=0)
    wide.load(tmp_path)
    points = predicted(wide) * 32 - 0.5
    np.testing.assert_allclose(points, points.round(), atol=1e-5)
    assert np.abs(points / 32 - predicted(method) + 0.5 / 32).max() <= 2 / 32
    assert DiftKmeansConfig.of_predict == {"window"}
