"""Reported, scored and trained rows are told apart, and supervised ones never compared with the others."""

from __future__ import annotations

import csv
import io
import json

import pytest

from leaderboard.audit import audit
from leaderboard.tables import render, rows
from tests.leaderboard.synthetic import record

TASKS = ("cub_001", "cub_002")
SCORED = {"kind": "scored"}
RECORDS = [
    record("grid", "cub_001", 9.0),
    record("alpha", "cub_001", 7.0),
    record("alpha", "cub_002", 4.0),
    record("alpha", "cub_001", 6.0, method_label="Alpha", provenance=SCORED),
    record("theirs", "cub_001", 8.0, provenance=SCORED),
    record("ceiling", "cub_001", 1.0, supervision="supervised"),
    record("ceiling", "cub_002", 0.5, supervision="supervised"),
    record("bound", "cub_001", 2.0, supervision="supervised", provenance=SCORED),
]


def lines(text: str) -> list[list[str]]:
    """The cells of the first table, without heading."""
    table = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[2:]]


@pytest.mark.parametrize(
    ("words", "stated", "expected"),
    [
        ("unsupervised, on features of a supervised network", False, False),
        ("few-shot (10 labels)", True, True),
        ("not supervised", False, False),
        ("unsupervised", True, True),
        ("supervised", False, False),
    ],
)
def test_the_field_decides_whatever_the_words(words, stated, expected):
    (row,) = rows([record("alpha", "cub_001", 7.0, supervision=words, saw_landmarks=stated)], TASKS, "mini")
    assert (row.supervision, row.supervised) == (words, expected)


@pytest.mark.parametrize(
    ("words", "expected"),
    [("supervised", True), ("unsupervised", False), ("none", False), ("not supervised", False), ("silhouettes", False)],
)
def test_a_record_without_the_field_is_supervised_for_the_exact_word_alone(words, expected):
    (row,) = rows([record("alpha", "cub_001", 7.0, supervision=words)], TASKS, "mini")
    assert row.supervised == expected


def test_rows_carry_their_kind_and_supervision_in_every_plain_format():
    found = rows(RECORDS, TASKS, "mini")
    kinds = {(row.method, row.label, row.kind, row.supervised) for row in found}
    assert kinds == {
        ("grid", "Grid", "trained", False),
        ("alpha", "Alpha", "trained", False),
        ("alpha", "Alpha", "scored", False),
        ("theirs", "Theirs", "scored", False),
        ("ceiling", "Ceiling", "trained", True),
        ("bound", "Bound", "scored", True),
    }
    assert {(line["kind"], line["supervised"]) for line in json.loads(render(found, "json"))} == {
        (row.kind, row.supervised) for row in found
    }
    read = csv.DictReader(io.StringIO(render(found, "csv")))
    assert {(line["label"], line["supervised"]) for line in read} >= {("Ceiling", "True"), ("Alpha", "False")}


def test_a_table_marks_them_and_explains_the_marks():
    text = render(rows(RECORDS, TASKS, "mini"))
    assert [line[0] for line in lines(text)] == [
        "Alpha",
        "Alpha ◊",
        "Theirs ◊",
        "*supervised*",
        "Bound ◊¶",
        "Ceiling ¶",
        "*floors*",
        "Grid",
    ]
    assert "◊ scored: keypoints from elsewhere, measured here" in text
    assert "¶ supervised: saw landmarks in training" in text
    plain = render(rows(RECORDS[:3], TASKS, "mini"))
    assert "◊" not in plain and "¶" not in plain and "*supervised*" not in plain


def test_a_trained_and_a_scored_row_of_one_name_keep_their_own_values():
    table = {line[0]: line[1:] for line in lines(render(rows(RECORDS, TASKS, "mini")))}
    assert table["Alpha"][:2] == ["7.00 ±0.50", "**4.00** ±0.50"]
    assert table["Alpha ◊"][:2] == ["**6.00** ±0.50", "–"]


def test_a_supervised_row_is_never_best_and_takes_no_place():
    table = {line[0]: line[1:] for line in lines(render(rows(RECORDS, TASKS, "mini")))}
    assert table["Ceiling ¶"][:2] == ["1.00 ±0.50", "0.50 ±0.50"]
    # Alone with the methods it beats, it changes nothing of their order.
    others = [each for each in RECORDS if each.supervision != "supervised"]
    order = [line[0] for line in lines(render(rows(RECORDS, TASKS, "mini"))) if "¶" not in line[0]]
    assert [name for name in order if name != "*supervised*"] == [
        line[0] for line in lines(render(rows(others, TASKS, "mini")))
    ]
    alone = render(rows([RECORDS[5]], TASKS, "mini"))
    assert "**" not in alone.split("\n\n")[0]


def test_a_supervised_value_that_prints_like_the_best_is_not_bold():
    same = [record("alpha", "cub_001", 7.0), record("ceiling", "cub_001", 7.0, supervision="supervised")]
    table = {line[0]: line[1] for line in lines(render(rows(same, TASKS, "mini")))}
    assert (table["Alpha"], table["Ceiling ¶"]) == ("**7.00** ±0.50", "7.00 ±0.50")


def test_supervised_rows_of_papers_are_marked_in_the_table_and_in_the_audit():
    text = render(rows([], ["human36m"], "paper"))
    assert [line[0] for line in lines(text) if "¶" in line[0]] == ["Newell (2016) ¶"]
    assert "¶ supervised" in text
    found = rows([], ["human36m"], "paper")
    assert {row.label for row in found if row.supervised} == {"Newell (2016)"}
    assert {row.kind for row in found} == {"reported"}
    listed = audit(["human36m"])
    assert "| Newell (2016) ¶" in listed and "¶ supervised" in listed
    assert "¶" not in audit(["taichi"])


def test_two_methods_of_one_name_and_kind_are_told_apart():
    twice = [record(name, "cub_001", 7.0, method_label="Mine", provenance=SCORED) for name in ("mine", "imports_mine")]
    labels = {line[0] for line in lines(render(rows(twice, TASKS, "mini")))}
    assert labels == {"Mine [method=mine] ◊", "Mine [method=imports_mine] ◊"}
