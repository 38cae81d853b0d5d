"""The checks of all custom data: which coordinates are refused, which count as missing, what remarks are made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from datasets.base import DatasetError
from datasets.reading.coordinates import check_order, hide_stand_ins, refuse_fractions
from datasets.reading.labels import Labels, LeftOut

SOURCE = Path("labels")
SIZE = (640, 480)


def labels(points: NDArray[np.float64], boxes: NDArray[np.float64] | None = None) -> Labels:
    count = len(points)
    names = tuple(f"{row}.png" for row in range(count))
    visible = np.ones(points.shape[:2], dtype=bool)
    return Labels(names, names, names, (SOURCE,) * count, points, visible, boxes, (SIZE,) * count)


def some_points(seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Keypoints (20, 4, 2) at the lower right of 640 x 480 pixels, and the boxes that they span."""
    points = np.random.default_rng(seed).uniform((400, 300), (630, 470), size=(20, 4, 2))
    return points, np.concatenate([points.min(axis=1), np.ptp(points, axis=1)], axis=1)


@pytest.mark.parametrize("largest", [1.0, 1.9, -1.0])
def test_fractions_are_refused(largest: float) -> None:
    points = np.linspace(0.0, 1.0, 20).reshape(10, 2) * largest
    with pytest.raises(
        DatasetError, match="its keypoints run from .* fractions of the image; expected pixels: multiply"
    ):
        refuse_fractions(SOURCE, points, None)
    with pytest.raises(DatasetError, match="its boxes run from .* fractions of the image"):
        refuse_fractions(SOURCE, points * 100, np.full((10, 2), largest))
    with pytest.raises(DatasetError, match="its keypoints run from .* fractions"):
        refuse_fractions(SOURCE, np.concatenate([points] * 10 + [[[300.0, 200.0]]]), None)
    refuse_fractions(SOURCE, points * 100, np.full((10, 2), 30.0))
    refuse_fractions(SOURCE, np.zeros((0, 2)), None)


@given(st.lists(st.sampled_from([0.0, -1.0, -999.0]), max_size=5), st.integers(0, 5))
def test_stand_ins_for_missing_are_counted(values: list[float], hidden: int) -> None:
    real = np.array([[0.0, 3.0], [3.0, 0.0], [-1.0, 0.0], [7.0, 7.0], [np.nan, np.nan]])
    points = np.concatenate([real, *[[[value, value]] for value in values]])[None]
    visible = np.array([[True, True, True, True, False, *[True] * len(values)]])
    visible[0, 5 : 5 + hidden] = False
    labelled, remarks = hide_stand_ins(points, visible)
    assert labelled.tolist() == [[True] * 4 + [False] * (1 + len(values))]
    shown = values[hidden:]
    assert len(remarks) == len(set(shown))
    for value in set(shown):
        text = f"labelled keypoints exactly on ({value:g}, {value:g}): {shown.count(value)} of {4 + len(shown)};"
        assert any(remark.startswith(text) for remark in remarks)


def test_right_labels_are_taken_without_a_word() -> None:
    points, boxes = some_points()
    for found in (labels(points), labels(points, boxes)):
        assert check_order(SOURCE, found, [SIZE] * 20) == check_order(SOURCE, found, [None] * 20) == ()


def test_corners_are_no_width_and_height() -> None:
    points, boxes = some_points()
    corners = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
    with pytest.raises(DatasetError, match="20 of 20 boxes reach beyond their images, and would fit as x1, y1, x2, y2"):
        check_order(SOURCE, labels(points, corners), [SIZE] * 20)


def test_y_before_x_is_refused_where_boxes_or_images_tell() -> None:
    points, boxes = some_points()
    for found, sizes in ((labels(points[..., ::-1], boxes), [None] * 20), (labels(points[..., ::-1]), [SIZE] * 20)):
        with pytest.raises(
            DatasetError, match="lie outside .*, and none would with x and y exchanged; expected x before y"
        ):
            check_order(SOURCE, found, sizes)


def test_labels_of_another_size_of_image_are_refused_and_a_few_outside_are_said() -> None:
    points, _ = some_points()
    with pytest.raises(
        DatasetError, match="80 of 80 labelled keypoints lie outside their images, such as that of 640 x 480"
    ):
        check_order(SOURCE, labels(points * 2), [SIZE] * 20)
    points[0, 0] = (-30, 5)
    assert check_order(SOURCE, labels(points), [SIZE] * 20) == ("labelled keypoints outside their images: 1 of 80",)


def test_percent_is_suspected() -> None:
    points, _ = some_points()
    (remark,) = check_order(SOURCE, labels(points / SIZE * 100), [SIZE] * 20)
    assert "in images of 480 pixels and more: if they are percent of the image" in remark


def test_what_is_left_out_is_counted_with_the_first() -> None:
    left_out = LeftOut(SOURCE, "lines")
    for which in ("a", "b"):
        left_out.add("crowds", which)
    with left_out.broken():
        _fail("line 3: got x")
    assert left_out.remarks() == (
        "left out: crowds: 2 (first a)",
        "left out: lines that cannot be used: 1 (first line 3: got x)",
    )
    left_out.check(used=2)
    with pytest.raises(DatasetError, match="^labels, line 3: got x$"):
        left_out.check(used=1)


def _fail(text: str) -> None:
    raise DatasetError(f"{SOURCE}, {text}")
