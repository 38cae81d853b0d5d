"""Tables for a terminal: tasks down and methods across, in as many blocks of columns as its width needs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from textwrap import wrap
from typing import Literal

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from leaderboard import columns as named
from leaderboard import markdown, misalignment
from leaderboard.origins import table_line
from leaderboard.ranking import best_rows, bold_line
from leaderboard.row_kinds import MEASURED, shown
from leaderboard.rows import PairRow, Row
from leaderboard.text import printable

HEADING_WIDTH = 11
TEXT_WIDTH = 24
BEST, BASELINE, FAILED = "bold green", "bright_black", "red"
_LIMIT = re.compile(r" \(limit \d+\)")  # in labels; if all rows have it, the caption has it once instead
_BREAKS = re.compile(r" (?=[±(])")  # places in a cell and in the name of a line where a narrow table breaks them
_SEEDS = re.compile(r" \(seeds (\S+) to (\S+)\)(\S*)")
_TWO_SEEDS = "(a, b): the values of two seeds, too few for an interval; ± is over test images alone"


@dataclass(frozen=True)
class Column:
    """A column of a table: the label at its top, its cells as markdown, and the style of its text."""

    label: str
    cells: Sequence[str]
    style: str = ""

    @property
    def heading(self) -> str:
        """The label, broken after spaces, = and _ into lines of at most HEADING_WIDTH characters where possible."""
        lines: list[str] = []
        for word in re.findall(r"[^\s=_]+[\s=_]?", printable(self.label)):
            if lines and len(lines[-1] + word.rstrip()) <= HEADING_WIDTH:
                lines[-1] += word
            else:
                lines.append(word)
        return "\n".join(line.rstrip() for line in lines)

    def lines(self, tall: bool) -> list[str]:
        """The cells; in a ``tall`` column the interval stands below the value."""
        return [_BREAKS.sub("\n", cell) if tall else cell for cell in self.cells]

    def width(self, tall: bool) -> int:
        """The longest line."""
        cells = [self.heading, *(cell.replace("**", "") for cell in self.lines(tall))]
        return max(len(line) for cell in cells for line in cell.split("\n"))


def print_measured(console: Console, rows: Sequence[Row], profile: str, chosen: Sequence[str] = ()) -> None:
    """Print the measured rows, with their seeds and what their marks mean; ``chosen`` names tasks and other lines.

    Baselines (floors) come first, then methods, then supervised methods; the best value of a task is bold. Raises
    LeaderboardError for a name that is no column of the table as markdown.
    """
    found = [row for row in rows if row.kind in MEASURED]
    columns = markdown.columns(found)
    best = {column: best_rows(found, column) for column in columns}
    named.check(chosen, markdown.column_names(found))
    extras = named.extras(chosen)
    labels = sorted({(not row.is_floor, row.supervised, shown(row)) for row in found})
    across = []
    for is_method, _, label in labels:
        own = [row for row in found if shown(row) == label]
        cells = [_shorter(markdown.measured_cell(markdown.cell_of(own, column), best[column])) for column in columns]
        cells += [markdown.seeds_text(own), markdown.seconds_text(own)]
        cells += [_folded(extra.cell(own) or markdown.MISSING) for extra in extras]
        across.append(Column(_label(own, found), cells, "" if is_method else BASELINE))
    names = [*(markdown.heading(found, column) for column in columns), "seeds", "seconds a task"]
    names += [extra.heading for extra in extras]
    kept = named.places(names, chosen or [name for name in map(named.name_of, names) if name != "seconds"])
    across = [replace(column, cells=[column.cells[index] for index in kept]) for column in across]
    print_columns(console, "task", [names[index] for index in kept], across)
    limit = _limit_of_all(found)
    cut = "" if limit is None else f"; every split cut to {limit} images by --limit: not comparable"
    print_below(console, [f"{profile} profile{cut}", bold_line(best), *_legend(across)], found)


def print_ablations(console: Console, rows: Sequence[Row], profile: str) -> None:
    """Print ablations, one per line, each with its difference from the full method."""
    found = [row for row in rows if row.kind in MEASURED and not row.is_floor]
    if not found:
        return
    columns = markdown.columns(found)
    best = {column: best_rows(found, column) for column in columns}
    lines = [(row, column) for column in columns for row in found if markdown.cell_of([row], column)]
    tasks = Column("task", [markdown.heading(found, column) for _, column in lines])
    values = Column("value", [_shorter(markdown.measured_cell(row, best[column])) for row, column in lines])
    changes = Column("change", [markdown.change_text(row) for row, _ in lines])
    print_columns(console, "method", [_label([row], found) for row, _ in lines], [tasks, values, changes])
    caption = f"ablations, {profile} profile, best in bold; change: difference from the full method"
    print_below(console, [caption, *_legend([values])], found)


def _limit_of_all(rows: Sequence[Row]) -> int | None:
    """The limit that all rows share, or None."""
    limits = {row.limit for row in rows}
    return limits.pop() if len(limits) == 1 else None


def _label(own: Sequence[Row], rows: Sequence[Row]) -> str:
    """The label of one method's rows with its marks, without a limit that all ``rows`` share."""
    label = markdown.flagged(own)
    return label if _limit_of_all(rows) is None else _LIMIT.sub("", label)


