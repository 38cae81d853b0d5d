"""The line under a table whose results are not all of one clean commit."""

import csv
import io
import json

import pytest

from leaderboard import readme
from leaderboard.aggregate import measured_rows
from leaderboard.load import load_results
from leaderboard.misalignment import misalignment_rows
from leaderboard.origins import each_once, origin_of, origins_line, table_line
from leaderboard.tables import render, rows
from tests.leaderboard.synthetic import record, save_results, score_of, suites

FIRST, SECOND = "1a2b3c4" + 33 * "0", "5d6e7f8" + 33 * "0"
TASKS = ("cub_001", "cub_002")


def git(sha=FIRST, dirty=False):
    return {"git_sha": sha, "git_dirty": dirty}


def measured(provenances, method="alpha", task="cub_001", **changes):
    """A record for each provenance, each of a seed of its own."""
    return [record(method, task, 7.0, seed, provenance=found, **changes) for seed, found in enumerate(provenances)]


@pytest.mark.parametrize(
    ("provenance", "origin"),
    [
        (git(), "1a2b3c4"),
        (git(dirty=True), "1a2b3c4-dirty"),
        ({"git_sha": None, "git_dirty": None}, "unknown"),
        ({}, "unknown"),
        ({"git_sha": FIRST}, "unknown"),
    ],
)
def test_the_origin_of_a_record(provenance, origin):
    assert origin_of(record("alpha", "cub_001", 7.0, provenance=provenance)) == origin


@pytest.mark.parametrize(
    ("origins", "line"),
    [
        ([], ""),
        (["a"] * 27, ""),
        (["a"] * 24 + ["b"] * 3, "results of 2 commits: a (24), b (3)"),
        (["b"] * 3 + ["a"] * 24, "results of 2 commits: a (24), b (3)"),
        (["a"] * 26 + ["a-dirty"], "1 of 27 results was measured with uncommitted changes; commit: a"),
        (
            ["a"] * 24 + ["b-dirty"] * 3,
            "3 of 27 results were measured with uncommitted changes; results of 2 commits: a (24), b (3)",
        ),
        (["unknown"], "1 of 1 result was measured with code of an unknown commit"),
        (["a", "unknown"], "1 of 2 results was measured with code of an unknown commit; commit: a"),
    ],
)
def test_the_line_says_how_many_of_how_many_and_which_commits(origins, line):
    assert origins_line(origins) == line


def test_a_row_names_the_commit_of_each_seed_of_its_value():
    records = [*measured([git(), git(SECOND, dirty=True)]), record("alpha", "cub_001", None, 2, provenance=git())]
    found = rows(records, TASKS, "mini")
    assert [row.commits for row in found] == [["1a2b3c4", "5d6e7f8-dirty"]]
    assert json.loads(render(found, "json"))[0]["commits"] == ["1a2b3c4", "5d6e7f8-dirty"]
    assert next(csv.DictReader(io.StringIO(render(found, "csv"))))["commits"] == "1a2b3c4 5d6e7f8-dirty"


def test_a_markdown_table_ends_with_the_line_unless_all_is_one_clean_commit():
    clean = measured([git()] * 3)
    assert "commit" not in render(rows(clean, TASKS, "mini"))
    both = [*clean, *measured([git(SECOND, dirty=True)], task="cub_002")]
    text = render(rows(both, TASKS, "mini"))
    line = "1 of 4 results was measured with uncommitted changes; results of 2 commits: 1a2b3c4 (3), 5d6e7f8 (1)"
    assert text.rstrip().splitlines()[-1] == line
    assert "commit" not in render(rows(both, TASKS[:1], "mini"))


def test_a_result_under_several_protocols_counts_once():
    scores = {"scores": (score_of(7.0), score_of(3.0, protocol="strict/side_micro"))}
    found = rows(measured([git(dirty=True)] * 2, **scores), TASKS, "mini", "all")
    assert len(found) == 2
    assert table_line(found) == "2 of 2 results were measured with uncommitted changes; commit: 1a2b3c4"


def test_what_papers_report_has_no_commit():
    text = render(rows([], ("cub_001",), "paper"))
    assert "Reported by the papers" in text and "unknown commit" not in text


