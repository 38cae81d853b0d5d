"""Right submissions: their rows, what is kept of them, and what is printed."""

import json
import re
import shutil
import tomllib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.submit.card import Card
from benchmarks.tasks import SUITES, TASKS
from leaderboard.load import load_records, load_results
from metrics.protocols import PROTOCOLS
from tests.benchmarks.importing.toys import run
from tests.benchmarks.submit.folders import rows_of, submission, write_card, write_csv

ROOT = Path(__file__).resolve().parents[3]
SUBMISSIONS = sorted(path for path in (ROOT / "submissions").iterdir() if path.is_dir())
EXAMPLE = ROOT / "submissions" / "example_colour_centres"


def the_record(runs):
    (record,) = load_records(runs)
    return record


def test_a_right_submission_gets_the_row_that_its_keypoints_deserve(call, toys, tmp_path):
    """The landmarks are linear in these keypoints, so that the error is 0."""
    status, out, err = call("submit", submission(tmp_path, toys))
    assert (status, err) == (0, "")
    (line,) = [line for line in out.splitlines() if "My method ◊" in line]
    assert line.split("|")[2].strip() == "**0.00** ±0.00"
    assert "by Ada Lovelace; submitted by ada on 2026-11-27; licence CC-BY-4.0" in out
    assert not list(tmp_path.glob("*/cells")) and not (tmp_path / "runs").exists()


@pytest.mark.parametrize("files", ["csv", "parquet", "npz", "a file for each split"])
def test_all_numbers_are_those_of_score_and_record(call, toys, tmp_path, files):
    ids, points = rows_of(toys)
    points = np.clip(points + np.random.default_rng(0).normal(0, 0.05, points.shape), 0, 1)
    folder = submission(tmp_path, toys)
    (folder / "points.csv").unlink()
    if files == "csv":
        write_csv(folder / "a.csv", ids, points)
    elif files == "npz":
        np.savez(folder / "a.npz", image_id=ids, keypoints=points)
    elif files == "parquet":
        pq.write_table(pa.table({"image_id": ids, "keypoints": points.reshape(84, -1).tolist()}), folder / "a.parquet")
    else:
        write_csv(folder / "a.csv", ids[:40], points[:40])
        write_csv(folder / "b.csv", ids[40:], points[40:])
    names = sorted(path.name for path in folder.iterdir() if path.name != "card.toml")
    write_card(folder, {"toy_many": str(names) if len(names) > 1 else f'"{names[0]}"'})
    given = [part for name in names for part in ("--predictions", folder / name)]
    if files == "npz":
        given = ["--predictions", f"{folder / 'a.npz'}:keypoints"]
    assert call("submit", folder, "--output", "mine")[0] == 0
    assert call("score", "--task", "toy_many", *given, "--record", "theirs", "--method", "My method")[0] == 0
    mine, theirs = the_record(tmp_path / "mine"), the_record(tmp_path / "theirs")
    assert mine.scores == theirs.scores and mine.scores[0].value > 1
    assert mine.method_label == theirs.method_label and mine.dataset_digests == theirs.dataset_digests


def test_the_record_says_that_it_was_scored_by_whom_and_when(call, toys, tmp_path):
    folder = submission(tmp_path, toys, paper='"https://arxiv.org/abs/1"', code='"https://a.org/b"')
    status, out, _ = call("submit", folder, "--output", "runs")
    assert status == 0 and "kept in runs" in out
    record = the_record(tmp_path / "runs")
    assert record.provenance["kind"] == "scored"
    assert record.provenance["submission"] == {
        "by": "ada",
        "date": "2026-11-27",
        "authors": ["Ada Lovelace"],
        "licence": "CC-BY-4.0",
        "trained_on": "nothing",
        "paper": "https://arxiv.org/abs/1",
        "code": "https://a.org/b",
    }
    assert [file["name"] for file in record.provenance["files"]] == ["points.csv"]
    assert not record.saw_landmarks and record.supervision == "unsupervised"


def test_what_is_kept_is_ranked_and_run_again_like_any_import(call, toys, tmp_path):
    folder = submission(tmp_path, toys, saw_landmarks="true", supervision='"few-shot, 5 images"')
    assert call("submit", folder, "--output", "runs")[0] == 0
    status, out, _ = call("leaderboard", "--task", "toy_many", "--runs", "runs", "--format", "json")
    (row,) = [row for row in json.loads(out) if row["kind"] == "scored"]
    assert status == 0
    assert (row["label"], row["supervised"], round(row["value"], 6)) == ("My method", True, 0)
    assert run(call, "imported:runs/imports/my_method", tasks=("toy_many",))[0] == 0
    assert the_record(tmp_path / "runs").provenance["submission"]["by"] == "ada"


def test_several_tasks_make_several_cells_of_one_row(call, toys, tmp_path):
    folder = submission(tmp_path, toys, predictions={"toy_many": '"points.csv"', "toy": '"few.csv"'})
    write_csv(folder / "few.csv", *rows_of(toys, "squares"))
    status, out, _ = call("submit", folder, "--output", "runs")
    assert status == 0 and len([line for line in out.splitlines() if "My method ◊" in line]) == 1
    assert {record.task for record in load_records(tmp_path / "runs")} == {"toy", "toy_many"}


