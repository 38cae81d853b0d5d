"""Markdown tables: methods down, tasks across; supervised methods, floors and published rows stand apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from leaderboard import columns as named
from leaderboard.flags import LEGEND as FLAG_LEGEND
from leaderboard.flags import marks as flag_marks
from leaderboard.intervals import NOTHING_VARIES
from leaderboard.origins import table_line
from leaderboard.ranking import DECIMALS, Column, best_rows, bold_line, comparable, ranked_labels
from leaderboard.row_kinds import LEGEND, MEASURED, shown
from leaderboard.rows import PairRow, Row, known
from leaderboard.text import markdown
from metrics.protocols import value_text

AnyRow = TypeVar("AnyRow", Row, PairRow)
Grid = tuple[list[str], list[list[str]], list[str]]  # headings, lines and notes; cells have markdown's bold

MISSING = "–"
NO_INTERVAL = f"±{MISSING}"
NO_UNIT = "% without more: the paper does not say of what."
# Headings of columns of text
TEXT_COLUMNS = ("method", "task", "supervision", "protocol", "better", *named.TEXT_HEADINGS)
_LEGEND = {
    "±": "± is half the width of the 95 % interval, over test images and, where there are several, seeds",
    NO_INTERVAL: f"{NO_INTERVAL} {NOTHING_VARIES}",
    "(seeds ": "(seeds a to b): the values of two seeds, too few for an interval; ± is over test images alone",
    "†": "† the regression did not determine all weights (rank deficient): the least-norm solution is taken",
    "‖": "‖ the regression is nearly singular (condition number over a million): its error says little, and it ties "
    "with no other",
    "‡": "‡ some seeds failed; the mean is over the others",
    "failed": "failed: the reason is in the cell's result.json",
    "§": "§ scored under another version of the protocol, never best; the same run command scores it anew",
    "change |": "change: the value minus that of the same method as it is, seed by seed; its ± is over seeds alone",
    "(limit": "(limit N): run on the first N images only, not comparable and never best",
    **{f" {mark}": text for mark, text in LEGEND.items()},
    **FLAG_LEGEND,
}


def to_markdown(rows: Sequence[Row], title: str = "", chosen: Sequence[str] = ()) -> str:
    """The measured rows as a GitHub markdown table, followed by a table of the published rows.

    ``chosen`` names the columns (see ``leaderboard.columns``). Raises LeaderboardError for one that there is not.
    """
    measured = [row for row in rows if row.kind in MEASURED]
    reported = [row for row in rows if row.kind == "reported"]
    parts = [f"### {markdown(title)}"] if title else []
    parts.append(_measured_table(measured, chosen) if measured else "Nothing measured yet.")
    if reported:
        parts.append("**Reported by the papers** (as printed, never ranked with what is measured here)")
        parts.append(_reported_table(reported, chosen))
    return "\n\n".join(parts) + "\n"


def _measured_table(rows: Sequence[Row], chosen: Sequence[str]) -> str:
    header, lines, notes = measured_grid(rows, chosen)
    table = grid(header, [[markdown(line[0]) if any(line[1:]) else f"*{line[0]}*", *line[1:]] for line in lines])
    return "\n\n".join([table, "  \n".join([*notes[:1], *map(markdown, notes[1:])])])


def measured_grid(rows: Sequence[Row], chosen: Sequence[str] = ()) -> Grid:
    """The table of measured rows; a line without cells is the name of a group.

    ``chosen`` names the columns. Raises LeaderboardError for one that there is not.
    """
    named.check(chosen, column_names(rows))
    across = columns(rows)
    best = {column: best_rows(rows, column) for column in across}
    changed = any(row.variant for row in rows)
    extras = named.extras(chosen)
    header = ["method", *_headings(rows, across, changed), "seeds", "seconds a task"]
    header += [extra.heading for extra in extras]
    lines, by_label = [], dict[str, list[Row]]()
    for row in rows:
        by_label.setdefault(shown(row), []).append(row)
    for name, group in groups(rows).items():
        if name and group:
            lines.append([name] + [""] * (len(header) - 1))
        for label in ranked_labels(group, rows, best):
            own = by_label[label]
            line = _measured_line(own, best, changed, any(row.against is not None for row in rows))
            lines.append([*line, *(extra.cell(own) or MISSING for extra in extras)])
    header, lines = named.chosen(header, lines, chosen, MISSING)
    notes = dict.fromkeys(row.note for row in rows if row.note)
    origins = [origin] if (origin := table_line(rows)) else []
    explained = [bold_line(best), *legend(as_text(lines, header)), *_compared(rows)]
    return header, lines, [*explained, *notes, *origins]


def column_names(rows: Sequence[Row]) -> list[str]:
    """The names by which columns of a table of these rows can be chosen."""
    headings = _headings(rows, columns(rows), any(row.variant for row in rows))
    return list(dict.fromkeys([*map(named.name_of, headings), "seeds", "seconds", *named.EXTRAS]))


def flagged(rows: Sequence[Row] | Sequence[PairRow]) -> str:
    """The label of one method's rows in tables, with the marks of their flags."""
    return f"{shown(rows[0])} {flag_marks(row.flags for row in rows)}".rstrip()


