"""Bootstrap confidence intervals that resample groups of images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from metrics.errors import Floats, Mask, MetricError

Interval = tuple[float, float]

_CHUNK = 1_000_000  # entries of the count matrix held at once
_ROUNDING = 1e-12  # resamples of equal values differ by less, relative to the values


class Statistic(Protocol):
    """A number that is a function of totals over images."""

    @property
    def totals(self) -> Floats:
        """What each image adds to the totals: (N, C)."""
        ...

    def of(self, totals: Floats) -> Floats:
        """The numbers (R,) of R totals (R, C)."""
        ...

    def counted(self, totals: Floats) -> Mask:
        """Which of R totals (R, C) have a number."""
        ...


@dataclass(frozen=True)
class Ratio:
    """A number computed from totals over images: sum over columns of total numerator / total denominator.

    Both arrays are (N, C), and denominators are not negative. A mean over images has one column with denominators 1.
    A mean over landmarks has their number as denominator. A sum of each landmark's mean has a column per landmark.
    """

    numerators: Floats
    denominators: Floats

    @property
    def totals(self) -> Floats:
        """Numerators and denominators side by side: (N, 2 C)."""
        return np.concatenate([self.numerators, self.denominators], axis=1)

    def of(self, totals: Floats) -> Floats:
        """The numbers (R,) of totals (R, 2 C); a denominator of 0 takes the mean of the other columns."""
        count = self.numerators.shape[1]
        return _of_totals(totals[:, :count], totals[:, count:])

    def counted(self, totals: Floats) -> Mask:
        """Which of R totals have a denominator above 0."""
        return np.any(totals[:, self.numerators.shape[1] :] != 0, axis=1)

    def weights(self) -> Floats:
        """How much each image (N,) counts in a mean of errors of images; 1 with a column per landmark."""
        one = self.denominators.shape[1] == 1
        return self.denominators[:, 0] if one else np.ones(len(self.denominators))

    def value(self) -> float:
        """The number over all images."""
        return value_of(self)


def value_of(statistic: Statistic) -> float:
    """The number of a statistic over all images."""
    return float(statistic.of(statistic.totals.sum(axis=0)[None])[0])


def bootstrap_intervals(
    statistics: Sequence[Statistic], groups: Sequence[str], resamples: int = 2000, seed: int = 0, level: float = 0.95
) -> list[Interval | None]:
    """Percentile bootstrap of several numbers over the same N images, with the same resamples for all.

    To compare two methods on the same images, take the differences of their errors as numerators. Images of one video
    or person are not independent, so whole groups are drawn with replacement. Groups without a number, such as those
    whose denominators are all 0, are not drawn. The interval is None where no resample differs from another: with a
    single group, and with equal values. Raises MetricError if no group has a number.
    """
    names, member = np.unique(np.asarray(groups), return_inverse=True)
    totals = [_by_group(each.totals, member, len(names)) for each in statistics]
    counted = [each.counted(total) for each, total in zip(statistics, totals, strict=True)]
    found: list[Interval | None] = [None] * len(statistics)
    for drawable in {mask.tobytes(): mask for mask in counted}.values():
        if not drawable.any():
            raise MetricError(f"none of {len(groups)} values has a weight, expected at least one")
        alike = [index for index, mask in enumerate(counted) if np.array_equal(mask, drawable)]
        drawn = _resampled([(statistics[index], totals[index][drawable]) for index in alike], resamples, seed)
        for index, column in zip(alike, drawn, strict=True):
            low, high = np.quantile(column, [(1 - level) / 2, (1 + level) / 2])
            if np.ptp(column) > _ROUNDING * np.abs(column).max():
                found[index] = float(low), float(high)
    return found


def _by_group(totals: Floats, member: NDArray[np.intp], count: int) -> Floats:
    """Totals (N, C) summed over each group's images: (G, C)."""
    found = np.zeros((count, totals.shape[1]))
    np.add.at(found, member, totals)
    return found


def _resampled(statistics: Sequence[tuple[Statistic, Floats]], resamples: int, seed: int) -> list[Floats]:
    """The numbers (R,) of each statistic, with its totals (G, C) of the same G groups, in every resample."""
    columns = np.concatenate([totals for _, totals in statistics], axis=1)
    columns, places = np.unique(columns, axis=1, return_inverse=True)
    sums = np.concatenate([counts @ columns for counts in _draws(len(columns), resamples, seed)])[:, places.ravel()]
    ends = np.cumsum([totals.shape[1] for _, totals in statistics])
    parts = zip(statistics, np.split(sums, ends[:-1], axis=1), strict=True)
    return [statistic.of(part) for (statistic, _), part in parts]


def _draws(count: int, resamples: int, seed: int) -> Iterator[Floats]:
    """Counts (rows, ``count``) of how often each group is drawn: one row per resample, in chunks of rows."""
    generator = np.random.default_rng(seed)
    step = max(1, _CHUNK // count)
    for start in range(0, resamples, step):
        drawn = generator.integers(count, size=(min(step, resamples - start), count))
        counts = np.empty(drawn.shape)
        for row, members in zip(counts, drawn, strict=True):
            row[:] = np.bincount(members, minlength=count)
        yield counts


def _of_totals(numerators: Floats, denominators: Floats) -> Floats:
    """Numbers (R,) from totals (R, C); a column with denominator 0 in a resample takes the mean of the others."""
    present = denominators > 0
    ratios = np.divide(numerators, denominators, out=np.zeros_like(numerators), where=present)
    return ratios.sum(axis=1) / present.sum(axis=1) * present.any(axis=0).sum()
