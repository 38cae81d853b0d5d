"""The loss of each method from aligned images to images of the same objects in the wild.

Errors of different datasets cannot be compared directly. Each is therefore given in percent of the mean pose's error,
which is known without looking at an image, and *loss* is the ratio of a method's own two errors. Read both: a method
with large errors on aligned images, such as random points, has little left to lose.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import Any

from leaderboard import columns as named
from leaderboard.aggregate import measured_rows
from leaderboard.flags import in_order, with_commits
from leaderboard.intervals import half_width, range_of_two
from leaderboard.markdown import (
    MISSING,
    NO_INTERVAL,
    Grid,
    as_text,
    flagged,
    grid,
    groups,
    interval_text,
    legend,
    seeds_text,
)
from leaderboard.origins import pair_line
from leaderboard.overall import MEAN_POSE
from leaderboard.records import ResultRecord
from leaderboard.row_kinds import shown
from leaderboard.rows import Estimate, PairRow, Row, known
from leaderboard.text import markdown

Column = tuple[str, str, str]  # aligned task, wild task, protocol
Pair = tuple[Row, Row]  # the rows of one method on the aligned and the wild task

ALL = "all"  # in place of tasks: the row over all pairs


def misalignment_rows(
    records: Iterable[ResultRecord], tasks: Sequence[str], profile: str, protocol: str | None = None
) -> list[PairRow]:
    """One row per method, pair of tasks and protocol.

    ``tasks`` lists the pairs one after the other, aligned before wild; ``protocol`` is as in
    ``leaderboard.tables.rows``. Losses are paired by seed. Intervals are over seeds (Student's t) and test images. A
    method that has all pairs gets a last row 'all' with geometric means. Rows that are not comparable (--limit, another
    version of the protocol, higher is better) are left out.
    """
    found = [row for row in with_commits(measured_rows(records, tasks, profile, protocol)) if _counts(row)]
    task_pairs = list(zip(tasks[::2], tasks[1::2], strict=True))
    floors = {(row.task, row.protocol): known(row.value) for row in found if row.method == MEAN_POSE}
    table = []
    for label in dict.fromkeys(shown(row) for row in found):
        own = {(row.task, row.protocol): row for row in found if shown(row) == label}
        pairs = [
            (own[aligned, name], own[wild, name])
            for aligned, wild in task_pairs
            for task, name in own
            if task == aligned and (wild, name) in own
        ]
        lines = [_pair(*pair, floors) for pair in pairs if _seeds([pair])]
        whole = {(line.aligned_task, line.wild_task) for line in lines} == set(task_pairs)
        if whole and len(lines) == len(task_pairs) > 1 and _seeds(pairs):
            lines.append(_together(pairs, lines))
        table += lines
    return table


def _counts(row: Row) -> bool:
    if row.status != "done" or row.limit is not None or row.outdated or row.higher_is_better:
        return False
    return min(row.by_seed.values()) > 0


def _seeds(pairs: Sequence[Pair]) -> list[int]:
    """The seeds that all rows have."""
    return sorted(set.intersection(*(set(row.by_seed) for pair in pairs for row in pair)))


def _of_method(row: Row | PairRow) -> dict[str, Any]:
    names = ("method", "label", "profile", "kind", "supervision", "supervised", "is_floor")
    return {name: getattr(row, name) for name in names}


def _pair(aligned: Row, wild: Row, floors: dict[tuple[str, str | None], float]) -> PairRow:
    return PairRow(
        **_of_method(aligned),
        aligned_task=aligned.task,
        wild_task=wild.task,
        protocol=aligned.protocol,
        unit=aligned.unit,
        seeds=len(_seeds([(aligned, wild)])),
        aligned_error=aligned.value,
        wild_error=wild.value,
        aligned=_percent_of_floor(aligned, floors),
        wild=_percent_of_floor(wild, floors),
        loss=_loss([(aligned, wild)]),
        commits=[
            origin
            for row in (aligned, wild)
            for seed, origin in zip(row.by_seed, row.commits or [], strict=True)
            if seed in wild.by_seed and seed in aligned.by_seed
        ],
        flags=in_order([*aligned.flags, *wild.flags]),
    )


def _percent_of_floor(row: Row, floors: dict[tuple[str, str | None], float]) -> Estimate | None:
    floor = floors.get((row.task, row.protocol))
    if not floor:
        return None
    value, low, high, half, least, most = (
        None if each is None else 100 * each / floor
        for each in (row.value, row.ci_low, row.ci_high, row.half, row.seeds_low, row.seeds_high)
    )
    return Estimate(known(value), low, high, half, None if least is None or most is None else (least, most))


def _together(pairs: Sequence[Pair], lines: Sequence[PairRow]) -> PairRow:
    """The row of geometric means over the pairs."""
    return PairRow(
        **_of_method(lines[0]),
        aligned_task=ALL,
        wild_task=ALL,
        seeds=len(_seeds(pairs)),
        aligned=_geometric_mean([line.aligned for line in lines]),
        wild=_geometric_mean([line.wild for line in lines]),
        loss=_loss(pairs),
        flags=in_order(name for line in lines for name in line.flags),
    )


def _geometric_mean(found: Sequence[Estimate | None]) -> Estimate | None:
    """None unless all are known and above 0."""
    values = [each.value for each in found if each and each.value]
    return Estimate(math.exp(fmean(math.log(value) for value in values))) if len(values) == len(found) else None


def _loss(pairs: Sequence[Pair]) -> Estimate:
    """The geometric mean of wild over aligned errors, with its interval, computed in logarithms.

    The test images of different tasks are independent of each other and of the seeds, so their parts of the interval
    are added in quadrature to that of the seeds.
    """
    logs = [
        fmean(math.log(wild.by_seed[seed] / aligned.by_seed[seed]) for aligned, wild in pairs) for seed in _seeds(pairs)
    ]
    images = [row.images_half / known(row.value) / len(pairs) for pair in pairs for row in pair]
    half = math.hypot(half_width(logs), *images)
    middle, seeds = fmean(logs), range_of_two([math.exp(each) for each in logs])
    low, high = (math.exp(middle - half), math.exp(middle + half)) if half else (None, None)
    return Estimate(math.exp(middle), low, high, seeds=seeds)


def to_markdown(rows: Sequence[PairRow], title: str = "", chosen: Sequence[str] = ()) -> str:
    """The rows as a markdown table; ``title`` becomes its heading, ``chosen`` names the columns."""
    heading = [f"### {markdown(title)}"] if title else []
    return "\n\n".join([*heading, _table(rows, chosen) if rows else "Nothing measured yet."]) + "\n"


def _table(rows: Sequence[PairRow], chosen: Sequence[str]) -> str:
    header, lines, notes = grid_of(rows, chosen)
    table = grid(header, [[markdown(line[0]) if any(line[1:]) else f"*{line[0]}*", *line[1:]] for line in lines])
    return "\n\n".join([table, "  \n".join(notes)])


def grid_of(rows: Sequence[PairRow], chosen: Sequence[str] = ()) -> Grid:
    """The table of pairs; a line without cells is the name of a group.

    ``chosen`` names the columns. Raises LeaderboardError for one that there is not.
    """
    columns = list(dict.fromkeys(_column(row) for row in rows if row.aligned_task != ALL))
    whole = [(ALL, ALL, "")] if any(row.aligned_task == ALL for row in rows) else []
    header = ["method", *(name for column in columns for name in _headings(column, columns))]
    header += ["loss, all"] * len(whole) + ["seeds"]
    lines = []
    for name, group in groups(rows).items():
        if name and group:
            lines.append([name] + [""] * (len(header) - 1))
        for label in sorted({shown(row) for row in group}, key=lambda label: _place(group, label)):
            own = {_column(row): row for row in group if shown(row) == label}
            lines.append([flagged(list(own.values())), *_cells(own, columns, whole), seeds_text(list(own.values()))])
    header, lines = named.chosen(header, lines, chosen, MISSING)
    origins = pair_line(row for row in rows if row.aligned_task != ALL)
    notes = [
        "Errors in percent of the mean pose's, whose own interval is left out. Loss: the error in the wild over the "
        "aligned one, seed by seed, with its 95 % interval over seeds and test images.",
        "What is far off on aligned images already has little left to lose: read a loss beside the errors.",
        *(["Loss, all: the geometric mean over the pairs."] * len(whole)),
        *legend(as_text(lines)),
        *([origins] if origins else []),
    ]
    return header, lines, notes


def _column(row: PairRow) -> Column:
    return row.aligned_task, row.wild_task, row.protocol or ""


def _headings(column: Column, columns: Sequence[Column]) -> list[str]:
    """The two tasks, with the protocol if a pair has several, and the loss."""
    aligned, wild, protocol = column
    several = sum(other[:2] == column[:2] for other in columns) > 1
    return [f"{task} {protocol}" if several else task for task in (aligned, wild)] + ["loss"]


def _place(group: Sequence[PairRow], label: str) -> tuple[float, str]:
    """Sort key: the mean error in the wild in percent of the mean pose's; last without one."""
    values = [row.wild.value for row in group if shown(row) == label and row.aligned_task != ALL and row.wild]
    return (fmean(values) if values else math.inf), label


def _cells(own: dict[Column, PairRow], columns: Sequence[Column], whole: Sequence[Column]) -> list[str]:
    found = []
    for column in columns:
        row = own.get(column)
        found += [MISSING] * 3 if row is None else [_percent(row.aligned), _percent(row.wild), _times(row.loss)]
    return found + [_times(own[column].loss) if column in own else MISSING for column in whole]


def _percent(found: Estimate | None) -> str:
    return f"{found.value:.0f} {interval_text(found.half, found.seeds, 0)}" if found else MISSING


def _times(loss: Estimate) -> str:
    shown = NO_INTERVAL if loss.low is None else f"({loss.low:.2f} to {loss.high:.2f})"
    seeds = f" (seeds {loss.seeds[0]:.2f} to {loss.seeds[1]:.2f})" if loss.seeds else ""
    return f"×{loss.value:.2f} {shown}{seeds}"
