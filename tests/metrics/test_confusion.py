"""Left and right: cases with a known answer."""

from dataclasses import replace

import numpy as np
import pytest

from metrics.confusion import found_at, partnered
from metrics.errors import MetricError
from metrics.scoring import score_all
from tests.metrics.worlds import PAIRS, points, world

SHARES = ("sides/near", "sides/mirror", "sides/elsewhere")


def shares(fit, test):
    return [found.value for found in score_all(SHARES, fit, test, left_right_pairs=PAIRS)]


def test_the_three_shares_are_all_there_is():
    assert sum(shares(world(1), world(51, n=25))) == pytest.approx(100)


def test_an_exact_method_is_near_and_one_with_exchanged_sides_is_at_the_mirror():
    """The keypoints are the landmarks; in the test images of the second, those of the right are on the left."""
    fit, test = world(1, k=4, noise=0.0, shown=1.0), world(51, k=4, noise=0.0, shown=1.0)
    fit = replace(fit, keypoints=fit.landmarks[:, :4])
    assert shares(fit, replace(test, keypoints=test.landmarks[:, :4])) == [100, 0, 0]
    assert shares(fit, replace(test, keypoints=test.landmarks[:, [1, 0, 3, 2]])) == [0, 100, 0]


def test_a_landmark_counts_only_with_its_partner_and_away_from_it():
    places = np.array([[[0.2, 0.5], [0.8, 0.5], [0.4, 0.1], [0.44, 0.1], [0.5, 0.9]]] * 2)
    visible = np.array([[True] * 5, [True, False, True, True, True]])
    counted = partnered(points(places[:, :1], places, visible), PAIRS)
    assert counted.tolist() == [[True, True, False, False, False], [False] * 5]


def test_near_ends_half_way_between_the_two():
    places = np.array([[[0.2, 0.5], [0.8, 0.5], [0.4, 0.1], [0.6, 0.1], [0.5, 0.9]]])
    guess = np.array([[[0.49, 0.5], [0.49, 0.5], [0.4, 0.21], [0.61, 0.1], [0.5, 0.9]]])
    some = points(places[:, :1], places)
    assert found_at("near", guess, some, PAIRS)[0, :4].tolist() == [True, False, False, True]
    assert found_at("mirror", guess, some, PAIRS)[0, :4].tolist() == [False, True, False, False]
    assert found_at("elsewhere", guess, some, PAIRS)[0, :4].tolist() == [False, False, True, False]


def test_without_a_pair_to_tell_apart_there_are_errors_and_no_shares():
    """All five landmarks of the test images are so close together that no pair counts."""
    fit, test = world(1), world(51, n=9)
    test = replace(test, landmarks=0.5 + 0.01 * test.landmarks)
    found = score_all(["strict/side", *SHARES, "parts/nmi"], fit, test, left_right_pairs=PAIRS)
    assert [each.protocol for each in found] == ["strict/side", "parts/nmi"]
    with pytest.raises(
        MetricError, match=r"^sides/near has nothing to measure in the test images; it is the percentage"
    ):
        score_all(SHARES, fit, test, left_right_pairs=PAIRS)
    hidden = replace(test, visible=np.zeros_like(test.visible))
    with pytest.raises(MetricError, match="no landmark is used by strict/side"):
        score_all(["parts/nmi", "strict/side"], fit, hidden, left_right_pairs=PAIRS)
