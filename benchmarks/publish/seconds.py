"""The plot of skill against the seconds of a fit, for all tasks of a suite together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from markupsafe import Markup

from benchmarks.publish.charts.scatter import Dot, scatter
from leaderboard.overall import mean_poses, mean_skill
from leaderboard.row_kinds import MEASURED, shown
from leaderboard.rows import Row, known

SHORTEST = 0.1  # seconds; what fits faster than that learns nothing, and its time is that of opening files
READING = (
    "A dot is a method, with its skill (as in the table above) and the seconds of one fit, both as means over the "
    "tasks. Upright lines are 95 % intervals of the skill over seeds. The dashed line joins the methods without labels "
    "that no other beats in both skill and seconds; where intervals overlap, it may be chance which ones it joins. "
    "Finding keypoints in new images takes further time: see 'ms an image' on the page of each method."
)
HOLLOW = "Hollow dots are floors (baselines), which the line includes, and supervised methods (¶), which it leaves out."


@dataclass(frozen=True)
class SecondsPlot:
    """The plot, and what to know about it."""

    picture: Markup
    notes: tuple[str, ...]


def seconds_plot(rows: Sequence[Row], tasks: Sequence[str], title: str) -> SecondsPlot | None:
    """The plot of the methods that were measured on all tasks; None with fewer than two of them.

    ``rows`` are those of the headline protocols.
    """
    floors = mean_poses(rows)
    by_label: dict[str, dict[str, Row]] = {}
    for row in rows:
        if row.kind in MEASURED and row.status == "done" and row.limit is None and not row.outdated:
            by_label.setdefault(shown(row), {})[row.task] = row
    whole = {label: own for label, own in by_label.items() if all(task in own and task in floors for task in tasks)}
    seconds = {label: [own[task].fit_seconds for task in tasks] for label, own in whole.items()}
    timed = {label: fmean(map(known, each)) for label, each in seconds.items() if None not in each}
    drawn = sorted(label for label in timed if timed[label] >= SHORTEST)  # so that each has one colour on most pages
    if len(drawn) < 2:
        return None
    dots = []
    for label in drawn:
        first = next(iter(whole[label].values()))
        skill, half = mean_skill(whole[label], floors, tasks)
        plain = not (first.supervised or first.is_floor)
        dots.append(Dot(label, timed[label], skill, half, filled=plain, ranked=not first.supervised))
    named = {
        f"Not drawn, because their fits take less than {SHORTEST} s": [label for label in timed if label not in drawn],
        "Not drawn, because no seconds of a whole fit are known": [label for label in whole if label not in timed],
        "Not drawn, because a task is missing": [label for label in by_label if label not in whole],
    }
    left_out = [f"{why}: {', '.join(labels)}." for why, labels in named.items() if labels]
    notes = (READING, *[HOLLOW] * any(not dot.filled for dot in dots), _hardware(whole, drawn), *left_out)
    return SecondsPlot(scatter(title, "seconds a fit (logarithmic)", "skill (%)", dots), notes)


def _hardware(whole: Mapping[str, Mapping[str, Row]], labels: Sequence[str]) -> str:
    """What the seconds were measured on, and by which methods where that differs."""
    on: dict[str, list[str]] = {}
    for label in labels:
        for row in whole[label].values():
            own = on.setdefault(_machine(row), [])
            own += [label] * (label not in own)
    if len(on) == 1:
        return f"All seconds were measured on {next(iter(on))}."
    told = "; ".join(f"{machine}: {', '.join(own)}" for machine, own in on.items())
    return f"The seconds were measured on different hardware, and differ for that reason too. {told}."


def _machine(row: Row) -> str:
    """The hardware of a row with its threads."""
    numbers = dict.fromkeys(record.provenance.get("threads") for record in row.cells)
    threads = " or ".join(f"{number} thread{'s' * (number != 1)}" for number in numbers if isinstance(number, int))
    return f"{row.hardware or 'hardware that was not recorded'}{f' ({threads})' if threads else ''}"
