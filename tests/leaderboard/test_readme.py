from pathlib import Path

import pytest

from leaderboard import readme
from leaderboard.errors import LeaderboardError
from leaderboard.load import load_results
from tests.leaderboard.synthetic import commit, record, save_results, suites

SUITES = suites(wild=("cub_001", "cub_002"), aligned=("cub_aligned",))
TEXT = "# Title\n\n<!-- leaderboard:mini:wild -->\nstale words\n<!-- /leaderboard -->\n\nThe end\n"


@pytest.fixture
def results(tmp_path):
    folder = tmp_path / "results"
    save_results([record("alpha", "cub_001", 7.0), record("grid", "cub_001", 9.0)], folder / "wild.mini.json")
    return folder


@pytest.fixture
def page(tmp_path):
    path = tmp_path / "README.md"
    path.write_text(TEXT, encoding="utf-8")
    return path


def test_update_writes_the_block_and_nothing_else(page, results):
    assert readme.check(page, SUITES, results) == ["mini:wild"]
    assert page.read_text(encoding="utf-8") == TEXT
    assert readme.update([page], SUITES, results) == {page: True}
    text = page.read_text(encoding="utf-8")
    assert text.startswith("# Title\n\n<!-- leaderboard:mini:wild -->\n\n| method")
    assert text.endswith("\n<!-- /leaderboard -->\n\nThe end\n")
    assert "**7.00**" in text
    assert "stale words" not in text
    assert readme.check(page, SUITES, results) == []
    assert readme.update([page], SUITES, results) == {page: False}


def test_a_changed_result_or_a_changed_page_is_stale(page, results):
    readme.update([page], SUITES, results)
    fresh = page.read_text(encoding="utf-8")
    page.write_text(fresh.replace("7.00", "6.99"), encoding="utf-8")
    assert readme.check(page, SUITES, results) == ["mini:wild"]
    page.write_text(fresh, encoding="utf-8")
    save_results([record("alpha", "cub_001", 7.2)], results / "wild.mini.json")
    assert readme.check(page, SUITES, results) == ["mini:wild"]


def test_commit_takes_what_the_blocks_show_and_leaves_the_rest(page, tmp_path):
    results = tmp_path / "results"
    page.write_text(TEXT + TEXT.replace("wild", "aligned"), encoding="utf-8")
    save_results([record("grid", "cub_aligned", 3.0)], results / "aligned.mini.json")
    good = record("alpha", "cub_001", 7.0)
    others = [
        record("beta", "cub_001", 6.0, n_images_limit=5),
        record("beta", "cub_002", None),
        record("beta", "taichi", 6.0),
        record("beta", "cub_002", 6.0, profile="paper"),
    ]
    written = commit([page], [good, *others], SUITES, results)
    assert written == {results / "wild.mini.json": 1}
    assert {each.cell_id for each in load_results(results)} == {good.cell_id, "grid--cub_aligned--mini--s0--00000000"}
    readme.update([page], SUITES, results)
    assert readme.check(page, SUITES, results) == []
    with pytest.raises(LeaderboardError, match="none of the records"):
        commit([page], others, SUITES, results)


def test_several_blocks_are_each_their_own(page, results):
    save_results([record("alpha", "cub_aligned", 3.0)], results / "aligned.mini.json")
    page.write_text(TEXT + TEXT.replace("wild", "aligned"), encoding="utf-8")
    assert readme.check(page, SUITES, results) == ["mini:wild", "mini:aligned"]
    readme.update([page], SUITES, results)
    first, second = page.read_text(encoding="utf-8").split("The end\n")[:2]
    assert ("7.00" in first, "3.00" in first) == (True, False)
    assert ("7.00" in second, "3.00" in second) == (False, True)


def test_a_block_may_show_some_tasks_of_its_suite_and_still_keeps_all(page, tmp_path):
    results = tmp_path / "results"
    page.write_text(TEXT.replace("mini:wild", "mini:wild:cub_002"), encoding="utf-8")
    both = [record("alpha", "cub_001", 7.0), record("alpha", "cub_002", 4.0, cell_id="second")]
    assert commit([page], both, SUITES, results) == {results / "wild.mini.json": 2}
    readme.update([page], SUITES, results)
    shown = page.read_text(encoding="utf-8")
    assert "cub_002" in shown and "4.00" in shown
    assert "cub_001" not in shown and "7.00" not in shown


def test_results_of_several_pages_are_kept_together(page, tmp_path):
    results, other = tmp_path / "results", tmp_path / "other.md"
    other.write_text(TEXT.replace("wild", "aligned"), encoding="utf-8")
    records = [record("alpha", "cub_001", 7.0), record("alpha", "cub_aligned", 3.0)]
    written = commit([page, other], records, SUITES, results)
    assert written == {results / "wild.mini.json": 1, results / "aligned.mini.json": 1}


