"""Losses and the selection of tokens on cases with known answers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from methods.stable_keypoints.losses import gaussian, peak, sharpening
from methods.stable_keypoints.selection import furthest_points, most_frequent, most_local


def test_a_gaussian_map_costs_nothing_and_is_the_most_local():
    maps = torch.rand(1, 3, 32, 32) * 0.5
    maps[0, 1] = gaussian(torch.tensor([20, 7]), 32, 2.0)
    assert peak(maps)[0, 1].tolist() == [20, 7]
    assert float(sharpening(maps[:, 1:2], 2.0, "sum")) == 0
    assert float(sharpening(maps, 2.0, "sum")) == pytest.approx(1024 * float(sharpening(maps, 2.0, "mean")))
    for ranking in ("paper", "official"):
        assert most_local(maps, 1, 2.0, ranking).tolist() == [[1]]


def test_peak_is_the_first_of_equals():
    maps = torch.zeros(4, 4)
    maps[1, 3] = maps[2, 0] = 1
    assert peak(maps).tolist() == [1, 3]


@pytest.mark.parametrize(
    ("points", "count", "expected"),
    [
        ([(0, 0), (0, 9), (9, 0), (9, 9), (5, 5)], 2, [0, 3]),
        ([(0, 0), (0, 9), (9, 0), (9, 9), (5, 5)], 4, [0, 3, 1, 2]),
        ([(4, 4), (4, 5), (0, 0), (8, 8)], 3, [2, 3, 0]),
        ([(3, 3), (3, 3), (3, 3)], 3, [0, 1, 2]),
        ([(0, 0), (1, 1), (9, 9)], 1, [0]),
        ([(7, 7)], 1, [0]),
    ],
)
def test_furthest_points(points: list[tuple[int, int]], count: int, expected: list[int]):
    twice = torch.tensor([points, points[::-1]])
    assert furthest_points(twice, count)[0].tolist() == expected


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=2, max_size=12), st.data())
@settings(max_examples=60)
def test_furthest_points_are_distinct_and_start_with_the_widest_pair(
    points: list[tuple[int, int]], data: st.DataObject
):
    count = data.draw(st.integers(2, len(points)))
    chosen = furthest_points(torch.tensor([points]), count)[0].tolist()
    assert len(set(chosen)) == count
    widest = max(np.hypot(a[0] - b[0], a[1] - b[1]) for a in points for b in points)
    first, second = (points[index] for index in chosen[:2])
    assert np.hypot(first[0] - second[0], first[1] - second[1]) == pytest.approx(widest)


def test_most_frequent_breaks_ties_by_id():
    assert most_frequent(np.array([[7, 2], [5, 2], [7, 9]]), 3).tolist() == [2, 7, 5]
