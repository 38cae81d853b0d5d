"""The leaderboard command over a run directory."""

from __future__ import annotations

import json
from functools import partial

import pytest

from benchmarks.errors import UserError
from benchmarks.tables.command import audit_text, board_text, print_board
from benchmarks.tables.pages import check_pages, pages, update_pages
from benchmarks.tasks import SUITES
from tests.benchmarks.tables.boards import OLD, board
from tests.leaderboard.synthetic import record


def test_a_suite_shows_headlines_a_family_its_own_and_all_a_table_for_each_task(runs):
    assert "7.00" in board_text(board(suites=["wild"]), runs)
    strict = board_text(board(suites=["wild"], protocol="strict"), runs)
    assert "3.00" in strict and "7.00" not in strict
    both = board_text(board(suites=["wild"], protocol="all"), runs)
    assert "### cub_001, wild (mini profile)" in both
    assert "cub_001 sk/side" in both and "cub_001 strict/side_micro" in both
    assert "Not scored under scops: cub_001." in board_text(board(suites=["wild"], protocol="scops"), runs)


def test_own_data_comes_last_in_whatever_profile_it_was_run(runs):
    text = board_text(board(), runs)
    assert text.index("### wild (mini profile)") < text.index("### custom data (paper profile)")
    assert "coco_birds_0a1b2c_k4" in text
    assert "Nothing measured yet" not in text and "### aligned" not in text
    assert "### aligned (paper profile)" in board_text(board(profile="paper", data_root=runs), runs)
    alone = board_text(board(tasks=["coco_birds_0a1b2c_k4"], profile="mini"), runs)
    assert "Nothing measured yet" in alone


def test_a_row_is_once_in_json_though_its_task_is_in_two_sections(runs):
    rows = json.loads(board_text(board(suites=["wild"], tasks=["cub_001"], format="json"), runs))
    assert [row["task"] for row in rows] == ["cub_001"]


@pytest.fixture
def twins(tmp_path):
    pairs = {"grid": (10.0, 40.0), "alpha": (8.0, 16.0)}
    for method, values in pairs.items():
        for task, value in zip(("cub_aligned", "cub_all"), values, strict=True):
            each = record(method, task, value)
            folder = tmp_path / "cells" / each.cell_id
            folder.mkdir(parents=True)
            (folder / "result.json").write_text(each.model_dump_json())
    return tmp_path


def test_the_suite_of_pairs_has_a_table_and_fields_of_its_own(twins):
    text = board_text(board(suites=["misalignment"]), twins)
    assert text.startswith("### misalignment (mini profile)")
    assert "| Alpha " in text and "×2.00" in text
    rows = json.loads(board_text(board(suites=["misalignment"], format="json"), twins))
    assert {(row["label"], row["aligned_task"], row["wild"]) for row in rows} == {
        ("Grid", "cub_aligned", 100.0),
        ("Alpha", "cub_aligned", 40.0),
    }
    everything = board_text(board(), twins)
    headings = [line.split()[1] for line in everything.splitlines() if line.startswith("### ")]
    assert headings == ["aligned", "wild", "misalignment"]  # those with results
    assert "×2.00" in everything
    assert all("loss" not in row for row in json.loads(board_text(board(format="json"), twins)))
    with pytest.raises(UserError, match="--format csv: suite misalignment has fields of its own; ask for it alone"):
        board_text(board(suites=["wild", "misalignment"], format="csv"), twins)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"suites": ["wlid"]}, "did you mean 'wild'"),
        ({"tasks": ["cub_01"]}, "did you mean 'cub_001'"),
        ({"protocol": "strct"}, "did you mean 'strict'"),
    ],
)
def test_an_unknown_name_is_refused_in_tables_and_audit(runs, changes, message):
    with pytest.raises(UserError, match=message):
        board_text(board(**changes), runs)
    with pytest.raises(UserError, match=message):
        audit_text(board(**changes))


def test_the_audit_takes_tasks_suites_and_protocols():
    rows = json.loads(audit_text(board(suites=["aligned"], protocol="siarohin", tasks=["taichi"], format="json")))
    assert {(row["task"], row["protocol"].split("/")[0]) for row in rows} == {("taichi", "siarohin")}
    assert len(json.loads(audit_text(board(format="json")))) == 243


def test_committing_results_says_what_is_missing_among_them(twins, tmp_path, monkeypatch, capsys):
    from leaderboard import readme

    page, results = tmp_path / "README.md", tmp_path / "results"
    blocks = "".join(f"<!-- leaderboard:mini:{name} -->\n<!-- /leaderboard -->\n" for name in ("aligned", "wild"))
    page.write_text(blocks, encoding="utf-8")
    for name in ("merged_lists", "update", "unclean"):
        monkeypatch.setattr(readme, name, partial(getattr(readme, name), results=results))
    assert update_pages([page], twins) == 0
    assert f"{results / 'wild.mini.json'}: 2 records (2 added, 0 replaced, 0 kept)\n" in capsys.readouterr().out
    for number, task in enumerate(("cub_001", "cub_002", "cub_003")):
        extra = record("beta", task, 5.0, seed=number, cell_id=f"beta{number}")
        (twins / "cells" / extra.cell_id).mkdir()
        (twins / "cells" / extra.cell_id / "result.json").write_text(extra.model_dump_json())
    update_pages([page], twins)
    # Three methods, four tasks, three seeds are 36 cells, of which five are there.
    said = capsys.readouterr().out
    assert "5 records (3 added, 0 replaced, 2 kept); not there: Alpha on cub_001 with seed 0, " in said
    assert "and 27 more" in said


