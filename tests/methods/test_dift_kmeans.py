"""Clustered diffusion features: the features against whole passes, the clusters on a planted world, and the method."""

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
from methods.dift_kmeans.clusters import Candidates, candidates, centred, choose, cluster, locate, places
from methods.dift_kmeans.features import Features
from methods.draws import noise
from tests.methods.tiny_pipeline import ArrayImages, blobs, edit, loaded

K = 3
TINY = {"preset": "mini", "timestep": 200, "fit_images": 4, "vectors_per_image": 60}
SIDE = 16
CHANNELS = 24


def ignore(done: int, total: int, **scalars: float) -> None:
    """A report that nobody reads."""


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


def unit(generator: np.random.Generator, count: int) -> np.ndarray:
    """Vectors (count, C) at right angles to each other."""
    return np.linalg.qr(generator.normal(size=(CHANNELS, count)))[0].T


def planted(count: int = 24, parts: int = 4, seed: int = 0) -> tuple[torch.Tensor, np.ndarray, np.ndarray]:
    """Features (N, C, 16, 16) of an object on clutter; the parts' places (N, P, 2) in cells and vectors (P, C).

    A part is one 3 x 3 patch of an image; each half of the background has a vector of its own, and so has a patch that
    only every third image shows. All of it is noisy.
    """
    generator = np.random.default_rng(seed)
    vectors = unit(generator, parts + 3)
    features = np.zeros((count, SIDE, SIDE, CHANNELS))
    where = np.zeros((count, parts, 2), int)
    slots = [(x, y) for x in (2, 7, 12) for y in (2, 7, 12)]
    for index, image in enumerate(features):
        image[:, : SIDE // 2], image[:, SIDE // 2 :] = vectors[parts], vectors[parts + 1]
        drawn = [slots[slot] for slot in generator.permutation(len(slots))[: parts + 1]]
        for part, (x, y) in enumerate(drawn):
            if part < parts or index % 3 == 0:
                x, y = x + generator.integers(-1, 2), y + generator.integers(-1, 2)
                image[y - 1 : y + 2, x - 1 : x + 2] = vectors[part if part < parts else -1] / 1.5
                image[y, x] = vectors[part if part < parts else -1]
            if part < parts:
                where[index, part] = x, y
    features += generator.normal(scale=0.02, size=features.shape)
    return torch.from_numpy(features.transpose(0, 3, 1, 2).copy()).float(), where, vectors[:parts]


def test_parts_of_the_object_are_kept_and_found_and_the_background_is_not():
    features, where, vectors = planted()
    mean = features.mean((0, 2, 3))
    maps = centred(features, mean)
    centres = cluster(maps, 15, 256, 15, seed=0)
    found = candidates(maps, centres, 0.05)
    chosen = centres[choose(found, 4, 3.0, 0.05)]
    nearest = np.argmax(chosen.numpy() @ (vectors - mean.numpy()).T, axis=1)
    assert sorted(nearest) == [0, 1, 2, 3], "each part once, and neither background nor the rare patch"
    keypoints = locate(maps, chosen, 0.05, 1).numpy()
    expected = (where[:, nearest] + 0.5) / SIDE
    assert np.abs(keypoints - expected).max() < 0.6 / SIDE


def test_spread_is_the_standard_deviation_of_the_place_and_consistency_counts_matches_both_ways():
    one, other, third = torch.eye(3)
    feature = other.repeat(8, 8, 1)
    feature[2, 5] = one
    maps = feature.permute(2, 0, 1)[None]
    found = candidates(maps, torch.stack([one, other, (one + third) / 2**0.5]), 0.01)
    deviation = np.sqrt(2 * (8**2 - 1) / 12 / 8**2 * 64 / 63)  # of 63 of 64 cells, their mean being off the centre
    assert found.spread[0].item() == pytest.approx(0, abs=1e-6)
    assert found.spread[1].item() == pytest.approx(deviation, rel=5e-3)
    assert found.consistency.tolist() == [1, 1, 0], "the third finds the cell of the first, which is nearer to that"
    first_cell, its_cell = np.array([0.5, 0.5]) / 8, np.array([5.5, 2.5]) / 8
    assert found.distance[0, 1].item() == pytest.approx(np.linalg.norm(its_cell - first_cell))
    assert found.distance[0, 2] == 0
    both = candidates(torch.cat([maps, maps.flip(-1)]), torch.stack([one, other]), 0.01)
    assert both.spread[0].item() == pytest.approx(0, abs=1e-6), "a mean over images, not over their places together"


def test_candidates_close_to_a_better_one_are_passed_over_unless_too_few_are_left():
    distance = torch.tensor([[0, 0.01, 0.3, 0.3], [0.01, 0, 0.3, 0.3], [0.3, 0.3, 0, 0.04], [0.3, 0.3, 0.04, 0]])
    found = Candidates(torch.eye(4), torch.tensor([0.9, 1.0, 0.5, 0.4]), torch.tensor([0.0, 0.0, 0.1, 0.0]), distance)
    assert choose(found, 2, 0.0, 0.05).tolist() == [1, 2]
    assert choose(found, 2, 2.0, 0.05).tolist() == [1, 3], "0.5 - 2 x 0.1 is below 0.4"
    assert choose(found, 3, 0.0, 0.05).tolist() == [1, 2, 3]
    assert choose(found, 4, 0.0, 0.05).tolist() == [1, 2, 3, 0]
    assert choose(found, 2, 0.0, 0.0).tolist() == [1, 0]


@pytest.mark.parametrize("window", [0, 1, 2, 20])
def test_a_keypoint_is_the_mean_place_of_the_cells_about_the_best_one(window):
    generator = np.random.default_rng(1)
    features, centres = generator.normal(size=(2, CHANNELS, 5, 7)), generator.normal(size=(3, CHANNELS))
    found = locate(torch.from_numpy(features), torch.from_numpy(centres), 3.0, window).numpy()
    for image, points in zip(features, found, strict=True):
        for centre, point in zip(centres, points, strict=True):
            similarity = {(x, y): image[:, y, x] @ centre for x in range(7) for y in range(5)}
            best = max(similarity, key=similarity.__getitem__)
            weights = {
                cell: np.exp((value - similarity[best]) / 3)
                for cell, value in similarity.items()
                if max(abs(cell[0] - best[0]), abs(cell[1] - best[1])) <= window
            }
            expected = sum(weight * (np.array(cell) + 0.5) for cell, weight in weights.items()) / sum(weights.values())
            np.testing.assert_allclose(point, expected / [7, 5], atol=1e-6)


def test_places_go_row_by_row():
    assert places(2, 4, torch.zeros(1))[5].tolist() == [1.5 / 4, 1.5 / 2]


def test_clusters_of_one_seed_are_the_same_and_too_few_features_are_refused():
    features, _, _ = planted(4)
    maps = centred(features, features.mean((0, 2, 3)))
    first = cluster(maps, 10, 50, 5, seed=3)
    assert torch.equal(first, cluster(maps, 10, 50, 5, seed=3))
    assert not torch.equal(first, cluster(maps, 10, 50, 5, seed=4))
    torch.testing.assert_close(first.norm(dim=1), torch.ones(10))
    with pytest.raises(MethodError, match="4 images give 8 features, expected at least the 10 clusters"):
        cluster(maps, 10, 2, 5, seed=3)


def test_features_are_the_mean_of_what_the_block_gives_in_whole_passes(pipeline: Path):
    """Against passes of the UNet from end to end, one draw at a time, from diffusers' own parts."""
    config = DiftKmeansConfig(model=str(pipeline), timestep=200, ensemble=3, up_block=1)
    batch = ArrayImages(blobs(2)).load([0, 1])
    found = Features(config, "cpu", seed=4).maps(batch.ids, torch.tensor(batch.pixels))
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


def test_the_papers_settings_are_the_defaults():
    config = DiftKmeans.config_for("paper", {}).model_dump()
    assert (config["timestep"], config["up_block"], config["ensemble"]) == (261, 1, 8)
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
