"""Rows in the wrong order are found where keypoints follow the landmarks, and right ones are never refused."""

import numpy as np
import pytest

from benchmarks.submit.rows import misplaced
from methods.adapters.base import SplitTruth

IMAGES, KEYPOINTS, LANDMARKS = 60, 4, 9


def world(seed, clip=1, images=IMAGES):
    """Objects that move rigidly, in clips of neighbouring images, and the ids of the images in a random order."""
    draw = np.random.default_rng(seed)
    starts = draw.uniform(0.2, 0.8, (images // clip, 1, 2)).repeat(clip, axis=0)
    centres = starts + draw.normal(0, 0.01, starts.shape)
    landmarks = centres + draw.normal(0, 0.1, (1, LANDMARKS, 2)) + draw.normal(0, 0.03, (images, LANDMARKS, 2))
    ids = tuple(f"{number:04d}" for number in draw.permutation(images))
    truth = SplitTruth(ids, landmarks, np.ones((images, LANDMARKS), bool))
    return truth, landmarks[:, :KEYPOINTS] + draw.normal(0, 0.05, (images, KEYPOINTS, 2)), draw


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("rows", ["as the dataset", "mixed"])
@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda points: np.roll(points, 1, axis=0), "moved up by 1"),
        (lambda points: np.roll(points, -1, axis=0), "moved down by 1"),
        (lambda points: np.roll(points, 3, axis=0), "moved up by 3"),
        (lambda points: points[::-1], "in the reverse order"),
    ],
)
def test_moved_and_reversed_rows_are_found_in_the_order_of_the_file(seed, rows, wrong, says):
    truth, points, draw = world(seed)
    in_file = np.arange(IMAGES) if rows == "as the dataset" else draw.permutation(IMAGES)
    given = np.empty_like(points)
    given[in_file] = wrong(points[in_file])
    assert says in misplaced(given, np.argsort(in_file).tolist(), truth)


@pytest.mark.parametrize("seed", range(5))
def test_keypoints_in_the_order_of_sorted_ids_beside_unsorted_ids_are_found(seed):
    truth, points, _ = world(seed)
    given = points[np.argsort(truth.ids)]
    assert "in the order of sorted ids" in misplaced(given, list(range(IMAGES)), truth)


@pytest.mark.parametrize("seed", range(5))
def test_keypoints_in_the_order_of_the_dataset_beside_sorted_ids_are_found(seed):
    """The file's rows are sorted by id; its first row has the keypoints of the dataset's first image, and so on."""
    truth, points, _ = world(seed)
    places = np.argsort(truth.ids)  # of the images, in the order of the file
    given = np.empty_like(points)
    given[places] = points
    assert "in the order of the dataset" in misplaced(given, np.argsort(places).tolist(), truth)


@pytest.mark.parametrize("clip", [1, 5, 20])
@pytest.mark.parametrize("images", [20, 60, 100])
def test_right_rows_are_never_refused(clip, images):
    for seed in range(20):
        truth, points, draw = world(seed, clip, images)
        assert misplaced(points, draw.permutation(images).tolist(), truth) == ""


@pytest.mark.parametrize("images", [30, 100])
def test_keypoints_that_know_nothing_are_hardly_ever_refused(images):
    """They may be a baseline, and no other order of them is better but by chance."""
    found = []
    for seed in range(40):
        truth, _, draw = world(seed, 1, images)
        points = draw.random((images, KEYPOINTS, 2))
        found.append(misplaced(points, list(range(images)), truth))
    assert sum(map(bool, found)) == 0


def test_constant_keypoints_and_few_images_say_nothing():
    truth, points, _ = world(0)
    assert misplaced(np.full_like(points, 0.5), list(range(IMAGES)), truth) == ""
    few = SplitTruth(truth.ids[:8], truth.landmarks[:8], truth.visible[:8])
    assert misplaced(points[:8][::-1], list(range(8)), few) == ""
