"""What a cell of the grid gives: numbers, each with the tolerance that it is compared with."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Rows = tuple[tuple[float, ...], ...]
Value = float | Rows
DIGITS = 9  # significant, of what references keep

ALL = "all of it"
NEW = "there is no reference for it; where it is meant to be new, --update --reason writes one"
GONE = "there is a reference, but nothing measures it any more; where that is meant, --update --reason drops it"
BY_HAND = "the file is not as --update left it, so the log does not say why it changed"


@dataclass(frozen=True)
class Tolerance:
    """How far a number may be from its reference: ``absolute`` plus ``relative`` times the reference.

    With ``within`` the value is keypoints, a row an image (x0, y0, x1, y1, ...): what is compared is the share, in
    percent, of keypoints that are further than ``within`` image sides from those of the reference. ``reason`` says
    why it is this wide, ``meaning`` what it means when a number is beyond it.
    """

    reason: str
    meaning: str
    relative: float = 0.0
    absolute: float = 0.0
    within: float | None = None


@dataclass(frozen=True)
class Measure:
    """A number of a cell by its name, and how it is compared."""

    metric: str
    value: Value
    tolerance: Tolerance


Case = Callable[[], list[Measure]]
Grid = Mapping[str, Case]


@dataclass(frozen=True)
class Finding:
    """Something that is not as its reference has it; numbers are None where there are none to compare.

    ``meaning`` and ``reason`` are those of the tolerance.
    """

    cell: str
    metric: str
    meaning: str
    reference: float | None = None
    now: float | None = None
    allowed: float | None = None
    reason: str = ""

    @property
    def difference(self) -> float | None:
        """Now minus the reference."""
        return None if self.reference is None or self.now is None else self.now - self.reference


def rounded(value: Value) -> Value:
    """A value to the digits that references keep, which are far fewer than any tolerance needs."""
    if isinstance(value, tuple):
        return tuple(tuple(_rounded(number) for number in row) for row in value)
    return _rounded(value)


def _rounded(number: float) -> float:
    return float(f"{number:.{DIGITS}g}")


def compare(cell: str, measure: Measure, reference: Value) -> Finding | None:
    """What a measure differs in from its reference by more than it may; None where all is well."""
    tolerance = measure.tolerance
    before, now = _numbers(tolerance, reference, measure.value)
    allowed = tolerance.absolute + tolerance.relative * abs(before)
    if abs(now - before) <= allowed:  # not so where one is NaN
        return None
    return Finding(cell, measure.metric, tolerance.meaning, before, now, allowed, tolerance.reason)


def _numbers(tolerance: Tolerance, reference: Value, value: Value) -> tuple[float, float]:
    """The two numbers to compare; of keypoints 0 and the share of those that moved."""
    if tolerance.within is None:
        alike = isinstance(reference, float | int) and isinstance(value, float | int)
        return (float(reference), float(value)) if alike else (math.nan, math.nan)  # type: ignore[arg-type]
    return 0.0, share_moved(reference, value, tolerance.within)


def share_moved(reference: Value, value: Value, within: float) -> float:
    """Percent of keypoints further than ``within`` from where they were; NaN where there are others, or none."""
    if not isinstance(reference, tuple) or not isinstance(value, tuple):
        return math.nan
    shapes = [[len(row) for row in rows] for rows in (reference, value)]
    if shapes[0] != shapes[1] or not sum(shapes[0]):
        return math.nan
    pairs = [
        math.hypot(x - u, y - v)
        for before, now in zip(reference, value, strict=True)
        for x, y, u, v in zip(before[::2], before[1::2], now[::2], now[1::2], strict=True)
    ]
    return 100.0 * sum(not apart <= within for apart in pairs) / len(pairs)
