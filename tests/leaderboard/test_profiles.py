"""Reported rows of the paper profile, empty tables, and tables of two profiles."""

import re
from typing import get_args

import pytest

from leaderboard.errors import LeaderboardError
from leaderboard.tables import Format, render, rows
from tests.leaderboard.synthetic import record

TASKS = ("cub_001", "cub_002", "deepfashion")
PCK = {"protocol": "sk/pck6", "unit": "PCK@6px %", "higher_is_better": True}
RECORDS = [
    record("grid", "cub_001", 9.0, score={"rank_deficient": True}),
    record("grid", "cub_002", 5.0),
    record("alpha", "cub_001", 7.0),
    record("alpha", "cub_002", 6.0),
    record("alpha", "deepfashion", 51.0, score=PCK),
    record("beta", "cub_001", 8.0),
    record("beta", "cub_002", None),
    record("beta", "deepfashion", 61.0, score=PCK),
    record("gamma", "cub_001", 1.0, n_images_limit=20),
]


def test_reported_rows_stand_apart_and_only_in_the_paper_profile():
    paper = [each.model_copy(update={"profile": "paper"}) for each in RECORDS]
    text = render(rows(paper, TASKS, "paper"), title="wild")
    assert text.startswith("### wild\n")
    measured, reported = text.split("**Reported by the papers**")
    assert "AutoLink" not in measured
    assert "Alpha" not in reported
    assert "**" not in reported.split("\n\n")[1]
    assert "10.5 % side (" in reported  # the column has several units
    assert "AutoLink" not in render(rows(RECORDS, TASKS, "mini"))
    assert {row.kind for row in rows(RECORDS, TASKS, "mini")} == {"trained"}


def test_every_metric_of_a_reported_task_has_its_column():
    text = render(rows([], ["taichi"], "paper", "all"))
    (header, *lines) = [line for line in text.splitlines() if line.startswith("|")]
    assert "| taichi ↓ |" in re.sub(" +", " ", header)
    assert "taichi (px@128)" in header
    (own,) = [line for line in lines if line.startswith("| Stable Keypoints")]
    assert "234.89 px@256 summed" in own and "7.02" in own


def test_nothing_measured_is_said():
    assert "Nothing measured yet." in render([])
    assert "Nothing measured yet." in render(rows([], TASKS, "paper"))


def test_two_profiles_in_one_table_are_refused():
    mixed = rows(RECORDS, TASKS, "mini") + rows([], TASKS, "paper")
    for format in get_args(Format):
        with pytest.raises(LeaderboardError, match="profiles mini and paper in one table"):
            render(mixed, format)
    with pytest.raises(LeaderboardError, match="unknown format 'xml'"):
        render([], "xml")  # type: ignore[arg-type]