def as_text(lines: Sequence[Sequence[str]], header: Sequence[str] = ()) -> str:
    """The cells one after the other, each followed by a bar, as ``legend`` reads them."""
    return "".join(f"{cell} | " for line in [header, *lines] for cell in line)


def groups(rows: Sequence[AnyRow]) -> dict[str, list[AnyRow]]:
    """The rows in the groups of a table, from top to bottom: comparable ones (named ''), supervised ones, floors."""
    found: dict[str, list[AnyRow]] = {"": [], "supervised": [], "floors": []}
    for row in rows:
        found["floors" if row.is_floor else "supervised" if row.supervised else ""].append(row)
    return found


def legend(table: str) -> list[str]:
    """The explanations of the signs that occur in a table, one line each."""
    return [text for mark, text in _LEGEND.items() if mark in table]


def _headings(rows: Sequence[Row], columns: Sequence[Column], changed: bool) -> list[str]:
    """The headings of the columns; each is followed by 'change' in a table of ablations, 'difference' if asked."""
    found = []
    for column in columns:
        found += [heading(rows, column), "change"][: 1 + changed]
        found += ["difference"] * any(row.against is not None for row in rows)
    return found


def columns(rows: Sequence[Row]) -> list[Column]:
    """(task, protocol) in the order of the rows; a task without any finished row has the protocol None."""
    done = dict.fromkeys((row.task, row.protocol) for row in rows if row.status == "done")
    scored = {task for task, _ in done}
    return [
        column
        for task in dict.fromkeys(row.task for row in rows)
        for column in ([column for column in done if column[0] == task] if task in scored else [(task, None)])
    ]


def cell_of(rows: Sequence[Row], column: Column) -> Row | None:
    """The row of one method in a column; a failed row stands under every protocol of its task."""
    return next((row for row in rows if row.task == column[0] and row.protocol in (column[1], None)), None)


def heading(rows: Sequence[Row], column: Column) -> str:
    """Task, unit and arrow, with the protocol if the task has several."""
    task, protocol = column
    several = len({row.protocol for row in rows if row.task == task and row.status == "done"}) > 1
    name = f"{task} {protocol}" if several else task
    for row in rows:
        if row.task == task and row.protocol == protocol is not None:
            return f"{name} ({row.unit}) {'↑' if row.higher_is_better else '↓'}"
    return name


def _compared(rows: Sequence[Row]) -> list[str]:
    """The line that explains the columns of differences, if there are any."""
    labels = list(dict.fromkeys(row.against_method for row in rows if row.against_method is not None))
    name = labels[0] if len(labels) == 1 else f"the best method of the column ({', '.join(map(str, labels))})"
    return [f"difference: from {name} on the same test images, with its 95 % interval"] if labels else []


def _measured_line(
    own: Sequence[Row], best: Mapping[Column, Mapping[str, bool]], changed: bool, compared: bool
) -> list[str]:
    values = []
    for column in best:
        row = cell_of(own, column)
        values += [measured_cell(row, best[column]), change_text(row)][: 1 + changed]
        values += [against_text(row)] * compared
    return [flagged(own), *values, seeds_text(own), seconds_text(own)]


def seconds_text(rows: Sequence[Row]) -> str:
    """The mean of the seconds of the rows."""
    seconds = [row.seconds for row in rows if row.seconds is not None]
    return f"{sum(seconds) / len(seconds):.1f}" if seconds else MISSING


def seeds_text(rows: Sequence[Row] | Sequence[PairRow]) -> str:
    """The number of seeds of the finished rows, or its range."""
    counts = sorted({row.seeds or 0 for row in rows if isinstance(row, PairRow) or row.status == "done"}) or [0]
    return f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"


def measured_cell(row: Row | None, best: Mapping[str, bool]) -> str:
    """A value with its interval and marks, bold if its label is one of ``best`` (see ``best_rows``)."""
    if row is None:
        return MISSING
    if row.status == "failed":
        return "failed"
    value, beside = printed(row)
    bold = shown(row) in best and comparable(row)
    return f"**{value}** {beside}" if bold else f"{value} {beside}"


