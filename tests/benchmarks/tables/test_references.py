"""The references of tables: each method and dataset once, none left out without a word."""

import pytest

from benchmarks.tables.command import board_text
from benchmarks.tables.sections import Board
from benchmarks.tasks import SUITES
from leaderboard.load import RESULTS
from leaderboard.published import reported_rows
from tests.leaderboard.exports.test_bibtex import parsed


def bibtex(profile, *suites):
    return board_text(Board(list(suites), [], None, profile, None, "md", bibtex=True), RESULTS)


def test_published_rows_and_real_datasets():
    found = parsed(bibtex("paper", "wild"))
    wanted = {row.method for row in reported_rows(SUITES["wild"].tasks)}
    assert wanted <= found.keys()
    assert {"cub_001", "taichi", "deepfashion"} <= found.keys()
    assert found["taichi"]["author"].startswith("Siarohin and Lathuilière")
    assert found["taichi"]["title"] == "{First Order Motion Model for Image Animation}"
    assert bibtex("paper", "wild") == bibtex("paper", "wild", "wild")


def test_methods_that_run_here():
    text = bibtex("mini", "wild")
    found = parsed(text)
    assert {"hedlin2024", "he2022autolink", "jakab2018", "dift_kmeans", "supervised"} <= found.keys()
    assert text.startswith("% no citation: ") and "Image centre" in text.splitlines()[0]
    assert found["dift_kmeans"]["note"].startswith("Emergent Correspondence from Image Diffusion")
    assert {key for key in found if key.startswith("mini_")}


@pytest.mark.usefixtures("own_cache")
@pytest.mark.parametrize("other", ["--audit", "--format=csv", "--against=imm", "--compare"])
def test_bibtex_stands_alone(command, other):
    more = ["imm", "autolink"] if other == "--compare" else []
    status, _, error = command("leaderboard", "--runs", str(RESULTS), "--bibtex", other, *more)
    assert status == 2 and "--bibtex and --" in error
