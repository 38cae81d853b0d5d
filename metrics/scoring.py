"""Scoring of keypoints under any number of protocols at once: ``score_all`` is the entry point."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metrics.absent import samples, with_rule
from metrics.curve import Curve, label_curve
from metrics.direct import measure
from metrics.direct.values import Values
from metrics.errors import Floats, MetricError, means_over_visible
from metrics.left_right import better_labels, better_side, fit_either_side, order_of
from metrics.measure import Card, errors_of, per_image, ratio_of, scale_of, with_counted
from metrics.points import Points, checked, from_frame, seen_by, some_of
from metrics.protocols.catalogue import PROTOCOLS
from metrics.protocols.record import Protocol
from metrics.regression import Regression, fit_regression, together
from metrics.statistics import Interval, Statistic, bootstrap_intervals, value_of

_REGRESSION = (
    *("frame", "grid", "num_landmarks", "landmarks", "rows", "direction", "origin", "intercept", "solver", "ridge"),
    *("singular_ridge", "sides", "test_swap", "drop_outliers", "labelled", "absent"),
)


@dataclass(frozen=True)
class Score:
    """The result of one protocol: a value with its 95 % interval, and the quantities that it comes from.

    ``ci_low`` and ``ci_high`` are None where nothing varies: one test image, one group, or equal values. ``n_fit``
    is the number of images that a regression is fitted on. ``left_out`` names the test images that the protocol
    cannot measure because an eye is not visible; ``n_test`` counts them too. ``rows`` (L,) counts the images that
    each landmark was fitted on. ``per_landmark`` (L,) is NaN for a landmark that is never visible, ``per_image``
    (N,) for an image without a value of its own; its mean weighted by ``weights`` (N,) is the value, unless all weights
    are 0. ``predicted``
    (N, L, 2) holds the regressed landmarks of the test images, in image sides; for a protocol that fits on random
    subsets, their mean. A landmark that the protocol leaves out has 0 rows and NaN. For a backward protocol, K
    keypoints take the place of L landmarks. ``condition`` is None for a rank-deficient design. A protocol
    without a regression has rank 0 and no landmark with a value. ``curve`` holds
    (labelled images, mean, standard deviation over draws); it is empty for most protocols.
    """

    protocol: str
    protocol_version: int
    value: float
    unit: str
    higher_is_better: bool
    ci_low: float | None
    ci_high: float | None
    n_fit: int
    n_test: int
    rank: int
    condition: float | None
    rank_deficient: bool
    rows: NDArray[np.int64]
    per_landmark: Floats
    curve: Curve
    per_image: Floats
    weights: Floats
    predicted: Floats
    left_out: tuple[str, ...] = ()

    def summary(self) -> dict[str, Any]:
        """The fields of a score's record: plain data without what belongs to single images, None for NaN."""
        plain = {field.name: getattr(self, field.name) for field in fields(self)}
        del plain["per_image"], plain["weights"], plain["predicted"], plain["left_out"]
        plain["rows"] = tuple(int(count) for count in self.rows)
        plain["per_landmark"] = tuple(None if np.isnan(error) else float(error) for error in self.per_landmark)
        return plain


def score(protocol: Protocol | str, fit: Points | None, test: Points, **options: Any) -> Score:
    """The score under one protocol; ``score_all`` documents options and errors."""
    return score_all([protocol], fit, test, **options)[0]


def score_all(
    protocols: Sequence[Protocol | str],
    fit: Points | None,
    test: Points,
    *,
    seed: int = 0,
    resamples: int = 2000,
    left_right_pairs: Sequence[tuple[int, int]] = (),
    interocular: tuple[int, int] | None = None,
) -> list[Score]:
    """Fit the regression on the ``fit`` images and measure it on the ``test`` images, under every protocol.

    ``fit`` may be None if no protocol has a regression.
    Protocols with the same regression share one fit; all share the bootstrap resamples. ``seed`` seeds the bootstrap
    and the subsets of labelled images. ``interocular`` (indices of the two eye landmarks) and ``left_right_pairs`` are
    needed by some protocols and come from the dataset's card. A test image without two visible eyes is left out of the
    protocols that divide by the distance between them. Keypoints that are NaN in both coordinates are absent, and count
    by each protocol's rule (``metrics.absent``). A protocol that is no error of landmarks is left out where no test
    image has anything that it measures, such as a pair of left and right landmarks. Raises MetricError for an unknown
    protocol, wrong shapes, values that are not finite, a missing input that a protocol needs, eyes or boxes too small
    to divide by, images without a landmark to measure, and a result that is not finite.
    """
    chosen = [_known(protocol) for protocol in protocols]
    card = Card(left_right_pairs, interocular)
    test = checked(test, "test")
    fit = checked(fit, "fit") if any(protocol.regresses for protocol in chosen) and fit is not None else test
    if fit.landmarks.shape[1] != test.landmarks.shape[1]:
        raise MetricError(
            f"{fit.landmarks.shape[1]} landmarks to fit, {test.landmarks.shape[1]} to test on, expected equal numbers"
        )
    alike: dict[tuple[Any, ...], list[Protocol]] = {}
    measured: dict[Protocol, _Measured] = {}
    for protocol in chosen:
        if protocol.regresses:
            alike.setdefault(_regression_key(protocol, fit, test), []).append(protocol)
        else:
            measured[protocol] = _measure_directly(protocol, test)
    for protocols_alike in alike.values():
        measured.update(_measure(protocols_alike, fit, test, card, seed))
    measured = _with_values(measured)
    intervals = bootstrap_intervals([found.statistic for found in measured.values()], test.groups, resamples, seed)
    pairs = zip(measured.items(), intervals, strict=True)
    scores = {protocol: _score(protocol, found, interval, fit, test) for (protocol, found), interval in pairs}
    return [scores[protocol] for protocol in chosen if protocol in scores]


