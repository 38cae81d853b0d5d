"""Left and right: whether a regressed landmark lies near the right place, near its mirror partner, or elsewhere.

A landmark counts if it and its partner are visible and at least ``LEAST`` apart; closer ones, as in a profile, cannot
be told apart. It lies near a place if that is less than half as far away as the two are apart, so never near both.
"""

from __future__ import annotations

from collections.abc import Sequence

from metrics.errors import Floats, Mask, distances
from metrics.left_right import swapped_order
from metrics.points import Points
from metrics.protocols.record import Side

LEAST = 0.05  # image sides
Pairs = Sequence[tuple[int, int]]


def partnered(points: Points, pairs: Pairs) -> Mask:
    """Which landmarks (N, L) count: those that are visible with their partner, and far enough from it."""
    order = swapped_order(points.landmarks.shape[1], pairs)
    apart = distances(points.landmarks, points.landmarks[:, order])
    return points.visible & points.visible[:, order] & (apart >= LEAST)


def found_at(side: Side, predicted: Floats, points: Points, pairs: Pairs) -> Mask:
    """Which of the predicted landmarks (N, L, 2) lie at a side (N, L)."""
    partners = points.landmarks[:, swapped_order(points.landmarks.shape[1], pairs)]
    near_enough = distances(points.landmarks, partners) / 2
    near, mirror = distances(predicted, points.landmarks) < near_enough, distances(predicted, partners) < near_enough
    return {"near": near, "mirror": mirror, "elsewhere": ~(near | mirror)}[side]
