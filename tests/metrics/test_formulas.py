"""Every protocol against its formula, written out in plain loops."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from metrics.points import Points
from metrics.protocols import PROTOCOLS
from metrics.scoring import score
from tests.metrics import oracle
from tests.metrics.worlds import PAIRS, world

CARD: dict[str, Any] = {"left_right_pairs": PAIRS, "interocular": (0, 1)}
ANNOTATED = [name for name, protocol in PROTOCOLS.items() if not protocol.either_side]


class Lists:
    """Points as plain lists, and what oracles regress from those of the fit images."""

    def __init__(self, some: Points) -> None:
        self.keypoints, self.landmarks = some.keypoints.tolist(), some.landmarks.tolist()
        self.visible, self.boxes = some.visible.tolist(), some.boxes.tolist() if some.boxes is not None else None
        self.all = np.ones_like(some.visible).tolist()


def interocular(**regressor) -> Callable[[Lists, Lists], float]:
    def value(fit, test):
        guess = oracle.regress(fit.keypoints, fit.landmarks, fit.all, test.keypoints, **regressor)
        return oracle.interocular(guess, test.landmarks, test.visible)

    return value


def over_visible(measure, **regressor) -> Callable[[Lists, Lists], float]:
    def value(fit, test):
        guess = oracle.regress(fit.keypoints, fit.landmarks, fit.visible, test.keypoints, **regressor)
        return measure(guess, test.landmarks, test.visible)

    return value


def over_positive(measure) -> Callable[[Lists, Lists], float]:
    def value(fit, test):
        shown = [oracle.positive(some.landmarks, some.visible) for some in (fit, test)]
        guess = oracle.regress(fit.keypoints, fit.landmarks, shown[0], test.keypoints)
        return measure(guess, test.landmarks, shown[1])

    return value


def in_box(measure, **regressor) -> Callable[[Lists, Lists], float]:
    def value(fit, test):
        keypoints, landmarks = [
            [oracle.in_boxes(getattr(some, name), some.boxes) for some in (fit, test)]
            for name in ("keypoints", "landmarks")
        ]
        guess = oracle.regress(keypoints[0], landmarks[0], fit.visible, keypoints[1], **regressor)
        return measure(guess, landmarks[1], test.visible)

    return value


def in_whole_pixels(fit, test):
    landmarks = [oracle.truncated(some.landmarks) for some in (fit, test)]
    guess = oracle.regress(fit.keypoints, landmarks[0], fit.all, test.keypoints, intercept=True)
    return oracle.interocular(guess, landmarks[1], test.all)


def backward(ridge):
    def value(fit, test):
        everything = [[True] * len(fit.keypoints[0])] * len(fit.keypoints)
        regressor = {"intercept": True, "ridge": ridge}
        guess = oracle.regress(fit.landmarks, fit.keypoints, everything, test.landmarks, **regressor)
        return oracle.backward(guess, test.keypoints, test.landmarks)

    return value


def rescaled(fit, test):
    inside = sum(map(sum, oracle.positive(test.landmarks, test.visible))) / len(test.landmarks)
    return over_visible(oracle.summed_absolute, intercept=True)(fit, test) / (2 * inside)


def pck6(visible, **regressor):
    def value(fit, test):
        guess = oracle.regress(fit.keypoints, fit.landmarks, getattr(fit, visible), test.keypoints, **regressor)
        hits = [
            oracle.distance([256 * v for v in g], [256 * v for v in t]) < 6
            for guesses, truths, shown in zip(guess, test.landmarks, getattr(test, visible), strict=True)
            for g, t, seen in zip(guesses, truths, shown, strict=True)
            if seen
        ]
        return 100 * sum(hits) / len(hits)

    return value


ORACLES: dict[str, Callable[[Lists, Lists], float]] = {
    "sk/interocular": interocular(),
    "sk_released/interocular": interocular(),
    "strict/interocular": over_visible(oracle.interocular_visible),
    "strict/interocular_bias": over_visible(oracle.interocular_visible, intercept=True),
    "autolink/interocular": interocular(origin=0.0),
    "autolink_released/interocular": interocular(origin=0.0),
    "scops/interocular": in_whole_pixels,
    "sanchez/forward": interocular(intercept=True, ridge=1e-3),
    "sanchez/backward": backward(1e-3),
    "sanchez/backward_mallis": backward(0.1),
    "sk/side": over_visible(oracle.side),
    "sk_released/side": over_visible(oracle.side),
    "strict/side": over_visible(oracle.side),
    "strict/side_micro": over_visible(oracle.side_micro),
    "strict/box": in_box(oracle.side),
    "autolink/side": over_visible(oracle.side_micro, origin=0.0),
    "autolink_released/side": over_visible(oracle.side_micro, origin=0.0),
    "scops/box": in_box(oracle.side_micro, intercept=True),
    "sk/cumulative": over_positive(oracle.cumulative),
    "sk_released/cumulative": over_positive(oracle.cumulative),
    "sk/relative": over_positive(oracle.relative),
    "siarohin/cumulative": over_visible(oracle.summed_absolute, intercept=True),
    "siarohin/relative": rescaled,
    "strict/cumulative": over_visible(oracle.cumulative),
    "strict/relative": over_visible(oracle.relative),
    "sk/pck6": pck6("all"),
    "sk_released/pck6": pck6("all"),
    "autolink/pck6": pck6("all", origin=0.0),
    "autolink_released/pck6": pck6("all", origin=0.0),
    "strict/pck6": pck6("visible"),
}


def test_every_protocol_has_a_formula_to_agree_with():
    assert ORACLES.keys() == set(ANNOTATED)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("protocol", ORACLES)
def test_agrees_with_the_formulas_in_loops(protocol, seed):
    fit, test = world(seed), world(seed + 50, n=25)
    expected = ORACLES[protocol](Lists(fit), Lists(test))
    found = score(protocol, fit, test, **CARD)
    # The released solvers round their weights to float32, or are in float32 altogether.
    released = "_released/" in protocol
    assert found.value == pytest.approx(expected, rel=1e-4 if released else 1e-9)
    assert expected > 0
    if PROTOCOLS[protocol].threshold is None:
        assert not released or found.value != pytest.approx(expected, rel=1e-12)
    assert found.ci_low is not None and found.ci_high is not None
    assert found.ci_low < found.value < found.ci_high


@pytest.mark.parametrize(
    ("protocol", "ridge"), [("autolink_released/side", 1.0), ("autolink_released/interocular", 1.0)]
)
def test_autolink_adds_one_to_a_singular_matrix(protocol, ridge):
    fit, test = (world(seed, shown=1.0) for seed in (0, 50))
    x, features = (some.keypoints[:, [0, 1, 1]].reshape(60, -1) for some in (fit, test))
    weights = np.linalg.solve(x.T @ x + ridge * np.eye(6), x.T @ fit.landmarks.reshape(60, -1))
    doubled = [Points(some.keypoints[:, [0, 1, 1]], *list(vars(some).values())[1:]) for some in (fit, test)]
    found = score(protocol, *doubled, **CARD)
    np.testing.assert_allclose(found.predicted.reshape(60, -1), features @ weights, atol=1e-4)
