"""Confidence intervals by resampling."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from metrics.errors import Floats, MetricError

_CHUNK = 4_000_000


def bootstrap_interval(
    values: Floats,
    groups: Sequence[str],
    weights: Floats | None = None,
    resamples: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[float, float]:
    """Percentile bootstrap of the weighted mean of values (N,), resampling whole groups.

    Images of one video or person are not independent, so the group is what is drawn with replacement. A value
    of weight 0 may be NaN. The interval of a single group has no width. For two methods on the same images
    give their difference as values. Raises MetricError where nothing has a weight or the lengths differ.
    """
    weights = np.ones(len(values)) if weights is None else weights
    if not len(values) == len(groups) == len(weights):
        raise MetricError(f"{len(values)} values, {len(groups)} groups and {len(weights)} weights, expected one each")
    counted = weights > 0
    if not counted.any():
        raise MetricError("no value with a weight, expected at least one visible landmark in the test images")
    _, member = np.unique(np.asarray(groups)[counted], return_inverse=True)
    totals = np.bincount(member, values[counted] * weights[counted])
    sizes = np.bincount(member, weights[counted])
    generator = np.random.default_rng(seed)
    means = []
    step = max(1, _CHUNK // len(sizes))
    for start in range(0, resamples, step):
        drawn = generator.integers(len(sizes), size=(min(step, resamples - start), len(sizes)))
        means.append(totals[drawn].sum(axis=1) / sizes[drawn].sum(axis=1))
    low, high = np.quantile(np.concatenate(means), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
