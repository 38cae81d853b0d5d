"""Before results are committed, their scores are computed again from the kept predictions."""

from __future__ import annotations

import json
import shutil
from functools import partial
from pathlib import Path

import pytest

from benchmarks.records import store as storage
from leaderboard import readme
from leaderboard.load import load_results, read_record
from tests.kept_records import rewrite

FINISHED: dict[str, Path] = {}  # the shared run, made by the first test


@pytest.fixture
def cells(call, tmp_path, tmp_path_factory):
    """The folders of two cells of a synthetic task, of all its images."""
    if "runs" not in FINISHED:
        FINISHED["runs"] = tmp_path_factory.mktemp("recompute") / "runs"
        chosen = ("--method", "random_points", "--method", "grid", "--task", "cub_001", "--profile", "mini")
        fixed = ("--no-floors", "--no-mlflow", "--device", "cpu", "--output", FINISHED["runs"])
        assert call("run", *chosen, *fixed)[0] == 0
    shutil.copytree(FINISHED["runs"], tmp_path / "runs")
    return sorted((tmp_path / "runs" / "cells").iterdir())


@pytest.fixture
def update(call, tmp_path, monkeypatch):
    """Commit the results of the run into a folder of the test's own."""
    page, results = tmp_path / "page.md", tmp_path / "results"
    page.write_text("<!-- leaderboard:mini:wild -->\n<!-- /leaderboard -->\n", encoding="utf-8")
    for name in ("merged_lists", "update", "check", "unclean"):
        monkeypatch.setattr(readme, name, partial(getattr(readme, name), results=results))

    def run(*options):
        status, out, err = call("leaderboard", "--update", page, "--runs", "runs", *options)
        return status, out, err, {record.method for record in (load_results(results) if results.is_dir() else [])}

    return run


def with_score(folder, **changes):
    """Change the headline of a record, as if a run had written it so."""
    scores = json.loads((folder / "result.json").read_text())["scores"]
    rewrite(folder, scores=[scores[0] | changes, *scores[1:]])


def older(folder, **changes):
    """Make the record one of an older version, without digests."""
    plain = json.loads((folder / "result.json").read_text())
    del plain["digest"], plain["digests"]
    plain["scores"][0] |= changes
    (folder / "result.json").write_text(json.dumps(plain | {"schema_version": 4}))


def test_scores_that_are_those_of_the_predictions_are_committed(cells, update):
    for folder in cells:
        with_score(folder, condition=1e9)  # a condition is an estimate: it moves with the last digits
    assert update()[0::3] == (0, {"grid", "random_points"})


@pytest.mark.parametrize("write", [with_score, older])
@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("value", lambda value: value * (1 + 2e-6)),
        ("value", lambda value: 1.23),
        ("ci_low", lambda value: value - 0.01),
        ("ci_high", lambda value: None),
        ("n_test", lambda value: value + 1),
        ("unit", lambda value: "%"),
        ("higher_is_better", lambda value: True),
        ("per_landmark", lambda value: [1.0, *value[1:]]),
        ("per_landmark", lambda value: value[:-1]),
        ("rank_deficient", lambda value: not value),
    ],
)
def test_a_score_that_is_not_that_of_the_predictions_is_refused(cells, update, write, name, change):
    before = json.loads((cells[1] / "result.json").read_text())["scores"][0][name]
    write(cells[1], **{name: change(before)})
    status, out, err, there = update()
    assert (status, there) == (1, {"grid"})
    (line,) = [line for line in err.splitlines() if line.startswith("refused")]
    assert f"cells/{cells[1].name}: " in line and "sk/side" in line and "run it again" in line
    assert "the scores of 1 records, computed again from their predictions, agree" in out


def test_a_difference_within_rounding_is_none(cells, update):
    value = json.loads((cells[0] / "result.json").read_text())["scores"][0]["value"]
    with_score(cells[0], value=value * (1 + 1e-9))
    assert update()[0::3] == (0, {"grid", "random_points"})


def test_predictions_changed_beside_an_older_record_are_refused(cells, update):
    for folder in cells:
        older(folder)
    ids, keypoints = storage.read_predictions(cells[1], "test")
    storage.write_predictions(cells[1], "test", ids, keypoints[::-1].copy())
    status, _, err, there = update()
    assert (status, there) == (1, {"grid"})
    assert "but its predictions give" in err
    storage.predictions_path(cells[1], "test").write_bytes(b"PAR1")
    status, _, err, there = update()
    assert (status, there) == (1, {"grid"})
    assert "its predictions cannot be scored" in err