def _with_values(measured: Mapping[Protocol, _Measured]) -> dict[Protocol, _Measured]:
    """Those protocols that have a value. Raises MetricError if an error of landmarks has none, or if none has one."""
    found = {
        protocol: each for protocol, each in measured.items() if each.statistic.counted(each.statistic.totals).any()
    }
    lacking = [protocol for protocol in measured if protocol not in found]
    if lacking and (not found or any(protocol.is_error for protocol in lacking)):
        first = next((protocol for protocol in lacking if protocol.is_error), lacking[0])
        raise MetricError(f"{first.id} has nothing to measure in the test images; it is the {first.summary}")
    return found


def _known(protocol: Protocol | str) -> Protocol:
    if isinstance(protocol, Protocol):
        return protocol
    if protocol not in PROTOCOLS:
        raise MetricError(f"unknown protocol '{protocol}'; see python -m benchmarks list protocols")
    return PROTOCOLS[protocol]


def _regression_key(protocol: Protocol, fit: Points, test: Points) -> tuple[Any, ...]:
    """The settings that determine the regression; "visible" becomes "all" if every landmark is visible."""
    key = {name: getattr(protocol, name) for name in _REGRESSION}
    if protocol.rows == "visible" and fit.visible.all() and test.visible.all():
        key["rows"] = "all"
    return tuple(key.values())


@dataclass(frozen=True)
class _Measured:
    """What a protocol measured: its value as a ``statistic``, and the arrays of ``Score``, which are documented there.

    Without a regression there are values of images at most, and none of landmarks.
    """

    statistic: Statistic
    per_image: Floats
    weights: Floats
    predicted: Floats
    per_landmark: Floats
    regression: Regression | None = None
    curve: Curve = ()
    left_out: tuple[str, ...] = ()


def _measure(
    protocols: Sequence[Protocol], fit: Points, test: Points, card: Card, seed: int
) -> Iterator[tuple[Protocol, _Measured]]:
    """Measure protocols that share one regression; intervals are added later."""
    first = protocols[0]
    fitted, tested = seen_by(first, fit, "fit"), seen_by(first, test, "test")
    scales = [scale_of(protocol, test, tested, card) for protocol in protocols]
    fitted, tested = with_rule(first, fitted, tested)
    regression, predictions, tested = _repeated(first, fitted, tested, card, seed)
    shown = from_frame(first, np.mean(predictions, axis=0), test, "test")
    for protocol, scale in zip(protocols, scales, strict=True):
        part = with_counted(protocol, tested, scale, card)
        errors = np.mean([errors_of(protocol, predicted, part, scale, card) for predicted in predictions], axis=0)
        ratio = ratio_of(protocol, errors, part.visible)
        scaled = np.isfinite(np.broadcast_to(scale, (len(test), 1)))
        yield (
            protocol,
            _Measured(
                statistic=ratio,
                per_image=per_image(protocol, errors, part.visible, ratio),
                weights=ratio.weights(),
                predicted=shown,
                per_landmark=means_over_visible(errors.T, part.visible.T),
                regression=regression,
                curve=_curve(protocol, fitted, part, scale, card, seed) if protocol.curve else (),
                left_out=tuple(test.ids[int(row)] for row in np.flatnonzero(~scaled)),
            ),
        )


