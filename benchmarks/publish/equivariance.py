"""The plot of skill against the error of equivariance, for all tasks of a suite together."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from benchmarks.publish.charts.scatter import Dot, scatter
from benchmarks.publish.seconds import HOLLOW, SecondsPlot
from leaderboard.overall import mean_poses, mean_skill
from leaderboard.row_kinds import MEASURED, shown
from leaderboard.rows import Row, known

PROTOCOL = "label_free/equivariance"
SMALLEST = 0.01  # percent of the side: the axis is logarithmic
READING = (
    "A dot is a method, with its skill (as in the table above) and the distance by which its keypoints miss where they "
    "should be after the image was turned, scaled and shifted, both as means over the tasks. Upright lines are 95 % "
    "intervals of the skill over seeds. The dashed line joins the methods without labels that no other beats in both. "
    "A method can move its keypoints with the image and still find nothing of use."
)


def equivariance_plot(rows: Sequence[Row], tasks: Sequence[str], title: str) -> SecondsPlot | None:
    """The plot of the methods with a skill and an error of equivariance on all tasks; None with fewer than two.

    ``rows`` are those of the headline protocols and of the protocol of equivariance.
    """
    done = [row for row in rows if row.kind in MEASURED and row.status == "done" and row.limit is None]
    own = [row for row in done if not row.outdated and row.protocol != PROTOCOL]
    moved = {(shown(row), row.task): known(row.value) for row in done if row.protocol == PROTOCOL}
    floors, by_label = mean_poses(own), dict[str, dict[str, Row]]()
    for row in own:
        if row.task in floors and (shown(row), row.task) in moved:
            by_label.setdefault(shown(row), {})[row.task] = row
    whole = {label: found for label, found in sorted(by_label.items()) if all(task in found for task in tasks)}
    if len(whole) < 2:
        return None
    dots = []
    for label, found in whole.items():
        first, (skill, half) = next(iter(found.values())), mean_skill(found, floors, tasks)
        error = max(SMALLEST, fmean(moved[label, task] for task in tasks))
        plain = not (first.supervised or first.is_floor)
        dots.append(Dot(label, error, skill, half, filled=plain, ranked=not first.supervised))
    notes = (READING, *[HOLLOW] * any(not dot.filled for dot in dots))
    return SecondsPlot(scatter(title, "error of equivariance (% of the side, logarithmic)", "skill (%)", dots), notes)