def test_check_fails_and_update_warns_where_results_are_not_of_one_clean_commit(tmp_path, monkeypatch, capsys):
    from leaderboard import readme

    page, runs, results = tmp_path / "README.md", tmp_path / "runs", tmp_path / "results"
    page.write_text("<!-- leaderboard:mini:wild -->\n<!-- /leaderboard -->\n", encoding="utf-8")
    for name in ("merged_lists", "update", "check", "unclean"):
        monkeypatch.setattr(readme, name, partial(getattr(readme, name), results=results))

    def run(dirty):
        each = record("alpha", "cub_001", 7.0, provenance={"git_sha": "1a2b3c4d", "git_dirty": dirty})
        folder = runs / "cells" / each.cell_id
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "result.json").write_text(each.model_dump_json())

    found = "1 of 1 result was measured with uncommitted changes; commit: 1a2b3c4"
    run(dirty=True)
    for source in (runs, None):
        assert update_pages([page], source) == 0
        assert f"\nwarning: wild.mini.json: {found}; " in f"\n{capsys.readouterr().err}"
    assert found in page.read_text(encoding="utf-8")
    assert check_pages([page]) == 1
    said = capsys.readouterr().err
    assert f"one clean commit: wild.mini.json: {found}; commit all changes, run all cells of the list again" in said
    assert f"leaderboard --update {page} --runs FOLDER --replace" in said and "stale" not in said
    run(dirty=False)
    assert update_pages([page], runs) == 0
    assert check_pages([page]) == 0
    assert not [line for line in capsys.readouterr().err.splitlines() if not line.startswith(OLD)]
    assert "commit" not in page.read_text(encoding="utf-8")


def test_a_folder_means_its_pages_with_a_block(tmp_path, capsys):
    docs = tmp_path / "docs"
    (docs / "more").mkdir(parents=True)
    (docs / "plain.md").write_text("no block\n")
    with pytest.raises(UserError, match="docs has no .md file with a block"):
        pages([docs])
    listed = docs / "more" / "suites.md"
    listed.write_text("<!-- list:suites -->\n<!-- /list -->\n")
    assert pages([docs, listed]) == [listed]
    assert update_pages([docs], None) == 0
    assert all(f"| `{name}` |" in listed.read_text() for name in SUITES)
    assert f"{listed}: tables renewed" in capsys.readouterr().out
    listed.write_text(listed.read_text().replace("`wild`", "`wide`"))
    assert check_pages([docs]) == 1
    assert f"{listed}: stale tables suites" in capsys.readouterr().err


def test_an_update_of_one_task_keeps_the_results_of_the_others(twins, tmp_path, monkeypatch, capsys):
    from leaderboard import readme

    page, results, small = tmp_path / "README.md", tmp_path / "results", tmp_path / "small"
    page.write_text("<!-- leaderboard:mini:wild -->\n<!-- /leaderboard -->\n", encoding="utf-8")
    for name in ("merged_lists", "update", "check", "unclean"):
        monkeypatch.setattr(readme, name, partial(getattr(readme, name), results=results))
    update_pages([page], twins)
    each = record("alpha", "cub_001", 5.0)
    (small / "cells" / each.cell_id).mkdir(parents=True)
    (small / "cells" / each.cell_id / "result.json").write_text(each.model_dump_json())
    capsys.readouterr()
    update_pages([page], small)
    assert "3 records (1 added, 0 replaced, 2 kept)" in capsys.readouterr().out
    assert all(value in page.read_text(encoding="utf-8") for value in ("16.00", "40.00", "5.00"))
    update_pages([page], small, replace=True)
    assert "1 records (0 added, 0 replaced, 1 kept, 2 removed)" in capsys.readouterr().out
    assert "16.00" not in page.read_text(encoding="utf-8")


def test_published_rows_need_no_run(tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    status, out, error = command("leaderboard", "--profile", "paper", "--suite", "aligned")
    assert status == 0, error
    assert "Nothing measured yet." in out and "| Stable Keypoints" in out and "3.60" in out
    status, out, _ = command("leaderboard", "--profile", "paper", "--suite", "wild", "--format", "csv")
    assert status == 0 and ",reported," in out
    assert command("leaderboard", "--profile", "paper", "--runs", "elsewhere")[0] == 2  # named, so it must be there
    assert "run a suite first" in command("leaderboard", "--profile", "mini")[2]


def test_a_terminal_gets_tables_of_its_width_with_the_numbers_of_the_markdown(runs, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    for options in ({"suites": ["wild"]}, {"suites": ["misalignment"]}, {"suites": ["ablation"]}, {}):
        print_board(board(**options), runs)
        text = capsys.readouterr().out
        assert max(map(len, text.splitlines())) <= 80
        for title in ("wild (mini profile)", "custom data (paper profile)"):
            assert (title in text) == (title in board_text(board(**options), runs))
        assert ("7.00 ±0.50" in text) == ("7.00** ±0.50" in board_text(board(**options), runs))
    print_board(board(suites=["wild"], protocol="all"), runs)
    text = capsys.readouterr().out
    assert "cub_001 sk/side (% side) ↓" in text and "cub_001 strict/side_micro (% side) ↓" in text


def test_only_a_terminal_without_a_chosen_format_gets_them(runs, command, monkeypatch):
    arguments = ("leaderboard", "--suite", "wild", "--profile", "mini", "--runs", runs)
    assert "| Alpha" in command(*arguments)[1]
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    text = command(*arguments)[1]
    assert "| Alpha" not in text and "Alpha" in text
    assert "| Alpha" in command(*arguments, "--format", "md")[1]
