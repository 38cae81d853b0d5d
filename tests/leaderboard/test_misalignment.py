"""What methods lose from aligned to wild: computed by hand from made-up errors."""

from __future__ import annotations

import csv
import io
import json
import math

import pytest

from leaderboard import readme
from leaderboard.errors import LeaderboardError
from leaderboard.load import load_results
from leaderboard.misalignment import misalignment_rows
from leaderboard.rows import PAIR_FIELDS, known, plain
from leaderboard.tables import TABLES, render
from tests.leaderboard.synthetic import commit, record, save_results, score_of, suites

TASKS = ("cub_aligned", "cub_all", "human36m", "human36m_unaligned")
H36M = {"protocol": "sk/human36m", "unit": "px@128"}


def runs(method, seed=0, half=0.0, **values):
    """Done cells of the tasks named, each with an interval of this half width over its images."""
    return [
        record(method, task, value, seed, score={"half": half, **(H36M if task.startswith("human") else {})})
        for task, value in values.items()
    ]


GRID = runs("grid", cub_aligned=10.0, cub_all=40.0, human36m=20.0, human36m_unaligned=50.0)
ALPHA = runs("alpha", cub_aligned=8.0, cub_all=16.0, human36m=5.0, human36m_unaligned=40.0)


def of(found, label, aligned):
    (row,) = [row for row in found if (row.label, row.aligned_task) == (label, aligned)]
    return row


def test_errors_are_in_percent_of_the_mean_pose_and_the_loss_is_of_the_error_itself():
    found = misalignment_rows([*GRID, *ALPHA], TASKS, "mini")
    assert all(tuple(plain(row)) == PAIR_FIELDS for row in found)
    birds = of(found, "Alpha", "cub_aligned")
    assert (birds.wild_task, birds.protocol, birds.unit) == ("cub_all", "sk/side", "% side")
    assert (birds.aligned.value, birds.wild.value) == pytest.approx((80, 40))
    assert (birds.aligned_error, birds.wild_error, birds.loss.value) == pytest.approx((8, 16, 2))
    people = of(found, "Alpha", "human36m")
    assert (people.aligned.value, people.wild.value, people.loss.value) == pytest.approx((25, 80, 8))
    both = of(found, "Alpha", "all")
    assert (both.aligned.value, both.wild.value, both.loss.value) == pytest.approx((20**0.5 * 10, 32**0.5 * 10, 4))
    floor = of(found, "Grid", "cub_aligned")
    assert (floor.aligned.value, floor.wild.value, floor.loss.value) == pytest.approx((100, 100, 4))


def test_the_interval_is_students_over_the_logarithms_of_each_seeds_loss():
    records = [
        each
        for seed, (aligned, wild) in enumerate(((4.0, 8.0), (5.0, 20.0), (6.0, 48.0)))
        for each in runs("alpha", seed, cub_aligned=aligned, cub_all=wild)
    ]
    row = of(misalignment_rows(records, TASKS[:2], "mini"), "Alpha", "cub_aligned")
    # Losses 2, 4, 8: their logarithms are 1, 2, 3 times that of 2; Student's t with 2 degrees of freedom is 4.3027.
    half = 4.3027 * math.log(2) / 3**0.5
    assert (row.seeds, row.loss.value) == (3, pytest.approx(4))
    assert math.log(row.loss.high / 4) == pytest.approx(half, rel=1e-4)
    assert math.log(4 / row.loss.low) == pytest.approx(half, rel=1e-4)
    assert row.aligned is None  # no mean pose beside it


def test_images_share_in_the_interval_even_with_one_seed():
    (row,) = misalignment_rows(runs("alpha", half=0.3, cub_aligned=3.0, cub_all=6.0), TASKS[:2], "mini")
    half = math.hypot(0.3 / 3, 0.3 / 6)
    assert math.log(known(row.loss.high) / 2) == pytest.approx(half)
    with_floor = misalignment_rows([*GRID, *runs("alpha", half=0.5, cub_aligned=8.0, cub_all=16.0)], TASKS[:2], "mini")
    row = of(with_floor, "Alpha", "cub_aligned")
    assert (row.aligned.low, row.aligned.high) == pytest.approx((75, 85))


def test_two_seeds_have_the_images_interval_and_the_range_of_their_losses():
    records = [
        *runs("alpha", 0, half=0.4, cub_aligned=4.0, cub_all=8.0),
        *runs("alpha", 1, half=0.4, cub_aligned=4.0, cub_all=32.0),
    ]
    (row,) = misalignment_rows(records, TASKS[:2], "mini")
    assert (row.seeds, row.loss.value, row.loss.seeds) == (2, pytest.approx(4), pytest.approx((2, 8)))
    assert math.log(known(row.loss.high) / 4) == pytest.approx(math.hypot(0.4 / 4, 0.4 / 20))
    assert ") (seeds 2.00 to 8.00)" in render([row])


def test_only_seeds_that_both_tasks_have_are_paired():
    records = [*runs("alpha", 0, cub_aligned=1.0, cub_all=3.0), *runs("alpha", 1, cub_aligned=2.0)]
    (row,) = misalignment_rows(records, TASKS[:2], "mini")
    assert (row.seeds, row.loss.value) == (1, pytest.approx(3))
    apart = [*runs("alpha", 0, cub_aligned=1.0), *runs("alpha", 1, cub_all=2.0)]
    assert misalignment_rows(apart, TASKS[:2], "mini") == []


