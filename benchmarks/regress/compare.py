"""Compare the values of cells with their references, within the tolerances of ``tolerances.json``."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from pydantic import BaseModel, ConfigDict

from benchmarks.errors import first_line
from benchmarks.regress.references import Metrics, References

Cell = Callable[[], Metrics]
Grid = Mapping[str, Cell]

ALL = "the whole cell"
NEW = "it has no reference yet; if it is meant to be new, write one with --update --reason TEXT"
GONE = "it has a reference but is no longer measured; if that is meant, drop it with --update --reason TEXT"
BY_HAND = "the file was changed without --update, so the log has no reason for it"


class Tolerance(BaseModel):
    """How far a number may move: by ``absolute`` plus ``relative`` times its reference; without either, not at all.

    ``within`` is for keypoints, one row (x0, y0, x1, y1, ...) per image: ``absolute`` then limits the percentage of
    keypoints further than ``within`` image sides from the reference. ``cells`` and ``metrics`` are patterns of the ids
    that the tolerance holds for; ``reason`` explains its width, ``meaning`` explains a larger difference.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    cells: str
    metrics: tuple[str, ...] = ("*",)
    relative: float = 0.0
    absolute: float = 0.0
    within: float | None = None
    reason: str
    meaning: str

    def holds_for(self, cell: str, metric: str) -> bool:
        """Whether the patterns match."""
        return fnmatchcase(cell, self.cells) and any(fnmatchcase(metric, pattern) for pattern in self.metrics)


@dataclass(frozen=True)
class Finding:
    """A difference from a reference, with both values as text, or '' if there are none to compare."""

    cell: str
    metric: str
    meaning: str
    reference: str = ""
    now: str = ""
    difference: float | None = None
    allowed: float | None = None
    reason: str = ""


@dataclass(frozen=True)
class Verdict:
    """Measured values by cell, differences from the references, and cells that ``failed``."""

    measured: Mapping[str, Metrics] = field(default_factory=dict)
    findings: Sequence[Finding] = ()
    failed: Sequence[Finding] = ()

    def __add__(self, other: Verdict) -> Verdict:
        """Join two verdicts."""
        measured = {**self.measured, **other.measured}
        return Verdict(measured, [*self.findings, *other.findings], [*self.failed, *other.failed])

    @property
    def values(self) -> int:
        """Number of measured values."""
        return sum(map(len, self.measured.values()))


def judge(
    grid: Grid, references: References, tolerances: Sequence[Tolerance], part: str, cells: Sequence[str]
) -> Verdict:
    """Measure cells of a part and compare them; a cell that raises is added to ``failed``, and the others still run."""
    measured: dict[str, Metrics] = {}
    findings = [Finding(part, ALL, BY_HAND)] if part in references.by_hand else []
    failed = []
    for cell in cells:
        if cell not in grid:
            findings.append(Finding(cell, ALL, GONE))
            continue
        try:
            values = grid[cell]()
            found = _compare_cell(cell, values, references.cells.get(cell, {}), tolerances)
        except Exception as error:
            failed.append(Finding(cell, ALL, f"failed: {type(error).__name__}: {first_line(error)}"))
        else:
            measured[cell] = values
            findings += found
    return Verdict(measured, findings, failed)


def _compare_cell(cell: str, values: Metrics, known: Metrics, tolerances: Sequence[Tolerance]) -> list[Finding]:
    """Findings of a cell. Raises ValueError without values, for a number that is not finite, and without a rule."""
    if not values:
        raise ValueError("gave no values")
    json.dumps(values, allow_nan=False)
    rules = {metric: _rule(cell, metric, tolerances) for metric in values}
    if not known:
        return [Finding(cell, ALL, NEW)]
    findings = [Finding(cell, metric, NEW) for metric in values if metric not in known]
    compared = [compare(cell, name, values[name], known[name], rules[name]) for name in values if name in known]
    gone = [Finding(cell, metric, GONE) for metric in sorted(known.keys() - values.keys())]
    return [*findings, *filter(None, compared), *gone]


def _rule(cell: str, metric: str, tolerances: Sequence[Tolerance]) -> Tolerance:
    """The first tolerance that holds. Raises ValueError if there is none."""
    for rule in tolerances:
        if rule.holds_for(cell, metric):
            return rule
    raise ValueError(f"{metric}: no tolerance in tolerances.json holds for it; add one")


def compare(cell: str, metric: str, value: Any, reference: Any, rule: Tolerance) -> Finding | None:
    """The finding if a value differs from its reference by more than the tolerance, else None."""
    if rule.within is not None:
        before, now = 0.0, share_moved(reference, value, rule.within)
    elif (rule.relative or rule.absolute) and _is_number(value) and _is_number(reference):
        before, now = reference, value
    elif json.dumps(value) == json.dumps(reference):
        return None
    else:
        return Finding(cell, metric, rule.meaning, json.dumps(reference), json.dumps(value), None, 0.0, rule.reason)
    allowed = rule.absolute + rule.relative * abs(before)
    if abs(now - before) <= allowed:  # false if one is NaN
        return None
    return Finding(cell, metric, rule.meaning, f"{before:.9g}", f"{now:.9g}", now - before, allowed, rule.reason)


def share_moved(reference: Any, value: Any, within: float) -> float:
    """Percentage of keypoints further than ``within`` from their reference; NaN if shapes differ or there are none."""
    if not isinstance(reference, list) or not isinstance(value, list):
        return math.nan
    shapes = [[len(row) for row in rows] for rows in (reference, value)]
    if shapes[0] != shapes[1] or not sum(shapes[0]):
        return math.nan
    distances = [
        math.hypot(x - u, y - v)
        for before, now in zip(reference, value, strict=True)
        for x, y, u, v in zip(before[::2], before[1::2], now[::2], now[1::2], strict=True)
    ]
    return 100.0 * sum(not distance <= within for distance in distances) / len(distances)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
