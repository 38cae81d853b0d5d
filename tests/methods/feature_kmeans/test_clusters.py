"""Clusters on synthetic features with known parts, and their measures computed by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from methods.base import MethodError
from methods.feature_kmeans.clusters import Candidates, candidates, centred, choose, cluster, locate, places

SIDE = 16
CHANNELS = 24


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
    centres = cluster(maps, 15, 256, 15, 0, "tiny")
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
    first = cluster(maps, 10, 50, 5, 3, "tiny")
    assert torch.equal(first, cluster(maps, 10, 50, 5, 3, "tiny"))
    assert not torch.equal(first, cluster(maps, 10, 50, 5, 4, "tiny"))
    torch.testing.assert_close(first.norm(dim=1), torch.ones(10))
    with pytest.raises(MethodError, match="tiny: 4 images give 8 features, expected at least the 10 clusters; "):
        cluster(maps, 10, 2, 5, 3, "tiny")
