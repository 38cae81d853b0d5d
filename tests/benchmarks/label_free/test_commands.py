"""The commands ``agreement`` and ``correlation`` on run directories and on committed results."""

import csv
import io
import json
from itertools import combinations, permutations

import numpy as np
import pytest

from benchmarks.records.store import predictions_path, read_predictions, write_predictions
from tests.leaderboard.synthetic import record, save_results, score_of


@pytest.fixture
def runs(tmp_path, command):
    """Three seeds of random points on one task, and one seed of a grid."""
    folder = tmp_path / "runs"
    options = ["--task", "cub_001", "--profile", "mini", "--no-mlflow", "--no-floors", "--output", folder]
    assert command("run", "--method", "random_points", "--seeds", "3", *options)[0] == 0
    assert command("run", "--method", "grid", *options)[0] == 0
    return folder


def keypoints_of(runs):
    return [read_predictions(folder, "test")[1] for folder in sorted((runs / "cells").glob("random_points--*"))]


def best_match(first, second):
    """The least mean distance over all orders of the keypoints, in percent of the side, and the distances in it."""
    orders = permutations(range(first.shape[1]))
    each = [np.hypot(*np.moveaxis(first - second[:, list(order)], 2, 0)).mean(axis=0) for order in orders]
    found = min(each, key=lambda distances: distances.mean())
    return 100 * found.mean(), 100 * found


def test_agreement_is_that_of_the_best_order_of_each_pair_of_seeds(runs, command):
    status, out, err = command("agreement", "--runs", runs, "--profile", "mini", "--format", "json")
    assert status == 0, err
    (row,) = json.loads(out)  # one seed of the grid agrees with nothing
    matched = [best_match(*pair) for pair in combinations(keypoints_of(runs), 2)]
    assert (row["task"], row["method"], row["seeds"], row["pairs"]) == ("cub_001", "random_points", 3, 3)
    assert row["distance"] == pytest.approx(np.mean([distance for distance, _ in matched]), abs=1e-9)
    assert row["found_again"] == pytest.approx(100 * np.mean([each < 5 for _, each in matched]), abs=1e-9)
    assert [cell.split("--")[0] for cell, _ in row["cells"]] == ["random_points"] * 3


def test_agreement_in_all_formats(runs, command, tmp_path):
    options = ["agreement", "--runs", runs, "--profile", "mini"]
    (row,) = json.loads(command(*options, "--format", "json")[1])
    (plain,) = csv.DictReader(io.StringIO(command(*options, "--format", "csv")[1]))
    assert float(plain["distance"]) == row["distance"] and "cells" not in plain
    assert f"{row['distance']:.2f}" in command(*options)[1]
    assert command(*options, "--format", "md", "--output", tmp_path / "page.md")[0] == 0
    assert f"| {row['label']}" in (tmp_path / "page.md").read_text()
    status, _, err = command(*options, "--suite", "none")
    assert status == 2 and "unknown suite 'none'" in err


def test_seeds_with_other_images_are_refused(runs, command):
    folder = min((runs / "cells").glob("random_points--*"))
    ids, keypoints = read_predictions(folder, "test")
    result = json.loads((folder / "result.json").read_text())
    del result["digest"], result["digests"]  # as a record of an older version, whose files are not checked
    (folder / "result.json").write_text(json.dumps(result | {"schema_version": 4}))
    predictions_path(folder, "test").unlink()
    write_predictions(folder, "test", ids[::-1], keypoints)
    status, _, err = command("agreement", "--runs", runs, "--profile", "mini")
    assert status == 2 and "the seeds of Random points on cub_001 have other test images or another order" in err


def test_correlation_reads_committed_results_with_the_agreement_beside_them(command, tmp_path):
    records = [
        record(f"m{n}", task, 1.0, scores=(score_of(10.0 + n), score_of(9.0 - n, protocol="label_free/equivariance")))
        for task in ("cub_001", "cub_002")
        for n in range(5)
    ]
    save_results(records, tmp_path / "wild.mini.json")
    (tmp_path / "agreement").mkdir()
    rows = [
        {"cells": [[each.cell_id, each.provenance.get("date", "")]], "distance": 1.0 + n % 5}
        for n, each in enumerate(records)
    ]
    (tmp_path / "agreement" / "mini.json").write_text(json.dumps(rows))
    status, out, err = command("correlation", "--runs", tmp_path, "--profile", "mini", "--format", "json")
    assert status == 0, err
    found = {each["measure"]: each for each in json.loads(out)}
    assert found["label_free/equivariance"]["within"] == pytest.approx(-1)
    assert found["agreement"]["within"] == pytest.approx(1)
    assert (found["agreement"]["tasks"], found["agreement"]["methods"]) == (2, 5)


def test_correlation_of_a_run_with_too_few_methods_says_what_to_do(runs, command):
    status, out, err = command("correlation", "--runs", runs, "--profile", "mini")
    assert (status, out) == (2, "")
    assert err.startswith(f"error: {runs}: no task of the mini profile has three methods")
    assert "run more methods" in err
