"""Errors of predicted landmarks: one value per image and landmark, and their sum or mean per image.

Arrays are float64; coordinates (x, y) and distances are in units of the image side.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


class MetricError(ValueError):
    """Input that cannot be scored; the message is one line: what, where, got, expected."""


def distances(predicted: Floats, landmarks: Floats) -> Floats:
    """Euclidean distances (N, L) between predicted and annotated landmarks, both (N, L, 2).

    Raises MetricError where the shapes differ.
    """
    _check_alike(predicted, landmarks)
    return np.hypot(predicted[..., 0] - landmarks[..., 0], predicted[..., 1] - landmarks[..., 1])


def absolute_differences(predicted: Floats, landmarks: Floats) -> Floats:
    """Sum (N, L) of the absolute differences in x and y between predicted and annotated landmarks, both (N, L, 2).

    Raises MetricError where the shapes differ.
    """
    _check_alike(predicted, landmarks)
    return np.abs(predicted - landmarks).sum(axis=2)


def _check_alike(predicted: Floats, landmarks: Floats) -> None:
    if predicted.shape != landmarks.shape or predicted.ndim != 3 or predicted.shape[2] != 2:
        raise MetricError(
            f"predicted {predicted.shape} and annotated {landmarks.shape} landmarks, expected (N, L, 2) both"
        )


def interocular_distances(landmarks: Floats, eyes: tuple[int, int], visible: Mask | None = None) -> Floats:
    """Distance (N, 1) between the annotated eyes of each image; ``eyes`` are their two landmark indices.

    It is NaN where an eye is not ``visible`` (N, L). Raises MetricError for an index out of range.
    """
    count = landmarks.shape[1]
    if not all(0 <= eye < count for eye in eyes):
        raise MetricError(f"interocular landmarks {eyes}, expected two indices below {count}")
    between = distances(landmarks[:, [eyes[0]]], landmarks[:, [eyes[1]]])
    return between if visible is None else np.where(visible[:, eyes].all(axis=1, keepdims=True), between, np.nan)


def totals_over_visible(values: Floats, visible: Mask) -> tuple[Floats, Floats]:
    """Sum (N,) and number (N,) of the visible entries in each row of (N, L) values."""
    return np.where(visible, values, 0.0).sum(axis=1), visible.sum(axis=1).astype(np.float64)


def means_over_visible(values: Floats, visible: Mask) -> Floats:
    """Mean (N,) of the visible entries in each row of (N, L) values; NaN where none is visible."""
    totals, counts = totals_over_visible(values, visible)
    return np.divide(totals, counts, out=np.full_like(totals, np.nan), where=counts > 0)
