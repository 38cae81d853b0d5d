"""One ranking over the tasks of a suite, by a stated rule.

*Skill* on a task is the share of the mean pose's error that a method removes, in percent: 0 for the mean pose, 100 for
no error at all, negative for worse than the mean pose. Where higher is better, it is the share of the way from the mean
pose's value to 100. The overall skill is the mean over the tasks. *Wins* is the share of the other methods that a
method beats, in percent, ties counting half, also as a mean over the tasks (the Borda count, scaled). A method that
lacks a task has neither, because both would then be over other tasks than its rivals'; the table names what it lacks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from leaderboard.flags import in_order, marks
from leaderboard.intervals import half_width
from leaderboard.ranking import comparable
from leaderboard.row_kinds import MEASURED, shown
from leaderboard.rows import Row, known

MEAN_POSE = "grid"  # the method that predicts the mean pose
BEST = 100.0  # the highest value of a metric of which more is better
RULE = (
    "skill: share of the mean pose's error that is removed, in percent, mean over the tasks; wins: share of the other "
    "methods beaten, ties counting half, mean over the tasks. A method that lacks a task has neither."
)
INTERVAL = "± is half the width of the 95 % interval over seeds, of which there must be three."


@dataclass(frozen=True, kw_only=True, slots=True)
class OverallRow:
    """One method over all tasks; ``skill`` and ``wins`` in percent, None where a task is missing.

    ``half`` is half the width of the 95 % interval of the skill over seeds, 0 with fewer than three seeds. ``skills``
    has the skill on each task, None for a task in ``missing``. ``flags`` are those of the rows on all tasks.
    """

    label: str
    method: str
    skill: float | None
    half: float
    wins: float | None
    skills: tuple[float | None, ...]
    missing: tuple[str, ...]
    flags: tuple[str, ...] = ()

    @property
    def shown(self) -> str:
        """The label with the marks of the flags."""
        return f"{self.label} {marks([self.flags])}".rstrip()


@dataclass(frozen=True)
class Ranking:
    """The overall ranking of a suite under one profile; ``suite`` is '' for tasks that the user chose.

    ``no_floor`` has the tasks whose mean pose was not measured, so that no method has a skill there.
    """

    suite: str
    profile: str
    tasks: tuple[str, ...]
    rows: tuple[OverallRow, ...]
    no_floor: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The heading of its table."""
        return f"{f'{self.suite}, ' * bool(self.suite)}all tasks together ({self.profile} profile)"


def ranking(rows: Sequence[Row], tasks: Sequence[str], suite: str, profile: str) -> Ranking:
    """The ranking of the methods that were measured on these tasks; ``rows`` are those of the headline protocols."""
    floors = mean_poses(rows)
    measured = any(row.kind in MEASURED and row.status == "done" for row in rows)
    no_floor = tuple(task for task in tasks if task not in floors) if measured else ()
    return Ranking(suite, profile, tuple(tasks), tuple(overall_rows(rows, tasks)), no_floor)


def _is_floor(row: Row) -> bool:
    """Whether a row is a mean pose that skills can be measured from."""
    found = row.kind in MEASURED and row.status == "done" and row.method == MEAN_POSE
    return found and row.limit is None and not row.outdated


def overall_rows(rows: Sequence[Row], tasks: Sequence[str]) -> list[OverallRow]:
    """The methods that can be ranked, best skill first, methods that lack a task last.

    ``rows`` are those of the headline protocols. Supervised methods and floors take no part. A task without the mean
    pose counts as missing for every method.
    """
    measured = [row for row in rows if row.kind in MEASURED and row.status == "done"]
    floors = mean_poses(measured)
    ranked = [row for row in measured if comparable(row) and not row.is_floor and row.task in floors]
    by_label: dict[str, dict[str, Row]] = {}
    for row in ranked:
        by_label.setdefault(shown(row), {})[row.task] = row
    found = [_overall(label, own, by_label, floors, tasks) for label, own in by_label.items()]
    return sorted(found, key=lambda each: (each.skill is None, -(each.skill or 0.0), each.label))


def _overall(
    label: str,
    own: dict[str, Row],
    by_label: dict[str, dict[str, Row]],
    floors: dict[str, Row],
    tasks: Sequence[str],
) -> OverallRow:
    missing = tuple(task for task in tasks if task not in own)
    whole = not missing
    mean, half = mean_skill(own, floors, tasks) if whole else (None, 0.0)
    return OverallRow(
        label=label,
        method=next(iter(own.values())).method,
        skill=mean,
        half=half,
        wins=fmean(_beaten(label, task, by_label) for task in tasks) if whole else None,
        skills=tuple(skill(known(own[task].value), floors[task]) if task in own else None for task in tasks),
        missing=missing,
        flags=tuple(in_order(name for row in own.values() for name in row.flags)),
    )


def mean_skill(own: Mapping[str, Row], floors: Mapping[str, Row], tasks: Sequence[str]) -> tuple[float, float]:
    """The mean skill over the tasks, all of which a method has, and half the width of its interval over seeds.

    ``own`` has the method's rows by task, ``floors`` those of the mean pose. The half width is 0 with fewer than three
    seeds.
    """
    seeds = set.intersection(*(set(own[task].by_seed) for task in tasks))
    by_seed = [fmean(skill(own[task].by_seed[seed], floors[task]) for task in tasks) for seed in sorted(seeds)]
    return fmean(skill(known(own[task].value), floors[task]) for task in tasks), half_width(by_seed)


def mean_poses(rows: Iterable[Row]) -> dict[str, Row]:
    """The rows of the mean pose that skills can be measured from, by task."""
    return {row.task: row for row in rows if _is_floor(row)}


def skill(value: float, floor: Row) -> float:
    """The skill of a value on the task of ``floor``, the row of the mean pose."""
    start = known(floor.value)
    if floor.higher_is_better:
        return 100 * (value - start) / (BEST - start)
    return 100 * (1 - value / start)


def _beaten(label: str, task: str, by_label: dict[str, dict[str, Row]]) -> float:
    """The share of the others on a task that are worse, in percent; equal ones count half. 100 without others."""
    own = by_label[label][task]
    sign = -1 if own.higher_is_better else 1
    others = [known(rows[task].value) for name, rows in by_label.items() if name != label and task in rows]
    value = known(own.value)
    points = [1.0 if sign * other > sign * value else 0.5 if other == value else 0.0 for other in others]
    return 100 * fmean(points) if points else 100.0
