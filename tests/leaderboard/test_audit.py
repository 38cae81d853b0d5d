"""The audit of published rows."""

import csv
import io
import json

import pytest

from leaderboard.audit import FIELDS, audit
from leaderboard.errors import LeaderboardError
from leaderboard.published import published_facts


def test_every_row_is_in_every_format():
    count = len(published_facts())
    assert count == 145
    assert len(json.loads(audit(format="json"))) == count
    assert len(list(csv.DictReader(io.StringIO(audit(format="csv"))))) == count
    lines = [line for line in audit().splitlines() if line.startswith("|")]
    tables = audit().count("####")
    assert len(lines) == count + 2 * tables


def test_what_differs_stands_below_the_rows_it_is_true_of():
    text = audit(["taichi"])
    line = next(line for line in text.splitlines() if line.startswith("| Stable Keypoints") and "234.89" in line)
    number = line.split("|")[-2].strip()
    note = next(line for line in text.splitlines() if line.startswith(f"{number} sum of l2"))
    assert "absolute errors" in note
    assert "sk_released/cumulative" in line


def test_tasks_are_chosen_and_an_unknown_format_is_refused():
    rows = json.loads(audit(["human36m", "deepfashion"], "json"))
    assert {row["task"] for row in rows} == {"human36m", "deepfashion"}
    assert all(tuple(row) == FIELDS for row in rows)
    with pytest.raises(LeaderboardError, match="unknown format 'html'"):
        audit(format="html")
