"""Whether a measure without landmarks orders methods as their error does: rank correlations over methods and tasks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from leaderboard.aggregate import measured_rows
from leaderboard.records import ResultRecord
from leaderboard.rows import Row, known
from metrics.protocols import PROTOCOLS

FEWEST = 3  # methods that a task needs
RESAMPLES = 2000
AGREEMENT = "agreement"  # name of the measure of agreement between seeds
_FAMILY = "label_free/"


@dataclass(frozen=True)
class Point:
    """A method on a task by one measure: the error and the measure, both signed so that more is better."""

    task: str
    error: float
    measure: float


@dataclass(frozen=True)
class Correlation:
    """Spearman's rank correlation of a measure with the error; 1 means that both order methods alike.

    ``within`` is the mean over ``tasks`` of the correlations across methods, and ``overall`` that of the methods' ranks
    within their tasks, for all tasks together. Intervals are 95 % by bootstrap over tasks, None with fewer than two.
    ``points`` is the number of pairs of method and task.
    """

    measure: str
    tasks: int
    points: int
    within: float
    within_interval: tuple[float, float] | None
    overall: float
    overall_interval: tuple[float, float] | None


def correlations(
    records: Iterable[ResultRecord], profile: str, agreements: Mapping[tuple[str, str], float] | None = None
) -> list[Correlation]:
    """The correlation of each measure that records have, over the methods that learn without landmarks.

    ``agreements`` has the distance of matched keypoints of several seeds by task and label. A task counts if it has
    ``FEWEST`` such methods or more and neither the error nor the measure is equal for all of them.
    """
    points = _points(list(records), profile, agreements or {})
    found = ((measure, _by_task(own)) for measure, own in points.items())
    return [_correlation(measure, tasks) for measure, tasks in found if tasks]


def spearman(first: Sequence[float], second: Sequence[float]) -> float:
    """Spearman's rank correlation; NaN where one side has equal values only."""
    from scipy.stats import rankdata

    return _pearson(rankdata(first), rankdata(second))


def _points(
    records: Sequence[ResultRecord], profile: str, agreements: Mapping[tuple[str, str], float]
) -> dict[str, list[Point]]:
    tasks = sorted({record.task for record in records})
    rows = [row for row in measured_rows(records, tasks, profile, "all") if _counts(row)]
    headlines = {record.task: record.scores[0].protocol for record in records if record.scores}
    errors = {
        (row.task, row.label): _signed(row)
        for row in rows
        if row.protocol == headlines[row.task] and not str(row.protocol).startswith(_FAMILY)
    }
    measured = [(str(row.protocol), (row.task, row.label), _signed(row)) for row in rows]
    measured += [(AGREEMENT, key, -distance) for key, distance in agreements.items()]
    found: dict[str, list[Point]] = {}
    for measure, key, value in measured:
        if key in errors and (measure == AGREEMENT or measure.startswith(_FAMILY)):
            found.setdefault(measure, []).append(Point(key[0], errors[key], value))
    order = [*(name for name in PROTOCOLS if name.startswith(_FAMILY)), AGREEMENT]
    return {measure: found[measure] for measure in order if measure in found}


def _counts(row: Row) -> bool:
    plain = row.limit is None and not row.is_floor and not row.supervised
    return plain and row.kind == "trained" and row.status == "done" and row.value is not None


def _signed(row: Row) -> float:
    return known(row.value) if row.higher_is_better else -known(row.value)


def _by_task(points: Sequence[Point]) -> list[list[Point]]:
    """The points of each task that can have a correlation."""
    tasks = [[point for point in points if point.task == task] for task in sorted({point.task for point in points})]
    return [
        own
        for own in tasks
        if len(own) >= FEWEST and len({point.error for point in own}) > 1 and len({point.measure for point in own}) > 1
    ]


def _correlation(measure: str, tasks: Sequence[Sequence[Point]]) -> Correlation:
    within = np.array([spearman([p.error for p in own], [p.measure for p in own]) for own in tasks])
    ranks = [(_ranks([p.error for p in own]), _ranks([p.measure for p in own])) for own in tasks]

    def overall(chosen: Iterable[int]) -> float:
        pairs = [ranks[task] for task in chosen]
        return _pearson(np.concatenate([pair[0] for pair in pairs]), np.concatenate([pair[1] for pair in pairs]))

    draws = np.random.default_rng(0).integers(len(tasks), size=(RESAMPLES, len(tasks)))
    several = len(tasks) > 1
    return Correlation(
        measure=measure,
        tasks=len(tasks),
        points=sum(map(len, tasks)),
        within=float(within.mean()),
        within_interval=_interval(within[draws].mean(axis=1)) if several else None,
        overall=overall(range(len(tasks))),
        overall_interval=_interval(np.array([overall(row) for row in draws])) if several else None,
    )


def _ranks(values: Sequence[float]) -> np.ndarray:
    """Ranks from 0 (lowest) to 1 (highest); equal values share the mean of their ranks."""
    from scipy.stats import rankdata

    return (np.asarray(rankdata(values), dtype=np.float64) - 1) / (len(values) - 1)


def _pearson(first: np.ndarray, second: np.ndarray) -> float:
    one, other = first - first.mean(), second - second.mean()
    length = math.sqrt(float((one**2).sum() * (other**2).sum()))
    return float((one * other).sum()) / length if length else math.nan


def _interval(values: np.ndarray) -> tuple[float, float]:
    low, high = np.quantile(values, (0.025, 0.975)).tolist()
    return low, high
