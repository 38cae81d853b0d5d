"""The ``verify-row`` command: the numbers of finished cells are computed again from their predictions."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

import typer

from benchmarks.errors import UserError, unknown
from benchmarks.records.checks import record_fault
from benchmarks.records.store import RESULT
from benchmarks.registry import opener
from benchmarks.run.cells import CHOICES
from benchmarks.settings import choose_data_root
from benchmarks.tables.recompute import at_hand, current_scores, differences
from datasets.base import Choices
from leaderboard.load import read_record
from leaderboard.ranking import DECIMALS
from leaderboard.records import ResultRecord
from leaderboard.text import printable
from metrics.protocols import value_text

Verdict = Literal["equal", "differs", "cannot be checked"]
STATUS: dict[Verdict, int] = {"equal": 0, "cannot be checked": 2, "differs": 1}
LINES = 20  # of differences that are printed of a cell


def verify_rows(runs: Path, cell: str, data_root: Path | None) -> int:
    """Print for each chosen cell whether its record is what its files and predictions give, or what differs.

    ``cell`` is an id or a pattern such as 'imm--cub_*'. Returns 1 if a cell differs, else 2 if one cannot be checked,
    else 0. Raises UserError if no cell has this name.
    """
    verdicts = []
    root = choose_data_root(data_root)[0]
    for name in _chosen(runs, cell):
        verdict, lines = _verify(runs, name, root)
        verdicts.append(verdict)
        more = [f"... and {len(lines) - LINES} more"] if len(lines) > LINES else []
        for line in [f"{name}: {verdict}", *(f"  {line}" for line in [*lines[:LINES], *more])]:
            typer.echo(printable(line))
    return next(STATUS[each] for each in ("differs", "cannot be checked", "equal") if each in verdicts)


def _chosen(runs: Path, cell: str) -> list[str]:
    """The ids of the cells that are meant."""
    folder = runs / "cells"
    if not folder.is_dir():
        raise UserError(f"no folder {folder}; name a run directory, such as runs")
    there = sorted(each.name for each in folder.iterdir() if each.is_dir())
    found = [name for name in there if name == cell] or [name for name in there if fnmatchcase(name, cell)]
    if not found:
        raise unknown("cell", cell, there)
    return found


def _verify(runs: Path, name: str, root: Path | None) -> tuple[Verdict, list[str]]:
    """The verdict on a cell, with what differs, why it cannot be checked, or the values that agree."""
    folder = runs / "cells" / name
    if fault := record_fault(runs, name):
        return "differs", [fault.text]
    if not (folder / RESULT).is_file():
        return "cannot be checked", [f"{folder} has no {RESULT}"]
    record = read_record(folder / RESULT)
    if record.failure:
        return "cannot be checked", [f"it failed: {record.failure.type}: {record.failure.message}"]
    reason, dataset = at_hand(record, folder, opener(root, choices_of(record)))
    current = current_scores(record)
    if dataset is None or not current:
        return "cannot be checked", [reason or "all its scores are of other versions of their protocols"]
    if wrong := list(differences(record, folder, dataset)):
        return "differs", wrong
    old = [each.protocol for each in record.scores if each not in current]
    files = "" if record.digests else "the record has no sha256 of files, so these were not compared"
    return "equal", [
        *(f"{each.protocol}: {value_text(each.protocol, each.value, DECIMALS)} {each.unit}" for each in current),
        *([f"not computed, of other versions: {', '.join(old)}"] if old else []),
        *filter(None, [files]),
    ]


def choices_of(record: ResultRecord) -> Choices:
    """The user's choices for custom data, as the run recorded them."""
    chosen = record.provenance.get(CHOICES)
    found = chosen if isinstance(chosen, dict) else {}
    file = found.get("split")
    return Choices(Path(file) if file else None, found.get("interocular"))
