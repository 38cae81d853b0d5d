"""Errors of regressed landmarks in a protocol's unit, and the totals that its value is computed from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from metrics.absent import farthest_where_absent
from metrics.confusion import found_at, partnered
from metrics.errors import (
    Floats,
    Mask,
    MetricError,
    absolute_differences,
    distances,
    interocular_distances,
    means_over_visible,
    totals_over_visible,
)
from metrics.points import SMALLEST, Points, positive
from metrics.protocols.record import Protocol
from metrics.statistics import Ratio


@dataclass(frozen=True)
class Card:
    """The facts of a dataset's card that protocols may need."""

    left_right_pairs: Sequence[tuple[int, int]] = ()
    interocular: tuple[int, int] | None = None


def scale_of(protocol: Protocol, test: Points, tested: Points, card: Card) -> Floats | float:
    """Factor from image sides to the protocol's unit: one number, or one per image (N, 1), NaN without visible eyes."""
    if protocol.normaliser == "side":
        return protocol.scale
    if protocol.normaliser == "positive_landmarks":
        count = positive(test).sum() / len(test)
        if not count:
            raise MetricError(
                f"{protocol.id} divides by the number of visible landmarks inside the image, but no test image has any"
            )
        return protocol.scale / count
    if (eyes := protocol.eyes or card.interocular) is None:
        raise MetricError(f"{protocol.id} needs the two eye landmarks, which the dataset's card does not give")
    between = interocular_distances(tested.landmarks, eyes, tested.visible)
    if not np.isfinite(between).any():
        raise MetricError(f"{protocol.id} divides by the distance between the eyes, but no test image shows both")
    if (least := np.nanmin(between)) < SMALLEST:
        raise MetricError(
            f"test image {test.ids[int(np.nanargmin(between))]}: both eyes are (nearly) at the same point ({least:.1g} "
            f"image sides apart), expected {SMALLEST:g} or more; remove the image"
        )
    return protocol.scale / between


def with_counted(protocol: Protocol, tested: Points, scale: Floats | float, card: Card) -> Points:
    """The points with those landmarks visible that the protocol counts."""
    kept = tested.visible & np.isfinite(np.broadcast_to(scale, (len(tested), 1)))
    if protocol.side is not None:
        kept &= partnered(tested, card.left_right_pairs)
    return replace(tested, visible=kept)


def errors_of(protocol: Protocol, predicted: Floats, tested: Points, scale: Floats | float, card: Card) -> Floats:
    """Errors (N, L) in the protocol's unit."""
    if protocol.side is not None:
        return np.where(found_at(protocol.side, predicted, tested, card.left_right_pairs), 100.0, 0.0)
    apart = {"l2": distances, "l1": absolute_differences}[protocol.error]
    wanted = tested.landmarks
    if protocol.direction == "backward" and protocol.absent == "origin":
        wanted = farthest_where_absent(predicted, wanted)
    errors = apart(predicted, wanted) * scale
    return errors if protocol.threshold is None else np.where(errors < protocol.threshold, 100.0, 0.0)


def ratio_of(protocol: Protocol, errors: Floats, visible: Mask) -> Ratio:
    """The value as numerators and denominators per image."""
    if protocol.aggregate == "per_landmark":
        return Ratio(np.where(visible, errors, 0.0), visible.astype(np.float64))
    if _by_keypoint(protocol, visible):
        return Ratio(np.where(visible, errors, 0.0) / visible.any(axis=0).sum(), visible.astype(np.float64))
    totals, counts = totals_over_visible(errors, visible)
    if protocol.over_landmarks == "sum":
        weights = np.ones_like(totals)
    elif protocol.aggregate == "micro":
        weights = counts
    else:
        totals = np.divide(totals, counts, out=np.zeros_like(totals), where=counts > 0)
        weights = (counts > 0).astype(np.float64)
    return Ratio(totals[:, None], weights[:, None])


def per_image(protocol: Protocol, errors: Floats, visible: Mask, totals: Ratio) -> Floats:
    """Error (N,) of each image; for per-landmark averages its contribution, so that the mean is the value."""
    if protocol.aggregate == "per_landmark" or _by_keypoint(protocol, visible):
        counts = visible.sum(axis=0)
        weights = np.divide(len(visible), counts, out=np.zeros(len(counts)), where=counts > 0)
        return np.where(visible.any(axis=1), totals.numerators @ weights, np.nan)
    if protocol.over_landmarks == "sum":
        return np.where(visible.any(axis=1), totals.numerators[:, 0], np.nan)
    return means_over_visible(errors, visible)


def _by_keypoint(protocol: Protocol, visible: Mask) -> bool:
    """Whether a backward error is the mean over keypoints because each has other test images (Mallis et al.)."""
    by_rule = protocol.direction == "backward" and protocol.absent == "completed"
    return by_rule and bool((visible != visible[:, :1]).any())
