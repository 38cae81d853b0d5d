"""Tables for people: methods down, tasks across, supervised ones and floors below, published rows apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from leaderboard.kinds import LEGEND, MEASURED, shown
from leaderboard.origins import table_line
from metrics.protocols import PROTOCOLS

Row = dict[str, Any]
Column = tuple[str, str]

MISSING = "–"
_NAMES = ("method", "supervision", "protocol")
_LEGEND = {
    "±": "± is half the width of the 95 % interval, over test images and, where there are several, seeds",
    "†": "† the regression did not determine all weights (rank deficient): the least-norm solution is taken",
    "‡": "‡ some seeds failed; the mean is over the others",
    "failed": "failed: the reason is in the cell's result.json",
    "§": "§ scored under another version of the protocol, never best; the same run command scores it anew",
    "change |": "change: the value minus that of the same method as it is, seed by seed; its ± is over seeds alone",
    "(limit": "(limit N): run on the first N images only, not comparable and never best",
    **{f" {mark}": text for mark, text in LEGEND.items()},
}


def to_markdown(rows: Sequence[Row], title: str = "") -> str:
    """The measured table, and below it what papers report, as GitHub markdown."""
    measured = [row for row in rows if row["kind"] in MEASURED]
    reported = [row for row in rows if row["kind"] == "reported"]
    parts = [f"### {title}"] if title else []
    parts.append(_measured_table(measured) if measured else "Nothing measured yet.")
    if reported:
        parts.append("**Reported by the papers** (as printed, never ranked with what is measured here)")
        parts.append(_reported_table(reported))
    return "\n\n".join(parts) + "\n"


def _measured_table(rows: Sequence[Row]) -> str:
    columns = _columns(rows)
    best = {column: _best(rows, column) for column in columns}
    changed = any(row["variant"] for row in rows)
    header = ["method", *_headings(rows, columns, changed), "seeds", "seconds a task"]
    lines = []
    for name, group in groups(rows).items():
        if name and group:
            lines.append([f"*{name}*"] + [""] * (len(header) - 1))
        lines += [_measured_line(label, rows, best, changed) for label in _ranked_labels(group, rows, columns)]
    table = grid(header, lines)
    notes = dict.fromkeys(row["note"] for row in rows if row["note"])
    origins = [line] if (line := table_line(rows)) else []
    return "\n\n".join([table, "  \n".join(["Best measured value in bold.", *legend(table), *notes, *origins])])


def groups(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """The rows as tables have them one below the other: those that are compared, supervised ones, floors."""
    found: dict[str, list[Row]] = {"": [], "supervised": [], "floors": []}
    for row in rows:
        found["floors" if row["is_floor"] else "supervised" if row["supervised"] else ""].append(row)
    return found


def legend(table: str) -> list[str]:
    """What the signs in a table mean, a line each."""
    return [text for mark, text in _LEGEND.items() if mark in table]


def _headings(rows: Sequence[Row], columns: Sequence[Column], changed: bool) -> list[str]:
    """The columns' headings, each followed by that of the change where there are variants."""
    found = []
    for column in columns:
        found += [_heading(rows, column), "change"][: 1 + changed]
    return found


def _columns(rows: Sequence[Row]) -> list[Column]:
    """(task, protocol) in the order of the rows; a task that only failed has a column without protocol."""
    known = dict.fromkeys((row["task"], row["protocol"]) for row in rows if row["status"] == "done")
    scored = {task for task, _ in known}
    return [
        column
        for task in dict.fromkeys(row["task"] for row in rows)
        for column in ([column for column in known if column[0] == task] if task in scored else [(task, "")])
    ]


def _cell_of(rows: Sequence[Row], label: str, column: Column) -> Row | None:
    """The row behind a cell; a failed one stands under every protocol of its task."""
    for row in rows:
        if shown(row) == label and row["task"] == column[0] and row["protocol"] in (column[1], None):
            return row
    return None


def _heading(rows: Sequence[Row], column: Column) -> str:
    """Task, unit and arrow; the protocol too where the task has several."""
    task, protocol = column
    several = len({row["protocol"] for row in rows if row["task"] == task and row["status"] == "done"}) > 1
    name = f"{task} {protocol}" if several else task
    for row in rows:
        if row["task"] == task and row["protocol"] == protocol:
            return f"{name} ({row['unit']}) {'↑' if row['higher_is_better'] else '↓'}"
    return name


def _ordered(rows: Sequence[Row], column: Column) -> list[Row]:
    """The comparable rows of a column, best first."""
    ranked = [row for row in rows if (row["task"], row["protocol"]) == column and counts(row)]
    return sorted(ranked, key=lambda row: -row["value"] if row["higher_is_better"] else row["value"])


