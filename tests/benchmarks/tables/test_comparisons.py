"""Comparisons image by image, chosen columns and overall rankings of the leaderboard command."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from benchmarks.errors import UserError
from benchmarks.records.image_errors import errors_of
from benchmarks.records.store import ERRORS, write_table
from benchmarks.tables.command import board_text, overall_text, print_board
from leaderboard.errors import LeaderboardError
from tests.benchmarks.tables.boards import OLD, board
from tests.leaderboard.synthetic import record


@pytest.fixture
def measured(tmp_path):
    """A run directory with errors per image: alpha is 0.5 better than beta on every image, gamma has no errors."""
    shared = np.random.default_rng(0).gamma(4, 1, 20)
    for method, apart in {"alpha": 0.0, "beta": 0.5, "gamma": 1.0}.items():
        for task in ("cub_001", "cub_002"):
            noise = np.random.default_rng(len(method)).normal(0, 0.1, 20)
            each = record(method, task, float((shared + noise).mean() + apart))
            folder = tmp_path / "cells" / each.cell_id
            folder.mkdir(parents=True)
            (folder / "result.json").write_text(each.model_dump_json())
            ids = [f"image {index}" for index in range(20)]
            columns = {"protocol": ["sk/side"] * 20, "image_id": ids, "group": ids, "error": shared + noise + apart}
            if method != "gamma":
                write_table(folder / ERRORS, columns | ({"weight": np.ones(20)} if method == "alpha" else {}))
    return tmp_path


def test_methods_of_a_run_are_compared_on_the_same_images(measured, command):
    status, out, _ = command("leaderboard", "--runs", measured, "--profile", "mini", "--compare", "alpha", "beta")
    assert status == 0 and out.startswith("### Alpha against Beta") and len(re.findall(r" Alpha +\|", out)) == 3
    assert out.splitlines()[3].startswith("|:-"), "the column of tasks is text, which stands left"
    more = ("--suite", "wild", "--format", "json")
    found = json.loads(command("leaderboard", "--runs", measured, "--compare", "beta", "alpha", *more)[1])
    assert [each["task"] for each in found] == ["cub_001", "cub_002"]
    assert all(each["better"] == "Alpha" and each["images"] == 20 for each in found)
    assert "on no task" in command("leaderboard", "--runs", measured, "--compare", "gamma", "alpha")[2]
    text = command("leaderboard", "--runs", measured, "--suite", "wild", "--against", "Alpha")[1]
    assert "difference: from Alpha" in text and "+0.4" in text.replace("+0.5", "+0.4")
    assert text == command("leaderboard", "--runs", measured, "--suite", "wild", "--against", "best")[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--compare", "alpha", "delta"), "no row of the name 'delta', expected one of Alpha; Beta; Gamma"),
        (("--against", "delta"), "no row of the name 'delta'"),
        (("--against", "alpha", "--compare", "alpha", "beta"), "--against and --compare together; choose one"),
        (("--against", "alpha", "--audit"), "--against and --audit together; choose one"),
    ],
)
def test_what_cannot_be_compared_is_one_clear_error(measured, command, options, message):
    status, _, err = command("leaderboard", "--runs", measured, "--suite", "wild", *options)
    (line,) = (line for line in err.splitlines() if not line.startswith(OLD))
    assert status == 2 and message in line


@pytest.mark.parametrize("content", [b"", b"PAR1 not really", None])
def test_broken_errors_per_image_leave_the_table_as_it_was(measured, content):
    before = board_text(board(suites=["wild"]), measured)
    for path in (measured / "cells").glob("*/errors.parquet"):
        path.write_bytes(content) if content is not None else path.unlink()
    after = board_text(board(suites=["wild"]), measured)
    lines = [[line for line in text.splitlines() if line.startswith("|")] for text in (before, after)]
    assert lines[0] == lines[1] and "Holm" in before and "Best measured value in bold." in after


def test_pooled_errors_without_weights_are_not_compared(tmp_path):
    names = ["sk/side", "strict/side_micro"]
    columns = {"protocol": names, "image_id": ["a", "a"], "group": ["a", "a"], "error": [1.0, 1.0]}
    path = tmp_path / "cells" / "a" / ERRORS
    path.parent.mkdir(parents=True)
    for weights, there in (({}, {"sk/side"}), ({"weight": [1.0, 5.0]}, set(names))):
        write_table(path, columns | weights)
        errors = errors_of(tmp_path)
        assert errors is not None
        each = record("alpha", "cub_001", 1.0, cell_id="a")
        assert {name for name in names if errors(each, name) is not None} == there


def test_a_column_counts_if_one_of_the_tables_has_it(runs):
    text = board_text(board(columns=["cub_001", "hardware"]), runs)
    assert "### wild (mini profile)" in text and "cub_001 (% side)" in text
    narrow = board_text(board(columns=["cub_001"]), runs)
    assert "### wild (mini profile)" in narrow
    assert "### aligned" not in narrow and "### misalignment" not in narrow, "tables without the column are left out"
    with pytest.raises(LeaderboardError, match="no column 'colour'; it has .*cub_001.*hardware.*all"):
        board_text(board(columns=["cub_001", "colour"]), runs)


@pytest.mark.parametrize("format", ["md", "latex", "csv", "json"])
def test_columns_go_with_every_format(runs, format):
    text = board_text(board(tasks=["cub_001"], format=format, columns=["seeds", "labels"]), runs)
    assert "seeds" in text and "labels" in text
    assert "seconds" not in text and "hardware" not in text


def test_a_terminal_takes_columns_for_every_kind_of_table(runs, capsys):
    print_board(board(suites=["wild"], columns=["labels"]), runs)
    assert "labels in training" in capsys.readouterr().out
    print_board(board(columns=["all"]), runs)
    assert "wild (mini profile)" in capsys.readouterr().out


def test_an_overall_ranking_needs_two_tasks(runs):
    text = overall_text(board(suites=["wild"]), runs)
    assert "### wild, all tasks together (mini profile)" in text
    assert "The mean pose (method grid) is missing on celeba_wild_k4" in text
    assert overall_text(board(tasks=["cub_001", "cub_002"]), runs).startswith("### all tasks together")
    for chosen in ({"suites": ["misalignment"]}, {"suites": ["ablation"]}, {"tasks": ["cub_001"]}):
        with pytest.raises(UserError, match="has no overall ranking, which needs two tasks or more"):
            overall_text(board(**chosen), runs)


def test_an_overall_ranking_of_all_suites_leaves_out_pairs_ablations_and_suites_without_results(runs):
    text = overall_text(board(), runs)
    assert "### wild, all tasks" in text
    assert "### misalignment" not in text and "### ablation" not in text and "### aligned" not in text


@pytest.mark.parametrize(
    "options",
    [("--protocol", "sk"), ("--compare", "a", "b"), ("--against", "grid"), ("--audit",)],
    ids=lambda options: options[0],
)
def test_overall_refuses_options_that_mean_nothing_to_it(command, runs, options):
    status, out, err = command("leaderboard", "--runs", runs, "--overall", *options)
    assert (status, out) == (2, "")
    assert f"--overall and {options[0]} together" in err


def test_empty_columns_and_columns_of_a_comparison_are_refused(command, runs):
    status, _, err = command("leaderboard", "--runs", runs, "--columns", " , ")
    assert status == 2 and "expected names with commas between them" in err
    status, _, err = command("leaderboard", "--runs", runs, "--columns", "seeds", "--compare", "a", "b")
    assert status == 2 and "--columns and --compare together" in err
    status, out, _ = command("leaderboard", "--runs", runs, "--task", "cub_001", "--columns", " seeds , labels ")
    assert status == 0 and "labels in training" in out