def test_pairs_count_the_results_on_both_tasks_once_and_only_seeds_that_both_have():
    tasks = ("cub_aligned", "cub_all", "human36m", "human36m_unaligned")
    records = [
        each
        for task in tasks
        for each in measured([git(SECOND if task == "cub_all" else FIRST)] * (3 if task == "cub_all" else 2), task=task)
    ]
    found = misalignment_rows(records, tasks, "mini")
    assert [row.aligned_task for row in found] == ["cub_aligned", "human36m", "all"]
    assert "results of 2 commits: 1a2b3c4 (6), 5d6e7f8 (2)" in render(found)
    assert render(found, "csv").splitlines()[1].endswith(",1a2b3c4 1a2b3c4 5d6e7f8 5d6e7f8,several_commits")


SUITES = suites(wild=("cub_001", "cub_002"), aligned=("cub_aligned",))
PAGE = "<!-- leaderboard:mini:wild -->\n<!-- /leaderboard -->\n"


def test_committed_results_are_clean_where_each_list_is_of_one_commit(tmp_path):
    assert readme.unclean(tmp_path) == ""
    save_results(measured([git()] * 2), tmp_path / "wild.mini.json")
    save_results(measured([git(SECOND)], task="cub_aligned"), tmp_path / "aligned.mini.json")
    assert readme.unclean(tmp_path) == ""
    save_results(measured([git()], "alpha") + measured([git(SECOND)], "beta"), tmp_path / "wild.mini.json")
    assert readme.unclean(tmp_path) == "wild.mini.json: results of 2 commits: 1a2b3c4 (1), 5d6e7f8 (1)"
    save_results(measured([git(dirty=True)] * 2), tmp_path / "ablation.mini.json")  # the same cells, measured otherwise
    assert readme.unclean(tmp_path).startswith(
        "ablation.mini.json: 2 of 2 results were measured with uncommitted changes; commit: 1a2b3c4; wild.mini.json: "
    )


def test_a_submitted_row_may_be_of_another_clean_commit(tmp_path):
    """Its predictions are kept, so that anybody can compute it again."""
    save_results(measured([git()] * 2), tmp_path / "wild.mini.json")
    by = {"submission": {"by": "ada"}}
    path = tmp_path / "aligned.mini.json"
    save_results(measured([git(SECOND) | by], task="cub_aligned"), path)
    assert readme.unclean(tmp_path) == ""
    save_results(measured([git(SECOND, dirty=True) | by], task="cub_aligned"), path)
    assert readme.unclean(tmp_path).startswith("aligned.mini.json: 1 of 1 result was measured with uncommitted changes")
    save_results(measured([by], task="cub_aligned"), path)
    assert readme.unclean(tmp_path).endswith("1 of 1 result was measured with code of an unknown commit")


def test_a_submitted_row_needs_no_other_tasks():
    own = measured([git()] * 2) + measured([git()], task="cub_002")
    (missing,) = readme.gaps(own)
    assert missing.endswith(" on cub_002 with seed 1")
    assert readme.gaps([*own, *measured([{"submission": {}}], "beta")]) == [missing]


def test_the_line_is_known_before_the_lists_are_written(tmp_path):
    page, results = tmp_path / "README.md", tmp_path / "results"
    page.write_text(PAGE, encoding="utf-8")
    save_results(measured([git(dirty=True)] * 2), results / "wild.mini.json")
    before = (results / "wild.mini.json").read_bytes()
    first = readme.merged_lists([page], measured([git(), git(SECOND)]), SUITES, results)
    assert readme.unclean(results, first) == "wild.mini.json: results of 2 commits: 1a2b3c4 (1), 5d6e7f8 (1)"
    assert readme.unclean(results, readme.merged_lists([page], measured([git(SECOND)] * 2), SUITES, results)) == ""
    assert (results / "wild.mini.json").read_bytes() == before


def test_of_a_cell_of_two_commits_each_table_takes_the_record_of_its_own_commit(tmp_path):
    """As where two suites share a task and were measured with different commits."""
    shared = measured([git()] * 2, task="cub_001")
    again = measured([git(SECOND)] * 2, task="cub_001")
    save_results([*shared, *measured([git()] * 2, task="cub_002")], tmp_path / "wild.mini.json")
    save_results([*again, *measured([git(SECOND)] * 2, task="cub_aligned")], tmp_path / "aligned.mini.json")
    assert len(load_results(tmp_path)) == 6
    found = load_results(tmp_path, repeated=True)
    assert len(found) == 8
    for other, commit in (("cub_002", FIRST), ("cub_aligned", SECOND)):
        rows = measured_rows(found, ["cub_001", other], "mini")
        assert {origin for row in rows for origin in row.commits or []} == {commit[:7]}
    assert [record.cell_id for record in each_once(reversed(shared))] == [record.cell_id for record in reversed(shared)]