def test_a_list_is_what_the_caller_makes_and_needs_no_results(page, results):
    lists = {"methods": lambda: "| a |\n"}
    page.write_text("Before\n<!-- list:methods -->\nold\n<!-- /list -->\nAfter\n", encoding="utf-8")
    assert readme.check(page, SUITES, results, lists) == ["methods"]
    assert readme.update([page], SUITES, results, lists) == {page: True}
    assert page.read_text(encoding="utf-8") == ("Before\n<!-- list:methods -->\n\n| a |\n\n<!-- /list -->\nAfter\n")
    assert readme.check(page, SUITES, results, lists) == []
    with pytest.raises(LeaderboardError, match="has a block for a list 'methods', expected one of tasks"):
        readme.check(page, SUITES, results, {"tasks": str})
    with pytest.raises(LeaderboardError, match="has no block; add lines <!-- leaderboard:mini:wild -->"):
        commit([page], [], SUITES, results)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# Title\n", "has no block"),
        (TEXT.replace("wild", "wide"), "suite 'wide', expected one of wild, aligned"),
        (TEXT.replace("<!-- /leaderboard -->", ""), "block mini:wild has no end; add a line <!-- /leaderboard -->"),
        (TEXT.replace("<!-- /leaderboard -->", "") + TEXT, "block mini:wild has no end"),
        (TEXT.replace("wild", "wild:cub_001,cub_02"), "got task 'cub_02', expected one of cub_001, cub_002"),
        (TEXT.replace("wild", "aligned"), "no results for block mini:aligned"),
        (TEXT.replace("mini", "paper"), "no results for block paper:wild"),
    ],
)
def test_a_bad_page_is_one_clear_line_and_stays_as_it_is(page, results, text, message):
    page.write_text(text, encoding="utf-8")
    with pytest.raises(LeaderboardError, match=message):
        readme.update([page], SUITES, results)
    with pytest.raises(LeaderboardError, match=message):
        readme.check(page, SUITES, results)
    assert page.read_text(encoding="utf-8") == text


def test_a_missing_page_is_one_clear_line(tmp_path, results):
    with pytest.raises(LeaderboardError, match="cannot read"):
        readme.check(tmp_path / "none.md", SUITES, results)


def test_results_of_an_older_protocol_are_refused_until_they_are_scored_anew(page, tmp_path):
    old = record("alpha", "cub_001", 7.0, score={"protocol": "sk/cumulative", "protocol_version": 1})
    save_results([old], tmp_path / "results" / "wild.mini.json")
    message = "block mini:wild are of other versions of sk/cumulative; run again"
    with pytest.raises(LeaderboardError, match=message):
        readme.check(page, SUITES, tmp_path / "results")
    with pytest.raises(LeaderboardError, match=message):
        readme.update([page], SUITES, tmp_path / "results")


def test_a_crash_between_two_files_changes_neither_results_nor_pages(page, results, monkeypatch):
    other = page.with_name("OTHER.md")
    page.write_text(TEXT, encoding="utf-8")
    other.write_text(TEXT, encoding="utf-8")
    before = {path: path.read_bytes() for path in (page, other, results / "wild.mini.json")}
    new = readme.merged_lists([page, other], [record("alpha", "cub_001", 5.0)], SUITES, results)
    replace = Path.replace
    for last in range(3):
        done: list[Path] = []

        def broken(path, target, done=done, last=last):
            if len(done) == last:
                raise OSError("gone")
            done.append(path)
            return replace(path, target)

        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", broken)
            with pytest.raises(LeaderboardError, match="cannot write .*: gone; nothing changed"):
                readme.update([page, other], SUITES, results, new=new)
        assert {path: path.read_bytes() for path in before} == before
        assert len(list(page.parent.rglob("*"))) == 4
    readme.update([page, other], SUITES, results, new=new)
    assert all("**5.00**" in path.read_text(encoding="utf-8") for path in (page, other))
    assert readme.check(page, SUITES, results) == readme.check(other, SUITES, results) == []


def test_a_page_that_cannot_be_made_keeps_the_results_as_they_were(page, results):
    before = (results / "wild.mini.json").read_bytes()
    new = readme.merged_lists([page], [record("alpha", "cub_001", 5.0)], SUITES, results)
    page.write_text(TEXT + TEXT.replace("wild", "aligned"), encoding="utf-8")
    with pytest.raises(LeaderboardError, match="no results for block mini:aligned"):
        readme.update([page], SUITES, results, new=new)
    assert (results / "wild.mini.json").read_bytes() == before
