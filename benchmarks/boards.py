"""The ``leaderboard`` command: tables of a run directory, the generated tables of a README, the audit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import typer

from benchmarks.errors import unknown
from benchmarks.settings import choose_profile
from benchmarks.tasks import SUITES, TASKS, Profile
from leaderboard import readme
from leaderboard.audit import audit
from leaderboard.load import load_records
from leaderboard.records import ResultRecord
from leaderboard.tables import Format, render, rows
from metrics.protocols import PROTOCOLS


@dataclass(frozen=True)
class Board:
    """What the user asked to see; ``protocol`` is None for each task's headline."""

    suites: Sequence[str]
    tasks: Sequence[str]
    protocol: str | None
    profile: str | None
    data_root: Path | None
    format: Format


def board_text(board: Board, runs: Path) -> str:
    """The tables of the suites and tasks (all, where none is named) as one text."""
    _check(board)
    profile, _, _ = choose_profile(board.profile, board.data_root)
    records = load_records(runs)
    sections = list(_sections(board, records, profile))
    if board.format != "md":
        found = [row for _, tasks, profile in sections for row in rows(records, tasks, profile, board.protocol)]
        unique = list({_key(row): row for row in found}.values())
        return render(unique, board.format)
    return "\n".join(_section(records, title, tasks, profile, board.protocol) for title, tasks, profile in sections)


def _key(row: dict[str, object]) -> tuple[str, ...]:
    """What tells a row from the others: a task may be in several suites."""
    return tuple(str(row[name]) for name in ("kind", "label", "supervision", "task", "protocol", "metric"))


def audit_text(board: Board) -> str:
    """What is known of the published rows of the suites and tasks, or of all."""
    _check(board)
    for task in board.tasks:
        if task not in TASKS:
            raise unknown("task", task, TASKS)
    named = [*(task for suite in board.suites for task in SUITES[suite]), *board.tasks]
    return audit(named or None, board.format, board.protocol)


def _check(board: Board) -> None:
    for suite in board.suites:
        if suite not in SUITES:
            raise unknown("suite", suite, SUITES)
    families = {name.split("/")[0] for name in PROTOCOLS}
    if board.protocol not in (None, "all", *families, *PROTOCOLS):
        raise unknown("protocol", str(board.protocol), ["all", *families, *PROTOCOLS])


def _sections(
    board: Board, records: Sequence[ResultRecord], profile: Profile
) -> Iterable[tuple[str, Sequence[str], Profile]]:
    """Title, tasks and profile of each table; unasked, a run's own data comes last, in whatever profile it has."""
    for suite in board.suites or ([] if board.tasks else SUITES):
        yield f"{suite} ({profile} profile)", SUITES[suite], profile
    there = {(record.task, record.profile) for record in records}
    for task in board.tasks:
        if task not in TASKS and not any(task == found for found, _ in there):
            raise unknown("task", task, [*TASKS, *(found for found, _ in there)])
    if board.tasks:
        yield f"{profile} profile", board.tasks, profile
    elif not board.suites:
        for each in get_args(Profile):
            own = sorted({task for task, found in there if found == each and task not in TASKS})
            if own and (board.format == "md" or each == profile):
                yield f"own data ({each} profile)", own, each


def _section(
    records: Sequence[ResultRecord], title: str, tasks: Sequence[str], profile: str, protocol: str | None
) -> str:
    """One table with its tasks across; with all protocols a table for each task, the protocols across."""
    if protocol == "all":
        parts = [render(rows(records, [task], profile, "all"), "md", f"{task}, {title}") for task in tasks]
        return "\n".join(parts)
    found = rows(records, tasks, profile, protocol)
    text = render(found, "md", title if protocol is None else f"{title}, {protocol}")
    measured = {row["task"] for row in found if row["kind"] == "measured"}
    others = [task for task in tasks if task not in measured and any(record.task == task for record in records)]
    return text + (f"\nNot scored under {protocol}: {', '.join(others)}.\n" if protocol and others else "")


def check_readme(path: Path) -> int:
    """0 where the tables of a README are those of the committed results, else 1 with their names on stderr."""
    stale = readme.check(path, SUITES)
    if stale:
        cure = f"renew them with python -m benchmarks leaderboard --update {path}"
        typer.echo(f"{path}: stale tables {', '.join(stale)}; {cure}", err=True)
        return 1
    typer.echo(f"{path}: tables are up to date")
    return 0


def update_readme(path: Path, runs: Path | None) -> int:
    """Write the tables of a README anew, after making the records of ``runs``, where given, the committed results."""
    if runs is not None:
        for file, count in readme.commit(path, load_records(runs), SUITES).items():
            typer.echo(f"{file}: {count} records")
    changed = readme.update(path, SUITES)
    typer.echo(f"{path}: {'tables renewed' if changed else 'tables were up to date'}")
    return 0
