"""The tables of the site: what stands in each cell, as plain data for the templates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

from benchmarks.publish.charts.axes import Scale
from benchmarks.publish.charts.interval import interval
from leaderboard.comparisons import BEST, against
from leaderboard.flags import LEGEND, marks
from leaderboard.markdown import (
    MISSING,
    NO_UNIT,
    against_text,
    cell_of,
    change_text,
    columns,
    flagged,
    groups,
    heading,
    legend,
    printed,
    reported_heading,
    seeds_text,
    units_of,
)
from leaderboard.misalignment import grid_of
from leaderboard.origins import table_line
from leaderboard.overall import INTERVAL, RULE, overall_rows
from leaderboard.ranking import Column, best_rows, bold_line
from leaderboard.row_kinds import MEASURED, shown
from leaderboard.rows import PairRow, Row, known

BARS = (
    "The bar below a number is its 95 % interval; upright dashes are the floors. A dot at the right edge without a bar "
    "is a value beyond the scale."
)
DIFFERENCES = (
    "A number is the value of the method minus that of the best method, both on the same test images, with its 95 % "
    "interval. The intervals are not adjusted for the number of methods; bold in the table above is."
)


@dataclass(frozen=True)
class Cell:
    """One number with its interval and marks ``beside`` it.

    ``order`` is the number by which the column is sorted, ``picture`` the interval as SVG.
    """

    text: str
    beside: str = ""
    order: float | None = None
    best: bool = False
    picture: str | Markup = ""
    hint: str = ""


@dataclass(frozen=True)
class Line:
    """One method: ``method`` is the id of its page, ``group`` is '', 'supervised' or 'floors'.

    ``flags`` are the marks of its rows (see ``leaderboard.flags``).
    """

    label: str
    method: str
    kind: str
    supervision: str
    group: str
    cells: tuple[Cell, ...]
    seeds: str = ""
    seconds: float | None = None
    flags: str = ""


@dataclass(frozen=True)
class Heading:
    """The head of a column: the task that it links to, and what is measured, with the unit and an arrow."""

    task: str
    text: str


@dataclass(frozen=True)
class ResultsTable:
    """A table with methods down and tasks or protocols across; ``notes`` are its legend and footnotes."""

    headings: tuple[Heading, ...]
    lines: tuple[Line, ...]
    notes: tuple[str, ...] = ()
    of_tasks: bool = field(default=True, kw_only=True)


def measured_table(rows: Iterable[Row], of_tasks: bool = True) -> ResultsTable | None:
    """The table of the rows measured here, sorted by the first column; None without any.

    ``of_tasks`` says whether the columns are tasks; else they are the protocols of one task.
    """
    found = [row for row in rows if row.kind in MEASURED]
    if not found:
        return None
    across = columns(found)
    scales = {column: _scale(found, column) for column in across}
    best = {column: best_rows(found, column) for column in across}
    changed = any(row.variant for row in found)
    lines = []
    for group, members in groups(found).items():
        for label in dict.fromkeys(shown(row) for row in members):
            own = [row for row in members if shown(row) == label]
            cells: list[Cell] = []
            for column in across:
                cells.append(_cell(own, column, label in best[column], scales[column], found))
                cells += [_change(own, column)] * changed
            seconds = [row.seconds for row in own if row.seconds is not None]
            mean = sum(seconds) / len(seconds) if seconds else None
            first = own[0]
            flags, seeds = marks(row.flags for row in own), seeds_text(own)
            lines.append(
                Line(label, first.method, first.kind, first.supervision, group, tuple(cells), seeds, mean, flags)
            )
    notes = dict.fromkeys([bold_line(best), BARS, *_legend(lines, changed), *(row.note for row in found if row.note)])
    notes |= dict.fromkeys([line] if (line := table_line(found)) else [])
    headings: list[Heading] = []
    for column in across:
        headings.append(Heading(column[0], _heading(found, column, of_tasks)))
        headings += [Heading("", "change")] * changed
    return ResultsTable(tuple(headings), tuple(sorted(lines, key=_rank)), tuple(notes), of_tasks=of_tasks)


def reported_table(rows: Iterable[Row]) -> ResultsTable | None:
    """The table of rows that papers print, in the papers' order; None without any."""
    found = [row for row in rows if row.kind == "reported"]
    if not found:
        return None
    across = {column: units_of(found, column) for column in dict.fromkeys((row.task, row.metric) for row in found)}
    notes = list(dict.fromkeys(row.note for row in found if row.note))
    lines: dict[tuple[str, str], dict[Column, Row]] = {}
    for row in found:
        lines.setdefault((shown(row), row.supervision), {})[row.task, row.metric] = row
    shown_lines = tuple(
        Line(
            label,
            "",
            "reported",
            supervision,
            "",
            tuple(_printed(own.get(column), notes, units) for column, units in across.items()),
        )
        for (label, supervision), own in lines.items()
    )
    headings = tuple(Heading(column[0], reported_heading(found, column, units)) for column, units in across.items())
    footnotes = tuple(f"({number}) {note}" for number, note in enumerate(notes, start=1))
    footnotes = (*[NO_UNIT] * any(row.unit == "%" for row in found), *footnotes)
    return ResultsTable(headings, shown_lines, footnotes)