def test_an_image_of_two_splits_may_have_two_equal_rows(call, toys, tmp_path):
    """As ``run`` writes them: one file a split."""
    folder = submission(tmp_path, toys, "coinciding", predictions={"toy_coinciding": '"points.csv"'})
    ids, _ = rows_of(toys, "coinciding")
    assert len(ids) == 2 * len(set(ids))
    assert call("submit", folder)[0] == 0


def test_keypoints_that_never_move_are_scored_with_a_note(call, toys, tmp_path):
    """Nothing tells whether their rows are in order, and it does not matter."""
    folder = submission(tmp_path, toys)
    ids, points = rows_of(toys)
    write_csv(folder / "points.csv", ids, np.broadcast_to(points[0], points.shape))
    status, out, _ = call("submit", folder)
    assert status == 0
    assert "note: toy_many: the keypoints do not predict where landmarks are" in out


def test_markdown_and_html_in_a_card_are_shown_as_they_are(call, toys, tmp_path):
    name = "[My](https://a.org) <script>method"
    folder = submission(tmp_path, toys, name=f'"{name}"', submitted_by='"```` @all"', trained_on='"![a](b)"')
    folder = folder.rename(tmp_path / "my_https_a_org_script_method")
    status, out, _ = call("submit", folder)
    assert status == 0
    table, _, fenced = out.partition("````text\n")
    assert "<script>" not in table and "[My](" not in table and r"[My\]\(https:" in table
    inside, _, after = fenced.partition("\n````\n")
    assert "submitted by '''' @all on" in inside and "![a](b)" in inside and after == ""


def test_as_json_the_rows_have_all_their_fields(call, toys, tmp_path):
    status, out, _ = call("submit", submission(tmp_path, toys), "--format", "json")
    found = json.loads(out)
    assert status == 0 and found["problems"] == [] and found["name"] == "My method"
    assert found["card"]["authors"] == ["Ada Lovelace"] and found["card"]["date"] == "2026-11-27"
    (row,) = [row for row in found["rows"] if row["label"] == "My method"]
    assert row["kind"] == "scored" and row["n_test"] == 44


@pytest.mark.parametrize("folder", SUBMISSIONS, ids=lambda folder: folder.name)
def test_every_submission_of_the_repository_is_right(command, folder):
    """A submission of the paper profile needs its datasets; the others are scored."""
    card = Card.model_validate(tomllib.loads((folder / "card.toml").read_text()))
    if card.profile == "paper":
        pytest.skip("its datasets may not be here")
    status, out, err = command("submit", folder, "--format", "json")
    assert (status, err) == (0, "")
    found = {
        (row["task"], row["protocol"]): row["value"] for row in json.loads(out)["rows"] if row["label"] == card.name
    }
    assert {task for task, _ in found} == set(card.predictions)
    for record in load_results():  # a committed row is what its predictions give
        for score in record.scores if record.method_label == card.name else ():
            rounding = 10.0 ** -(PROTOCOLS[score.protocol].digits or 6)
            assert score.value == pytest.approx(found[record.task, score.protocol], rel=rounding)


def test_the_example_stands_beside_the_committed_rows(command):
    status, out, _ = command("submit", EXAMPLE, "--format", "json")
    rows = json.loads(out)["rows"]
    by_label = {row["label"]: row for row in rows}
    assert status == 0
    mine = [row for row in rows if row["label"] == "Example: colour centres"]
    needs_model = {"label_free/equivariance"}
    assert {row["protocol"] for row in mine} == set(TASKS["cub_001"].protocols) - needs_model
    committed = {record.method_label for record in load_results() if record.task == "cub_001"}
    assert committed <= {re.sub(r" \(\w+ by dataset\)", "", label) for label in by_label}
    assert by_label["Example: colour centres"]["kind"] == "scored"
    (headline,) = [row for row in mine if row["protocol"] == TASKS["cub_001"].protocols[0]]
    ranked = [row for row in rows if row["protocol"] == headline["protocol"] and not row["supervised"]]
    best = min(ranked, key=lambda row: row["value"])
    assert headline["against_method"] == best["label"]
    assert headline["against"] == pytest.approx(headline["value"] - best["value"], rel=1e-4)
    assert headline["against_low"] < headline["against"] < headline["against_high"]
    assert by_label["Example: colour centres"]["n_test"] == 100
    assert sum(path.stat().st_size for path in EXAMPLE.iterdir()) < 12_000


@pytest.mark.slow
def test_a_kept_row_is_taken_into_a_document(command, tmp_path, monkeypatch):
    """``leaderboard --update --runs`` merges it into copies of the committed results and of a page."""
    from leaderboard import readme

    results = tmp_path / "results"
    shutil.copytree(ROOT / "leaderboard" / "results", results)
    page = tmp_path / "page.md"
    page.write_text("<!-- leaderboard:mini:wild:cub_001 -->\n<!-- /leaderboard -->\n")
    assert command("submit", EXAMPLE, "--output", tmp_path / "runs")[0] == 0
    merged = readme.merged_lists([page], load_records(tmp_path / "runs"), SUITES, results=results)
    ((_, found),) = merged.items()
    assert (found.added, found.replaced, found.kept) == (1, 0, len(load_results(results, "wild.mini")))
    readme.update([page], SUITES, results=results, new=merged)
    assert "| Example: colour centres ◊" in page.read_text()


def test_the_table_of_the_guide_has_every_field_of_the_card():
    text = (ROOT / "docs" / "submit.md").read_text()
    assert set(Card.model_fields) == set(re.findall(r"^\| `(\w+)` \|", text, re.M))
    assert (EXAMPLE / "card.toml").read_text() in text
