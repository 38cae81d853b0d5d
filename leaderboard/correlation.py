"""Whether a measure without landmarks orders methods as their error does: rank correlations over methods and tasks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from math import factorial

import numpy as np
from numpy.typing import NDArray

from leaderboard.aggregate import measured_rows
from leaderboard.paired import holm
from leaderboard.records import ResultRecord
from leaderboard.rows import Row, known
from metrics.protocols import PROTOCOLS

Floats = NDArray[np.float64]
Cells = frozenset[tuple[str, str]]  # ids and dates of the cells of a row

FEWEST = 3  # methods that a task needs
EXCHANGES = 5000
AGREEMENT = "agreement"  # name of the measure of agreement between seeds
_FAMILY = "label_free/"
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Correlation:
    """Spearman's rank correlation of a measure with the error; 1 means that both order methods alike.

    ``within`` is the mean over ``tasks`` of the correlations across the methods of a task. ``p`` is the share of
    exchanges that have a correlation as far from 0 or farther. An exchange gives each of the ``methods`` the measures
    of another one, the same on every task; all are tried, or ``EXCHANGES`` at random and the true one. ``p`` is
    adjusted for the number of measures by Holm's method. ``points`` is the number of pairs of method and task.
    """

    measure: str
    tasks: int
    methods: int
    points: int
    within: float
    p: float


def correlations(
    records: Iterable[ResultRecord], profile: str, agreements: Mapping[Cells, float] | None = None
) -> list[Correlation]:
    """The correlation of each measure that records have, over the methods that learn without landmarks.

    ``agreements`` has the distance of matched keypoints of several seeds by the cells of these seeds (``cells_of``).
    A task counts if it has ``FEWEST`` such methods or more, and neither the error nor the measure is equal for all.
    """
    found = []
    for measure, points in _points(list(records), profile, agreements or {}).items():
        errors, measures = _ranks(points)
        if errors.shape[1]:
            pairs = int(np.isfinite(errors).sum())
            within = float(_within(errors, measures))
            count, tasks = errors.shape
            found.append(Correlation(measure, tasks, count, pairs, within, _p(errors, measures)))
    adjusted = holm([each.p for each in found])
    return [replace(each, p=p) for each, p in zip(found, adjusted, strict=True)]


def cells_of(records: Iterable[ResultRecord]) -> Cells:
    """What tells the cells of a row from all others: their ids, and the dates of their runs."""
    return frozenset((record.cell_id, str(record.provenance.get("date", ""))) for record in records)


@dataclass(frozen=True)
class _Point:
    """A method on a task by one measure: the error and the measure, both signed so that more is better."""

    task: str
    method: str
    error: float
    measure: float


def _points(
    records: Sequence[ResultRecord], profile: str, agreements: Mapping[Cells, float]
) -> dict[str, list[_Point]]:
    """The points of each measure."""
    tasks = sorted({record.task for record in records})
    rows = [row for row in measured_rows(records, tasks, profile, "all") if _counts(row)]
    headlines = [row for row in rows if row.protocol == row.cells[0].scores[0].protocol]
    errors = {(row.task, row.label): _signed(row) for row in headlines if not str(row.protocol).startswith(_FAMILY)}
    measured = [(str(row.protocol), row, _signed(row)) for row in rows if str(row.protocol).startswith(_FAMILY)]
    distances = [(row, agreements.get(cells_of(row.cells))) for row in headlines]
    measured += [(AGREEMENT, row, -distance) for row, distance in distances if distance is not None]
    found: dict[str, list[_Point]] = {}
    for measure, row, value in measured:
        if (error := errors.get((row.task, row.label))) is not None:
            found.setdefault(measure, []).append(_Point(row.task, row.label, error, value))
    order = [*(name for name in PROTOCOLS if name.startswith(_FAMILY)), AGREEMENT]
    return {measure: found[measure] for measure in order if measure in found}


def _counts(row: Row) -> bool:
    plain = row.limit is None and not row.is_floor and not row.supervised
    return plain and row.kind == "trained" and row.status == "done" and row.value is not None


def _signed(row: Row) -> float:
    return known(row.value) if row.higher_is_better else -known(row.value)


def _ranks(points: Sequence[_Point]) -> tuple[Floats, Floats]:
    """Ranks within each task that can have a correlation, by the error and by the measure; each (methods, tasks).

    NaN for a method that is not on a task; equal values share the mean of their ranks.
    """
    from scipy.stats import rankdata

    by_task = [[point for point in points if point.task == task] for task in sorted({point.task for point in points})]
    tasks = [
        own
        for own in by_task
        if len(own) >= FEWEST and len({point.error for point in own}) > 1 and len({point.measure for point in own}) > 1
    ]
    rows = {method: row for row, method in enumerate(sorted({point.method for own in tasks for point in own}))}
    errors, measures = np.full((2, len(rows), len(tasks)), np.nan)
    for column, own in enumerate(tasks):
        chosen = [rows[point.method] for point in own]
        errors[chosen, column] = rankdata([point.error for point in own])
        measures[chosen, column] = rankdata([point.measure for point in own])
    return errors, measures


def _within(errors: Floats, measures: Floats) -> Floats:
    """The mean over tasks of Pearson's correlation of ranks (..., methods, tasks), NaN for a method not on a task.

    A task with fewer than ``FEWEST`` pairs or with equal ranks is left out; without any task the mean is 0.
    """
    both = np.isfinite(errors) & np.isfinite(measures)
    count = np.maximum(both.sum(axis=-2, keepdims=True), 1)
    one, other = (np.where(both, side, 0.0) for side in np.broadcast_arrays(errors, measures))
    one = np.where(both, one - one.sum(axis=-2, keepdims=True) / count, 0.0)
    other = np.where(both, other - other.sum(axis=-2, keepdims=True) / count, 0.0)
    length = np.sqrt((one**2).sum(axis=-2) * (other**2).sum(axis=-2))
    usable = (length > _ROUNDING) & (both.sum(axis=-2) >= FEWEST)
    each = np.divide((one * other).sum(axis=-2), length, out=np.zeros_like(length), where=usable)
    return np.asarray(each.sum(axis=-1) / np.maximum(usable.sum(axis=-1), 1))


def _p(errors: Floats, measures: Floats) -> float:
    """The share of exchanges of methods with a correlation as far from 0 as the true one, or farther."""
    count = len(errors)
    if factorial(count) <= EXCHANGES:
        orders = np.array(list(permutations(range(count))))
    else:
        orders = np.random.default_rng(0).permuted(np.tile(np.arange(count), (EXCHANGES, 1)), axis=1)
        orders = np.concatenate([np.arange(count)[None], orders])
    found = np.abs(_within(errors, measures[orders]))
    return float((found >= found[0] - _ROUNDING).mean())
