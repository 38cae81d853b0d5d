"""Matching of rows to images by landmarks, without guesses."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from methods.adapters.base import OutputError, Outputs, SplitTruth
from methods.adapters.matching import match_landmarks
from tests.methods.adapters.requests import truth


def outputs(landmarks, visible=None, keypoints=None, tolerance=1e-5):
    points = np.arange(len(landmarks) * 2.0).reshape(-1, 1, 2) if keypoints is None else keypoints
    return Outputs("file", points, landmarks=np.asarray(landmarks), visible=visible, tolerance=tolerance)


def images(*landmarks):
    """Images of one landmark pair each, all visible."""
    points = np.array(landmarks, dtype=np.float64)
    return SplitTruth(tuple("abcdefgh"[: len(points)]), points, np.ones(points.shape[:2], dtype=bool))


ONE, TWO, THREE = ((0.1, 0.2), (0.3, 0.4)), ((0.5, 0.2), (0.3, 0.4)), ((0.9, 0.9), (0.8, 0.8))


@settings(max_examples=30)
@given(st.integers(1, 40), st.integers(0, 2**20), st.booleans())
def test_any_order_of_the_rows_is_undone(count, seed, rounded):
    found = truth("regress", count, 5, seed)
    rows = np.random.default_rng(seed).permutation(count)
    landmarks = found.landmarks[rows]
    match = match_landmarks(outputs(landmarks.astype(np.float32) if rounded else landmarks), found)
    assert match.ids == [found.ids[row] for row in rows]
    assert match.report("file") == []


def test_a_row_of_no_image_is_left_out_and_its_distance_told():
    match = match_landmarks(outputs([ONE, np.array(TWO) + 0.25, THREE]), images(THREE, TWO, ONE))
    assert match.ids == ["c", None, "a"]
    assert match.unmatched == [1]
    assert match.nearest == pytest.approx(0.25)
    assert "1 of 3 rows fit the landmarks of no image, first row 1, which is 0.25" in match.report("file")[0]


def test_as_many_rows_as_images_that_are_alike_stand_in_the_files_order():
    match = match_landmarks(outputs([ONE, TWO, ONE]), images(TWO, ONE, ONE))
    assert match.ids == ["b", "a", "c"]
    assert match.shared == [0, 2] and not match.ambiguous


def test_more_or_fewer_rows_than_images_that_are_alike_are_left_out():
    assert match_landmarks(outputs([ONE]), images(ONE, ONE)).ids == [None]
    three = match_landmarks(outputs([ONE, ONE, ONE]), images(ONE, ONE))
    assert three.ids == [None] * 3 and three.ambiguous == [0, 1, 2]
    assert "3 rows fit more than one image" in three.report("file")[0]


def test_images_that_are_nearly_alike_are_not_taken_for_each_other():
    """Within the file's rounding two images fit both rows, but they are not the same: which is which matters."""
    near = np.array(ONE) + 0.001
    match = match_landmarks(outputs([ONE, near], tolerance=0.01), images(ONE, near))
    assert match.ids == [None, None]
    assert match.ambiguous == [0, 1]


def test_a_row_that_fits_two_images_gets_the_one_that_is_left():
    """The first row can only be 'a' (far from 'b'), so that the second, which fits both, is 'b'."""
    a, b = np.array(ONE), np.array(ONE) + 0.015
    match = match_landmarks(outputs([a - 0.005, a + 0.008], tolerance=0.01), images(a, b))
    assert match.ids == ["a", "b"]


def test_a_row_said_twice_counts_once_and_two_that_differ_not_at_all():
    same = match_landmarks(outputs([ONE, ONE], keypoints=np.ones((2, 1, 2))), images(ONE, TWO))
    assert same.ids == ["a", None] and same.repeated == [1]
    other = match_landmarks(outputs([ONE, ONE]), images(ONE, TWO))
    assert other.ids == [None, None] and other.ambiguous == [0, 1]


def test_what_is_not_visible_does_not_count():
    known = images(ONE, TWO, THREE)
    seen = np.array([[True, True], [False, True], [True, True]])
    known = SplitTruth(known.ids, np.where(seen[..., None], known.landmarks, np.nan), seen)
    match = match_landmarks(outputs([TWO, THREE, ONE], visible=seen[[1, 2, 0]]), known)
    assert match.ids == ["b", "c", "a"]


def test_two_landmarks_at_least_must_be_seen_on_both_sides():
    """One common landmark is no evidence, however well it fits."""
    known = images(ONE, THREE)
    visible = np.array([[True, False]])
    match = match_landmarks(outputs([ONE], visible=visible), known)
    assert match.ids == [None] and match.unmatched == [0]


def test_another_number_of_landmarks_is_refused():
    with pytest.raises(OutputError, match="has 3 landmarks per image, the task has 2"):
        match_landmarks(outputs(np.zeros((4, 3, 2))), images(ONE))