def difference_table(rows: Sequence[Row]) -> ResultsTable | None:
    """The paired difference of each method from the best of each column; None if no two methods can be compared."""
    found = against([row for row in rows if row.kind in MEASURED], BEST)
    across = [column for column in columns(found) if any(row.against is not None for row in _of(found, column))]
    if not across:
        return None
    lines = []
    for group, members in groups(found).items():
        for label in dict.fromkeys(shown(row) for row in members):
            own = [row for row in members if shown(row) == label]
            cells = tuple(_difference(cell_of(own, column), _of(found, column)) for column in across)
            lines.append(Line(label, own[0].method, own[0].kind, own[0].supervision, group, cells))
    headings = tuple(Heading(task, heading(found, (task, protocol))) for task, protocol in across)
    return ResultsTable(headings, tuple(sorted(lines, key=_rank)), (DIFFERENCES,))


def _difference(row: Row | None, column: Sequence[Row]) -> Cell:
    if row is not None and row.against is not None:
        number, _, beside = against_text(row).partition(" ")
        return Cell(number, beside, order=-row.against if row.higher_is_better else row.against)
    is_best = row is not None and any(shown(row) == each.against_method for each in column)
    return Cell("best", order=0.0) if is_best else Cell(MISSING)


def overall_table(rows: Sequence[Row], tasks: Sequence[str]) -> ResultsTable | None:
    """The ranking over all tasks of a suite; None without a method that can be ranked."""
    found = overall_rows(rows, tasks)
    if not found:
        return None
    there = [number for number in range(len(tasks)) if any(row.skills[number] is not None for row in found)]
    lacking = [task for number, task in enumerate(tasks) if number not in there]
    lines = []
    for row in found:
        first = next(each for each in rows if shown(each) == row.label)
        skill = Cell(MISSING) if row.skill is None else _skill(row.skill, f"±{row.half:.1f}" if row.half else "")
        wins = Cell(MISSING) if row.wins is None else Cell(f"{row.wins:.0f}", order=-row.wins)
        skills = [row.skills[number] for number in there]
        cells = (skill, wins, *(Cell("missing") if each is None else _skill(each) for each in skills))
        flags = marks([row.flags])
        lines.append(Line(row.label, row.method, first.kind, first.supervision, "", cells, flags=flags))
    headings = (
        Heading("", "skill (%) ↑"),
        Heading("", "wins (%) ↑"),
        *(Heading(tasks[number], tasks[number]) for number in there),
    )
    explained = [text for mark, text in LEGEND.items() if any(mark in line.flags for line in lines)]
    none = f"No method has a skill on {', '.join(lacking)}: no method, or no mean pose, was measured there."
    return ResultsTable(headings, tuple(lines), (RULE, *[none] * bool(lacking), INTERVAL, *explained))


