"""Paired comparison of methods on the same test images: differences, their intervals, and ties.

The difference of two methods is that of their values, each a mean over seeds. Its uncertainty has two parts. The
images' part comes from a bootstrap that draws whole groups of images (one person, bird or video) with replacement and
computes both values from them again. The seeds' part is the spread of the differences from seed to seed, from three
seeds on. Both are added in quadrature.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from leaderboard.errors import LeaderboardError
from leaderboard.intervals import sample_variance
from metrics.statistics import Ratio, bootstrap_intervals

Floats = NDArray[np.float64]

LEVEL = 0.95
RESAMPLES = 2000
_UPPER = (1 + LEVEL) / 2
_ROUNDING = 1e-9  # a standard error that is smaller, relative to the errors, is rounding
FEWEST_SEEDS = 3  # of each method: the spread of fewer seeds says too little


@dataclass(frozen=True)
class ImageErrors:
    """Errors of one method on N test images under one protocol, and how much each image counts.

    ``by_seed`` has an array (N,) for each seed, NaN where an image cannot be measured. ``weights`` (N,) are 1, or the
    number of landmarks of each image where a protocol averages over landmarks: the value of a seed is the weighted mean
    of its errors, those that are NaN counting as 0. ``groups`` (N,) names the person, bird or video of each image.
    """

    ids: tuple[str, ...]
    groups: tuple[str, ...]
    weights: Floats
    by_seed: Mapping[int, Floats]

    @cached_property
    def stacked(self) -> Floats:
        """The errors (S, N) of all seeds."""
        return np.array([*self.by_seed.values()])

    @cached_property
    def mean(self) -> Floats:
        """The mean (N,) over the seeds."""
        return np.mean(self.stacked, axis=0)

    @cached_property
    def members(self) -> NDArray[np.intp]:
        """The place (N,) of each image's group among the sorted groups."""
        return np.unique(np.asarray(self.groups), return_inverse=True)[1]


@dataclass(frozen=True)
class Difference:
    """The value of one method minus that of another, with the ends of its 95 % interval.

    ``low``, ``high`` and ``p`` (two-sided, of no difference) are None where nothing varies: one image, one group, or
    equal errors. ``images``, ``groups`` and ``seeds`` (the smaller number of the two methods) are what it rests on.
    """

    value: float
    low: float | None = None
    high: float | None = None
    p: float | None = field(default=None, kw_only=True)
    images: int = field(kw_only=True)
    groups: int = field(kw_only=True)
    seeds: int = field(kw_only=True)


def difference(one: ImageErrors, other: ImageErrors, resamples: int = RESAMPLES, seed: int = 0) -> Difference:
    """The paired difference of two methods on the same images.

    The interval is the expanded percentile interval of Hesterberg (2015), "What Teachers Should Know About the
    Bootstrap", The American Statistician 69(4), which is right for few groups too, widened by the seeds' part with
    degrees of freedom by Satterthwaite. Raises LeaderboardError if the images, their groups or weights differ, or if
    no image is measured for both.
    """
    pair = _Pair.of(one, other)
    found = Difference(pair.value, images=int(pair.known.sum()), groups=pair.count, seeds=pair.seeds)
    if pair.freedom is None:
        return found
    from scipy.special import stdtrit

    groups = [group for group, known in zip(one.groups, pair.known, strict=True) if known]
    (ends,) = bootstrap_intervals([pair.ratio], groups, resamples, seed, _expanded(pair.count))
    if ends is None:
        return found
    wider = float(stdtrit(pair.freedom, _UPPER) / stdtrit(pair.count - 1, _UPPER)) * pair.error / pair.images_error
    low, high = (pair.value + (end - pair.value) * wider for end in ends)
    return replace(found, low=low, high=high, p=pair.p)


