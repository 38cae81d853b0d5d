"""The ranking over the tasks of a suite."""

from __future__ import annotations

import csv
import io
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from leaderboard.errors import LeaderboardError
from leaderboard.overall import overall_rows, ranking
from leaderboard.overall_tables import print_ranking, render
from leaderboard.rows import Row, known

TASKS = ("a", "b")


def row(method, task, value, seeds=None, higher=False, **changes):
    fields = {
        "label": method, "profile": "mini", "kind": "trained", "status": "done", "supervision": "unsupervised",
        "supervised": False, "is_floor": method == "grid", "protocol": f"sk/{task}", "unit": "%",
        "by_seed": dict(enumerate(seeds or [value])),
    }  # fmt: skip
    return Row(method=method, task=task, value=value, higher_is_better=higher, **{**fields, **changes})


def test_skill_is_the_share_of_the_mean_poses_error_that_is_removed():
    lower = [row("grid", "a", 20.0), row("good", "a", 5.0), row("poor", "a", 30.0)]
    higher = [
        row(method, "b", value, higher=True) for method, value in (("grid", 10.0), ("good", 55.0), ("poor", 10.0))
    ]
    rows = lower + higher
    good, poor = overall_rows(rows, TASKS)
    assert (good.label, good.skills, good.skill, good.wins) == ("good", (75.0, 50.0), 62.5, 100.0)
    assert (poor.label, poor.skills, poor.skill, poor.wins) == ("poor", (-50.0, 0.0), -25.0, 0.0)


def test_a_method_that_lacks_a_task_is_not_ranked_and_the_task_is_named():
    rows = [row("grid", "a", 20.0), row("grid", "b", 20.0), row("whole", "a", 19.0), row("whole", "b", 19.0),
            row("part", "a", 1.0)]  # fmt: skip
    whole, part = overall_rows(rows, TASKS)
    assert (part.label, part.skill, part.wins, part.missing) == ("part", None, None, ("b",))
    assert whole.skill == pytest.approx(5.0)
    assert "missing" in render([ranking(rows, TASKS, "wild", "mini")]).splitlines()[5]


def test_supervised_limited_and_outdated_rows_take_no_part():
    floors = [row("grid", "a", 20.0)]
    apart = [row("s", "a", 1.0, supervised=True), row("l", "a", 1.0, limit=3), row("o", "a", 1.0, outdated=True),
             row("f", "a", 1.0, status="failed")]  # fmt: skip
    assert overall_rows(floors + apart, ("a",)) == []


def test_the_interval_is_students_over_the_seeds_mean_skills():
    rows = [
        row("grid", "a", 10.0),
        row("grid", "b", 10.0),
        row("m", "a", 5.0, [4, 5, 6]),
        row("m", "b", 5.0, [5, 5, 5]),
    ]
    (found,) = overall_rows(rows, TASKS)
    means = [55.0, 50.0, 45.0]  # of the skills 60, 50, 40 and 50, 50, 50
    assert found.skill == 50.0
    assert found.half == pytest.approx(4.302652729911275 * 5.0 / math.sqrt(3)), means


@given(st.lists(st.lists(st.integers(1, 40), min_size=2, max_size=2), min_size=1, max_size=6))
def test_wins_are_a_half_on_average_and_scale_changes_nothing(values):
    rows = [row("grid", task, 20.0) for task in TASKS]
    rows += [row(f"m{n}", task, float(v)) for n, pair in enumerate(values) for task, v in zip(TASKS, pair, strict=True)]
    found = overall_rows(rows, TASKS)
    if len(found) > 1:
        assert sum(known(each.wins) for each in found) / len(found) == pytest.approx(50.0)
    scaled = [row(each.method, each.task, each.value * 3.0) for each in rows]
    assert [(each.label, each.wins) for each in overall_rows(scaled, TASKS)] == [(e.label, e.wins) for e in found]
    assert [each.skill for each in overall_rows(scaled, TASKS)] == pytest.approx([each.skill for each in found])


def whole():
    rows = [row(method, task, value) for task in TASKS for method, value in (("grid", 20.0), ("x", 5.0), ("y", 10.0))]
    return ranking(rows, TASKS, "wild", "mini")


def test_all_formats_have_the_same_numbers():
    found = [whole()]
    markdown = [line.strip("|").split("|") for line in render(found).splitlines() if line.startswith("| x")]
    assert [cell.strip() for cell in markdown[0]] == ["x", "75.0", "100", "75.0", "75.0"]
    lines = list(csv.DictReader(io.StringIO(render(found, "csv"))))
    plain = json.loads(render(found, "json"))
    assert [(each["label"], each["skill"], each["wins"], each["a"]) for each in plain] == [
        ("x", 75.0, 100.0, 75.0), ("y", 50.0, 0.0, 50.0)
    ]  # fmt: skip
    assert [float(line["skill"]) for line in lines] == [75.0, 50.0]
    assert "x & 75.0 & 100 & 75.0 & 75.0" in render(found, "latex")
    console = Console(width=80, record=True, file=io.StringIO())
    print_ranking(console, found[0])
    assert ["x", "75.0", "100", "75.0", "75.0"] in [line.split() for line in console.export_text().splitlines()]


def test_columns_of_a_ranking_are_chosen_by_name():
    assert render([whole()], columns=["wins", "b"]).splitlines()[2].split() == ["|", "method", "|", "wins", "(%)", "↑",
                                                                                "|", "b", "|"]  # fmt: skip
    assert render([whole()], "csv", columns=["wins"]).splitlines()[0] == "label,wins"
    with pytest.raises(LeaderboardError, match="no column 'hardware'; it has skill, wins, a, b, all"):
        render([whole()], columns=["hardware"])


def test_a_task_without_the_mean_pose_is_named():
    found = ranking([row("x", "a", 1.0), row("grid", "b", 1.0), row("x", "b", 1.0)], TASKS, "wild", "mini")
    assert found.no_floor == ("a",)
    assert "The mean pose (method grid) is missing on a." in render([found])


def test_a_ranking_of_nothing_says_so():
    empty = ranking([], TASKS, "wild", "mini")
    assert "No method can be ranked yet." in render([empty])
    assert render([empty], "latex").startswith("%")
    assert json.loads(render([empty], "json")) == []