def _measure_directly(protocol: Protocol, test: Points) -> _Measured:
    """Measure the keypoints without a regression."""
    found, shape = measure(protocol, test), test.landmarks.shape
    values, weights = np.full(len(test), np.nan), np.zeros(len(test))
    if isinstance(found, Values):
        values, weights = np.where(found.weights > 0, found.values, np.nan), found.weights
    return _Measured(
        statistic=found.statistic,
        per_image=values,
        weights=weights,
        predicted=np.full((*shape[:2], 2), np.nan),
        per_landmark=np.full(shape[1], np.nan),
    )


def _repeated(
    protocol: Protocol, fit: Points, test: Points, card: Card, seed: int
) -> tuple[Regression, list[Floats], Points]:
    """As ``_regress``, with a prediction for each of the protocol's random subsets of the fit images.

    The regression then has the lowest rank and the largest condition number of all. A protocol without subsets, or with
    subsets of all images, has one prediction. Subsets do not depend on the order of images: they are sampled by id.
    """
    if protocol.labelled is None or protocol.labelled >= len(fit):
        regression, predicted, test = _regress(protocol, fit, test, card)
        return regression, [predicted], test
    found = [_regress(protocol, sample, test, card) for sample in samples(protocol, fit, protocol.labelled, seed)]
    return together([regression for regression, *_ in found]), [predicted for _, predicted, _ in found], test


def _regress(protocol: Protocol, fit: Points, test: Points, card: Card) -> tuple[Regression, Floats, Points]:
    """The regression, its prediction for the test images, and the test images with the landmarks to compare."""
    if not protocol.either_side:
        regression = fit_regression(fit.keypoints, fit.landmarks, fit.visible, protocol.estimator)
        return regression, regression.predict(test.keypoints), test
    order = order_of(protocol, fit.landmarks.shape[1], card.left_right_pairs)
    regression = fit_either_side(fit.keypoints, fit.landmarks, order, protocol.estimator, protocol.drop_outliers)
    predicted = regression.predict(test.keypoints)
    if protocol.test_swap == "landmarks":
        return regression, predicted, replace(test, landmarks=better_labels(predicted, test.landmarks, order))
    return regression, better_side(predicted, test.landmarks, order), test


def _curve(protocol: Protocol, fitted: Points, tested: Points, scale: Floats | float, card: Card, seed: int) -> Curve:
    def value_of(rows: NDArray[np.intp]) -> float:
        predicted = _regress(protocol, some_of(fitted, rows), tested, card)[1]
        return ratio_of(protocol, errors_of(protocol, predicted, tested, scale, card), tested.visible).value()

    return label_curve(len(fitted), value_of, seed)


def _score(protocol: Protocol, found: _Measured, interval: Interval | None, fit: Points, test: Points) -> Score:
    numbers = [value_of(found.statistic), *(interval or ()), *(number for line in found.curve for number in line)]
    if not np.isfinite(numbers).all():
        raise MetricError(f"{protocol.id} gives {numbers[0]}, expected a finite number; check the coordinates")
    count, regression = test.landmarks.shape[1], found.regression
    predicted, per_landmark = found.predicted, found.per_landmark
    rows = np.zeros(count, dtype=np.int64) if regression is None else regression.rows
    if protocol.landmarks is not None:
        kept = list(protocol.landmarks)
        per_landmark = _spread(per_landmark, kept, (count,), np.nan)
        predicted = _spread(predicted.swapaxes(0, 1), kept, (count, len(test), 2), np.nan).swapaxes(0, 1)
        rows = _spread(rows, kept, (count,), 0).astype(rows.dtype)
    return Score(
        protocol=protocol.id,
        protocol_version=protocol.version,
        value=numbers[0],
        unit=protocol.unit,
        higher_is_better=protocol.higher_is_better,
        ci_low=interval[0] if interval else None,
        ci_high=interval[1] if interval else None,
        n_fit=_labelled(protocol, regression, fit),
        n_test=len(test),
        rank=0 if regression is None else regression.rank,
        condition=None if regression is None else regression.condition,
        rank_deficient=False if regression is None else regression.rank_deficient,
        rows=rows,
        per_landmark=per_landmark,
        curve=found.curve,
        per_image=found.per_image,
        weights=found.weights,
        predicted=predicted,
        left_out=found.left_out,
    )


def _labelled(protocol: Protocol, regression: Regression | None, fit: Points) -> int:
    """The number of images that the regression is fitted on; 0 without one."""
    if regression is None:
        return 0
    return len(fit) if protocol.labelled is None else min(len(fit), protocol.labelled)


def _spread(values: NDArray[Any], kept: list[int], shape: tuple[int, ...], rest: float) -> NDArray[Any]:
    """An array of the given shape with the values of the kept landmarks, and ``rest`` for all others."""
    whole = np.full(shape, rest)
    whole[kept] = values
    return whole