def printed(row: Row) -> tuple[str, str]:
    """The value of a finished row as text, and what stands beside it: the interval and the marks."""
    said = row.rank_deficient, row.nearly_singular, row.failed_seeds, row.outdated
    marks = "".join(mark for mark, applies in zip("†‖‡§", said, strict=True) if applies)
    seeds = None if row.seeds_low is None or row.seeds_high is None else (row.seeds_low, row.seeds_high)
    value = value_text(row.protocol, known(row.value), DECIMALS)
    return value, f"{interval_text(row.half, seeds, _decimals(row))}{marks}"


def _decimals(row: Row) -> int:
    """The number of decimals of the row's value as printed."""
    return len(value_text(row.protocol, known(row.value), DECIMALS).partition(".")[2])


def interval_text(half: float | None, seeds: tuple[float, float] | None, digits: int) -> str:
    """Half an interval's width, or a dash without an interval, with the range of two seeds."""
    shown = NO_INTERVAL if half is None else f"±{half:.{digits}f}"
    return shown if seeds is None else f"{shown} (seeds {seeds[0]:.{digits}f} to {seeds[1]:.{digits}f})"


def change_text(row: Row | None) -> str:
    """The change that an ablation makes, with half its interval; '' for a row that is no ablation."""
    if row is None or row.change is None:
        return ""
    change = f"{row.change:+.{_decimals(row)}f}"
    if row.change_low is None or row.change_high is None:
        return change
    return f"{change} ±{(row.change_high - row.change_low) / 2:.{_decimals(row)}f}"


def against_text(row: Row | None) -> str:
    """The paired difference of a row with its interval; '' if there is none."""
    if row is None or row.against is None:
        return ""
    low, high, digits = row.against_low, row.against_high, _decimals(row)
    interval = NO_INTERVAL if low is None or high is None else f"({low:+.{digits}f} to {high:+.{digits}f})"
    return f"{row.against:+.{digits}f} {interval}"


def _reported_table(rows: Sequence[Row], chosen: Sequence[str]) -> str:
    """Values as printed, one column for each task and metric, with numbered footnotes."""
    header, lines, notes = reported_grid(rows, chosen)
    table = grid(header, [[*map(markdown, line[:2]), *line[2:]] for line in lines])
    return "\n\n".join(part for part in (table, "  \n".join(notes)) if part)


def reported_grid(rows: Sequence[Row], chosen: Sequence[str] = ()) -> Grid:
    """The table of published rows; a line begins with label and supervision.

    Of the columns that are ``chosen`` those count that the table has.
    """
    cells: dict[tuple[str, str], dict[Column, Row]] = {}
    for row in rows:
        cells.setdefault((shown(row), row.supervision), {})[row.task, row.metric] = row
    notes = list(dict.fromkeys(row.note for row in rows if row.note))
    across = {column: units_of(rows, column) for column in dict.fromkeys((row.task, row.metric) for row in rows)}
    header = ["method", "supervision", *(reported_heading(rows, column, units) for column, units in across.items())]
    lines = [
        [*key, *(_reported_cell(line.get(column), notes, len(units) > 1) for column, units in across.items())]
        for key, line in cells.items()
    ]
    without = [NO_UNIT] * any(row.unit == "%" for row in rows)
    footnotes = [f"({number}) {note}" for number, note in enumerate(notes, start=1)]
    there = [name for name in chosen if name in map(named.name_of, header)]
    if chosen and named.ALL not in chosen:
        header, lines = named.chosen(header, lines, list(dict.fromkeys(["supervision", *there])), MISSING)
    return header, lines, [*legend(as_text(lines)), *without, *footnotes]


def units_of(rows: Sequence[Row], column: Column) -> list[str]:
    """The units of the published values of a task and metric."""
    return list(dict.fromkeys(str(row.unit) for row in rows if (row.task, row.metric) == column))


def reported_heading(rows: Sequence[Row], column: Column, units: Sequence[str]) -> str:
    """Task, unit and arrow; where the values of a column have several units, the unit stands beside each value."""
    higher = any(row.higher_is_better for row in rows if (row.task, row.metric) == column)
    unit = f" ({units[0]})" if len(units) == 1 else ""
    return f"{column[0]}{unit} {'↑' if higher else '↓'}"


def _reported_cell(row: Row | None, notes: Sequence[str], with_unit: bool) -> str:
    if row is None:
        return MISSING
    value = f"{row.printed} {row.unit}" if with_unit else str(row.printed)
    return f"{value} ({notes.index(row.note) + 1})" if row.note else value


def grid(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A markdown table with columns of text aligned to the left and all others to the right.

    Headings are plain text; ``lines`` are markdown.
    """
    from tabulate import tabulate

    alignment = ["left" if name in TEXT_COLUMNS else "right" for name in header]
    return tabulate(
        lines, [markdown(name) for name in header], tablefmt="pipe", disable_numparse=True, colalign=alignment
    )
