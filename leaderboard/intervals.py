"""Confidence intervals over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import stdev


def half_width(values: Sequence[float]) -> float:
    """Half the width of Student's 95 % interval for a mean over seeds; 0 for a single seed, which has no spread."""
    if len(values) < 2:
        return 0.0
    from scipy.special import stdtrit

    return float(stdtrit(len(values) - 1, 0.975)) * stdev(values) / len(values) ** 0.5
