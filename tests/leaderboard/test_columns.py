"""Columns that readers choose, in every format, and what rows cost."""

from __future__ import annotations

import csv
import io
import json

import pytest
from rich.console import Console

from leaderboard.aggregate import measured_rows
from leaderboard.columns import EXTRAS
from leaderboard.errors import LeaderboardError
from leaderboard.misalignment import misalignment_rows
from leaderboard.tables import available, render, rows
from leaderboard.terminal import print_measured
from tests.leaderboard.synthetic import record

TASKS = ("cub_001", "taichi")


def made(**provenance):
    return {"provenance": {"device": "cpu", "cpu": "A1", **provenance}}


RECORDS = [
    record("alpha", "cub_001", 7.0, 0, **made(images_predicted=50, parameters={"own": 1000, "frozen": 2000000})),
    record("alpha", "cub_001", 8.0, 1, seconds={"fit": 5.0, "predict": 2.0, "score": 0.5}, **made(images_predicted=50)),
    record("alpha", "taichi", 9.0, **made(gpu="B2", device="cuda:0"), peak_memory_mb=1500.0),
    record("beta", "cub_001", 6.0, saw_landmarks=True, supervision="supervised"),
    record("gamma", "cub_001", 5.0, **made(kind="scored", fit_resumed=False)),
]
FOUND = rows(RECORDS, TASKS, "mini")


def cells(text, method):
    line = next(line for line in text.splitlines() if line.startswith(f"| {method}"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def headings(text):
    return [cell.strip() for cell in text.splitlines()[0].strip("|").split("|")]


def test_columns_stand_in_the_order_of_their_names():
    text = render(FOUND, columns=["seeds", "taichi", "fit_seconds", "cub_001"])
    assert headings(text) == ["method", "seeds", "taichi (% side) ↓", "seconds a fit", "cub_001 (% side) ↓"]
    assert cells(text, "Alpha")[1] == "1 to 2"
    assert cells(text, "Beta")[2:4] == ["–", "3.0"]


def test_a_table_without_names_is_as_ever_and_all_adds_every_extra_column():
    plain, whole = headings(render(FOUND)), headings(render(FOUND, columns=["all"]))
    assert plain == ["method", "cub_001 (% side) ↓", "taichi (% side) ↓", "seeds", "seconds a task"]
    assert whole == [*plain, *(extra.heading for extra in EXTRAS.values())]


def test_costs_are_means_over_seeds_then_tasks():
    text = render(FOUND, columns=["fit_seconds", "image_ms", "peak_memory_mb", "parameters", "frozen_parameters"])
    # fit: (3 + 5) / 2 on cub_001 and 3 on taichi; predict: 20 and 40 ms, and 1 s for the 30 + 28 scored images
    assert cells(text, "Alpha")[1:] == ["3.5", f"{(30 + 1000 / 58) / 2:.1f}", "1,500", "1,000", "2,000,000"]
    assert cells(text, "Beta")[1:] == ["3.0", "17.2", "–", "–", "–"]


def test_keypoints_from_elsewhere_cost_nothing_here():
    (row,) = [row for row in FOUND if row.method == "gamma"]
    assert (row.fit_seconds, row.image_ms, row.hardware, row.peak_memory_mb) == (None,) * 4


def test_a_fit_that_was_resumed_has_no_time_of_its_own():
    resumed = record("alpha", "cub_001", 7.0, 0, seconds={"fit": 1.0, "predict": 1.0}, **made(fit_resumed=True))
    whole = record("alpha", "cub_001", 7.0, 1, seconds={"fit": 9.0, "predict": 1.0}, **made(fit_resumed=False))
    assert measured_rows([resumed, whole], TASKS, "mini")[0].fit_seconds == 9.0
    assert measured_rows([resumed], TASKS, "mini")[0].fit_seconds is None


def test_hardware_names_every_kind():
    assert cells(render(FOUND, columns=["hardware"]), "Alpha")[1] == "cpu A1, gpu B2"
    assert cells(render(FOUND, columns=["hardware"]), "Beta")[1] == "–"


def test_labels_are_those_used_in_training():
    text = render(FOUND, columns=["labels"])
    assert [cells(text, name)[1] for name in ("Alpha", "Beta")] == ["none", "landmarks"]
    masks = rows([record("delta", "taichi", 3.0, supervision="foreground masks")], TASKS, "mini")
    assert masks[0].labels == "foreground masks"


@pytest.mark.parametrize("format", ["md", "latex", "csv", "json"])
def test_an_unknown_column_is_named_with_all_that_there_are(format):
    names = available(FOUND, format)
    with pytest.raises(LeaderboardError, match="no column 'colour'") as caught:
        render(FOUND, format, columns=["hardware", "colour"])
    assert all(name in str(caught.value) for name in [*names, "all"])
    assert "hardware" in names


def test_every_column_that_is_offered_can_be_chosen():
    for name in available(FOUND, "md"):
        assert len(headings(render(FOUND, columns=[name]))) == 2
    for name in available(FOUND, "csv"):
        assert name in render(FOUND, "csv", columns=[name]).splitlines()[0].split(",")


def test_csv_and_json_have_the_fields_that_tell_rows_apart_and_the_named_ones():
    lines = list(csv.DictReader(io.StringIO(render(FOUND, "csv", columns=["hardware", "value"]))))
    assert list(lines[0]) == ["label", "task", "protocol", "hardware", "value"]
    plain = json.loads(render(FOUND, "json", columns=["hardware", "value"]))
    assert [float(line["value"]) for line in lines] == [each["value"] for each in plain]
    assert [line["hardware"] for line in lines] == [each["hardware"] or "" for each in plain]


def test_latex_and_markdown_have_the_same_columns():
    chosen = ["parameters", "cub_001", "hardware"]
    header = render(FOUND, "latex", columns=chosen).split("\\toprule\n")[1].splitlines()[0]
    assert [each.strip() for each in header.removesuffix("\\\\").split("&")] == [
        "method", "parameters learned", "cub\\_001 (\\% side) $\\downarrow$", "hardware"
    ]  # fmt: skip


def test_a_terminal_has_the_chosen_lines():
    console = Console(width=100, highlight=False, record=True, file=io.StringIO())
    print_measured(console, FOUND, "mini", ["hardware", "taichi"])
    text = console.export_text()
    assert "cpu A1, gpu B2" in text and "taichi" in text
    assert "cub_001" not in text and "seeds  " not in text
    with pytest.raises(LeaderboardError, match="no column 'colour'"):
        print_measured(console, FOUND, "mini", ["colour"])


def test_pairs_of_tasks_have_their_columns_chosen_too():
    tasks = ("cub_aligned", "cub_all")
    pairs = misalignment_rows([record("alpha", task, 7.0) for task in tasks], tasks, "mini")
    assert headings(render(pairs, columns=["loss", "cub_all"])) == ["method", "loss", "cub_all"]
    assert render(pairs, "csv", columns=["loss"]).splitlines()[0] == "label,aligned_task,wild_task,protocol,loss"
    with pytest.raises(LeaderboardError, match="no column 'hardware'"):
        render(pairs, columns=["hardware"])


def test_a_chosen_column_that_is_empty_makes_no_group_of_a_line():
    full = record("alpha", "cub_all", 7.0)
    text = render(
        rows([full, record("beta", "cub_all", 6.0, saw_landmarks=True)], ["cub_all"], "mini"), columns=["flags"]
    )
    assert cells(text, "Alpha") == ["Alpha", "–"]
    assert "*supervised*" in text and "*Alpha*" not in text
