"""Evaluation protocols as frozen records, and the one function that scores keypoints under any of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from metrics.errors import (
    Floats,
    Mask,
    MetricError,
    distances,
    interocular_distances,
    means_over_visible,
    totals_over_visible,
)
from metrics.left_right import better_side, fit_either_side
from metrics.regression import Origin, Regression, check_points, fit_regression
from metrics.statistics import bootstrap_interval


@dataclass(frozen=True)
class Protocol:
    """How keypoints become one number.

    A landmark's error is its l2 distance over ``normaliser`` times ``scale``; a ``threshold`` makes that 100
    (below it) or 0. ``rows`` says which landmarks count, in fitting and in measuring.
    An image's error is the mean or sum ``over_landmarks``; "macro" averages images alike, "micro" by their
    number of landmarks. Raise ``version`` when the same predictions would give another number.
    """

    id: str
    summary: str
    source: str
    scale: float
    unit: str
    version: int = 1
    origin: Origin = "centre"
    intercept: Literal[False] = False
    solver: Literal["gelsd"] = "gelsd"
    rows: Literal["all", "visible"] = "visible"
    either_side: bool = False
    error: Literal["l2"] = "l2"
    threshold: float | None = None
    normaliser: Literal["side", "interocular"] = "side"
    over_landmarks: Literal["mean", "sum"] = "mean"
    aggregate: Literal["macro", "micro"] = "macro"
    higher_is_better: bool = False


_PROTOCOLS = (
    Protocol(
        id="sk/interocular",
        summary="mean l2 over the distance between the eyes, averaged over images",
        source="Stable Keypoints, Table 1 (evaluation method inter_eye_distance of the released code)",
        scale=100.0,
        unit="% IOD",
        rows="all",
        normaliser="interocular",
    ),
    Protocol(
        id="sk/side",
        summary="mean l2 over visible landmarks in image sides, averaged over images",
        source="Stable Keypoints, Table 2 (evaluation method visible of the released code)",
        scale=100.0,
        unit="% side",
    ),
    Protocol(
        id="sk/cumulative",
        summary="sum of l2 over visible landmarks at 256 pixels, averaged over images",
        source="Stable Keypoints, Table 3, Tai-Chi (the released code's sum, not the baselines' absolute errors)",
        scale=256.0,
        unit="px@256 summed",
        over_landmarks="sum",
    ),
    Protocol(
        id="sk/pck6",
        summary="share of landmarks less than 6 pixels away at 256 pixels",
        source="Stable Keypoints, Table 3, DeepFashion (evaluation method pck of the released code)",
        scale=256.0,
        unit="PCK@6px %",
        rows="all",
        threshold=6.0,
        higher_is_better=True,
    ),
    Protocol(
        id="sk/human36m",
        summary="mean l2 at 128 pixels, left and right interchangeable, averaged over images",
        source="Stable Keypoints, Table 3, Human3.6M (evaluation method orientation_invariant of the released code)",
        scale=128.0,
        unit="px@128",
        rows="all",
        either_side=True,
    ),
    Protocol(
        id="sk/relative",
        summary="mean l2 over all visible landmarks of all images at 128 pixels",
        source="'Rel. l2' of Stable Keypoints, Table 3, as the text defines it; what it prints is computed otherwise",
        scale=128.0,
        unit="px@128",
        aggregate="micro",
    ),
)
PROTOCOLS: dict[str, Protocol] = {protocol.id: protocol for protocol in _PROTOCOLS}


@dataclass(frozen=True)
class Points:
    """A method's keypoints (N, K, 2) beside the landmarks (N, L, 2) of the same N images, float64 in image sides.

    ``visible`` is (N, L); ``groups`` are the persons or videos that images belong to, ``ids`` the images' names.
    """

    keypoints: Floats
    landmarks: Floats
    visible: Mask
    groups: Sequence[str]
    ids: Sequence[str]


@dataclass(frozen=True)
class Score:
    """One protocol's verdict: a value with its 95 % interval, and what lies behind it.

    ``rows`` and ``per_landmark`` are (L,), the latter NaN where a landmark is never visible; ``per_image`` is
    (N,), NaN where an image has nothing to measure; ``predicted`` (N, L, 2) are the regressed landmarks of
    the test images. ``condition`` is None where the design is rank deficient.
    """

    protocol: str
    protocol_version: int
    value: float
    unit: str
    higher_is_better: bool
    ci_low: float
    ci_high: float
    n_fit: int
    n_test: int
    rank: int
    condition: float | None
    rank_deficient: bool
    rows: NDArray[np.int64]
    per_landmark: Floats
    per_image: Floats
    predicted: Floats

    def summary(self) -> dict[str, Any]:
        """Everything but the per-image arrays as plain data, None for NaN: the fields of a score's record."""
        plain = {field.name: getattr(self, field.name) for field in fields(self)}
        del plain["per_image"], plain["predicted"]
        plain["rows"] = tuple(int(count) for count in self.rows)
        plain["per_landmark"] = tuple(None if np.isnan(error) else float(error) for error in self.per_landmark)
        return plain