def counts(row: Row) -> bool:
    """Whether a row is comparable with the others.

    A floor is not under a protocol that predicts keypoints from landmarks: those that never move are predicted best.
    """
    protocol = PROTOCOLS.get(row["protocol"])
    constant = row["is_floor"] and protocol is not None and protocol.direction == "backward"
    return row["limit"] is None and not row["outdated"] and not row["supervised"] and not constant


def _best(rows: Sequence[Row], column: Column) -> str:
    """The best value of a column as it is printed, so that ties to the last digit are both bold."""
    ranked = _ordered(rows, column)
    return f"{ranked[0]['value']:.2f}" if ranked else ""


def _ranked_labels(group: Sequence[Row], rows: Sequence[Row], columns: Sequence[Column]) -> list[str]:
    """Labels of a group by their mean place over the columns of all rows; a missing cell counts as the last place."""
    labels = list(dict.fromkeys(shown(row) for row in group))
    places, last = dict.fromkeys(labels, 0), len({shown(row) for row in rows})
    for column in columns:
        ordered = [shown(row) for row in _ordered(rows, column)]
        for label in labels:
            places[label] += ordered.index(label) if label in ordered else last
    return sorted(labels, key=lambda label: (places[label], label))


def _measured_line(label: str, rows: Sequence[Row], best: dict[Column, str], changed: bool) -> list[str]:
    own = [row for row in rows if shown(row) == label]
    values = []
    for column in best:
        row = _cell_of(own, label, column)
        values += [_measured_cell(row, best[column]), change_text(row)][: 1 + changed]
    seconds = [row["seconds"] for row in own if row["seconds"] is not None]
    seeds = sorted({row["seeds"] for row in own if row["status"] == "done"}) or [0]
    return [
        label,
        *values,
        f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}",
        f"{sum(seconds) / len(seconds):.1f}" if seconds else MISSING,
    ]


def _measured_cell(row: Row | None, best: str) -> str:
    if row is None:
        return MISSING
    if row["status"] == "failed":
        return "failed"
    value = f"{row['value']:.2f}"
    if value == best and counts(row):
        value = f"**{value}**"
    marks = "†" * row["rank_deficient"] + "‡" * (row["failed_seeds"] > 0) + "§" * row["outdated"]
    return f"{value} ±{(row['ci_high'] - row['ci_low']) / 2:.2f}{marks}"


def change_text(row: Row | None) -> str:
    """What a variant's value has more than the full method's; nothing for what is no variant."""
    if row is None or row["change"] is None:
        return ""
    width = "" if row["change_low"] is None else f" ±{(row['change_high'] - row['change_low']) / 2:.2f}"
    return f"{row['change']:+.2f}{width}"


def _reported_table(rows: Sequence[Row]) -> str:
    """Values as printed, a column for each metric of a task, with a number for each note."""
    cells: dict[tuple[str, str], dict[Column, Row]] = {}
    for row in rows:
        cells.setdefault((shown(row), row["supervision"]), {})[row["task"], row["metric"]] = row
    notes = list(dict.fromkeys(row["note"] for row in rows if row["note"]))
    columns = list(dict.fromkeys((row["task"], row["metric"]) for row in rows))
    header = ["method", "supervision", *(_reported_heading(rows, column) for column in columns)]
    lines = [[*key, *(_reported_cell(line.get(column), notes) for column in columns)] for key, line in cells.items()]
    table = grid(header, lines)
    footnotes = [f"({number}) {note}" for number, note in enumerate(notes, start=1)]
    return "\n\n".join(part for part in (table, "  \n".join([*legend(table), *footnotes])) if part)


def _reported_heading(rows: Sequence[Row], column: Column) -> str:
    own = [row for row in rows if (row["task"], row["metric"]) == column]
    units = " or ".join(dict.fromkeys(row["unit"] for row in own))
    return f"{column[0]} ({units}) {'↑' if own[0]['higher_is_better'] else '↓'}"


def _reported_cell(row: Row | None, notes: Sequence[str]) -> str:
    if row is None:
        return MISSING
    return f"{row['printed']} ({notes.index(row['note']) + 1})" if row["note"] else str(row["printed"])


def grid(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A markdown table: names to the left, all else to the right."""
    import pandas as pd

    alignment = ["left" if name in _NAMES else "right" for name in header]
    frame = pd.DataFrame(list(lines), columns=list(header))
    return str(frame.to_markdown(index=False, disable_numparse=True, colalign=alignment))
