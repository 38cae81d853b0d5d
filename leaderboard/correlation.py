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
    adjusted for the number of measures by Holm's method. Every method is on every task, so that exchanges are fair.
    """

    measure: str
    tasks: int
    methods: int
    within: float
    p: float


def correlations(
    records: Iterable[ResultRecord], profile: str, agreements: Mapping[Cells, float] | None = None
) -> list[Correlation]:
    """The correlation of each measure that records have, over the methods that learn without landmarks.

    ``agreements`` has the distance of matched keypoints of several seeds by the cells of these seeds (``cells_of``).
    There must be ``FEWEST`` such methods on a task, and neither their errors nor their measures may be all equal. Of
    methods that are not on the same tasks, those count that have the most results on common tasks.
    """
    found = []
    for measure, points in _points(list(records), profile, agreements or {}).items():
        errors, measures = _ranks(points)
        if len(errors):
            tasks, methods = errors.shape
            within = float(_within(errors, measures))
            found.append(Correlation(measure, tasks, methods, within, _p(errors, measures)))
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
    errors = {(row.task, row.label): _signed(row) for row in headlines if _is_error(row.protocol)}
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


def _is_error(protocol: str | None) -> bool:
    found = PROTOCOLS.get(protocol or "")
    return found is not None and found.is_error


def _signed(row: Row) -> float:
    return known(row.value) if row.higher_is_better else -known(row.value)


def _ranks(points: Sequence[_Point]) -> tuple[Floats, Floats]:
    """Ranks by the error and by the measure, each (tasks, methods), of the methods of a task.

    Every method is on every task: of all sets of methods that are on some task, and the tasks that have them all, those
    with the most pairs are taken. Equal values share the mean of their ranks.
    """
    from scipy.stats import rankdata

    by_task: dict[str, dict[str, _Point]] = {}
    for point in points:
        by_task.setdefault(point.task, {})[point.method] = point
    designs = [_design(methods, by_task.values()) for methods in {frozenset(own): None for own in by_task.values()}]
    best = max(designs, key=lambda design: sum(map(len, design)), default=[])
    errors = [rankdata([point.error for point in own]) for own in best]
    measures = [rankdata([point.measure for point in own]) for own in best]
    return np.array(errors), np.array(measures)


def _design(methods: frozenset[str], tasks: Iterable[Mapping[str, _Point]]) -> list[list[_Point]]:
    """The points of these methods on each task that has them all and can have a correlation."""
    found = [[own[method] for method in sorted(methods)] for own in tasks if methods <= own.keys()]
    varying = [own for own in found if all(len({getattr(p, side) for p in own}) > 1 for side in ("error", "measure"))]
    return varying if len(methods) >= FEWEST else []


def _within(errors: Floats, measures: Floats) -> Floats:
    """The mean over tasks of Pearson's correlation of ranks (..., tasks, methods)."""
    one, other = (side - side.mean(axis=-1, keepdims=True) for side in (errors, measures))
    length = np.sqrt((one**2).sum(axis=-1) * (other**2).sum(axis=-1))
    return np.asarray(((one * other).sum(axis=-1) / length).mean(axis=-1))


def _p(errors: Floats, measures: Floats) -> float:
    """The share of exchanges of methods with a correlation as far from 0 as the true one, or farther."""
    count = errors.shape[1]
    if factorial(count) <= EXCHANGES:
        orders = np.array(list(permutations(range(count))))
    else:
        orders = np.random.default_rng(0).permuted(np.tile(np.arange(count), (EXCHANGES, 1)), axis=1)
        orders = np.concatenate([np.arange(count)[None], orders])
    found = np.abs(_within(errors, measures[:, orders].swapaxes(0, 1)))
    return float((found >= found[0] - _ROUNDING).mean())