def test_what_cannot_be_computed_again_is_said(cells, update):
    older(cells[0])
    storage.predictions_path(cells[0], "test").unlink()
    rewrite(cells[1], dataset_digests={"fit": "", "regress": "0" * 64, "test": "0" * 64})
    status, out, _, there = update()
    assert (status, there) == (0, {"grid", "random_points"})
    assert "the scores of 1 records were not computed again: they are of an older version, and their predictions" in out
    assert "1 records were not computed again: mini_cub_001 is not at hand as it was measured on" in out


def test_a_dataset_that_is_not_there_is_said(cells, update):
    rewrite(cells[0], dataset="cub_001")
    rewrite(cells[1], dataset="of_a_plugin")
    status, out, _, there = update()
    assert (status, there) == (0, {"grid", "random_points"})
    assert out.count("records were not computed again: cub_001 is not at hand (") == 1
    assert out.count("records were not computed again: of_a_plugin is not at hand (unknown dataset") == 1


def test_where_all_are_refused_nothing_changes(cells, update):
    for folder in cells:
        with_score(folder, value=1.0)
    status, _, err, there = update()
    assert (status, there) == (2, set())
    assert "2 cells of runs are refused, as the lines above say: nothing is left to merge; nothing changed" in err


def test_a_refused_cell_keeps_its_committed_result(cells, update):
    update()
    with_score(cells[1], value=1.0)
    assert update()[0::3] == (1, {"grid", "random_points"})
    status, _, err, there = update("--replace")
    assert (status, there) == (2, {"grid", "random_points"})
    assert "--replace would remove their committed results" in err


def test_the_keypoints_on_the_example_images_are_kept_beside_the_results(cells, update, tmp_path):
    from benchmarks.records.store import Store
    from benchmarks.registry import opener
    from benchmarks.run.examples import examples_of, load_examples

    place = tmp_path / "results" / "examples" / "examples.json"
    assert update()[0] == 0
    assert not place.exists()  # floors alone choose no images
    for folder in cells:
        if folder.name.startswith("random_points"):
            rewrite(folder, is_floor=False)
    assert update()[0] == 0
    (found,) = load_examples(place)
    records = load_results(tmp_path / "results")  # the file is not read as a list
    assert found.task == "cub_001" and len(records) == 2
    assert [found] == examples_of(Store(tmp_path / "runs"), records, opener(None))
    assert len(found.methods) == 2 and all(len(each.keypoints) == len(found.ids) for each in found.methods)
    before = place.read_bytes()
    assert update()[0] == 0 and place.read_bytes() == before
    shutil.rmtree(next(folder for folder in cells if folder.name.startswith("random_points")))
    assert update()[0] == 0 and place.read_bytes() == before  # a run of fewer methods takes none away


def test_a_failed_update_leaves_the_example_images_as_they_were(cells, update, tmp_path, monkeypatch):
    for folder in cells:
        rewrite(folder, is_floor=False)
    monkeypatch.setattr("leaderboard.readme.write_together", lambda texts: (_ for _ in ()).throw(OSError("full")))
    status, _, error, methods = update()
    assert status != 0 and "full" in error and not methods
    assert not (tmp_path / "results").exists()


def test_a_score_whose_protocol_has_nothing_to_measure_is_refused(cells, update, monkeypatch):
    from metrics import scoring

    values = scoring._with_values
    monkeypatch.setattr(
        scoring, "_with_values", lambda found: {p: each for p, each in values(found).items() if p.id != "parts/nmi"}
    )
    status, out, err, committed = update()
    assert (status, committed) == (2, set())
    assert "parts/nmi is " in out + err and "but its predictions give no value" in out + err


def test_a_headline_of_all_images_together_has_no_example_images(cells, tmp_path):
    from benchmarks.records.store import Store
    from benchmarks.registry import opener
    from benchmarks.run.examples import examples_of

    for folder in cells:
        scores = json.loads((folder / "result.json").read_text())["scores"]
        parts = [each for each in scores if each["protocol"] == "parts/nmi"]
        rewrite(folder, is_floor=False, scores=parts)
    records = [read_record(folder / "result.json") for folder in cells]
    assert examples_of(Store(tmp_path / "runs"), records, opener(None)) == []
