"""The audit of published rows, and whether two of them rank."""

import csv
import io
import json
import re
from itertools import combinations

import pytest

from leaderboard.audit import FIELDS, audit, compare
from leaderboard.comparable import clauses, differences, verdict
from leaderboard.errors import LeaderboardError
from leaderboard.published import published_facts
from metrics.protocols import PROTOCOLS

FACTS = published_facts()


def test_every_row_is_in_every_format():
    count = len(FACTS)
    assert count == 243
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
    for text in (audit, lambda format: compare("316.10", "234.89", format=format)):
        with pytest.raises(LeaderboardError, match="unknown format 'html'"):
            text(format="html")


def test_no_number_of_a_bibliography_and_no_word_of_ours_is_left_unexplained():
    text = audit()
    assert not re.search(r"\[\d+\]", text)
    assert "| later" not in text and "Tourani et al., CVPR 2025" in text
    assert not re.search(r"\| *\|", text)
    assert "thickness tuned (2022)" in text and "Zhang (unknown)" not in text


def test_rows_with_one_letter_rank_and_no_others_do():
    text = audit(["taichi"])
    letters = {}
    for line in text.partition("Cum")[2].partition("####")[0].splitlines():
        if line.startswith("|"):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            letters[cells[4]] = cells[6]
    assert letters["316.10"] == letters["337.50"] == letters["494.48"] != letters["234.89"]
    assert "So 316.10 and 234.89 do not rank." in text and "about level" in text
    (row,) = [row for row in json.loads(audit(["taichi"], "json")) if row["value"] == "234.89"]
    assert row["comparable_with"] == "" and row["regression"] == "without a bias, about the image's centre"
    (row,) = [row for row in json.loads(audit(["taichi"], "json")) if row["value"] == "316.10"]
    assert len(row["comparable_with"].split("; ")) == 7 and "Stable Keypoints" not in row["comparable_with"]


@pytest.mark.parametrize(
    ("pair", "words"),
    [
        (
            ("316.10", "234.89"),
            ["do not rank", "sum of the absolute differences", "with a bias against without", "about level"],
        ),
        (("234.89", "337.50"), ["do not rank", "308 to 322", "Stable Keypoints is still better than AutoLink (2022)"]),
        (("7.02", "9.45"), ["do not rank", "9.20 to 9.62", "about level"]),
        (("4.45", "2.81"), ["do not rank", "px@128 against % side", "would be 3.48"]),
        (("5.24", "5.33"), ["K: 4 against 8", "differ by 1.7 %", "100 images"]),
        (("3.46", "3.60"), ["do not rank", "frame: images reduced to 100 pixels"]),
        (("3.54", "3.19"), ["do not rank", "frame: as the task has it against regressed on 17,100"]),
        (("7.72", "6.11"), ["These two rank"]),
        (("417.17", "437.69"), ["These two rank"]),
        (("31.30", "4.35"), ["cannot be told", "Thewlis (2017) (31.30)"]),
        (("316.10", "417.17"), ["These two rank"]),
        (("18.3", "17.7"), ["do not rank", "test images: cub_001: official test images against cub_002"]),
        (
            ("4.35", "5.66"),
            ["centre against without a bias, about the image's corner", "5,379 images against about 46"],
        ),
    ],
)
def test_two_rows_are_compared_in_words(pair, words):
    text = compare(*pair)
    for word in words:
        assert word in text
    assert compare(*pair[::-1]).count("###") == text.count("###")


def test_methods_are_compared_wherever_both_have_a_row():
    rows = json.loads(compare("autolink", "Stable Keypoints", ["taichi", "celeba_wild_k4"], "json"))
    assert [(row["task"], row["metric"], row["value"], row["other_value"]) for row in rows] == [
        ("celeba_wild_k4", "IOD%", "7.72", "5.24"),
        ("taichi", "Cum", "337.50", "234.89"),
        ("taichi", "Rel", "10.08", "7.02"),
    ]
    assert list(csv.DictReader(io.StringIO(compare("he2022autolink", "hedlin2024", ["deepfashion"], "csv"))))
    assert "GANSeg (2022) 417.17" in compare("gans", "316.10")


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        (("316.10", "316.10"), "name the same published row"),
        (("316.1", "234.89"), "no published row has the value or method '316.1'"),
        (("", "234.89"), "no published row has the value or method ''"),
        (("n", "a"), "pairs of published rows, expected at most 12; choose with --task"),
    ],
)
def test_a_question_without_an_answer_says_what_to_ask(pair, message):
    with pytest.raises(LeaderboardError, match=re.escape(message)):
        compare(*pair)


@pytest.mark.parametrize("metric", sorted({fact["metric"] for fact in FACTS}))
def test_a_verdict_is_the_same_whichever_row_comes_first(metric):
    facts = [fact for fact in FACTS if fact["metric"] == metric]
    for one, other in combinations(facts, 2):
        assert len(differences(one, other)) == len(differences(other, one))
        assert verdict(one, other).split(":")[0] == verdict(other, one).split(":")[0]


def test_rows_of_one_formula_rank_and_rows_of_two_do_not():
    known = [fact for fact in FACTS if fact["protocol"] in PROTOCOLS and fact["K"]]
    for one, other in combinations(known, 2):
        first, second = (PROTOCOLS[fact["protocol"]] for fact in (one, other))
        if (first.error, first.intercept, first.unit) != (second.error, second.intercept, second.unit):
            assert verdict(one, other).startswith("These two do not rank")
        if (one["task"], one["protocol"], one["differs"]) == (other["task"], other["protocol"], other["differs"]):
            assert verdict(one, other).startswith("These two rank")


def test_statements_are_told_apart_outside_brackets():
    fact = {"differs": "two sets (a: 1; b: 2); learned on 5 images, where rivals have 6;  the rest"}
    assert clauses(fact) == ["two sets (a: 1; b: 2)", "learned on 5 images", "the rest"]
