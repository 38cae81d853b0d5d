"""Distinctness of keypoints, against loops over pairs in plain Python and cases with a known answer."""

from dataclasses import replace
from itertools import combinations
from math import dist

import numpy as np
import pytest

from metrics.errors import MetricError
from metrics.protocols import PROTOCOLS
from metrics.scoring import score
from tests.metrics.worlds import world


def test_distances_of_pairs_are_those_of_a_plain_loop():
    fit, test = world(1), world(51, n=25)
    pairs = [[100 * dist(a, b) for a, b in combinations(image.tolist(), 2)] for image in test.keypoints]
    closest, collapsed = score("label_free/closest_pair", fit, test), score("label_free/collapsed", fit, test)
    assert closest.per_image == pytest.approx([min(image) for image in pairs], rel=1e-12)
    assert closest.value == pytest.approx(sum(min(image) for image in pairs) / 25, rel=1e-12)
    close = [100 * sum(apart < 2 for apart in image) / len(image) for image in pairs]
    assert collapsed.per_image == pytest.approx(close, rel=1e-12)


def test_keypoints_in_one_place_have_collapsed_and_a_wide_grid_has_not():
    test = world(51, n=25)
    one = replace(test, keypoints=np.full((25, 4, 2), 0.5))
    grid = replace(test, keypoints=np.tile([[0.25, 0.25], [0.75, 0.25], [0.25, 0.75], [0.75, 0.75]], (25, 1, 1)))
    assert score("label_free/closest_pair", one, one).value == 0
    assert score("label_free/collapsed", one, one).value == 100
    assert score("label_free/closest_pair", grid, grid).value == pytest.approx(50)
    assert score("label_free/collapsed", grid, grid).value == 0


def test_a_measure_of_keypoints_has_no_regression():
    found = score("label_free/closest_pair", world(1), world(51, n=25))
    assert (found.n_fit, found.rank, found.condition, found.rank_deficient) == (0, 0, None, False)
    assert np.isnan(found.per_landmark).all() and not found.rows.any() and found.predicted.shape == (25, 5, 2)
    assert PROTOCOLS["label_free/closest_pair"].higher_is_better


def test_one_keypoint_has_no_pair():
    with pytest.raises(MetricError, match="pairs of keypoints, but there is 1"):
        score("label_free/closest_pair", world(1, k=1), world(51, k=1))


@pytest.mark.parametrize("protocol", ["label_free/closest_pair", "label_free/collapsed"])
def test_the_order_of_images_and_keypoints_changes_nothing(protocol):
    test = world(51, n=25)
    other = replace(test, keypoints=test.keypoints[::-1, [2, 0, 1]], ids=test.ids[::-1], groups=test.groups[::-1])
    assert score(protocol, other, other).value == pytest.approx(score(protocol, test, test).value, rel=1e-12)
