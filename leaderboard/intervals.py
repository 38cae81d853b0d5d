"""Confidence intervals over seeds, and what tables print where there are none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isqrt

NOTHING_VARIES = "no interval, because nothing varies: one test image, one group of images, or equal values"
_ROOT_BITS = 132  # of a number whose square root has 65 bits or more, above the 53 of a float
ENOUGH_SEEDS = 3  # two seeds leave Student's t one degree of freedom: an interval of 13 standard errors


def half_width(values: Sequence[float]) -> float:
    """Half the width of Student's 95 % interval for a mean over seeds; 0 for one seed or two."""
    if len(values) < ENOUGH_SEEDS:
        return 0.0
    from scipy.special import stdtrit

    return float(stdtrit(len(values) - 1, 0.975)) * sample_deviation(values) / len(values) ** 0.5


def range_of_two(values: Sequence[float]) -> tuple[float, float] | None:
    """The lowest and highest value of two seeds, which takes the place of an interval over seeds; else None."""
    return (min(values), max(values)) if len(values) == 2 else None


def sample_variance(values: Iterable[float]) -> float:
    """The sample variance, rounded once, as ``statistics.variance`` gives it, which takes several times as long."""
    over, under = _exact_variance(values)
    return over / under


def sample_deviation(values: Iterable[float]) -> float:
    """The sample standard deviation, rounded once, as ``statistics.stdev`` gives it since Python 3.11."""
    over, under = _exact_variance(values)
    shift = max(0, _ROOT_BITS + under.bit_length() - over.bit_length()) // 2
    scaled = over << 2 * shift
    root = isqrt(scaled // under)
    inexact = root * root * under != scaled
    return (root | inexact) / (1 << shift)  # an odd last bit keeps the division from rounding a tie


def _exact_variance(values: Iterable[float]) -> tuple[int, int]:
    """The sample variance as a fraction; the denominators of floats are powers of two, so the largest suits all."""
    ratios = [value.as_integer_ratio() for value in values]
    scale, count = max(under for _, under in ratios), len(ratios)
    whole = [over * (scale // under) for over, under in ratios]
    return count * sum(each * each for each in whole) - sum(whole) ** 2, count * (count - 1) * scale * scale
