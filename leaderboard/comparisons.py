"""Comparisons of measured rows: two methods on all tasks, and all methods against one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields, replace

from leaderboard.errors import LeaderboardError
from leaderboard.markdown import NO_INTERVAL, columns, grid
from leaderboard.paired import LEVEL, Difference, difference, holm, same_images
from leaderboard.plain import to_csv, to_json
from leaderboard.ranking import best_first
from leaderboard.row_kinds import MEASURED, shown
from leaderboard.rows import Row, known
from leaderboard.text import markdown

BEST = "best"  # stands for the best method of each column, in place of a name


@dataclass(frozen=True)
class Comparison:
    """Two methods on one task under one protocol.

    ``difference`` is the first value minus the second. ``low`` and ``high`` end its 95 % interval, None where nothing
    varies. ``p`` is adjusted for the number of tasks. ``better`` is the label of the better method, '' if the two
    cannot be told apart. ``images``, ``groups`` and ``seeds`` are what the comparison rests on.
    """

    task: str
    protocol: str
    unit: str
    one: str
    other: str
    value: float
    other_value: float
    difference: float
    low: float | None
    high: float | None
    p: float | None
    better: str
    images: int
    groups: int
    seeds: int


COMPARED = tuple(each.name for each in fields(Comparison))


def choose(rows: Sequence[Row], name: str) -> str:
    """The label of the method with this name: a label, the id of a method, or a part of a label.

    Raises LeaderboardError if no label, or more than one, fits.
    """
    labels = list(dict.fromkeys(shown(row) for row in rows))
    wanted = name.casefold()
    tests: list[Callable[[Row], bool]] = [
        lambda row: wanted in (row.label.casefold(), shown(row).casefold()),
        lambda row: wanted == row.method.casefold(),
        lambda row: bool(wanted) and wanted in row.label.casefold(),
    ]
    for test in tests:
        found = list(dict.fromkeys(shown(row) for row in rows if test(row)))
        if len(found) > 1:
            raise LeaderboardError(f"'{name}' is the name of {len(found)} rows: {'; '.join(found)}; name one of them")
        if found:
            return found[0]
    raise LeaderboardError(f"no row of the name '{name}', expected one of {'; '.join(labels) or 'none'}")


def compared(rows: Sequence[Row], one: str, other: str) -> list[Comparison]:
    """The comparisons of two methods on every task and protocol that both have, p-values adjusted by Holm's method.

    Raises LeaderboardError for an unknown method, and if the two cannot be compared on any task.
    """
    first, second = choose(rows, one), choose(rows, other)
    if first == second:
        raise LeaderboardError(f"'{one}' and '{other}' are both {first}; name two methods")
    pairs = [
        (row, beside)
        for row in _of(rows, first)
        for beside in _of(rows, second)
        if (row.task, row.protocol, row.profile) == (beside.task, beside.protocol, beside.profile)
    ]
    found = [(row, beside, each) for row, beside in pairs if (each := paired(row, beside)) is not None]
    if not found:
        raise LeaderboardError(
            f"{first} and {second} have errors per image of the same test images on no task; run both, in one run "
            "directory, on the same data"
        )
    tested = [(index, each.p) for index, (_, _, each) in enumerate(found) if each.p is not None]
    adjusted = dict(zip((index for index, _ in tested), holm([p for _, p in tested]), strict=True))
    return [_comparison(row, beside, each, adjusted.get(index)) for index, (row, beside, each) in enumerate(found)]


def against(rows: Sequence[Row], name: str) -> list[Row]:
    """The rows, each with its paired difference from the method of this name on the same task under the same protocol.

    The name 'best' means the best method of each task and protocol. Raises LeaderboardError for an unknown method.
    """
    bases = _best(rows) if name == BEST else _of(rows, choose(rows, name))
    base = {(row.task, row.protocol, row.profile): row for row in bases}
    found = []
    for row in rows:
        beside = base.get((row.task, row.protocol, row.profile))
        each = None
        if beside is not None and shown(row) != shown(beside) and row.status == "done":
            each = paired(row, beside)
        if each is not None and beside is not None:
            row = replace(row, against_method=shown(beside), against=each.value)
            row = replace(row, against_low=each.low, against_high=each.high)
        found.append(row)
    return found


def _best(rows: Sequence[Row]) -> list[Row]:
    """The best row of each task and protocol, among those that are ranked."""
    measured = [row for row in rows if row.kind in MEASURED]
    profiles = dict.fromkeys(row.profile for row in measured)
    tables = [[row for row in measured if row.profile == profile] for profile in profiles]
    return [row for table in tables for column in columns(table) for row in best_first(table, column)[:1]]


def paired(row: Row, beside: Row) -> Difference | None:
    """The paired difference of two rows; None without errors per image, or if the test images differ."""
    one, other = (each.images() if each.images is not None else None for each in (row, beside))
    if one is None or other is None or not same_images(one, other):
        return None
    return difference(one, other)


def render(found: Sequence[Comparison], format: str) -> str:
    """Comparisons as markdown, csv or json. Raises LeaderboardError for an unknown format."""
    plain = [asdict(each) for each in found]
    if format == "csv":
        return to_csv(plain, COMPARED)
    if format == "json":
        return to_json(plain)
    if format != "md":
        raise LeaderboardError(f"unknown format '{format}', expected one of md, csv, json")
    several = len({each.protocol for each in found}) > len({each.task for each in found}) > 0
    first, second = (markdown(name) for name in (found[0].one, found[0].other))
    header = [
        "task",
        found[0].one,
        found[0].other,
        "difference",
        "95 % interval",
        "better",
        "images",
        "groups",
        "seeds",
    ]
    lines = [
        [
            markdown(f"{each.task} {each.protocol if several else ''} ({each.unit})".replace("  ", " ")),
            *(f"{each.value:.2f}", f"{each.other_value:.2f}", f"{each.difference:+.2f}", _interval(each)),
            *(markdown(each.better) or "not told apart", str(each.images), str(each.groups), str(each.seeds)),
        ]
        for each in found
    ]
    below = (
        f"difference: {first} minus {second}, both on the same test images; its interval is a bootstrap over groups of "
        "images (one person, bird or video), with the spread of the seeds from three seeds on.  \n"
        f"better: the method with the better value, if p < {1 - LEVEL:.2f} after adjustment for {len(found)} "
        f"comparison{'s' if len(found) > 1 else ''} by Holm's method  \n"
        "–: no interval, because nothing varies: one image, one group, or equal errors"
    )
    return f"### {first} against {second}\n\n{grid(header, lines)}\n\n{below}\n"


def _of(rows: Sequence[Row], label: str) -> list[Row]:
    return [row for row in rows if shown(row) == label and row.status == "done"]


def _comparison(row: Row, beside: Row, found: Difference, p: float | None) -> Comparison:
    better = ""
    if p is not None and p < 1 - LEVEL:
        better = shown(row if (found.value > 0) == bool(row.higher_is_better) else beside)
    return Comparison(
        task=row.task,
        protocol=str(row.protocol),
        unit=str(row.unit),
        one=shown(row),
        other=shown(beside),
        value=known(row.value),
        other_value=known(beside.value),
        difference=found.value,
        low=found.low,
        high=found.high,
        p=p,
        better=better,
        images=found.images,
        groups=found.groups,
        seeds=found.seeds,
    )


def _interval(each: Comparison) -> str:
    return NO_INTERVAL[1:] if each.low is None or each.high is None else f"{each.low:+.2f} to {each.high:+.2f}"
