"""The tables that the ``leaderboard`` command prints: their tasks, rows and text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, get_args

from rich.console import Console
from rich.text import Text

from benchmarks.errors import unknown
from benchmarks.tables.facts import with_facts
from benchmarks.tasks import SUITES, TASKS, Profile
from leaderboard import comparisons
from leaderboard.columns import ALL, check
from leaderboard.image_errors import ErrorsOf
from leaderboard.overall import Ranking, ranking
from leaderboard.records import ResultRecord
from leaderboard.row_kinds import MEASURED
from leaderboard.rows import PairRow, Row
from leaderboard.suites import TableKind
from leaderboard.tables import TABLES, Format, available, render
from leaderboard.terminal import print_ablations, print_measured, print_pairs, print_reported
from leaderboard.text import markdown, printable

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Board:
    """The user's request; ``protocol`` None means each task's headline, ``columns`` are names, none for the default.

    ``bibtex`` asks for the references of the tables in place of the tables.
    """

    suites: Sequence[str]
    tasks: Sequence[str]
    protocol: str | None
    profile: str | None
    data_root: Path | None
    format: Format
    columns: Sequence[str] = ()
    bibtex: bool = False


@dataclass(frozen=True)
class Section:
    """The tasks, profile and kind of a table; ``name`` is that of its suite, '' without one."""

    name: str
    title: str
    tasks: Sequence[str]
    profile: Profile
    kind: TableKind = "plain"
    errors: ErrorsOf | None = None  # reads errors per image
    base: str | None = None  # the method that others are compared with

    def rows(self, records: Sequence[ResultRecord], protocol: str | None) -> Sequence[Row | PairRow]:
        """The rows of the table."""
        found = with_facts(TABLES[self.kind].rows(records, self.tasks, self.profile, protocol, self.errors))
        plain = [row for row in found if isinstance(row, Row)]
        measured = any(row.kind in MEASURED for row in plain)
        return comparisons.against(plain, self.base) if self.base is not None and measured else found

    def ranking(self, records: Sequence[ResultRecord]) -> Ranking:
        """The overall ranking of the tasks under their headline protocols."""
        rows = [row for row in self.rows(records, None) if isinstance(row, Row)]
        return ranking(rows, self.tasks, self.name, self.profile)

    def show(self, console: Console, records: Sequence[ResultRecord], board: Board) -> None:
        """Print the table on a terminal; of a table that is not plain, chosen columns are printed as markdown."""
        protocol = board.protocol
        if board.columns and self.kind != "plain":
            console.print(Text(printable(self.text(records, board))))
            return
        title = self.title if protocol is None else f"{self.title}, {protocol}"
        console.print(Text(printable(title), style="bold"))
        found = self.rows(records, protocol)
        measured = [row for row in found if isinstance(row, Row) and row.kind in MEASURED]
        pairs = [row for row in found if isinstance(row, PairRow)]
        if not measured and not pairs:
            console.print("Nothing measured yet.\n")
        elif pairs:
            print_pairs(console, pairs)
        elif self.kind == "ablation":
            print_ablations(console, measured, self.profile)
        else:
            print_measured(console, measured, self.profile, _there(board.columns, found, board.format))
        if reported := [row for row in found if isinstance(row, Row) and row.kind == "reported"]:
            print_reported(console, reported)

    def text(self, records: Sequence[ResultRecord], board: Board) -> str:
        """A table with tasks across; under all protocols a table per task with protocols across."""
        table, protocol = TABLES[self.kind], board.protocol
        if table.own_fields:
            pairs = self.rows(records, protocol)
            return table.render(pairs, board.format, self.title, _there(board.columns, pairs, board.format))
        if protocol == "all":
            single = {f"{task}, {self.title}": replace(self, tasks=[task]) for task in self.tasks}
            found = {title: one.rows(records, "all") for title, one in single.items()}
            return "\n".join(
                render(rows, board.format, title, _there(board.columns, rows, board.format))
                for title, rows in found.items()
            )
        shown = [row for row in self.rows(records, protocol) if isinstance(row, Row)]
        title = self.title if protocol is None else f"{self.title}, {protocol}"
        columns = _there(board.columns, shown, board.format)
        return render(shown, board.format, title, columns) + self._unscored(records, shown, board)

    def _unscored(self, records: Sequence[ResultRecord], shown: Sequence[Row], board: Board) -> str:
        """A line of markdown that names the tasks without a score under the protocol, '' for none."""
        if not board.protocol or board.format != "md":
            return ""
        measured = {row.task for row in shown if row.kind in MEASURED}
        there = {record.task for record in records}
        others = [task for task in self.tasks if task not in measured and task in there]
        if not others:
            return ""
        return f"\nNot scored under {board.protocol}: {', '.join(map(markdown, others))}.\n"


def with_columns(sections: Sequence[Section], records: Sequence[ResultRecord], board: Board) -> list[Section]:
    """The tables that have one of the chosen columns; all of them if no columns are chosen.

    Raises LeaderboardError for a column that none of the tables has.
    """
    if not board.columns:
        return list(sections)
    names = [(section, available(section.rows(records, board.protocol), board.format)) for section in sections]
    check(board.columns, (name for _, own in names for name in own))
    return [section for section, own in names if ALL in board.columns or set(own) & set(board.columns)]


def _there(columns: Sequence[str], rows: Sequence[Row | PairRow], format: Format) -> list[str]:
    """The chosen columns that a table of these rows has."""
    names = available(rows, format) if columns else ()
    return [name for name in columns if name in (ALL, *names)]


def _with_results(records: Sequence[ResultRecord], profile: Profile) -> Sequence[str]:
    """The suites whose tables have measured rows; all suites if none has, or if tables have published rows too."""
    found = []
    for name, suite in SUITES.items():
        own = [record for record in records if record.profile == profile and record.task in suite.tasks]
        if own and TABLES[suite.kind].is_new(own, suite.tasks, ()):
            found.append(name)
    return found if found and profile == "mini" else list(SUITES)


def sections_of(board: Board, records: Sequence[ResultRecord], profile: Profile) -> Iterable[Section]:
    """The tables; if no suite or task is named, the suites with results, and custom data last, under every profile.

    Under the profile 'paper', and if no suite has results, these are all suites.
    """
    for name in board.suites or ([] if board.tasks else _with_results(records, profile)):
        suite = SUITES[name]
        yield Section(name, f"{name} ({profile} profile)", suite.tasks, profile, suite.kind)
    there = {(record.task, record.profile) for record in records}
    for task in board.tasks:
        if task not in TASKS and not any(task == found for found, _ in there):
            raise unknown("task", task, [*TASKS, *(found for found, _ in there)])
    if board.tasks:
        yield Section("", f"{profile} profile", board.tasks, profile)
    elif not board.suites:
        for each in get_args(Profile):
            own = sorted({task for task, found in there if found == each and task not in TASKS})
            if own and (board.format == "md" or each == profile):
                yield Section("", f"custom data ({each} profile)", own, each)
