"""The ``leaderboard`` command: tables of a run directory, generated parts of markdown files, and the audit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import typer
from rich.console import Console

from benchmarks.errors import UserError, unknown
from benchmarks.records.checks import examine, whole_records
from benchmarks.records.image_errors import errors_of
from benchmarks.registry import opener
from benchmarks.settings import choose_data_root, choose_profile
from benchmarks.tables.lists import LISTS
from benchmarks.tables.recompute import recompute
from benchmarks.tables.sections import Board, Section, sections_of, with_columns
from benchmarks.tasks import SUITES, TASKS
from leaderboard import comparisons, overall_tables, readme
from leaderboard.audit import audit, compare
from leaderboard.columns import check
from leaderboard.committed_errors import committed_errors
from leaderboard.load import load_results
from leaderboard.merge import Merged
from leaderboard.overall import Ranking
from leaderboard.records import ResultRecord
from leaderboard.row_kinds import MEASURED
from leaderboard.rows import Row
from leaderboard.tables import TABLES, render
from metrics.protocols import FAMILIES, PROTOCOLS

RUNS = Path("runs")
MISSING_SHOWN = 4  # missing cells that are named on the command line; of the others only the number is given


def print_board(board: Board, runs: Path | None) -> None:
    """Print the tables of the suites and tasks on a terminal, so that they fit its width."""
    records, sections = _found(board, runs)
    for section in with_columns(sections, records, board):
        section.show(Console(highlight=False), records, board)


def board_text(board: Board, runs: Path | None, pair: tuple[str, str] | None = None, base: str | None = None) -> str:
    """The tables of the suites and tasks (of all if none is named) as one text.

    For a ``pair`` of methods it is their comparison instead. With ``base``, tables have the differences from that
    method. Raises LeaderboardError for an unknown method.
    """
    records, sections = _found(board, runs, base)
    if pair is not None:
        own = [row for section in sections for row in section.rows(records, board.protocol) if isinstance(row, Row)]
        unique = {_key(row): row for row in own if row.kind in MEASURED}
        return comparisons.render(comparisons.compared(list(unique.values()), *pair), board.format)
    if board.format in ("md", "latex"):
        return "\n".join(section.text(records, board) for section in with_columns(sections, records, board))
    alone = [section for section in sections if TABLES[section.kind].own_fields]
    if alone and board.suites:
        if len(sections) > 1:
            raise UserError(f"--format {board.format}: suite {alone[0].name} has fields of its own; ask for it alone")
        pairs = alone[0].rows(records, board.protocol)
        return TABLES[alone[0].kind].render(pairs, board.format, columns=board.columns)
    found = [row for section in sections if section not in alone for row in section.rows(records, board.protocol)]
    unique = {_key(row): row for row in found if isinstance(row, Row)}
    return render(list(unique.values()), board.format, columns=board.columns)


def print_overall(board: Board, runs: Path | None) -> None:
    """Print the overall rankings on a terminal. Raises as ``overall_text`` does."""
    found = _rankings(board, runs)
    check(board.columns, overall_tables.available(found))
    for each in found:
        overall_tables.print_ranking(Console(highlight=False), each, board.columns)


def overall_text(board: Board, runs: Path | None) -> str:
    """The overall rankings of the suites, of the tasks together, or of all suites, as one text.

    Raises UserError if none of them can have a ranking, and LeaderboardError for a column that there is not.
    """
    return overall_tables.render(_rankings(board, runs), board.format, board.columns)


def _rankings(board: Board, runs: Path | None) -> list[Ranking]:
    records, sections = _found(board, runs)
    found = [section for section in sections if section.kind == "plain" and len(set(section.tasks)) > 1]
    if not found:
        named = ", ".join([*board.suites, *board.tasks])
        several = [name for name, suite in SUITES.items() if suite.kind == "plain" and len(suite.tasks) > 1]
        raise UserError(
            f"--overall: {named} has no overall ranking, which needs two tasks or more; name tasks with --task, or a "
            f"suite such as {', '.join(several)}"
        )
    return [section.ranking(records) for section in found]


def _found(board: Board, runs: Path | None, base: str | None = None) -> tuple[list[ResultRecord], list[Section]]:
    """The records to show, and the tables; the published rows of the paper profile need no run."""
    _check(board)
    profile, _, _ = choose_profile(board.profile, board.data_root)
    there = runs or RUNS
    no_run = runs is None and profile == "paper" and not (there / "cells").is_dir()
    records = [] if no_run else _records(there)
    errors = None if no_run else errors_of(there) or committed_errors(there)
    return records, [replace(each, errors=errors, base=base) for each in sections_of(board, records, profile)]


def _records(runs: Path) -> list[ResultRecord]:
    """The records of a run directory or of a folder of committed results."""
    committed = not (runs / "cells").is_dir() and any(runs.glob("*.json"))
    return load_results(runs) if committed else whole_records(runs)


def _key(row: Row) -> tuple[str, ...]:
    """The fields that identify a row; a task in several suites gives equal ones."""
    return tuple(str(each) for each in (row.kind, row.label, row.supervision, row.task, row.protocol, row.metric))


def audit_text(board: Board, pair: tuple[str, str] | None = None) -> str:
    """The audit of the published rows of the suites and tasks, or of all; of a ``pair``, whether the two rank."""
    _check(board)
    for task in board.tasks:
        if task not in TASKS:
            raise unknown("task", task, TASKS)
    named = [*(task for suite in board.suites for task in SUITES[suite].tasks), *board.tasks]
    if pair is not None:
        return compare(*pair, named or None, board.format, board.protocol)
    return audit(named or None, board.format, board.protocol)


def _check(board: Board) -> None:
    for suite in board.suites:
        if suite not in SUITES:
            raise unknown("suite", suite, SUITES)
    if board.protocol not in (None, "all", *FAMILIES, *PROTOCOLS):
        raise unknown("protocol", str(board.protocol), ["all", *FAMILIES, *PROTOCOLS])


def pages(paths: Iterable[Path]) -> list[Path]:
    """The files, and for each folder its markdown files with a generated part; UserError for a folder without any."""
    found: list[Path] = []
    for path in paths:
        inside = [page for page in sorted(path.rglob("*.md")) if readme.has_block(page)] if path.is_dir() else [path]
        if not inside:
            raise UserError(f"folder {path} has no .md file with a block such as <!-- leaderboard:mini:wild -->")
        found += inside
    return list(dict.fromkeys(found))


def check_pages(paths: Sequence[Path]) -> int:
    """Return 0 if the generated parts of all pages are fresh and the committed results come from one clean commit.

    Otherwise return 1 and name what is wrong on stderr. A path is a file or a folder of files.
    """
    stale = {path: found for path in pages(paths) if (found := readme.check(path, SUITES, lists=LISTS))}
    unclean, named = readme.unclean(), _update_options(paths)
    for path, found in stale.items():
        cure = f"renew them with python -m benchmarks leaderboard --update {path}"
        typer.echo(f"{path}: stale tables {', '.join(found)}; {cure}", err=True)
    if unclean:
        cure = (
            "commit all changes, run everything again with that commit into a new folder, then python -m benchmarks "
            f"leaderboard {named} --runs FOLDER --replace"
        )
        typer.echo(f"committed results must come from one clean commit: {unclean}; {cure}", err=True)
    if stale or unclean:
        return 1
    typer.echo(f"{', '.join(map(str, paths))}: tables are up to date, their results of one clean commit")
    return 0


def update_pages(paths: Sequence[Path], runs: Path | None, replace: bool = False, data_root: Path | None = None) -> int:
    """Rewrite the generated parts of the pages; with ``runs``, merge its records into the committed results first.

    Results and pages change together or not at all. A cell that is not as it was recorded, and a record whose scores
    are not those of its predictions, is not merged; the exit status is then 1. ``replace`` removes the committed
    results that the run directory does not have from the lists that it has results for. A warning goes to stderr if the
    results do not all come from one clean commit. A path is a file or a folder. Raises UserError for ``replace``
    without ``runs`` or with a cell that cannot be merged, and if no cell can be.
    """
    if replace and runs is None:
        raise UserError("--replace removes results that a run directory does not have; name it with --runs DIR")
    found = pages(paths)
    new: dict[Path, Merged] = {}
    refused = 0
    if runs is not None:
        new, refused = _merged(found, runs, replace, data_root)
    if unclean := readme.unclean(instead=new):
        _warn(unclean)
    errors = errors_of(runs) if runs is not None else None
    changed = readme.update(found, SUITES, lists=LISTS, new=new, errors=errors)
    for file, merged in new.items():
        missing = _missing(readme.gaps(merged.records))
        typer.echo(f"{file}: {len(merged.records)} records ({merged.counts()}){missing}")
    for path in found:
        typer.echo(f"{path}: {'tables renewed' if changed[path] else 'tables were up to date'}")
    return 1 if refused else 0


def _merged(paths: Sequence[Path], runs: Path, replace: bool, data_root: Path | None) -> tuple[dict[Path, Merged], int]:
    """The committed lists with the records of a run directory merged in, and the number of cells that are refused."""
    boards = [path for path in paths if readme.has_block(path, ["leaderboard"])] or paths
    there = examine(runs)
    wanted: set[str] = set()
    if there.records:
        lists = readme.merged_lists(boards, there.records, SUITES, replace=replace)
        wanted = {record.cell_id for merged in lists.values() for record in merged.records}
    records = [record for record in there.records if record.cell_id in wanted]
    checked = recompute(runs, records, opener(choose_data_root(data_root)[0]))
    for line in checked.refused.values():
        typer.echo(line, err=True)
    refused = len(there.left_out) + len(checked.refused)
    kept = [record for record in records if record.cell_id not in checked.refused]
    if refused and (replace or not kept):
        why = "--replace would remove their committed results" if kept else "nothing is left to merge"
        raise UserError(f"{refused} cells of {runs} are refused, as the lines above say: {why}; nothing changed")
    for line in checked.lines():
        typer.echo(line)
    return readme.merged_lists(boards, kept, SUITES, replace=replace), refused


def _update_options(paths: Iterable[Path]) -> str:
    return " ".join(f"--update {path}" for path in paths)


def _warn(unclean: str) -> None:
    typer.echo(f"warning: {unclean}; leaderboard --check takes results of one clean commit alone", err=True)


def _missing(gaps: Sequence[str]) -> str:
    """The cells that a committed list lacks; the first by name, the others as a number."""
    if not gaps:
        return ""
    more = f" and {len(gaps) - MISSING_SHOWN} more" if len(gaps) > MISSING_SHOWN else ""
    return f"; not there: {', '.join(gaps[:MISSING_SHOWN])}{more}"
