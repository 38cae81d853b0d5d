"""The ``leaderboard`` command: tables of a run directory, and the audit."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from benchmarks.errors import UserError, unknown
from benchmarks.records.checks import whole_records
from benchmarks.records.image_errors import errors_of
from benchmarks.records.memory import Memory, memory_of
from benchmarks.settings import choose_profile
from benchmarks.tables.references import bibliography
from benchmarks.tables.sections import Board, Section, sections_of, with_columns
from benchmarks.tasks import SUITES, TASKS
from leaderboard import comparisons, overall_tables
from leaderboard.audit import audit, compare
from leaderboard.columns import check
from leaderboard.committed_errors import committed_errors
from leaderboard.load import load_results
from leaderboard.overall import Ranking
from leaderboard.ranking import marked
from leaderboard.records import ResultRecord
from leaderboard.row_kinds import MEASURED
from leaderboard.rows import Row
from leaderboard.tables import TABLES, render
from metrics.protocols import FAMILIES, PROTOCOLS

RUNS = Path("runs")


def print_board(board: Board, runs: Path | None) -> None:
    """Print the tables of the suites and tasks on a terminal, so that they fit its width."""
    with _reading(runs) as memory:
        records, sections = _found(board, runs, memory)
        for section in with_columns(sections, records, board):
            section.show(Console(highlight=False), records, board)


def board_text(board: Board, runs: Path | None, pair: tuple[str, str] | None = None, base: str | None = None) -> str:
    """The tables of the suites and tasks (of all if none is named) as one text.

    For a ``pair`` of methods it is their comparison instead. With ``base``, tables have the differences from that
    method. Raises LeaderboardError for an unknown method.
    """
    with _reading(runs) as memory:
        records, sections = _found(board, runs, memory, base)
        return _text_of(board, records, sections, pair)


def _text_of(
    board: Board, records: Sequence[ResultRecord], sections: Sequence[Section], pair: tuple[str, str] | None
) -> str:
    if pair is not None:
        own = [row for section in sections for row in section.rows(records, board.protocol) if isinstance(row, Row)]
        measured = {_key(row): row for row in own if row.kind in MEASURED}
        return comparisons.render(comparisons.compared(list(measured.values()), *pair), board.format)
    if board.bibtex:
        return bibliography(
            (row for section in sections for row in section.rows(records, board.protocol)), board.data_root
        )
    if board.format in ("md", "latex", "html"):
        return "\n".join(section.text(records, board) for section in with_columns(sections, records, board))
    alone = [section for section in sections if TABLES[section.kind].own_fields]
    if alone and board.suites:
        if len(sections) > 1:
            raise UserError(f"--format {board.format}: suite {alone[0].name} has fields of its own; ask for it alone")
        pairs = alone[0].rows(records, board.protocol)
        return TABLES[alone[0].kind].render(pairs, board.format, columns=board.columns)
    unique: dict[tuple[str, ...], Row] = {}
    for section in sections:
        if section not in alone:
            found = section.rows(records, board.protocol)
            unique |= {_key(row): row for row in marked([row for row in found if isinstance(row, Row)])}
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
    with _reading(runs) as memory:
        records, sections = _found(board, runs, memory)
    found = [section for section in sections if section.kind == "plain" and len(set(section.tasks)) > 1]
    if not found:
        named = ", ".join([*board.suites, *board.tasks])
        several = [name for name, suite in SUITES.items() if suite.kind == "plain" and len(suite.tasks) > 1]
        raise UserError(
            f"--overall: {named} has no overall ranking, which needs two tasks or more; name tasks with --task, or a "
            f"suite such as {', '.join(several)}"
        )
    return [section.ranking(records) for section in found]


@contextmanager
def _reading(runs: Path | None) -> Iterator[Memory]:
    """The memory of the run directory.

    Garbage is not collected, as that would go through all records many times; at the end they are made old, which
    spares the first collection after that.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        with memory_of(runs or RUNS) as memory:
            yield memory
    finally:
        if enabled:
            gc.freeze()
            gc.unfreeze()
            gc.enable()


def _found(
    board: Board, runs: Path | None, memory: Memory, base: str | None = None
) -> tuple[list[ResultRecord], list[Section]]:
    """The records to show, and the tables; the published rows of the paper profile need no run."""
    _check(board)
    profile, _, _ = choose_profile(board.profile, board.data_root)
    there = runs or RUNS
    no_run = runs is None and profile == "paper" and not (there / "cells").is_dir()
    records = [] if no_run else _records(there, memory)
    errors = None if no_run else errors_of(there, memory) or committed_errors(there)
    return records, [replace(each, errors=errors, base=base) for each in sections_of(board, records, profile)]


def _records(runs: Path, memory: Memory) -> list[ResultRecord]:
    """The records of a run directory or of a folder of committed results."""
    committed = not (runs / "cells").is_dir() and any(runs.glob("*.json"))
    return load_results(runs, repeated=True) if committed else whole_records(runs, memory)


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