def pairs_table(rows: Sequence[PairRow]) -> ResultsTable:
    """The table of pairs of tasks: both errors and the loss of each pair."""
    header, lines, notes = grid_of(rows)
    by_label: dict[str, list[PairRow]] = {}
    for row in rows:
        by_label.setdefault(shown(row), []).append(row)
    first = {flagged(own): own[0] for own in by_label.values()}
    group = {id(row): name for name, members in groups(rows).items() for row in members}
    found = tuple(
        Line(label, row.method, row.kind, row.supervision, group[id(row)], tuple(map(_in_pairs, cells)))
        for label, *cells in lines
        if any(cells)
        for row in [first[label]]
    )
    return ResultsTable(tuple(Heading(name, name) for name in header[1:]), found, tuple(notes))


def _in_pairs(text: str) -> Cell:
    value, _, beside = text.partition(" ")
    return Cell(value, beside, order=None if value == MISSING else float(value.lstrip("×")))


def _skill(value: float, interval: str = "") -> Cell:
    return Cell(f"{value:.1f}", interval, order=-value)


def _rank(line: Line) -> tuple[int, float]:
    first = next((cell.order for cell in line.cells if cell.order is not None), None)
    return ("", "supervised", "floors").index(line.group), float("inf") if first is None else first


def _of(rows: Sequence[Row], column: Column) -> list[Row]:
    return [row for row in rows if (row.task, row.protocol) == column and row.status == "done"]


def _heading(rows: Sequence[Row], column: Column, of_tasks: bool) -> str:
    """The heading as in other tables, or of a page of one task without the task."""
    text = heading(rows, column)
    return text if of_tasks else f"{column[1]}{text[text.find(' (') :]}" if column[1] else text


def _scale(rows: Sequence[Row], column: Column) -> Scale:
    """From 0 to the largest end of an interval, floors beyond one and a half times the others left out."""
    own = _of(rows, column)
    learned = [row for row in own if not row.is_floor] or own
    ends = [known(row.value if row.ci_high is None else row.ci_high) for row in learned]
    floors = [known(row.value) for row in own if row.is_floor]
    highest = max(ends, default=1.0)
    return Scale(0.0, max([highest, *(each for each in floors if each <= 1.5 * highest)]) or 1.0)


def _cell(own: Sequence[Row], column: Column, best: bool, scale: Scale, rows: Sequence[Row]) -> Cell:
    row = cell_of(own, column)
    if row is None:
        return Cell(MISSING)
    if row.status == "failed":
        return Cell("failed", hint=row.failure or "")
    value = known(row.value)
    text, beside = printed(row)
    floors = [known(each.value) for each in _of(rows, column) if each.is_floor]
    return Cell(
        text=text,
        beside=beside,
        order=-value if row.higher_is_better else value,
        best=best,
        picture=interval(scale, value, row.ci_low, row.ci_high, floors),
    )


def _change(own: Sequence[Row], column: Column) -> Cell:
    """How an ablation changes the value of the method as it is; empty for the method itself."""
    row = cell_of(own, column)
    text, _, beside = change_text(row).partition(" ")
    return Cell(text, beside, order=row.change if row else None)


def _legend(lines: Sequence[Line], changed: bool) -> Iterator[str]:
    text = "change | " * changed
    text += " ".join(f"{line.label} {line.flags} {cell.text} {cell.beside}" for line in lines for cell in line.cells)
    yield from legend(text)


def _printed(row: Row | None, notes: Sequence[str], units: Sequence[str]) -> Cell:
    if row is None:
        return Cell(MISSING)
    mark = f"{row.unit} " * (len(units) > 1)
    mark += f"({notes.index(row.note) + 1})" if row.note else ""
    value = known(row.value)
    return Cell(str(row.printed), mark, order=-value if row.higher_is_better else value)
