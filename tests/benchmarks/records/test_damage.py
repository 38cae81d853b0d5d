"""Every kind of file that a run keeps, damaged in every way: each command that reuses or publishes it notices."""

from __future__ import annotations

import json
import re
import shutil
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import pytest

from benchmarks.records import mlflow_mirror
from benchmarks.records.store import read_predictions, write_predictions
from leaderboard import readme
from leaderboard.load import load_results
from tests.benchmarks.importing.toys import write
from tests.kept_records import rewrite

OF_CELL = (
    *("result.json", "predictions_regress.parquet", "predictions_test.parquet"),
    *("errors.parquet", "history.parquet", "overlay.png"),
)
OF_FIT = ("fits/fit.json", "fits/tokens.bin", "fits/history.parquet")
IMPORTED = ("toy.paper.parquet", "toy.paper.json")
TABLE = ("leaderboard", "--task", "toy", "--profile", "paper", "--format", "json")
METHODS = {
    "toy_colours": (),
    "toy_colours ": ("--set", "toy_colours.shift=0.1", "--set", "toy_colours.steps=6"),
    "imported:{}/imports/mine": (),
    "imported:{}/imports/theirs": (),
}
FINISHED: dict[str, Path] = {}  # the shared run, made by the first test


def flip(path: Path, other: Path) -> None:
    """Change one bit in the middle of a file, in a JSON file one digit of a number or of a sha256."""
    content = bytearray(path.read_bytes())
    place = len(content) // 2
    if path.suffix == ".json":
        place = next(index for index in range(place, len(content)) if chr(content[index]) in "2468")
    content[place] ^= 1
    path.write_bytes(content)


def truncate(path: Path, other: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def delete(path: Path, other: Path) -> None:
    path.unlink()


def exchange(path: Path, other: Path) -> None:
    """Swap a file with that of another cell, whose content differs."""
    mine, theirs = path.read_bytes(), other.read_bytes()
    assert mine != theirs
    path.write_bytes(theirs)
    other.write_bytes(mine)


@pytest.fixture
def runs(toys, call, tmp_path, tmp_path_factory, monkeypatch):
    """A copy of a finished run: a method with two settings, and two imports."""
    save = toys.Colours.save

    def with_tokens(self, folder):
        save(self, folder)
        (folder / "tokens.bin").write_bytes(b"%f " % self.config.shift * 20)

    monkeypatch.setattr(toys.Colours, "save", with_tokens)
    if "runs" not in FINISHED:
        output = FINISHED["runs"] = tmp_path_factory.mktemp("damage") / "runs"
        for name, scale in (("mine", 1.0), ("theirs", 0.9)):
            path = write(tmp_path / f"{name}.parquet", toys, change=lambda points, scale=scale: points * scale)
            call("import", "neutral", path, "--task", "toy", "--method", name, "--output", output)
        for method, more in METHODS.items():
            assert again(call, output, method, *more)[0] == 0
    shutil.copytree(FINISHED["runs"], tmp_path / "runs")
    return tmp_path / "runs"


def again(call, output, method, *more):
    fixed = ("--task", "toy", "--no-floors", "--no-mlflow", "--device", "cpu", "--output", output)
    return call("run", "--method", method.strip().format(output), *fixed, *more)


@pytest.fixture
def damaged(runs, request):
    """The run with one file damaged; gives its cell's folder and what a line must name."""
    kind, damage = request.param
    by_setting = sorted(runs.glob("cells/toy_colours--*"), key=steps_of)
    if kind in IMPORTED:
        mine, theirs = (runs / "imports" / name / kind for name in ("mine", "theirs"))
        (cell,) = runs.glob("cells/imported_mine--*")
    elif kind in OF_FIT:
        mine, theirs = (runs / "fits" / fit_of(folder) / Path(kind).name for folder in by_setting)
        cell = by_setting[0]
    else:
        mine, theirs = (folder / kind for folder in by_setting)
        cell = by_setting[0]
    damage(mine, theirs)
    return cell, mine


def record_of(folder):
    return json.loads((folder / "result.json").read_text())


def steps_of(folder):
    return record_of(folder)["method_config"]["steps"]


def fit_of(folder):
    return record_of(folder)["provenance"]["fit_id"]


EVERY = pytest.mark.parametrize(
    "damaged",
    [(kind, damage) for kind in (*OF_CELL, *OF_FIT, *IMPORTED) for damage in (flip, truncate, delete, exchange)],
    ids=lambda pair: f"{pair[1].__name__} {pair[0]}",
    indirect=True,
)


def names_it(text, cell, file):
    """Whether a line of the text names the cell, and the damaged file."""
    place = file.parent.name if file.parent.parent.name in ("fits", "imports") else ""
    return any(cell.name in line and file.name in line and place in line for line in text.splitlines())


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
        assert status == 0 and "(finished before)" in out and "again" not in out + err


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
