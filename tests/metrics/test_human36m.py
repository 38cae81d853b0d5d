"""The protocols of Human3.6M, where left and right may change places, against the published loop in plain code."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from metrics.left_right import mistyped_order, swapped_order
from metrics.points import Points
from metrics.protocols import PROTOCOLS
from metrics.scoring import score, score_all
from tests.metrics import oracle
from tests.metrics.test_left_right import naive_loop
from tests.metrics.worlds import HUMAN36M_PAIRS, PAIRS, shuffled_sides, world

CARD: dict[str, Any] = {"left_right_pairs": PAIRS}
HUMAN36M: dict[str, Any] = {"left_right_pairs": HUMAN36M_PAIRS}


@pytest.mark.parametrize("seed", range(3))
def test_human36m_agrees_with_the_swap_loop_in_loops(seed):
    clean = [world(seed, n=300), world(seed + 50, n=25)]
    confused = [shuffled_sides(some, swapped_order(5, PAIRS), 0.25, seed) for some in clean]
    lists = [part for some in confused for part in (some.keypoints.tolist(), some.landmarks.tolist())]
    expected = oracle.human36m(lists[0], lists[1], lists[2], lists[3], PAIRS)
    found, strict, percent = score_all(["sk/human36m", "strict/human36m", "strict/human36m_percent"], *confused, **CARD)
    assert found.value == pytest.approx(expected, rel=1e-9)
    assert strict.value == found.value
    assert percent.value == pytest.approx(found.value / 1.28, rel=1e-12)
    # The loop finds the sides again: nearly as good as with labels that were never confused.
    assert found.value < 1.5 * score("sk/human36m", *clean, **CARD).value
    assert found.value < 0.5 * score("strict/relative", *confused, **CARD).value


def seventeen(some: Points) -> Points:
    kept = [0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27]
    return replace(some, landmarks=some.landmarks[:, kept], visible=some.visible[:, kept])


def test_variants_of_human36m_agree_with_the_naive_loop():
    correct, released = swapped_order(32, HUMAN36M_PAIRS), mistyped_order(32)
    fit, test = (shuffled_sides(world(seed, n=200, landmarks=32), correct, 0.3, seed) for seed in (1, 51))

    def mean_error(weights, order, origin):
        predicted = ((test.keypoints - origin).reshape(200, -1) @ weights).reshape(200, 32, 2) + origin
        both = [
            np.linalg.norm(guess - test.landmarks, axis=2).mean(axis=1) for guess in (predicted, predicted[:, order])
        ]
        return np.minimum(*both).mean()

    weights, _ = naive_loop(fit.keypoints, fit.landmarks, released)
    found = score("sk_released/human36m", fit, test, **HUMAN36M)
    assert found.value == pytest.approx(128 * mean_error(weights, released, 0.5), rel=1e-5)
    weights, kept = naive_loop(fit.keypoints, fit.landmarks, correct, origin=0.0, drop_outliers=True)
    found = score("autolink/human36m", fit, test, **HUMAN36M)
    assert found.value == pytest.approx(100 * mean_error(weights, correct, 0.0), rel=1e-9)
    assert found.rows.tolist() == [kept] * 32


def smaller_of_two(weights: np.ndarray, test: Points, order: np.ndarray, of: str) -> float:
    """100 times the mean over images of the smaller of two mean errors about the corner, in loops.

    The second is that of the swapped ``of``: the prediction, or the landmarks.
    """
    errors = []
    for keypoints, landmarks in zip(test.keypoints, test.landmarks, strict=True):
        predicted = (keypoints.ravel() @ weights).reshape(-1, 2)
        other = {"prediction": predicted, "landmarks": landmarks}[of][order]
        pairs = [(predicted, landmarks), (other, landmarks) if of == "prediction" else (predicted, other)]
        errors.append(min(np.mean([np.hypot(*(p - q)) for p, q in zip(*pair, strict=True)]) for pair in pairs))
    return 100 * float(np.mean(errors))


@pytest.mark.parametrize("seed", range(3))
def test_released_autolink_takes_the_smaller_error_over_swapped_landmarks(seed):
    correct, released = swapped_order(32, HUMAN36M_PAIRS), mistyped_order(32)
    fit, test = (shuffled_sides(world(start, n=300, landmarks=32), correct, 0.3, start) for start in (seed, seed + 50))
    weights, kept = naive_loop(fit.keypoints, fit.landmarks, released, origin=0.0, drop_outliers=True)
    exact = replace(PROTOCOLS["autolink_released/human36m"], id="exact", solver="gelsd", singular_ridge=0.0)
    found, single = score_all([exact, "autolink_released/human36m"], fit, test)
    expected = smaller_of_two(weights, test, released, "landmarks")
    assert found.value == pytest.approx(expected, rel=1e-9)
    assert single.value == pytest.approx(expected, rel=1e-3)  # solved in float32
    assert single.rows.tolist() == [kept] * 32
    assert single.protocol_version == 2
    # What version 1 had, the swapped prediction, is another number under this list, and the same under one that
    # only exchanges.
    assert abs(smaller_of_two(weights, test, released, "prediction") / found.value - 1) > 1e-4
    assert smaller_of_two(weights, test, correct, "prediction") == pytest.approx(
        smaller_of_two(weights, test, correct, "landmarks"), rel=1e-12
    )


@pytest.mark.parametrize("name", ["autolink/human36m", "sk/human36m", "strict/human36m"])
def test_by_a_correct_list_it_is_all_one_which_of_the_two_is_swapped(name):
    order = swapped_order(32, HUMAN36M_PAIRS)
    fit, test = (shuffled_sides(world(seed, n=200, landmarks=32), order, 0.3, seed) for seed in (4, 54))
    plain = PROTOCOLS[name]
    assert plain.test_swap == "prediction"
    found, other = score_all([plain, replace(plain, id="other", test_swap="landmarks")], fit, test, **HUMAN36M)
    assert other.value == pytest.approx(found.value, rel=1e-12)
    np.testing.assert_allclose(other.per_image, found.per_image, rtol=1e-12)


def test_seventeen_joints_are_scored_as_if_there_were_no_others():
    correct = swapped_order(32, HUMAN36M_PAIRS)
    fit, test = (shuffled_sides(world(seed, n=100, landmarks=32), correct, 0.3, seed) for seed in (1, 51))
    found = score("strict/human36m_17", fit, test, **HUMAN36M)
    pairs = ((1, 4), (2, 5), (3, 6), (11, 14), (12, 15), (13, 16))
    alone = score("strict/human36m", seventeen(fit), seventeen(test), left_right_pairs=pairs)
    assert found.value == pytest.approx(alone.value, rel=1e-12)
    assert found.predicted.shape == (100, 32, 2)
    assert np.isnan(found.per_landmark).sum() == np.isnan(found.predicted[0, :, 0]).sum() == 15
    assert found.rows.tolist() == [0 if np.isnan(error) else 100 for error in found.per_landmark]
    np.testing.assert_array_equal(found.per_landmark[~np.isnan(found.per_landmark)], alone.per_landmark)
