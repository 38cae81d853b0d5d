"""Tables on a terminal: they fit its width and say what the markdown tables say."""

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from leaderboard.load import RESULTS, load_results
from leaderboard.misalignment import misalignment_rows
from leaderboard.published import reported_rows
from leaderboard.tables import render, rows
from leaderboard.terminal import Column, print_columns, print_measured, print_pairs, print_reported
from tests.leaderboard.synthetic import record

WILD = ("celeba_wild_k4", "celeba_wild_k8", "cub_001", "cub_all", "taichi", "human36m_unaligned")


def shown(function, *arguments, width=80, **options):
    text = io.StringIO()
    function(Console(file=text, width=width, **options), *arguments)
    return text.getvalue()


def numbers(text):
    return sorted(re.findall(r"(?<![\w@])\d+\.\d\d(?!\d)", text))


@pytest.mark.parametrize("width", [60, 80, 120, 400])
def test_all_numbers_of_the_committed_results_are_shown_within_the_width(width):
    found = rows(load_results(RESULTS, "wild.mini"), WILD, "mini")
    text = shown(print_measured, found, "mini", width=width)
    assert max(map(len, text.splitlines())) <= width
    seconds = re.compile(r"\| +[\d.]+ \|$", re.M)  # the last column of markdown is not shown
    assert numbers(text) == numbers(seconds.sub("|", render(found)))


@pytest.mark.parametrize("width", [60, 80, 120])
def test_published_rows_and_pairs_fit_too(width):
    reported = reported_rows(WILD)
    text = shown(print_reported, reported, width=width)
    assert max(map(len, text.splitlines())) <= width
    assert {row.printed for row in reported} <= set(re.findall(r"[\d.]*\d", text))
    assert all(f"({number}) " in text for number in range(1, len({row.note for row in reported if row.note}) + 1))
    pairs = misalignment_rows(load_results(), ("cub_aligned", "cub_all"), "mini")
    text = shown(print_pairs, pairs, width=width)
    assert max(map(len, text.splitlines())) <= width
    assert text.count("×") == render(pairs).count("×") > 3


def test_seeds_intervals_and_marks_are_shown_and_explained():
    records = [record("alpha", "cub_001", 7.0 + seed, seed, score={"rank_deficient": True}) for seed in (0, 1)]
    text = shown(print_measured, rows(records, ["cub_001"], "mini"), "mini")
    assert "7.50 ±0.50† (7.00, 8.00)" in text
    (seeds,) = [line for line in text.splitlines() if line.startswith("seeds")]
    assert seeds.split() == ["seeds", "2"]
    assert "(a, b): the values of two seeds" in text and "† the regression" in text
    equal = [record("alpha", "cub_001", 7.0, seed) for seed in (0, 1)]
    assert "7.00 ±0.50 " in shown(print_measured, rows(equal, ["cub_001"], "mini"), "mini").replace("\n", " ")


def test_the_best_is_bold_as_in_markdown():
    records = [record("alpha", "cub_001", 7.0), record("beta", "cub_001", 6.0), record("grid", "cub_001", 9.0)]
    text = shown(
        print_measured, rows(records, ["cub_001"], "mini"), "mini", force_terminal=True, color_system="standard"
    )
    assert re.findall(r"\x1b\[1;32m *([\d.]+)", text) == ["6.00"]


@given(
    labels=st.lists(st.text("abcde _=(", min_size=1, max_size=40).filter(str.strip), min_size=1, max_size=15),
    width=st.integers(60, 200),
)
def test_every_cell_stands_under_its_label_however_narrow_the_terminal(labels, width):
    columns = [Column(label, [f"{index}.00 ±0.10", f"{index}.50"]) for index, label in enumerate(labels)]
    text = shown(print_columns, "task", ["taichi (px@256 summed)", "seeds"], columns, width=width)
    assert max(map(len, text.splitlines())) <= max(width, 60)
    for index in range(len(labels)):
        assert len(re.findall(rf"(?<![\d.]){index}\.00(?!\d)", text)) == 1
        assert len(re.findall(rf"(?<![\d.]){index}\.50(?!\d)", text)) == 1
