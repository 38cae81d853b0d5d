"""Errors of predicted landmarks, a value for every image and landmark, and their reduction to one an image.

Arrays are float64, coordinates (x, y) in units of the image side, so a distance is in image sides too.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


class MetricError(ValueError):
    """Input that cannot be scored: what, where, got, expected, in one line."""


def distances(predicted: Floats, landmarks: Floats) -> Floats:
    """Euclidean distances (N, L) between predicted and annotated landmarks, both (N, L, 2).

    Raises MetricError where the shapes differ.
    """
    _check_alike(predicted, landmarks)
    return np.hypot(predicted[..., 0] - landmarks[..., 0], predicted[..., 1] - landmarks[..., 1])


def absolute_differences(predicted: Floats, landmarks: Floats) -> Floats:
    """Sum (N, L) of the absolute differences in x and in y between points, both (N, L, 2).

    Raises MetricError where the shapes differ.
    """
    _check_alike(predicted, landmarks)
    return np.abs(predicted - landmarks).sum(axis=2)


def _check_alike(predicted: Floats, landmarks: Floats) -> None:
    if predicted.shape != landmarks.shape or predicted.ndim != 3 or predicted.shape[2] != 2:
        raise MetricError(
            f"predicted {predicted.shape} and annotated {landmarks.shape} landmarks, expected (N, L, 2) both"
        )


def interocular_distances(landmarks: Floats, eyes: tuple[int, int]) -> Floats:
    """Distance (N, 1) between the two annotated eyes of each image: the eyes of CelebA's five landmarks.

    Raises MetricError where an eye is no landmark.
    """
    count = landmarks.shape[1]
    if not all(0 <= eye < count for eye in eyes):
        raise MetricError(f"interocular landmarks {eyes}, expected two indices below {count}")
    return distances(landmarks[:, [eyes[0]]], landmarks[:, [eyes[1]]])


def totals_over_visible(values: Floats, visible: Mask) -> tuple[Floats, Floats]:
    """Sum of the visible entries of each row of (N, L) values, and how many they are: two arrays (N,)."""
    return np.where(visible, values, 0.0).sum(axis=1), visible.sum(axis=1).astype(np.float64)


def means_over_visible(values: Floats, visible: Mask) -> Floats:
    """Mean of the visible entries of each row of (N, L) values: (N,), NaN where none is visible."""
    totals, counts = totals_over_visible(values, visible)
    return np.divide(totals, counts, out=np.full_like(totals, np.nan), where=counts > 0)
