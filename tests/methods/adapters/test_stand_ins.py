"""Points that stand for keypoints which were not found are told from positions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from methods.adapters.checks import stand_in_notes, stand_ins

SIDES = st.sampled_from([1.0, 2.0, 128.0, 640.0])


def points(seed, side, count=60):
    return np.random.default_rng(seed).random((count, 5, 2)) * side


@given(st.integers(0, 99), SIDES, st.sampled_from([999.0, 1e4, 1e6, 2.0**31 - 1, 1e30]), st.integers(1, 200))
def test_far_values_are_counted_however_many_there_are(seed, side, value, count):
    found = points(seed, side)
    count = 1 if count == 1 and value > 10 * side else max(count, 2)
    value = value if value > 2 * side else 1e4
    flat = found.reshape(-1, 2)
    flat[:count] = value
    assert stand_ins(found) == {value: count}


@pytest.mark.parametrize("value", [0.0, -1.0, -999.0])
def test_zero_and_negative_values_are_counted_beside_far_ones(value):
    found = points(0, 1.0)
    found[0, 0], found[1, :2] = value, 1e6
    assert stand_ins(found) == {value: 1, 1e6: 2}
    (first, second) = sorted(stand_in_notes("a.npy", found))
    assert {first[:8], second[:8]} == {"a.npy: 1", "a.npy: 2"}
    assert any("2 of 300 keypoints lie exactly on (1e+06, 1e+06)" in note for note in (first, second))


@given(st.integers(0, 99), SIDES, st.floats(0.01, 1.0))
def test_points_on_the_diagonal_of_the_image_are_positions(seed, side, share):
    found = points(seed, side)
    found[::7, 0] = share * side
    assert stand_ins(found) == {}


def test_points_that_all_lie_on_the_diagonal_are_positions():
    assert stand_ins(np.full((9, 3, 2), 64.0)) == {}


def test_a_few_images_larger_than_the_others_are_no_stand_ins():
    found = points(1, 300.0)
    found[0] = np.random.default_rng(2).random((5, 2)) * 2000
    found[0, 0] = 1500.0
    assert stand_ins(found) == {}


def test_far_points_off_the_diagonal_are_positions():
    found = points(1, 1.0)
    found[3, 1] = 1e6, 1e6 + 1
    assert stand_ins(found) == {}
