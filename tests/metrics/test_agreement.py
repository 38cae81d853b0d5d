"""Agreement of two sets of keypoints, against a search over all assignments."""

from itertools import permutations
from math import dist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metrics.direct.agreement import agreement
from metrics.errors import MetricError


def distance_by_search(first, second):
    """The smallest mean distance over all assignments of K keypoints, in plain Python."""
    images, count = len(first), len(first[0])
    found = []
    for order in permutations(range(count)):
        pairs = (dist(first[n][k], second[n][order[k]]) for n in range(images) for k in range(count))
        found.append(sum(pairs) / (images * count))
    return min(found)


@settings(max_examples=30)
@given(st.integers(0, 10**6), st.integers(1, 5), st.integers(1, 4))
def test_the_matching_is_the_best_of_all_assignments(seed, count, images):
    generator = np.random.default_rng(seed)
    first, second = generator.uniform(size=(2, images, count, 2))
    found = agreement(first, second)
    assert found.distance == pytest.approx(distance_by_search(first.tolist(), second.tolist()), rel=1e-12)
    assert sorted(found.partners) == list(range(count))
    assert agreement(second, first).distance == pytest.approx(found.distance, rel=1e-12)


def test_permuted_keypoints_agree_exactly():
    generator = np.random.default_rng(3)
    first, order = generator.uniform(size=(20, 7, 2)), generator.permutation(7)
    found = agreement(first, first[:, order])
    assert found.distance == 0
    assert [order[partner] for partner in found.partners] == list(range(7))
    assert found.share_within(1e-9) == 1


def test_a_keypoint_that_moved_is_the_only_one_not_found_again():
    first = np.tile([[0.2, 0.2], [0.8, 0.2], [0.2, 0.8], [0.8, 0.8]], (5, 1, 1))
    second = first[:, [2, 3, 0, 1]].copy()
    second[:, 0] += [0.06, 0.08]
    found = agreement(first, second)
    assert found.distance == pytest.approx(0.025)
    assert (found.share_within(0.05), found.share_within(0.11)) == (0.75, 1)


def test_images_without_one_of_two_keypoints_do_not_count_for_their_distance():
    first = np.tile([[0.2, 0.2], [0.8, 0.2]], (4, 1, 1))
    second = first[:, ::-1] + np.array([0.03, 0.04])
    second[1:3, 0] = np.nan
    assert agreement(first, second).distance == pytest.approx(0.05)
    second[:, 0] = np.nan
    assert sorted(agreement(first, second).distances.tolist()) == pytest.approx([0.05, 2**0.5])


def test_other_shapes_are_refused():
    for first, second in (((3, 2, 2), (3, 4, 2)), ((3, 2, 2), (4, 2, 2)), ((3, 0, 2), (3, 0, 2)), ((3, 2), (3, 2))):
        with pytest.raises(MetricError, match="both, of the same images"):
            agreement(np.zeros(first), np.zeros(second))
