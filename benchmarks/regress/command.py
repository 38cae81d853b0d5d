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
from benchmarks.regress.cells import DEVICE, fit_cells, floor_cells, opened, setting_cells
from benchmarks.regress.compare import BY_HAND, GONE, NEW, Tolerance, Verdict, judge
from benchmarks.regress.protocols import protocol_cells
from benchmarks.regress.references import References, part_of, read_json, read_references, write_references
from benchmarks.regress.report import console_for_tables, print_findings, print_part, print_versions

if TYPE_CHECKING:
    from benchmarks.regress.cells import Bench
    from benchmarks.regress.compare import Cell, Grid

TOLERANCES = Path(__file__).with_name("tolerances.json")
NAMED = 10  # changed files to name if an update is refused, at most
_ABOUT = ("python", "platform", "cpu", "versions")
_SHORT = {NEW: "new", GONE: "gone", BY_HAND: "changed by hand"}


@dataclass(frozen=True)
class RegressOptions:
    """The options of ``regress``, as given."""

    references: Path
    only: Sequence[str] = ()
    update: bool = False
    reason: str | None = None
    every_row: bool = False


def regress_command(options: RegressOptions) -> int:
    """Compare the grid with the references or rewrite them; returns 0 if nothing moved or all was written, else 1.

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
    return _conclude(console, verdict)


def the_grid(bench: Bench) -> dict[str, Cell]:
    """Every cell by its id, ``<part>/...``, in the order of measurement: quick ones first."""
    return {**setting_cells(), **protocol_cells(), **floor_cells(bench), **fit_cells(bench)}


def choose(grid: Grid, references: References, patterns: Sequence[str]) -> list[str]:
    """Ids of the cells of the grid and of the references that a pattern names; all of them without a pattern.

    A pattern is a part, or matches whole ids (``floors/grid/*``). Raises UserError for one that names no cell.
    """
    known = list(dict.fromkeys([*grid, *references.cells]))
    for pattern in patterns:
        if not any(_matches(cell, pattern) for cell in known):
            parts = dict.fromkeys(map(part_of, known))
            raise UserError(
                f"--only {pattern}: no cell of that name{near_match(pattern, [*parts, *known], 'regress --help')}"
            )
    return [cell for cell in known if not patterns or any(_matches(cell, pattern) for pattern in patterns)]


def _matches(cell: str, pattern: str) -> bool:
    return part_of(cell) == pattern or fnmatchcase(cell, pattern)


def _reason(options: RegressOptions) -> str:
    reason = " ".join((options.reason or "").split())
    if options.update and not reason:
        raise UserError("--update needs --reason TEXT, which says in the log why the numbers moved")
    if reason and not options.update:
        raise UserError("--reason goes with --update; without --update nothing is rewritten")
    return reason


def _check_clean(console: Console, folder: Path) -> None:
    """Raise UserError if files other than the references differ from their commit."""
    changed = changed_files()
    if changed is None:
        console.print("no git checkout: it is unknown which commit these references belong to", style="yellow")
        return
    own = folder.resolve()
    others = [path for path in changed if not (ROOT / path).is_relative_to(own)]
    if others:
        more = f" and {len(others) - NAMED} more" if len(others) > NAMED else ""
        raise UserError(
            f"--update refuses uncommitted changes in {', '.join(others[:NAMED])}{more}: references must belong to a "
            "commit; commit or stash these files, then update"
        )


def _check_whole_parts(grid: Grid, references: References, chosen: Iterable[str]) -> None:
    """Raise UserError if only some cells of a part would be rewritten."""
    left_out = {*grid, *references.cells} - set(chosen)
    for part in sorted({part_of(cell) for cell in left_out} & {part_of(cell) for cell in chosen}):
        raise UserError(f"--update rewrites whole parts, since each names what it was made with; use --only {part}")


def _measure(console: Console, grid: Grid, references: References, chosen: Sequence[str]) -> Verdict:
    """Judge the chosen cells part by part, and print a line for each part."""
    tolerances = read_json(TOLERANCES, list[Tolerance])
    total = Verdict()
    for part in dict.fromkeys(map(part_of, chosen)):
        started = time.monotonic()
        verdict = judge(grid, references, tolerances, part, [cell for cell in chosen if part_of(cell) == part])
        print_part(console, part, verdict, time.monotonic() - started)
        total = total + verdict
    return total


def _conclude(console: Console, verdict: Verdict) -> int:
    """Print the last line; returns the exit status. Measuring nothing is a failure."""
    beyond, broken = len(verdict.findings), len(verdict.failed)
    if not verdict.measured:
        console.print("failed: nothing was measured", style="red")
        return 1
    if beyond or broken:
        gave_none = f", and {broken} cells failed" if broken else ""
        console.print(
            f"failed: {beyond} values or cells differ from their references{gave_none}. If that is meant: "
            "python -m benchmarks regress --update --reason TEXT",
            style="red",
            soft_wrap=True,
        )
        return 1
    console.print(f"passed: {verdict.values} values of {len(verdict.measured)} cells agree with their references")
    return 0


def _update(console: Console, folder: Path, verdict: Verdict, made_with: dict[str, Any], reason: str) -> int:
    """Rewrite the parts in which something moved, unless a cell failed."""
    if verdict.failed or not verdict.measured:
        console.print("references are unchanged: every cell must be measured without error first", style="red")
        return 1
    if not verdict.findings:
        console.print("references are unchanged: nothing moved")
        return 0
    moved: dict[str, list[str]] = {}
    for found in verdict.findings:
        change = f"{found.reference} -> {found.now}" if found.now else _SHORT[found.meaning]
        moved.setdefault(part_of(found.cell), []).append(f"{found.cell} {found.metric}: {change}")
    date = datetime.now(UTC).strftime("%Y-%m-%d")
    write_references(folder, verdict.measured, moved, made_with, date, reason)
    console.print(f"rewritten: {', '.join(moved)} in {folder}", soft_wrap=True)
    return 0
