"""Keypoints with scores: parts of them, scores of files without any, and what is wrong with them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from methods.presence import Found, absent, as_scores, fault, together

KEYPOINTS = np.random.default_rng(0).random((6, 3, 2))
SCORES = np.random.default_rng(1).normal(size=(6, 3))


def with_gap(row=2, point=1):
    keypoints = KEYPOINTS.copy()
    keypoints[row, point] = np.nan
    return keypoints


@given(st.lists(st.integers(0, 6)).map(lambda cuts: [0, *sorted(cuts), 6]))
def test_parts_together_are_the_whole(cuts):
    whole = Found(with_gap(), SCORES)
    parts = [whole.rows(slice(first, last)) for first, last in pairwise(cuts)]
    found = together(parts)
    assert found.keypoints.tobytes() == whole.keypoints.tobytes()
    assert found.scores is not None and found.scores.tobytes() == SCORES.tobytes()
    plain = together([Found(part.keypoints) for part in parts])
    assert (plain.scores, len(plain)) == (None, 6)


def test_parts_with_and_without_scores_are_refused_but_an_empty_part_has_no_say():
    whole = Found(KEYPOINTS, SCORES)
    with pytest.raises(ValueError, match="scores of some images only"):
        together([whole, Found(KEYPOINTS)])
    assert together([Found(np.empty((0, 3, 2))), whole]).scores is not None


def test_scores_of_keypoints_without_any_say_which_were_found():
    assert as_scores(KEYPOINTS) is None
    found = as_scores(with_gap())
    assert found is not None
    assert found.tolist() == [[1.0, 0.0 if row == 2 else 1.0, 1.0] for row in range(6)]
    assert np.argwhere(absent(with_gap())).tolist() == [[2, 1]]


@pytest.mark.parametrize(
    ("keypoints", "scores", "text"),
    [
        (KEYPOINTS, None, ""),
        (with_gap(), SCORES, ""),
        (with_gap(), np.where(absent(with_gap()), np.nan, SCORES), ""),
        (with_gap(), None, "row 2, keypoint 1 is not finite; only a keypoint with a score may be absent"),
        (np.where(KEYPOINTS == KEYPOINTS[4, 0, 0], np.inf, KEYPOINTS), None, "row 4, keypoint 0 is not finite"),
        (np.where(KEYPOINTS == KEYPOINTS[4, 0, 0], np.nan, KEYPOINTS), SCORES, "row 4, keypoint 0 is not finite"),
        (KEYPOINTS, SCORES[:5], "its scores have the shape (5, 3), expected (6, 3)"),
        (KEYPOINTS, SCORES[:, :2], "its scores have the shape (6, 2), expected (6, 3)"),
        (KEYPOINTS, np.full((6, 3), np.inf), "row 0, keypoint 0 was found, but its score is inf"),
    ],
)
def test_what_is_wrong_is_named(keypoints, scores, text):
    assert fault(keypoints, scores) == text