def print_pairs(console: Console, rows: Sequence[PairRow]) -> None:
    """Print pairs of tasks, aligned and wild."""
    names, lines, notes = misalignment.grid_of(rows)
    across = [Column(label, cells) for label, *cells in lines if any(cells)]  # a line without cells heads a group
    print_columns(console, "task", names[1:], across)
    print_below(console, notes, [])


def print_reported(console: Console, rows: Sequence[Row]) -> None:
    """Print what papers report, each value with the number of its note."""
    names, lines, notes = markdown.reported_grid([row for row in rows if row.kind == "reported"])
    across = [Column(f"{label}, {supervision}", cells) for label, supervision, *cells in lines]
    console.print(Text("Reported by the papers (as printed, never ranked with what is measured here)", style="bold"))
    print_columns(console, "task", names[2:], across)
    print_below(console, notes, [])


def print_columns(console: Console, first: str, names: Sequence[str], columns: Sequence[Column]) -> None:
    """Print a table with the given columns to the right of the names, in blocks that fit the console's width.

    An interval stands beside its value if the whole table fits then, else below it.
    """
    wide = max(map(len, [first, *names])) + sum(column.width(False) + 2 for column in columns)
    tall = wide > console.width
    names = [_BREAKS.sub("\n", name) if tall else name for name in map(printable, names)]
    named = max(len(line) for name in [first, *names] for line in name.split("\n"))
    named = min(named, max(20, console.width // 2))
    space = console.width - named
    block: list[Column] = []
    for column in columns:
        if block and sum(each.width(tall) + 2 for each in [*block, column]) > space:
            console.print(_table(first, names, named, block, tall), "")
            block = []
        block.append(column)
    console.print(_table(first, names, named, block, tall))


def _table(first: str, names: Sequence[str], named: int, columns: Sequence[Column], tall: bool) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column(Text(first), overflow="fold", width=named)
    for column in columns:
        justify: Literal["left", "right"] = "left" if column.label in markdown.TEXT_COLUMNS else "right"
        table.add_column(Text(column.heading), justify=justify, no_wrap=True, style=column.style)
    cells = zip(*(column.lines(tall) for column in columns), strict=True)
    for name, line in zip(names, cells, strict=True):
        table.add_row(Text(name), *map(_styled, line))
    return table


def _styled(cell: str) -> Text:
    """A cell of markdown as text: bold is the best value."""
    if cell == "failed":
        return Text(cell, style=FAILED)
    before, *rest = re.split(r"\*\*", cell)
    return Text.assemble(before, (rest[0], BEST), *rest[1:]) if rest else Text(before)


def _folded(text: str) -> str:
    """A cell of text in lines of at most TEXT_WIDTH characters where possible."""
    return "\n".join(wrap(text, TEXT_WIDTH, break_long_words=False))


def _shorter(cell: str) -> str:
    """A cell with the values of two seeds as (a, b), after the marks; without them where they are equal."""
    return _SEEDS.sub(lambda found: found[3] + (f" ({found[1]}, {found[2]})" if found[1] != found[2] else ""), cell)


def _legend(columns: Sequence[Column]) -> list[str]:
    """The explanations of the signs in these columns."""
    text = " ".join(f"{column.label} | {' '.join(column.cells)}" for column in columns)
    two_seeds = any(re.search(r"\(\S+, \S+\)", cell) for column in columns for cell in column.cells)
    return [*markdown.legend(text), *([_TWO_SEEDS] * two_seeds)]


def print_below(console: Console, lines: Sequence[str], found: Sequence[Row]) -> None:
    """Print the lines under a table, and one more if its results are not all of one clean commit."""
    for line in lines:
        console.print(Text(printable(line), style="italic"))
    if origins := table_line(found):
        console.print(Text(origins, style="yellow"), soft_wrap=True)
    console.print()
