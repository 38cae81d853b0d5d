"""The picture of a cell."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmarks.drawing.colours import landmark_colours
from benchmarks.records.store import write_predictions
from benchmarks.run.overlay import LARGE, LARGER, grid, spread_out, write_overlay
from datasets.base import Annotation
from metrics.points import Points
from metrics.scoring import score

NAMES = ("left eye", "right eye", "tail")


class Arena:
    """White images of one small animal; landmarks in a box of a tenth of the image, the last one invisible."""

    card = SimpleNamespace(landmark_names=NAMES, left_right_pairs=((0, 1),))

    def annotation(self, image_id):
        x = 0.2 + 0.05 * int(image_id)
        landmarks = np.array([[x, 0.5], [x + 0.1, 0.5], [0.9, 0.9]])
        return Annotation(landmarks, np.array([True, True, image_id == "0"]), "")

    def image(self, image_id, size):
        return np.full((size, size, 3), 255, np.uint8)


@pytest.fixture
def drawn(tmp_path):
    """Draws the picture for so many keypoints under a protocol."""

    def draw(num_keypoints, protocol="strict/side"):
        arena: Any = Arena()
        ids = [str(index) for index in range(13)]
        annotations = [arena.annotation(each) for each in ids]
        landmarks = np.stack([each.landmarks for each in annotations])
        keypoints = np.random.default_rng(0).uniform(0, 1, (13, num_keypoints, 2))
        write_predictions(tmp_path, "test", ids, keypoints)
        visible = np.stack([each.visible for each in annotations])
        points = Points(keypoints=keypoints, landmarks=landmarks, visible=visible, groups=ids, ids=ids)
        found = score(protocol, points, points, resamples=2, interocular=(0, 1)) if protocol else None
        cell: Any = SimpleNamespace(title="A method", task=SimpleNamespace(id="a_task"), profile="mini", seed=0)
        write_overlay(tmp_path / "overlay.png", cell, tmp_path, arena, found)
        return np.asarray(Image.open(tmp_path / "overlay.png").convert("RGB")).astype(int)

    return draw


def about(picture, colour):
    """Number of pixels of about this colour."""
    return int((np.abs(picture - colour).max(axis=-1) < 12).sum())


@pytest.mark.parametrize("count", [4, 10, 16])
def test_landmarks_have_their_colour_as_ring_and_dot_and_in_the_legend_with_more_room_for_more_points(drawn, count):
    picture = drawn(count)
    left, right, tail = landmark_colours(NAMES, ((0, 1),))
    assert min(about(picture, left), about(picture, right)) > 6 * 12
    assert 0 < about(picture, tail) < about(picture, left)
    panel = (2 * (LARGE if count <= 8 else LARGER)) + LARGE
    assert panel < picture.shape[0] < panel + 320 and picture.shape[1] == 1384 + 56


def test_without_landmarks_there_is_one_panel(drawn):
    alone = drawn(4, None)
    assert about(alone, landmark_colours(NAMES, ((0, 1),))[0]) == 0
    np.testing.assert_array_equal(drawn(4, "sanchez/backward"), alone)


def test_the_picture_is_the_same_each_time(drawn):
    np.testing.assert_array_equal(drawn(4), drawn(4))


def test_images_are_spread_and_a_grid_is_as_wide_as_it_must_be():
    assert spread_out(100, 3).tolist() == [0, 50, 99] and spread_out(2, 6).tolist() == [0, 1]
    tile = Image.new("RGB", (20, 10))
    assert grid([tile] * 3, 6).size == (3 * 28 - 8, 10) and grid([tile] * 7, 6).size == (6 * 28 - 8, 28)
