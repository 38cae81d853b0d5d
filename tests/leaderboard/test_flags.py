"""Flags of rows: marks behind labels, a legend, and a field of csv and json."""

from __future__ import annotations

import csv
import io
import json

import pytest
from rich.console import Console

from leaderboard.flags import FLAGS, in_order, with_commits
from leaderboard.overall import ranking
from leaderboard.overall_tables import render as render_overall
from leaderboard.tables import render, rows
from leaderboard.terminal import print_measured
from tests.leaderboard.synthetic import record

CLEAN, OTHER = "1a2b3c4d5e", "5d6e7f8a9b"


def made(sha=CLEAN, dirty=False, **changes):
    return {"provenance": {"git_sha": sha, "git_dirty": dirty, **changes}}


CASES = [
    (made(dirty=True), {}, "uncommitted", "ᵘ"),
    (made(fit_resumed=True), {}, "resumed", "ʳ"),
    (made(absent_keypoints={"test": [3, 40]}), {}, "absent_keypoints", "ᵃ"),
    (made(), {"n_images_limit": 5}, "limited", "(limit 5)"),
    (made(), {"score": {"protocol_version": 0}}, "old_protocol", "§"),
    (made(OTHER), {}, "several_commits", "ᶜ"),
]


def table(provenance, changes):
    others = [record(name, "cub_001", 7.0, **made()) for name in ("alpha", "beta")]
    return rows([*others, record("gamma", "cub_001", 8.0, **provenance, **changes)], ["cub_001"], "mini")


def shown(found):
    console = Console(width=120, highlight=False, record=True, file=io.StringIO())
    print_measured(console, found, "mini")
    return console.export_text()


@pytest.mark.parametrize(("provenance", "changes", "name", "mark"), CASES, ids=[case[2] for case in CASES])
def test_a_flag_marks_its_row_alone_in_every_format(provenance, changes, name, mark):
    found = table(provenance, changes)
    lines = list(csv.DictReader(io.StringIO(render(found, "csv"))))
    assert [line["flags"] for line in lines] == ["", "", name]
    assert [each["flags"] for each in json.loads(render(found, "json"))] == [[], [], [name]]
    text = render(found)
    marked = [line for line in text.splitlines() if line.startswith("|") and mark in line]
    assert len(marked) == 1 and marked[0].startswith("| Gamma")
    assert mark in " ".join(shown(found).split())
    if FLAGS[name].mark:
        assert f"{mark} {FLAGS[name].text}" in text
        assert FLAGS[name].text in " ".join(shown(found).split())
        assert "mathrm" in render(found, "latex")


def test_clean_rows_of_one_commit_have_no_marks():
    found = table(made(), {})
    assert all(row.flags == [] for row in found)
    assert not any(flag.mark in render(found) for flag in FLAGS.values() if flag.mark)


def test_a_line_has_the_flags_of_all_its_tasks():
    found = rows(
        [record("alpha", "cub_001", 7.0, **made(dirty=True)), record("alpha", "taichi", 7.0, **made(fit_resumed=True))],
        ["cub_001", "taichi"],
        "mini",
    )
    assert "| Alpha ᵘʳ " in render(found)
    assert [row.flags for row in found] == [["uncommitted"], ["resumed"]]


def test_one_seed_is_enough_for_a_flag():
    seeds = [record("alpha", "cub_001", 7.0, 0, **made()), record("alpha", "cub_001", 7.0, 1, **made(dirty=True))]
    assert rows(seeds, ["cub_001"], "mini")[0].flags == ["uncommitted"]


def test_results_of_most_commits_carry_no_mark_and_unknown_commits_do_not_count():
    found = rows(
        [
            record("alpha", "cub_001", 7.0, **made()),
            record("beta", "cub_001", 7.0, **made(CLEAN, dirty=True)),
            record("gamma", "cub_001", 7.0, **made(OTHER)),
            record("delta", "cub_001", 7.0),
        ],
        ["cub_001"],
        "mini",
    )
    flags = {row.method: row.flags for row in found}
    assert flags == {"alpha": [], "beta": ["uncommitted"], "gamma": ["several_commits"], "delta": []}
    assert with_commits([]) == []


def test_failed_rows_have_the_flags_of_their_records():
    found = rows([record("alpha", "cub_001", None, **made(dirty=True))], ["cub_001"], "mini")
    assert (found[0].status, found[0].flags) == ("failed", ["uncommitted"])


def test_the_overall_ranking_has_the_marks_too():
    found = table(made(fit_resumed=True), {}) + rows([record("grid", "cub_001", 9.0)], ["cub_001"], "mini")
    text = render_overall([ranking(found, ["cub_001"], "wild", "mini")])
    assert "| Gamma ʳ " in text and FLAGS["resumed"].text in text


def test_flags_have_one_order_and_each_its_own_mark():
    assert in_order(["limited", "uncommitted", "limited"]) == ["uncommitted", "limited"]
    marks = [flag.mark for flag in FLAGS.values() if flag.mark]
    assert len(set(marks)) == len(marks)
