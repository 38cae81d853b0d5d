"""The ``regress`` command from options to exit status."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from benchmarks.errors import UserError, near_match
from benchmarks.records.provenance import ROOT, changed_files, provenance
from benchmarks.regress.bench import DEVICE, opened
from benchmarks.regress.cells import fit_cases, floor_cases, setting_cases
from benchmarks.regress.judge import Verdict, judge
from benchmarks.regress.measures import rounded
from benchmarks.regress.protocols import protocol_cases
from benchmarks.regress.references import References, part_of, read_references, write_references
from benchmarks.regress.report import console_for_tables, print_findings, print_part, print_versions

if TYPE_CHECKING:
    from benchmarks.regress.bench import Bench
    from benchmarks.regress.measures import Case, Grid

NAMED = 10  # changed files that the refusal of an update names, at most
_ABOUT = ("python", "platform", "cpu", "versions")


@dataclass(frozen=True)
class RegressOptions:
    """The options of ``regress``, as given."""

    references: Path
    only: Sequence[str] = ()
    update: bool = False
    reason: str | None = None
    every_row: bool = False


def regress_command(options: RegressOptions) -> int:
    """Measure the grid and compare it, or rewrite the references; 0 where all is well, else 1.

    Raises UserError for options that do not go together, a pattern that names no cell, unreadable references, and an
    update from a working tree with uncommitted changes.
    """
    reason = _reason(options)
    console = console_for_tables()
    if options.update:
        _check_clean(console, options.references)
    references = read_references(options.references)
    with opened() as bench:
        grid = the_grid(bench)
        chosen = choose(grid, references, options.only)
        if options.update:
            _check_whole_parts(grid, references, chosen)
        verdict = _measure(console, grid, references, chosen)
    made_with = {name: value for name, value in provenance(DEVICE).items() if name in _ABOUT}
    print_versions(console, references, made_with, {part_of(cell) for cell in chosen})
    print_findings(console, [*verdict.failed, *verdict.findings], options.every_row)
    if options.update:
        return _update(console, options.references, verdict, made_with, reason)
    return _say(console, verdict)


def the_grid(bench: Bench) -> dict[str, Case]:
    """Every cell by its id, ``<part>/...``, in the order they are measured: what is quick comes first."""
    return {**setting_cases(), **protocol_cases(), **floor_cases(bench), **fit_cases(bench)}


def choose(grid: Grid, references: References, patterns: Sequence[str]) -> list[str]:
    """Ids of the cells, measured or only referred to, that a pattern names; all of them where there are none.

    A pattern is a part, or matches whole ids (``floors/grid/*``). Raises UserError for one that names no cell.
    """
    known = list(dict.fromkeys([*grid, *references.cells]))
    for pattern in patterns:
        if not any(_matches(cell, pattern) for cell in known):
            parts = dict.fromkeys(map(part_of, known))
            raise UserError(f"--only {pattern}: no cell of that name{near_match(pattern, [*parts, *known])}")
    return [cell for cell in known if not patterns or any(_matches(cell, pattern) for pattern in patterns)]


def _matches(cell: str, pattern: str) -> bool:
    return part_of(cell) == pattern or fnmatchcase(cell, pattern)


def _reason(options: RegressOptions) -> str:
    reason = " ".join((options.reason or "").split())
    if options.update and not reason:
        raise UserError("--update needs --reason TEXT: why the numbers moved, for the log beside the references")
    if reason and not options.update:
        raise UserError("--reason goes with --update; without it nothing is rewritten")
    return reason


def _check_clean(console: Console, folder: Path) -> None:
    """Raise UserError where files other than the references differ from their commit."""
    changed = changed_files()
    if changed is None:
        console.print("no git checkout: nothing tells which commit these references belong to", style="yellow")
        return
    own = folder.resolve()
    others = [path for path in changed if not (ROOT / path).is_relative_to(own)]
    if others:
        more = f" and {len(others) - NAMED} more" if len(others) > NAMED else ""
        raise UserError(
            f"--update refuses uncommitted changes in {', '.join(others[:NAMED])}{more}: references are kept for a "
            "commit; commit or stash these files, then update"
        )


def _check_whole_parts(grid: Grid, references: References, chosen: Iterable[str]) -> None:
    """Raise UserError where only some cells of a part would be rewritten."""
    left_out = {*grid, *references.cells} - set(chosen)
    for part in sorted({part_of(cell) for cell in left_out} & {part_of(cell) for cell in chosen}):
        raise UserError(f"--update rewrites whole parts, since each names what it was made with; take --only {part}")


def _measure(console: Console, grid: Grid, references: References, chosen: Sequence[str]) -> Verdict:
    """The verdict on the chosen cells, part by part, with a line for each."""
    total = Verdict()
    for part in dict.fromkeys(map(part_of, chosen)):
        started = time.monotonic()
        verdict = judge(grid, references, part, [cell for cell in chosen if part_of(cell) == part])
        print_part(console, part, verdict, time.monotonic() - started)
        total = total + verdict
    return total


def _say(console: Console, verdict: Verdict) -> int:
    """The last line, and the exit status; a gate that measured nothing fails."""
    beyond, broken = len(verdict.findings), len(verdict.failed)
    if not verdict.measured:
        console.print("failed: nothing was measured", style="red")
        return 1
    if beyond or broken:
        gave_none = f", and {broken} cells gave none" if broken else ""
        console.print(
            f"failed: {beyond} numbers or cells are not as their references have them{gave_none}. Where that is meant: "
            "python -m benchmarks regress --update --reason TEXT",
            style="red",
            soft_wrap=True,
        )
        return 1
    console.print(f"passed: {verdict.numbers} numbers of {len(verdict.measured)} cells are as they were")
    return 0


def _update(console: Console, folder: Path, verdict: Verdict, made_with: dict[str, Any], reason: str) -> int:
    """Rewrite the parts in which something moved, unless a cell failed."""
    if verdict.failed or not verdict.measured:
        console.print("references stay: every cell must give its numbers first", style="red")
        return 1
    if not verdict.findings:
        console.print("references stay: nothing moved")
        return 0
    moved = {part: [f for f in verdict.findings if part_of(f.cell) == part] for part in verdict.parts_moved}
    values = {cell: {m.metric: rounded(m.value) for m in measures} for cell, measures in verdict.measured.items()}
    write_references(folder, values, moved, made_with, datetime.now(UTC).strftime("%Y-%m-%d"), reason)
    console.print(f"rewritten: {', '.join(moved)} in {folder}", soft_wrap=True)
    return 0
