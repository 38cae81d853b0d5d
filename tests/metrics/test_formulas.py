"""Every protocol against its formula, written out in plain loops."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from metrics.points import Points
from metrics.protocols import PROTOCOLS
from metrics.scoring import score
from tests.metrics import oracle
from tests.metrics.worlds import PAIRS, points, reordered, world

CARD: dict[str, Any] = {"left_right_pairs": PAIRS, "interocular": (0, 1)}
ANNOTATED = [name for name, protocol in PROTOCOLS.items() if protocol.regresses and not protocol.either_side]


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


def backward_of_68(fit, test, rows=slice(None)):
    """The evaluation that Mallis et al. released, for 68 landmarks, on the given fit images.

    Coordinates are in pixels of an image of 218, then divided by its side; both sides are centred at their means, and
    the ridge is 0.1 times the largest entry of the Gram matrix. The eyes are the landmarks 41 and 46.
    """
    side = 218
    sources, targets = (np.array(some)[rows].reshape(-1, 2 * len(some[0])) for some in (fit.landmarks, fit.keypoints))
    sources, targets = sources * side / side - 0.5, targets * side / side - 0.5
    middles = sources.mean(axis=0), targets.mean(axis=0)
    gram = (sources - middles[0]).T @ (sources - middles[0])
    weights = np.linalg.solve(gram + 0.1 * gram.max() * np.eye(136), (sources - middles[0]).T @ (targets - middles[1]))
    total = 0.0
    for landmarks, keypoints in zip(test.landmarks, test.keypoints, strict=True):
        guess = side * ((np.array(landmarks).ravel() - 0.5 - middles[0]) @ weights + middles[1] + 0.5)
        pixels = side * np.array(keypoints)
        apart = [oracle.distance(g, p) for g, p in zip(guess.reshape(-1, 2), pixels, strict=True)]
        total += sum(apart) / (len(apart) * side * oracle.distance(landmarks[41], landmarks[46]))
    return 100 * total / len(test.landmarks)


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


def side_share(side):
    def value(fit, test):
        guess = oracle.regress(fit.keypoints, fit.landmarks, fit.visible, test.keypoints)
        return oracle.shares_of_sides(guess, test.landmarks, test.visible, CARD["left_right_pairs"])[side]

    return value


ORACLES: dict[str, Callable[[Lists, Lists], float]] = {
    "sk/interocular": interocular(),
    "sk_released/interocular": interocular(),
    "strict/interocular": over_visible(oracle.interocular_visible),
    "strict/interocular_bias": over_visible(oracle.interocular_visible, intercept=True),
    "autolink/interocular": interocular(origin=0.0),
    "autolink_released/interocular": interocular(origin=0.0),
    "scops/interocular": in_whole_pixels,
    "sanchez/forward": interocular(intercept=True, ridge=1e-4),
    "sanchez/backward": backward(1e-4),
    "sanchez/forward_mallis": interocular(intercept=True, ridge=1e-3),
    "sanchez/backward_mallis": backward_of_68,
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
    "sides/near": side_share("near"),
    "sides/mirror": side_share("mirror"),
    "sides/elsewhere": side_share("elsewhere"),
}


def test_every_protocol_has_a_formula_to_agree_with():
    assert ORACLES.keys() == set(ANNOTATED)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("protocol", ORACLES)
def test_agrees_with_the_formulas_in_loops(protocol, seed):
    landmarks = PROTOCOLS[protocol].num_landmarks or 5
    noise = 0.3 if protocol.startswith("sides/") else 0.02
    fit, test = (world(key, n, landmarks=landmarks, noise=noise) for key, n in ((seed, 60), (seed + 50, 25)))
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


@pytest.mark.parametrize("protocol", ["sanchez/forward_mallis", "sanchez/backward_mallis"])
def test_few_images_are_fitted_once_and_many_as_ten_random_subsets(protocol, monkeypatch):
    landmarks = PROTOCOLS[protocol].num_landmarks
    assert landmarks is not None
    monkeypatch.setitem(PROTOCOLS, "few", replace(PROTOCOLS[protocol], id="few", labelled=40))
    fit, test = world(3, n=70, landmarks=landmarks), world(53, n=25, landmarks=landmarks)
    found, other = (score("few", fit, test, seed=seed, **CARD) for seed in (0, 1))
    values, each = [], replace(PROTOCOLS[protocol], labelled=None)
    for repeat in range(10):
        rows = np.random.default_rng([0, 40, repeat]).choice(70, 40, replace=False)
        assert len(set(rows.tolist())) == 40
        alone = score(each, reordered(fit, rows), test, **CARD)
        if landmarks == 68:
            assert alone.value == pytest.approx(backward_of_68(Lists(fit), Lists(test), rows), rel=1e-9)
        values.append(alone.value)
    assert found.value == pytest.approx(np.mean(values), rel=1e-12)
    assert found.value == pytest.approx(found.per_image.mean(), rel=1e-12)
    assert len(set(values)) == 10
    assert other.value != found.value
    assert (found.n_fit, found.n_test, set(found.rows.tolist())) == (40, 25, {40})
    assert score("few", reordered(fit, rows), test, **CARD).value == pytest.approx(values[-1], rel=1e-12)


def test_backward_errors_over_5_and_over_68_landmarks_are_not_the_same_quantity():
    # Five landmarks have ten coordinates, and cannot determine all coordinates of ten keypoints.
    generator = np.random.default_rng(1)
    mixing = generator.normal(size=(20, 136)) / 4
    many = []
    for n in (2000, 100):
        keypoints = generator.uniform(size=(n, 10, 2))
        many.append(points(keypoints, 0.5 + ((keypoints.reshape(n, 20) - 0.5) @ mixing).reshape(n, 68, 2)))
    five = [replace(some, landmarks=some.landmarks[:, :5], visible=some.visible[:, :5]) for some in many]
    plain = replace(PROTOCOLS["sanchez/backward"], ridge=0.0, curve=False)
    of_five = score(plain, *five, interocular=(0, 1)).value
    assert score(plain, *many, interocular=(0, 1)).value < 1e-6 < of_five


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
