"""The leaderboard command over a run directory."""

from __future__ import annotations

import json
from typing import Any

import pytest

from benchmarks.boards import Board, audit_text, board_text
from benchmarks.errors import UserError
from tests.leaderboard.synthetic import record, score_of


def board(**changes) -> Board:
    fields: dict[str, Any] = {
        "suites": [],
        "tasks": [],
        "protocol": None,
        "profile": "mini",
        "data_root": None,
        "format": "md",
    }
    return Board(**(fields | changes))


@pytest.fixture
def runs(tmp_path):
    both = record("alpha", "cub_001", 7.0)
    both = both.model_copy(update={"scores": (*both.scores, score_of(3.0, protocol="strict/side_micro"))})
    own = record("alpha", "coco_birds_0a1b2c_k4", 5.0, profile="paper")
    for each in (both, own):
        folder = tmp_path / "cells" / each.cell_id
        folder.mkdir(parents=True)
        (folder / "result.json").write_text(each.model_dump_json())
    return tmp_path


def test_a_suite_shows_headlines_a_family_its_own_and_all_a_table_for_each_task(runs):
    assert "7.00" in board_text(board(suites=["wild"]), runs)
    strict = board_text(board(suites=["wild"], protocol="strict"), runs)
    assert "3.00" in strict and "7.00" not in strict
    both = board_text(board(suites=["wild"], protocol="all"), runs)
    assert "### cub_001, wild (mini profile)" in both
    assert "cub_001 sk/side" in both and "cub_001 strict/side_micro" in both
    assert "Not scored under scops: cub_001." in board_text(board(suites=["wild"], protocol="scops"), runs)


def test_own_data_comes_last_in_whatever_profile_it_was_run(runs):
    text = board_text(board(), runs)
    assert text.index("### wild (mini profile)") < text.index("### own data (paper profile)")
    assert "coco_birds_0a1b2c_k4" in text
    alone = board_text(board(tasks=["coco_birds_0a1b2c_k4"], profile="mini"), runs)
    assert "Nothing measured yet" in alone


def test_a_row_is_once_in_json_though_its_task_is_in_two_sections(runs):
    rows = json.loads(board_text(board(suites=["wild"], tasks=["cub_001"], format="json"), runs))
    assert [row["task"] for row in rows] == ["cub_001"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"suites": ["wlid"]}, "did you mean 'wild'"),
        ({"tasks": ["cub_01"]}, "did you mean 'cub_001'"),
        ({"protocol": "strct"}, "did you mean 'strict'"),
    ],
)
def test_an_unknown_name_is_refused_in_tables_and_audit(runs, changes, message):
    with pytest.raises(UserError, match=message):
        board_text(board(**changes), runs)
    with pytest.raises(UserError, match=message):
        audit_text(board(**changes))


def test_the_audit_takes_tasks_suites_and_protocols():
    rows = json.loads(audit_text(board(suites=["aligned"], protocol="siarohin", tasks=["taichi"], format="json")))
    assert {(row["task"], row["protocol"].split("/")[0]) for row in rows} == {("taichi", "siarohin")}
    assert len(json.loads(audit_text(board(format="json")))) == 145
