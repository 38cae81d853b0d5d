"""Markdown tables: methods down, tasks across; supervised methods, floors and published rows stand apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from leaderboard.intervals import NOTHING_VARIES
from leaderboard.origins import table_line
from leaderboard.row_kinds import LEGEND, MEASURED, shown
from leaderboard.rows import PairRow, Row, known
from leaderboard.text import markdown
from metrics.protocols import PROTOCOLS, value_text

AnyRow = TypeVar("AnyRow", Row, PairRow)
Column = tuple[str, str | None]  # task and protocol; task and metric in the table of published rows

MISSING = "–"
DECIMALS = 2
NO_INTERVAL = f"±{MISSING}"
_LEFT = ("method", "supervision", "protocol")  # headings of columns of text
_LEGEND = {
    "±": "± is half the width of the 95 % interval, over test images and, where there are several, seeds",
    NO_INTERVAL: f"{NO_INTERVAL} {NOTHING_VARIES}",
    "(seeds ": "(seeds a to b): the values of two seeds, too few for an interval; ± is over test images alone",
    "†": "† the regression did not determine all weights (rank deficient): the least-norm solution is taken",
    "‡": "‡ some seeds failed; the mean is over the others",
    "failed": "failed: the reason is in the cell's result.json",
    "§": "§ scored under another version of the protocol, never best; the same run command scores it anew",
    "change |": "change: the value minus that of the same method as it is, seed by seed; its ± is over seeds alone",
    "(limit": "(limit N): run on the first N images only, not comparable and never best",
    **{f" {mark}": text for mark, text in LEGEND.items()},
}


def to_markdown(rows: Sequence[Row], title: str = "") -> str:
    """The measured rows as a GitHub markdown table, followed by a table of the published rows."""
    measured = [row for row in rows if row.kind in MEASURED]
    reported = [row for row in rows if row.kind == "reported"]
    parts = [f"### {markdown(title)}"] if title else []
    parts.append(_measured_table(measured) if measured else "Nothing measured yet.")
    if reported:
        parts.append("**Reported by the papers** (as printed, never ranked with what is measured here)")
        parts.append(_reported_table(reported))
    return "\n\n".join(parts) + "\n"


def _measured_table(rows: Sequence[Row]) -> str:
    columns = _columns(rows)
    best = {column: best_rows(rows, column) for column in columns}
    changed = any(row.variant for row in rows)
    header = ["method", *_headings(rows, columns, changed), "seeds", "seconds a task"]
    lines = []
    for name, group in groups(rows).items():
        if name and group:
            lines.append([f"*{name}*"] + [""] * (len(header) - 1))
        lines += [_measured_line(label, rows, best, changed) for label in _ranked_labels(group, rows, best)]
    table = grid(header, lines)
    notes = dict.fromkeys(markdown(row.note) for row in rows if row.note)
    origins = [line] if (line := table_line(rows)) else []
    return "\n\n".join([table, "  \n".join([_bold(rows, best), *legend(table), *_compared(rows), *notes, *origins])])


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
        found += [_heading(rows, column), "change"][: 1 + changed]
        found += ["difference"] * any(row.against is not None for row in rows)
    return found


def _columns(rows: Sequence[Row]) -> list[Column]:
    """(task, protocol) in the order of the rows; a task without any finished row has the protocol None."""
    done = dict.fromkeys((row.task, row.protocol) for row in rows if row.status == "done")
    scored = {task for task, _ in done}
    return [
        column
        for task in dict.fromkeys(row.task for row in rows)
        for column in ([column for column in done if column[0] == task] if task in scored else [(task, None)])
    ]


def _cell_of(rows: Sequence[Row], column: Column) -> Row | None:
    """The row of one method in a column; a failed row stands under every protocol of its task."""
    return next((row for row in rows if row.task == column[0] and row.protocol in (column[1], None)), None)


def _heading(rows: Sequence[Row], column: Column) -> str:
    """Task, unit and arrow, with the protocol if the task has several."""
    task, protocol = column
    several = len({row.protocol for row in rows if row.task == task and row.status == "done"}) > 1
    name = f"{task} {protocol}" if several else task
    for row in rows:
        if row.task == task and row.protocol == protocol is not None:
            return f"{name} ({row.unit}) {'↑' if row.higher_is_better else '↓'}"
    return name


def _ordered(rows: Sequence[Row], column: Column) -> list[Row]:
    """The comparable rows of a column, best first."""
    ranked = [row for row in rows if (row.task, row.protocol) == column and comparable(row) and row.status == "done"]
    return sorted(ranked, key=lambda row: -known(row.value) if row.higher_is_better else known(row.value))


def comparable(row: Row) -> bool:
    """Whether a row takes part in the ranking.

    Floors do not under a backward protocol, which predicts keypoints from landmarks: keypoints that never move would
    win.
    """
    protocol = PROTOCOLS.get(row.protocol or "")
    constant = row.is_floor and protocol is not None and protocol.direction == "backward"
    return row.limit is None and not row.outdated and not row.supervised and not constant


def best_rows(rows: Sequence[Row], column: Column) -> dict[str, bool]:
    """The rows of a column that are bold, by their labels; the value says whether the row ties with the best by test.

    These are the best one, all that print the same value, and all that cannot be told from it image by image.
    """
    ranked = _ordered(rows, column)
    printed = {shown(row): value_text(row.protocol, known(row.value), DECIMALS) for row in ranked}
    bold = {label: False for label, value in printed.items() if value == printed[shown(ranked[0])]}
    found = [(row, row.images()) for row in ranked if row.images is not None] if len(ranked) > 1 else []
    paired = [(row, images) for row, images in found if images is not None]
    if len(paired) > 1 and paired[0][0] is ranked[0]:
        from leaderboard.paired import best_and_ties, same_images

        alike = [(row, images) for row, images in paired if same_images(images, paired[0][1])]
        values = [known(row.value) for row, _ in alike]
        ties = best_and_ties([images for _, images in alike], values, bool(ranked[0].higher_is_better))
        bold |= {shown(alike[index][0]): True for index in ties}
    return bold


def _bold(rows: Sequence[Row], best: Mapping[Column, Mapping[str, bool]]) -> str:
    """The line that explains bold values."""
    if not any(any(found.values()) for found in best.values()):
        return "Best measured value in bold."
    return (
        "In bold: the best measured value of a column, and all that cannot be told from it on the same images (paired "
        "by image, 5 % of false differences per column by Holm's method); these share the first rank."
    )


def _compared(rows: Sequence[Row]) -> list[str]:
    """The line that explains the columns of differences, if there are any."""
    labels = dict.fromkeys(row.against_method for row in rows if row.against_method is not None)
    return [f"difference: from {markdown(label)} on the same test images, with its 95 % interval" for label in labels]


def _ranked_labels(group: Sequence[Row], rows: Sequence[Row], best: Mapping[Column, Mapping[str, bool]]) -> list[str]:
    """Labels of a group, sorted by mean rank over the columns of all rows; a missing value has the last rank.

    Rows that tie with the best share its rank.
    """
    labels = list(dict.fromkeys(shown(row) for row in group))
    places, last = dict.fromkeys(labels, 0), len({shown(row) for row in rows})
    for column, bold in best.items():
        ordered = [shown(row) for row in _ordered(rows, column)]
        for label in labels:
            place = ordered.index(label) if label in ordered else last
            places[label] += 0 if bold.get(label) else place
    return sorted(labels, key=lambda label: (places[label], label))


def _measured_line(
    label: str, rows: Sequence[Row], best: Mapping[Column, Mapping[str, bool]], changed: bool
) -> list[str]:
    own = [row for row in rows if shown(row) == label]
    compared = any(row.against is not None for row in rows)
    values = []
    for column in best:
        row = _cell_of(own, column)
        values += [_measured_cell(row, best[column]), change_text(row)][: 1 + changed]
        values += [against_text(row)] * compared
    seconds = [row.seconds for row in own if row.seconds is not None]
    return [markdown(label), *values, seeds_text(own), f"{sum(seconds) / len(seconds):.1f}" if seconds else MISSING]


def seeds_text(rows: Sequence[Row] | Sequence[PairRow]) -> str:
    """The number of seeds of the finished rows, or its range."""
    counts = sorted({row.seeds or 0 for row in rows if isinstance(row, PairRow) or row.status == "done"}) or [0]
    return f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"


def _measured_cell(row: Row | None, best: Mapping[str, bool]) -> str:
    if row is None:
        return MISSING
    if row.status == "failed":
        return "failed"
    value = value_text(row.protocol, known(row.value), DECIMALS)
    if shown(row) in best and comparable(row):
        value = f"**{value}**"
    marks = "†" * bool(row.rank_deficient) + "‡" * bool(row.failed_seeds) + "§" * bool(row.outdated)
    seeds = None if row.seeds_low is None or row.seeds_high is None else (row.seeds_low, row.seeds_high)
    return f"{value} {interval_text(row.half, seeds, _decimals(row))}{marks}"


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


def _reported_table(rows: Sequence[Row]) -> str:
    """Values as printed, one column for each task and metric, with numbered footnotes."""
    cells: dict[tuple[str, str], dict[Column, Row]] = {}
    for row in rows:
        cells.setdefault((shown(row), row.supervision), {})[row.task, row.metric] = row
    notes = list(dict.fromkeys(row.note for row in rows if row.note))
    columns = list(dict.fromkeys((row.task, row.metric) for row in rows))
    header = ["method", "supervision", *(_reported_heading(rows, column) for column in columns)]
    lines = [
        [*map(markdown, key), *(_reported_cell(line.get(column), notes) for column in columns)]
        for key, line in cells.items()
    ]
    table = grid(header, lines)
    footnotes = [f"({number}) {note}" for number, note in enumerate(notes, start=1)]
    return "\n\n".join(part for part in (table, "  \n".join([*legend(table), *footnotes])) if part)


def _reported_heading(rows: Sequence[Row], column: Column) -> str:
    own = [row for row in rows if (row.task, row.metric) == column]
    units = " or ".join(dict.fromkeys(str(row.unit) for row in own))
    return f"{column[0]} ({units}) {'↑' if own[0].higher_is_better else '↓'}"


def _reported_cell(row: Row | None, notes: Sequence[str]) -> str:
    if row is None:
        return MISSING
    return f"{row.printed} ({notes.index(row.note) + 1})" if row.note else str(row.printed)


def grid(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A markdown table with columns of text aligned to the left and all others to the right.

    Headings are plain text; ``lines`` are markdown.
    """
    from tabulate import tabulate

    alignment = ["left" if name in _LEFT else "right" for name in header]
    return tabulate(
        lines, [markdown(name) for name in header], tablefmt="pipe", disable_numparse=True, colalign=alignment
    )