def test_what_cannot_be_compared_is_left_out():
    lone = runs("alpha", cub_aligned=8.0)
    cut = [each.model_copy(update={"n_images_limit": 5}) for each in ALPHA]
    failed = [record("alpha", "cub_aligned", None), *runs("alpha", cub_all=2.0)]
    old = [*runs("alpha", cub_aligned=8.0), record("alpha", "cub_all", 9.0, score={"protocol_version": 7})]
    paper = [each.model_copy(update={"profile": "paper"}) for each in ALPHA]
    for records in (lone, cut, failed, old, paper):
        assert misalignment_rows(records, TASKS, "mini") == []
    part = misalignment_rows(runs("alpha", cub_aligned=8.0, cub_all=16.0), TASKS, "mini")
    assert [row.aligned_task for row in part] == ["cub_aligned"]  # no mean over pairs that are not all there


def test_another_protocol_is_paired_with_itself():
    records = [
        each.model_copy(update={"scores": (*each.scores, score_of(value, protocol="strict/side"))})
        for each, value in zip(runs("alpha", cub_aligned=8.0, cub_all=16.0), (3.0, 9.0), strict=True)
    ]
    (row,) = misalignment_rows(records, TASKS[:2], "mini", "strict")
    assert (row.protocol, row.loss.value) == ("strict/side", pytest.approx(3))
    assert [row.loss.value for row in misalignment_rows(records, TASKS[:2], "mini", "all")] == pytest.approx([2, 3])
    text = render(misalignment_rows(records, TASKS[:2], "mini", "all"))
    assert "cub_all strict/side" in text and "loss, all" not in text


def test_the_table_has_methods_by_what_is_left_in_the_wild_then_supervised_ones_then_floors():
    beta = runs("beta", cub_aligned=9.0, cub_all=4.0, human36m=10.0, human36m_unaligned=15.0)
    top = [
        each.model_copy(update={"supervision": "supervised"})
        for each in runs("ceiling", cub_aligned=1.0, cub_all=1.0, human36m=1.0, human36m_unaligned=1.0)
    ]
    text = render(misalignment_rows([*GRID, *ALPHA, *beta, *top], TASKS, "mini"), "md", "misalignment")
    assert text.startswith("### misalignment\n\n| method")
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    assert lines[0] == ["method", *TASKS[:2], "loss", *TASKS[2:], "loss", "loss, all", "seeds"]
    assert [line[0] for line in lines[2:]] == ["Beta", "Alpha", "*supervised*", "Ceiling ¶", "*floors*", "Grid"]
    assert lines[3] == [
        *("Alpha", "80 ±–", "40 ±–", "×2.00 ±–", "25 ±–", "80 ±–", "×8.00 ±–"),
        *("×4.00 ±–", "1"),
    ]
    assert "**" not in text
    assert "¶ supervised" in text and "Loss, all: the geometric mean" in text


def test_csv_and_json_hold_the_same_rows():
    found = misalignment_rows([*GRID, *ALPHA], TASKS, "mini")
    assert json.loads(render(found, "json")) == [plain(row) for row in found]
    read = list(csv.DictReader(io.StringIO(render(found, "csv"))))
    assert [float(line["loss"]) for line in read] == pytest.approx([row.loss.value for row in found])
    assert "Nothing measured yet." in TABLES["pairs"].render([])
    with pytest.raises(LeaderboardError, match="unknown format 'xml'"):
        render(found, "xml")  # type: ignore[arg-type]


SUITES = suites(aligned=("cub_aligned", "human36m"), wild=("cub_all", "human36m_unaligned"), misalignment=TASKS)
BLOCK = "<!-- leaderboard:mini:{} -->\n<!-- /leaderboard -->\n"


def test_a_block_takes_the_results_of_the_others(tmp_path):
    page, results = tmp_path / "README.md", tmp_path / "results"
    page.write_text("".join(BLOCK.format(name) for name in SUITES), encoding="utf-8")
    written = commit([page], [*GRID, *ALPHA], SUITES, results)
    assert written == {results / "aligned.mini.json": 4, results / "wild.mini.json": 4}
    assert readme.check(page, SUITES, results) == ["mini:aligned", "mini:wild", "mini:misalignment"]
    readme.update([page], SUITES, results)
    assert readme.check(page, SUITES, results) == []
    assert "×2.00 ±–" in page.read_text(encoding="utf-8")
    save_results(runs("alpha", cub_all=17.0), results / "wild.mini.json")
    assert readme.check(page, SUITES, results) == ["mini:wild", "mini:misalignment"]


def test_a_block_alone_keeps_results_of_its_own(tmp_path):
    page, results = tmp_path / "README.md", tmp_path / "results"
    page.write_text(BLOCK.format("aligned") + BLOCK.format("misalignment"), encoding="utf-8")
    commit([page], [*GRID, *ALPHA], SUITES, results)
    assert {each.task for each in load_results(results, "misalignment.mini")} == {"cub_all", "human36m_unaligned"}
    readme.update([page], SUITES, results)
    assert readme.check(page, SUITES, results) == []


def test_a_block_without_a_pair_says_what_to_do(tmp_path):
    page, results = tmp_path / "README.md", tmp_path / "results"
    page.write_text(BLOCK.format("misalignment"), encoding="utf-8")
    save_results(runs("alpha", cub_aligned=8.0), results / "aligned.mini.json")
    with pytest.raises(LeaderboardError, match="no results for block mini:misalignment"):
        readme.check(page, SUITES, results)
