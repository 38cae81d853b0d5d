"""Every kind of file that a run keeps, damaged in every way: each command that reuses or publishes it notices."""

from __future__ import annotations

import json
import re
import shutil
from contextlib import nullcontext
from functools import partial

import pytest

from benchmarks.records import mlflow_mirror
from benchmarks.records.store import read_predictions, write_predictions
from leaderboard import readme
from leaderboard.load import load_results
from tests.benchmarks.records.damaging import (
    EVERY,
    FINISHED,
    IMPORTED,
    METHODS,
    again,
    copy_of_finished,
    damage_one,
    fit_of,
    names_it,
    record_of,
    steps_of,
)
from tests.kept_records import rewrite

TABLE = ("leaderboard", "--task", "toy", "--profile", "paper", "--format", "json")


@pytest.fixture
def runs(toys, call, tmp_path, tmp_path_factory, monkeypatch):
    """A copy of a finished run: a method with two settings, and two imports."""
    return copy_of_finished(toys, call, tmp_path, tmp_path_factory, monkeypatch)


@pytest.fixture
def damaged(runs, request):
    """The run with one file damaged; gives its cell's folder and what a line must name."""
    return damage_one(runs, *request.param)


@EVERY
def test_the_leaderboard_leaves_the_cell_out(damaged, runs, call):
    cell, file = damaged
    status, out, err = call(*TABLE, "--runs", runs)
    assert status == 0
    assert names_it(err, cell, file)
    there = {row["label"] for row in json.loads(out)}
    lost = {"imported_mine": "mine"}.get(cell.name.partition("--")[0], "Toy colours")
    assert lost not in there and len(there) >= 2


@EVERY
def test_show_refuses_the_cell(damaged, runs, call):
    cell, file = damaged
    status, out, err = call("show", runs, cell.name, "--device", "cpu")
    assert status == 2
    assert names_it(err, cell, file)
    assert not out


@EVERY
def test_the_mirror_leaves_the_cell_out(damaged, runs, call, monkeypatch):
    cell, file = damaged
    logged = []

    def add(tracker, cell):
        logged.append(cell.folder.name)
        return True

    monkeypatch.setattr(mlflow_mirror.Tracker, "_add", add)
    monkeypatch.setattr(mlflow_mirror.Tracker, "_connect", lambda tracker: None)
    monkeypatch.setattr(mlflow_mirror.Tracker, "finish", lambda tracker, status: None)
    monkeypatch.setattr(mlflow_mirror, "all_runs", lambda client, experiment: [])
    monkeypatch.setattr(mlflow_mirror, "writing", lambda output: nullcontext())
    status, _, err = call("mirror", "--output", runs)
    assert status == 1
    assert names_it(err, cell, file)
    assert cell.name not in logged and len(logged) >= 2


@EVERY
def test_an_update_of_committed_results_refuses_the_cell(damaged, runs, call, tmp_path, monkeypatch):
    cell, file = damaged
    page, results = tmp_path / "page.md", tmp_path / "results"
    page.write_text("<!-- leaderboard:paper:toys -->\n<!-- /leaderboard -->\n", encoding="utf-8")
    for name in ("merged_lists", "update", "unclean"):
        monkeypatch.setattr(readme, name, partial(getattr(readme, name), results=results))
    status, out, err = call("leaderboard", "--update", page, "--runs", runs)
    assert status == 1
    assert names_it(err, cell, file)
    there = {record.cell_id for record in load_results(results)}
    assert cell.name not in there and len(there) >= 2
    assert f"the scores of {len(there)} records, computed again from their predictions, agree" in out
    status, _, err = call("leaderboard", "--update", page, "--runs", runs, "--replace")
    assert status == 2 and "--replace would remove" in err
    assert {record.cell_id for record in load_results(results)} == there


@EVERY
def test_run_makes_the_cell_anew(damaged, runs, call):
    cell, file = damaged
    status, out, err = again(call, runs, "imported:{}/imports/mine" if file.name in IMPORTED else "toy_colours")
    if file.name in IMPORTED:
        assert status == 2 and re.search("import again|holds no import; make one", err) and "imports/mine" in err
        return
    assert status == 0
    assert names_it(out, cell, file)
    for path in (cell, runs / "fits" / fit_of(cell)):
        intact = FINISHED["runs"] / path.relative_to(runs)
        for name in {each.name for each in intact.iterdir()} - {"result.json", "fit.json"}:
            assert (path / name).read_bytes() == (intact / name).read_bytes(), name
    before, after = record_of(FINISHED["runs"] / "cells" / cell.name), record_of(cell)
    assert after["scores"] == before["scores"] and after["digests"] == before["digests"]
    status, out, _ = again(call, runs, "toy_colours")
    assert status == 0 and "(finished before)" in out and f"{cell.name}: " not in out


