"""Landmarks whose left and right cannot be told apart: the label swaps of Stable Keypoints' Human3.6M evaluation.

Source: its released code, with all left/right pairs exchanged (the code's list names one joint twice).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from metrics.errors import Floats, MetricError, distances
from metrics.regression import Origin, Regression, fit_regression

MAX_FITS = 50
LEFTOVER_ROWS = 10


def swap_sides(points: Floats, pairs: Sequence[tuple[int, int]]) -> Floats:
    """Points (N, L, 2) with the two of each pair exchanged.

    Raises MetricError unless the pairs name existing landmarks, each at most once.
    """
    named = [landmark for pair in pairs for landmark in pair]
    if len(set(named)) < len(named) or any(not 0 <= landmark < points.shape[1] for landmark in named):
        raise MetricError(f"left/right pairs {tuple(pairs)}, expected indices below {points.shape[1]}, each once")
    order = np.arange(points.shape[1])
    for left, right in pairs:
        order[left], order[right] = right, left
    return points[:, order]


def fit_either_side(
    keypoints: Floats, landmarks: Floats, pairs: Sequence[tuple[int, int]], origin: Origin = "centre"
) -> Regression:
    """Regression (see fit_regression) that relabels left and right wherever that suits it better.

    Fits, swaps the landmarks of every image whose mean error is smaller when swapped, and fits again, until
    at most 10 images want a swap. The published loop has no end of its own; here it ends after 50 fits.
    """
    for _ in range(MAX_FITS):
        regression = fit_regression(keypoints, landmarks, origin=origin)
        predicted = regression.predict(keypoints)
        swapped = swap_sides(landmarks, pairs)
        wants = distances(predicted, swapped).mean(axis=1) < distances(predicted, landmarks).mean(axis=1)
        if wants.sum() <= LEFTOVER_ROWS:
            break
        landmarks = np.where(wants[:, None, None], swapped, landmarks)
    return regression


def better_side(predicted: Floats, landmarks: Floats, pairs: Sequence[tuple[int, int]]) -> Floats:
    """Of each image's prediction (L, 2) and its swap, the one with the smaller mean error."""
    swapped = swap_sides(predicted, pairs)
    wins = distances(swapped, landmarks).mean(axis=1) < distances(predicted, landmarks).mean(axis=1)
    return np.where(wins[:, None, None], swapped, predicted)