def score(
    protocol: Protocol | str,
    fit: Points,
    test: Points,
    *,
    seed: int = 0,
    resamples: int = 2000,
    left_right_pairs: Sequence[tuple[int, int]] = (),
    interocular: tuple[int, int] | None = None,
) -> Score:
    """Regress landmarks on the ``fit`` images and measure them on the ``test`` images.

    ``seed`` is that of the bootstrap. ``interocular`` (two eye landmarks) and ``left_right_pairs`` come from
    the dataset's card, where the protocol needs them. Raises MetricError for an unknown protocol, shapes that
    do not fit, values that are not finite, or nothing to measure.
    """
    protocol = _known(protocol)
    fit, test = _checked(protocol, fit, "fit"), _checked(protocol, test, "test")
    regression, predicted = _regress(protocol, fit, test, left_right_pairs)
    errors = _landmark_errors(protocol, predicted, test, interocular)
    per_image, weights = _image_errors(protocol, errors, test.visible)
    low, high = bootstrap_interval(per_image, test.groups, weights, resamples, seed)
    return Score(
        protocol=protocol.id,
        protocol_version=protocol.version,
        value=float(np.average(per_image[weights > 0], weights=weights[weights > 0])),
        unit=protocol.unit,
        higher_is_better=protocol.higher_is_better,
        ci_low=low,
        ci_high=high,
        n_fit=len(fit.keypoints),
        n_test=len(test.keypoints),
        rank=regression.rank,
        condition=regression.condition,
        rank_deficient=regression.rank_deficient,
        rows=regression.rows,
        per_landmark=means_over_visible(errors.T, test.visible.T),
        per_image=per_image,
        predicted=predicted,
    )


def _known(protocol: Protocol | str) -> Protocol:
    if isinstance(protocol, Protocol):
        return protocol
    if protocol not in PROTOCOLS:
        raise MetricError(f"unknown protocol '{protocol}', expected one of {', '.join(PROTOCOLS)}")
    return PROTOCOLS[protocol]


def _checked(protocol: Protocol, points: Points, name: str) -> Points:
    """The points in float64, all landmarks taken for visible where the protocol counts all of them."""
    keypoints = np.asarray(points.keypoints, dtype=np.float64)
    landmarks = np.asarray(points.landmarks, dtype=np.float64)
    visible = np.asarray(points.visible, dtype=bool)
    if visible.shape != landmarks.shape[:2]:
        raise MetricError(f"{name} landmarks {landmarks.shape} and visible {visible.shape}, expected (N, L, 2), (N, L)")
    if protocol.rows == "all":
        visible = np.ones_like(visible)
    check_points(keypoints, f"{name} keypoints")
    check_points(landmarks, f"{name} landmarks", visible)
    lengths = (len(keypoints), len(landmarks), len(points.groups), len(points.ids))
    if len(set(lengths)) > 1:
        raise MetricError(f"{name}: {lengths} rows of keypoints, landmarks, groups and ids, expected as many of each")
    if len(set(points.ids)) < len(points.ids):
        raise MetricError(
            f"{name}: {len(points.ids)} rows but {len(set(points.ids))} different ids, expected one row each"
        )
    return replace(points, keypoints=keypoints, landmarks=landmarks, visible=visible)


def _regress(
    protocol: Protocol, fit: Points, test: Points, pairs: Sequence[tuple[int, int]]
) -> tuple[Regression, Floats]:
    """The regression, and what it predicts for the test images."""
    if fit.landmarks.shape[1] != test.landmarks.shape[1]:
        raise MetricError(f"{fit.landmarks.shape[1]} landmarks to fit, {test.landmarks.shape[1]} to test on")
    if not protocol.either_side:
        regression = fit_regression(fit.keypoints, fit.landmarks, fit.visible, protocol.origin)
        return regression, regression.predict(test.keypoints)
    if not pairs:
        raise MetricError(f"{protocol.id} needs left_right_pairs, which the dataset's card does not state")
    regression = fit_either_side(fit.keypoints, fit.landmarks, pairs, protocol.origin)
    return regression, better_side(regression.predict(test.keypoints), test.landmarks, pairs)


def _landmark_errors(
    protocol: Protocol, predicted: Floats, test: Points, interocular: tuple[int, int] | None
) -> Floats:
    """Errors (N, L) in the protocol's unit."""
    errors = distances(predicted, test.landmarks) * protocol.scale
    if protocol.normaliser == "interocular":
        if interocular is None:
            raise MetricError(f"{protocol.id} needs the two eye landmarks, which the dataset's card does not state")
        between = interocular_distances(test.landmarks, interocular)
        if not between.all():
            raise MetricError(f"test image {test.ids[int(between.argmin())]}: both eyes lie on one point; leave it out")
        errors = errors / between
    if protocol.threshold is not None:
        errors = np.where(errors < protocol.threshold, 100.0, 0.0)
    return errors


def _image_errors(protocol: Protocol, errors: Floats, visible: Mask) -> tuple[Floats, Floats]:
    """Each image's error, and its weight in the mean over images."""
    totals, counts = totals_over_visible(errors, visible)
    if protocol.over_landmarks == "sum":
        return totals, np.ones_like(totals)
    weights = counts if protocol.aggregate == "micro" else (counts > 0).astype(np.float64)
    return means_over_visible(errors, visible), weights
