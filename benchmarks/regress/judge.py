"""Measuring cells and comparing them: every number with its reference, every reference with a number."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

from benchmarks.errors import first_line
from benchmarks.regress.measures import ALL, BY_HAND, GONE, NEW, Finding, Grid, Measure, compare
from benchmarks.regress.references import Metrics, References, part_of


@dataclass(frozen=True)
class Verdict:
    """What was measured, by cell; what is not as its reference has it; cells that ``failed`` and gave nothing."""

    measured: Mapping[str, Sequence[Measure]] = field(default_factory=dict)
    findings: Sequence[Finding] = ()
    failed: Sequence[Finding] = ()

    def __add__(self, other: Verdict) -> Verdict:
        """Both together."""
        return Verdict(
            {**self.measured, **other.measured},
            [*self.findings, *other.findings],
            [*self.failed, *other.failed],
        )

    @property
    def numbers(self) -> int:
        """How many values were compared."""
        return sum(len(measures) for measures in self.measured.values())

    @property
    def parts_moved(self) -> list[str]:
        """The parts with findings."""
        return list(dict.fromkeys(part_of(found.cell) for found in self.findings))


def judge(grid: Grid, references: References, part: str, cells: Sequence[str]) -> Verdict:
    """Measure these cells of a part and compare them; a cell that raises is ``failed``, and the others go on."""
    measured: dict[str, Sequence[Measure]] = {}
    findings = [Finding(part, ALL, BY_HAND)] if part in references.by_hand else []
    failed = []
    for cell in cells:
        known = references.cells.get(cell, {})
        if cell not in grid:
            findings.append(Finding(cell, ALL, GONE))
            continue
        try:
            measured[cell] = _checked(grid[cell]())
        except Exception as error:
            failed.append(Finding(cell, ALL, f"failed: {type(error).__name__}: {first_line(error)}"))
        else:
            findings += _compared(cell, measured[cell], known)
    return Verdict(measured, findings, failed)


def _checked(measures: Sequence[Measure]) -> Sequence[Measure]:
    """The measures as they are. Raises ValueError for none at all, a name twice, or a number that is not finite."""
    names = [measure.metric for measure in measures]
    if not names or len(set(names)) < len(names):
        raise ValueError(f"measured {names}, expected at least one number, each name once")
    for measure in measures:
        numbers = chain(*measure.value) if isinstance(measure.value, tuple) else [measure.value]
        if not all(map(math.isfinite, numbers)):
            raise ValueError(f"{measure.metric} is not finite")
    return measures


def _compared(cell: str, measures: Sequence[Measure], known: Metrics) -> list[Finding]:
    """What differs in a cell, in the order it was measured, then what is no longer measured."""
    if not known:
        return [Finding(cell, ALL, NEW)]
    findings = []
    for measure in measures:
        if measure.metric not in known:
            findings.append(Finding(cell, measure.metric, NEW))
        elif found := compare(cell, measure, known[measure.metric]):
            findings.append(found)
    gone = known.keys() - {measure.metric for measure in measures}
    return findings + [Finding(cell, metric, GONE) for metric in sorted(gone)]