@dataclass(frozen=True)
class _Pair:
    """Differences of two methods on the images that both measure, with the standard errors of their mean.

    ``known`` (N,) says which images these are, ``count`` is the number of their groups. ``images_error`` is the error
    over groups of images, ``error`` includes the seeds. ``freedom`` has the degrees of freedom, None where nothing
    varies.
    """

    ratio: Ratio
    known: NDArray[np.bool_]
    count: int
    seeds: int
    value: float
    images_error: float = 0.0
    error: float = 0.0
    freedom: float | None = None

    @classmethod
    def of(cls, one: ImageErrors, other: ImageErrors) -> _Pair:
        """The pair of two methods; raises LeaderboardError as ``difference`` does."""
        if not same_images(one, other):
            raise LeaderboardError("the two methods were tested on different images; run one of them again")
        first, second = one.mean, other.mean
        apart = np.where(np.isnan(first) & np.isnan(second), 0.0, first - second)
        known = np.isfinite(apart) & (one.weights > 0)
        if not known.any():
            raise LeaderboardError("no test image is measured for both methods")
        weights, members = one.weights[known], other.members[known]
        ratio = Ratio((apart[known] * weights)[:, None], weights[:, None])
        seeds = min(len(one.by_seed), len(other.by_seed))
        found = cls(ratio, known, int(np.count_nonzero(np.bincount(members))), seeds, ratio.value())
        images = _images_variance(ratio, found.value, members) if found.count > 1 else 0.0
        if images <= (_ROUNDING * float(np.abs(apart[known]).max())) ** 2:
            return found
        spread, freedom = _seeds_variance(one, other, known)
        parts = images**2 / (found.count - 1) + (spread**2 / freedom if spread else 0.0)
        total = images + spread
        return replace(found, images_error=images**0.5, error=total**0.5, freedom=total**2 / parts)

    @property
    def p(self) -> float | None:
        """The two-sided p-value of no difference (Student's t), None where nothing varies."""
        from scipy.special import stdtr

        return None if self.freedom is None else float(2 * stdtr(self.freedom, -abs(self.value) / self.error))


def same_images(one: ImageErrors, other: ImageErrors) -> bool:
    """Whether two methods were tested on the same images, in the same groups and with the same weights."""
    return (one.ids, one.groups) == (other.ids, other.groups) and np.array_equal(one.weights, other.weights)


def best_and_ties(errors: Sequence[ImageErrors], values: Sequence[float], higher_is_better: bool) -> list[int]:
    """Positions of the best method and of all that cannot be told from it, in their order.

    Every other method is compared with the best; the family-wise error rate of these comparisons is held at 5 % by
    Holm's method. A method whose difference has no p-value ties only if its value is equal.
    """
    best = int((np.argmax if higher_is_better else np.argmin)(values))
    others = [index for index in range(len(values)) if index != best]
    found = [_Pair.of(errors[index], errors[best]) for index in others]
    tested = [(index, each.p) for index, each in zip(others, found, strict=True) if each.p is not None]
    kept = [p >= 1 - LEVEL for p in holm([p for _, p in tested])]
    equal = [index for index, each in zip(others, found, strict=True) if each.p is None and each.value == 0]
    return sorted([best, *equal, *(index for (index, _), ties in zip(tested, kept, strict=True) if ties)])


def holm(values: Sequence[float]) -> list[float]:
    """p-values adjusted by Holm's step-down method (1979), in their order."""
    adjusted, running = [0.0] * len(values), 0.0
    for place, index in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        running = max(running, min(1.0, (len(values) - place) * values[index]))
        adjusted[index] = running
    return adjusted


def _expanded(groups: int) -> float:
    """The level of percentiles that covers 95 % with so many groups."""
    from scipy.special import stdtrit

    reach = (groups / (groups - 1)) ** 0.5 * float(stdtrit(groups - 1, _UPPER))
    return 2 * NormalDist().cdf(reach) - 1


def _images_variance(ratio: Ratio, value: float, members: NDArray[np.intp]) -> float:
    """The variance of a ratio of this value over groups, by linearisation."""
    residuals = np.bincount(members, (ratio.numerators - value * ratio.denominators)[:, 0])[np.bincount(members) > 0]
    count = len(residuals)
    return float(count / (count - 1) * (residuals**2).sum() / ratio.denominators.sum() ** 2)


def _means(errors: Floats, weights: Floats) -> list[float]:
    """The weighted mean of the errors (S, N) of each of S seeds, those that are NaN counting as 0."""
    found: list[float] = ((np.where(np.isnan(errors), 0.0, errors) * weights).sum(axis=1) / weights.sum()).tolist()
    return found


def _seeds_variance(one: ImageErrors, other: ImageErrors, known: NDArray[np.bool_]) -> tuple[float, float]:
    """The variance of a difference of means over seeds and its degrees of freedom; (0, 0) with fewer than 3 seeds.

    Seeds with equal numbers are paired; if the two methods have different seeds, their variances are added.
    """
    if min(len(one.by_seed), len(other.by_seed)) < FEWEST_SEEDS:
        return 0.0, 0.0
    weights = one.weights[known]
    first, second = (
        dict(zip(each.by_seed, _means(np.compress(known, each.stacked, axis=1), weights), strict=True))
        for each in (one, other)
    )
    if first.keys() == second.keys():
        return sample_variance([first[seed] - second[seed] for seed in first]) / len(first), len(first) - 1
    parts = [(sample_variance(each.values()) / len(each), len(each) - 1) for each in (first, second)]
    total = sum(part for part, _ in parts)
    return total, total**2 / sum(part**2 / freedom for part, freedom in parts) if total else 0.0
