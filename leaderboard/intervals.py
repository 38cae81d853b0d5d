"""Confidence intervals over seeds, and what tables print where there are none."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import stdev

NOTHING_VARIES = "no interval, because nothing varies: one test image, one group of images, or equal values"
ENOUGH_SEEDS = 3  # two seeds leave Student's t one degree of freedom: an interval of 13 standard errors


def half_width(values: Sequence[float]) -> float:
    """Half the width of Student's 95 % interval for a mean over seeds; 0 for one seed or two."""
    if len(values) < ENOUGH_SEEDS:
        return 0.0
    from scipy.special import stdtrit

    return float(stdtrit(len(values) - 1, 0.975)) * stdev(values) / len(values) ** 0.5


def range_of_two(values: Sequence[float]) -> tuple[float, float] | None:
    """The lowest and highest value of two seeds, which takes the place of an interval over seeds; else None."""
    return (min(values), max(values)) if len(values) == 2 else None
