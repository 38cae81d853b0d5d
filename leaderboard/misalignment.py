"""What each method loses from images that are aligned to the same objects in the wild.

Errors of different datasets cannot be compared as they are. So each is given in percent of the mean pose's, which is
what is known of the dataset without looking at an image, and *loss* is how many times larger a method's own error
gets. Both are needed: what is far off on aligned images already, as random points are, has little left to lose.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import Any

from leaderboard.aggregate import measured_rows
from leaderboard.errors import LeaderboardError
from leaderboard.intervals import half_width
from leaderboard.kinds import shown
from leaderboard.markdown import MISSING, grid, groups, legend
from leaderboard.origins import table_line
from leaderboard.plain import to_csv, to_json
from leaderboard.records import ResultRecord

Row = dict[str, Any]
Column = tuple[str, str, str]

PAIR_SUITES = ("misalignment",)  # their tasks come in pairs, aligned and wild
FLOOR = "grid"  # the method that is the mean pose
ALL = "all"
_ENDS = (("", "value"), ("_low", "ci_low"), ("_high", "ci_high"))
_OF_METHOD = ("method", "label", "profile", "kind", "supervision", "supervised", "is_floor")
_MEASURES = ("aligned", "wild", "loss")
FIELDS = (
    *_OF_METHOD,
    *("aligned_task", "wild_task", "protocol", "unit", "seeds", "aligned_error", "wild_error"),
    *(f"{name}{end}" for name in _MEASURES for end in ("", "_low", "_high")),
    "commits",
)


def misalignment_rows(
    records: Iterable[ResultRecord], tasks: Sequence[str], profile: str, protocol: str | None = None
) -> list[Row]:
    """One dict a method, pair of tasks and protocol, with every name in ``FIELDS``.

    ``tasks`` are pairs one after the other, aligned and wild; ``protocol`` is as in ``leaderboard.tables.rows``.
    ``aligned`` and ``wild`` are the errors in percent of the mean pose's (None where that was not run), ``loss`` is
    the error on the wild task over that on the aligned one, seed by seed; each with its 95 % interval over seeds
    (Student's t) and test images. ``commits`` are those of the results on both tasks. A method that has all pairs has
    a last row named 'all', with the geometric means. What cannot be compared (--limit, another version of the
    protocol) is left out.
    """
    found = [row for row in measured_rows(records, tasks, profile, protocol) if _counts(row)]
    pairs = list(zip(tasks[::2], tasks[1::2], strict=True))
    floors = {(row["task"], row["protocol"]): row["value"] for row in found if row["method"] == FLOOR}
    table = []
    for label in dict.fromkeys(shown(row) for row in found):
        own = {(row["task"], row["protocol"]): row for row in found if shown(row) == label}
        twins = [
            (own[aligned, name], own[wild, name])
            for aligned, wild in pairs
            for task, name in own
            if task == aligned and (wild, name) in own
        ]
        lines = [_pair(*twin, floors) for twin in twins if _seeds([twin])]
        whole = {(line["aligned_task"], line["wild_task"]) for line in lines} == set(pairs)
        if whole and len(lines) == len(pairs) > 1 and _seeds(twins):
            lines.append(_together(twins, lines))
        table += lines
    return [{name: line.get(name) for name in FIELDS} for line in table]


def _counts(row: Row) -> bool:
    if row["status"] != "done" or row["limit"] is not None or row["outdated"] or row["higher_is_better"]:
        return False
    return min(row["by_seed"].values()) > 0


def _seeds(twins: Sequence[tuple[Row, Row]]) -> list[int]:
    """The seeds that all of the tasks have."""
    common = set.intersection(*(set(row["by_seed"]) for twin in twins for row in twin))
    return sorted(common)


def _pair(aligned: Row, wild: Row, floors: dict[tuple[str, str], float]) -> Row:
    line = {name: aligned[name] for name in (*_OF_METHOD, "protocol", "unit")}
    line |= {"aligned_task": aligned["task"], "wild_task": wild["task"], "seeds": len(_seeds([(aligned, wild)]))}
    for name, row in (("aligned", aligned), ("wild", wild)):
        line[f"{name}_error"] = row["value"]
        floor = floors.get((row["task"], row["protocol"]))
        if floor:
            line |= {f"{name}{end}": 100 * row[key] / floor for end, key in _ENDS}
    line["commits"] = [
        origin
        for row in (aligned, wild)
        for seed, origin in zip(row["by_seed"], row["commits"], strict=True)
        if seed in wild["by_seed"] and seed in aligned["by_seed"]
    ]
    return line | _loss([(aligned, wild)])


def _together(twins: Sequence[tuple[Row, Row]], lines: Sequence[Row]) -> Row:
    """The geometric means over the pairs."""
    line = {name: lines[0][name] for name in _OF_METHOD} | {"aligned_task": ALL, "wild_task": ALL}
    line["seeds"] = len(_seeds(twins))
    for name in ("aligned", "wild"):
        values = [each[name] for each in lines if each.get(name)]
        if len(values) == len(lines):
            line[name] = math.exp(fmean(math.log(value) for value in values))
    return line | _loss(twins)


def _loss(twins: Sequence[tuple[Row, Row]]) -> Row:
    """The geometric mean of wild over aligned errors, with its interval.

    All is done in logarithms. The test images of the tasks are drawn apart from each other and from the seeds: their
    shares are added in quadrature to that of the seeds.
    """
    seeds = _seeds(twins)
    logs = [
        fmean(math.log(wild["by_seed"][seed] / aligned["by_seed"][seed]) for aligned, wild in twins) for seed in seeds
    ]
    images = [row["images_half"] / row["value"] / len(twins) for twin in twins for row in twin]
    half = math.hypot(half_width(logs), *images)
    middle = fmean(logs)
    return {"loss": math.exp(middle), "loss_low": math.exp(middle - half), "loss_high": math.exp(middle + half)}


def render_misalignment(rows: Sequence[Row], format: str = "md", title: str = "") -> str:
    """The rows as a markdown table, csv or a json list; ``title`` heads the markdown.

    Raises LeaderboardError for an unknown format.
    """
    if format == "md":
        heading = [f"### {title}"] if title else []
        return "\n\n".join([*heading, _table(rows) if rows else "Nothing measured yet."]) + "\n"
    if format == "csv":
        return to_csv(rows, FIELDS)
    if format == "json":
        return to_json(rows)
    raise LeaderboardError(f"unknown format '{format}', expected one of md, csv, json")


def _table(rows: Sequence[Row]) -> str:
    columns = list(dict.fromkeys(_column(row) for row in rows if row["aligned_task"] != ALL))
    whole = [(ALL, ALL, "")] if any(row["aligned_task"] == ALL for row in rows) else []
    header = ["method", *(name for column in columns for name in _headings(column, columns))]
    header += ["loss, all"] * len(whole) + ["seeds"]
    lines = []
    for name, group in groups(rows).items():
        if name and group:
            lines.append([f"*{name}*"] + [""] * (len(header) - 1))
        for label in sorted({shown(row) for row in group}, key=lambda label: _place(group, label)):
            own = {_column(row): row for row in group if shown(row) == label}
            lines.append([label, *_cells(own, columns, whole), _seed_counts(own.values())])
    table = grid(header, lines)
    origins = table_line([row for row in rows if row["aligned_task"] != ALL], ("aligned_task", "wild_task"))
    notes = [
        "Errors in percent of the mean pose's, whose own interval is left out. Loss: the error in the wild over the "
        "aligned one, seed by seed, with its 95 % interval over seeds and test images.",
        "What is far off on aligned images already has little left to lose: read a loss beside the errors.",
        *(["Loss, all: the geometric mean over the pairs."] * len(whole)),
        *legend(table),
        *([origins] if origins else []),
    ]
    return "\n\n".join([table, "  \n".join(notes)])


def _column(row: Row) -> Column:
    return row["aligned_task"], row["wild_task"], row["protocol"] or ""


def _headings(column: Column, columns: Sequence[Column]) -> list[str]:
    """The two tasks, with the protocol where a pair has several, and the loss."""
    aligned, wild, protocol = column
    several = sum(other[:2] == column[:2] for other in columns) > 1
    return [f"{task} {protocol}" if several else task for task in (aligned, wild)] + ["loss"]


def _place(group: Sequence[Row], label: str) -> tuple[float, str]:
    """By the mean of what is left of the mean pose's error in the wild; a method without that comes last."""
    values = [row["wild"] for row in group if shown(row) == label and row["aligned_task"] != ALL]
    known = [value for value in values if value is not None]
    return (fmean(known) if known else math.inf), label


def _cells(own: dict[Column, Row], columns: Sequence[Column], whole: Sequence[Column]) -> list[str]:
    found = []
    for column in columns:
        row = own.get(column)
        found += [MISSING] * 3 if row is None else [_percent(row, "aligned"), _percent(row, "wild"), _times(row)]
    return found + [_times(own[column]) if column in own else MISSING for column in whole]


def _percent(row: Row, name: str) -> str:
    if row[name] is None:
        return MISSING
    return f"{row[name]:.0f} ±{(row[f'{name}_high'] - row[f'{name}_low']) / 2:.0f}"


def _times(row: Row) -> str:
    return f"×{row['loss']:.2f} ({row['loss_low']:.2f} to {row['loss_high']:.2f})"


def _seed_counts(rows: Iterable[Row]) -> str:
    counts = sorted({row["seeds"] for row in rows})
    return f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
