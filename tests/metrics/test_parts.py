"""NMI and ARI of nearest keypoints and landmarks, against scikit-learn and loops in plain Python."""

from dataclasses import replace
from math import dist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from metrics.direct.parts import ari, nmi
from metrics.errors import MetricError
from metrics.scoring import score, score_all
from tests.metrics.worlds import points, reordered, world

PARTS = ("parts/nmi", "parts/ari", "parts/nmi_background", "parts/ari_background")


def table(parts, landmarks):
    found = np.zeros((1, max(parts) + 1, max(landmarks) + 1))
    np.add.at(found[0], (parts, landmarks), 1)
    return found


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 5)), min_size=1, max_size=60))
def test_nmi_and_ari_are_those_of_scikit_learn(pairs):
    parts, landmarks = map(list, zip(*pairs, strict=True))
    assert nmi(table(parts, landmarks))[0] == pytest.approx(normalized_mutual_info_score(landmarks, parts), abs=1e-12)
    assert ari(table(parts, landmarks))[0] == pytest.approx(adjusted_rand_score(landmarks, parts), abs=1e-12)


def nearest(test, limit=float("inf")):
    """The part of every visible landmark and its number, one after the other; -1 is the background."""
    found = []
    for keypoints, marks, shown in zip(test.keypoints.tolist(), test.landmarks.tolist(), test.visible, strict=True):
        for number, (mark, seen) in enumerate(zip(marks, shown, strict=True)):
            if seen:
                apart = [100 * dist(mark, keypoint) for keypoint in keypoints]
                found.append((apart.index(min(apart)) if min(apart) < limit else -1, number))
    return zip(*found, strict=True)


@pytest.mark.parametrize("seed", range(3))
def test_the_values_are_those_of_a_loop_over_landmarks(seed):
    fit, test = world(seed, k=4), world(seed + 50, n=25, k=4)
    for name, limit in (("", float("inf")), ("_background", 10.0)):
        parts, landmarks = nearest(test, limit)
        assert (-1 in parts) == (name != "")
        expected = 100 * normalized_mutual_info_score(landmarks, parts), 100 * adjusted_rand_score(landmarks, parts)
        found = score(f"parts/nmi{name}", fit, test), score(f"parts/ari{name}", fit, test)
        assert [each.value for each in found] == pytest.approx(expected, rel=1e-10)


def test_keypoints_on_the_landmarks_agree_entirely_and_one_keypoint_says_nothing():
    test = world(51)
    exact, single = replace(test, keypoints=test.landmarks), replace(test, keypoints=test.landmarks[:, :1])
    assert [score(name, exact, exact).value for name in PARTS] == pytest.approx([100] * 4)
    assert [score(name, single, single).value for name in PARTS[:2]] == pytest.approx([0, 0], abs=1e-10)


@pytest.mark.parametrize("protocol", PARTS)
def test_the_order_of_images_and_keypoints_changes_nothing(protocol):
    test = world(51, n=25, k=4)
    other = reordered(replace(test, keypoints=test.keypoints[:, [2, 0, 3, 1]]), range(24, -1, -1))
    before, after = score(protocol, test, test), score(protocol, other, other)
    for name in ("value", "ci_low", "ci_high"):
        assert getattr(after, name) == pytest.approx(getattr(before, name), rel=1e-10)


def test_the_interval_is_of_the_number_over_resampled_images():
    test = world(51, n=12, k=4)
    found = score("parts/nmi", test, test, resamples=50)
    drawn = np.random.default_rng(0)
    numbers = []
    for rows in (drawn.integers(12, size=12) for _ in range(50)):
        images = [replace(reordered(test, [row]), ids=(str(n),)) for n, row in enumerate(rows)]
        together = points(
            *(np.concatenate([getattr(one, name) for one in images]) for name in ("keypoints", "landmarks", "visible"))
        )
        numbers.append(score("parts/nmi", together, together, resamples=2).value)
    low, high = np.quantile(numbers, [0.025, 0.975])
    assert (found.ci_low, found.ci_high) == pytest.approx((low, high), rel=1e-10)


def test_images_have_no_value_of_their_own():
    found = score("parts/nmi", world(1), world(51, n=25))
    assert np.isnan(found.per_image).all() and not found.weights.any()


def test_without_a_visible_landmark_there_is_no_value():
    test = world(51)
    nothing = replace(test, visible=np.zeros_like(test.visible))
    with pytest.raises(MetricError, match="has nothing to measure in the test images"):
        score("parts/nmi", world(1), nothing)


def test_ratios_beside_other_statistics_keep_their_intervals():
    test = world(51, n=25, k=4)
    alone = score("strict/side", test, test)
    beside = score_all(["parts/nmi", "strict/side"], test, test)[1]
    assert (beside.ci_low, beside.ci_high) == pytest.approx((alone.ci_low, alone.ci_high), rel=1e-12)