def test_whole_cells_are_published_without_a_word(runs, call):
    status, out, err = call(*TABLE, "--runs", runs)
    assert (status, err) == (0, "")
    assert len({row["label"] for row in json.loads(out)}) == 4
    for method, more in METHODS.items():
        status, out, err = again(call, runs, method, *more)
        assert status == 0 and "(finished before)" in out and not re.search(r"\bagain\b", out + err)


def test_only_the_damaged_part_is_done_again(runs, call, toys):
    (cell, _) = sorted(runs.glob("cells/toy_colours--*"), key=steps_of)
    done = {}
    for name in ("errors.parquet", "predictions_test.parquet"):
        (cell / name).unlink()
        toys.CALLS.clear()
        assert again(call, runs, "toy_colours")[0] == 0
        done[name] = {each.split()[0] for each in toys.CALLS}
    assert not done["errors.parquet"] & {"fit", "predict", "load"}
    assert done["predictions_test.parquet"] >= {"load", "predict"} and "fit" not in done["predictions_test.parquet"]


def test_changed_predictions_are_never_scored_as_they_are(runs, call):
    (cell, _) = sorted(runs.glob("cells/toy_colours--*"), key=steps_of)
    before = record_of(cell)["scores"]
    rewrite(cell, scores=[each | {"protocol_version": 0} for each in before])  # which would only be scored again
    ids, keypoints = read_predictions(cell, "test")
    write_predictions(cell, "test", ids, keypoints / 2)
    status, out, _ = again(call, runs, "toy_colours")
    assert status == 0 and "predictions_test.parquet has changed since it was recorded: run again" in out
    assert record_of(cell)["scores"] == before
    assert (read_predictions(cell, "test")[1] == keypoints).all()


def test_a_dry_run_says_what_is_wrong(runs, call):
    (cell, _) = sorted(runs.glob("cells/toy_colours--*"), key=steps_of)
    (cell / "errors.parquet").unlink()
    status, out, _ = again(call, runs, "toy_colours", "--dry-run")
    assert status == 0
    assert f"score again  {cell.name}  errors.parquet is missing" in out


def test_where_nothing_is_left_the_exit_status_says_so(runs, call):
    for path in runs.glob("cells/*/predictions_test.parquet"):
        path.unlink()
    status, _, err = call(*TABLE, "--runs", runs)
    assert status == 2
    assert err.splitlines()[-1].endswith(f"no cell of {runs} is whole; the lines above say what is wrong with each")
    assert "no picture could be drawn" in call("show", runs)[2]


def test_a_record_that_is_gone_or_empty_is_told_alike_by_every_command(runs, call):
    first, second = sorted(runs.glob("cells/toy_colours--*"))
    (first / "result.json").unlink()
    (second / "result.json").write_text("{}")
    for command in (("leaderboard", "--runs"), ("show", "--device", "cpu"), ("mirror", "--output")):
        err = call(*command, runs)[2]
        (gone,) = (line for line in err.splitlines() if first.name in line)
        (empty,) = (line for line in err.splitlines() if second.name in line)
        assert "result.json is missing; run it again" in gone, command
        assert "(status: Field required)" in empty and "pydantic" not in empty, command


def test_records_of_an_older_version_are_counted(runs, call):
    (path,) = runs.glob("cells/imported_mine--*/result.json")
    plain = json.loads(path.read_text()) | {"schema_version": 4}
    path.write_text(json.dumps({key: plain[key] for key in plain.keys() - {"digest", "digests"}}))
    status, out, err = call(*TABLE, "--runs", runs)
    assert status == 0 and len(json.loads(out)) == 4
    assert err == "records of an older version, without digests, so that changes to them are not noticed: 1\n"


def test_a_fit_that_was_removed_as_a_whole_is_named_and_its_cells_count(runs, call):
    shutil.rmtree(runs / "fits")
    status, out, err = call(*TABLE, "--runs", runs)
    assert status == 0 and len({row["label"] for row in json.loads(out)}) == 4
    assert len(err.splitlines()) == 1 and "the fits of 2 cells are missing" in err
    assert "(finished before, its fit is missing)" in again(call, runs, "toy_colours")[1]
