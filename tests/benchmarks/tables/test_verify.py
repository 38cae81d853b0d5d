"""verify-row: the numbers of a cell are computed again, and the exit status says what came out."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from leaderboard.load import load_records
from metrics.protocols import PROTOCOLS
from tests.kept_records import rewrite

FINISHED: dict[str, Path] = {}  # the shared run, made by the first test


@pytest.fixture
def cells(call, tmp_path, tmp_path_factory):
    """The folders of two cells of a synthetic task."""
    if "runs" not in FINISHED:
        FINISHED["runs"] = tmp_path_factory.mktemp("verify") / "runs"
        chosen = ("--method", "random_points", "--method", "grid", "--task", "cub_001", "--profile", "mini")
        assert (
            call("run", *chosen, "--no-floors", "--no-mlflow", "--device", "cpu", "--output", FINISHED["runs"])[0] == 0
        )
    shutil.copytree(FINISHED["runs"], tmp_path / "runs")
    return sorted((tmp_path / "runs" / "cells").iterdir())


def scores(folder):
    return json.loads((folder / "result.json").read_text())["scores"]


def test_a_whole_cell_is_equal_and_its_values_are_printed(call, cells):
    status, out, _ = call("verify-row", "runs", cells[0].name)
    assert status == 0
    assert out.splitlines()[0] == f"{cells[0].name}: equal"
    assert [line.split(":")[0].strip() for line in out.splitlines()[1:]] == [
        one["protocol"] for one in scores(cells[0])
    ]


def test_every_number_that_differs_is_named(call, cells):
    first, second, *others = scores(cells[1])
    rewrite(cells[1], scores=[first | {"value": first["value"] * 0.9}, second | {"n_test": 7}, *others])
    status, out, _ = call("verify-row", "runs", cells[1].name)
    assert status == 1
    assert f"{cells[1].name}: differs" in out
    assert f"value of {first['protocol']} is" in out and f"n_test of {second['protocol']} is 7, but" in out


@pytest.mark.parametrize("name", ["predictions_test.parquet", "errors.parquet", "result.json"])
def test_a_changed_file_is_named(call, cells, name):
    path = cells[0] / name
    content = bytearray(path.read_bytes())
    place = content.index(b'"value"') + 9 if name == "result.json" else len(content) // 2
    content[place] ^= 1
    path.write_bytes(bytes(content))
    status, out, _ = call("verify-row", "runs", cells[0].name)
    assert status == 1 and name in out


def test_a_missing_record_differs_and_a_missing_cell_is_a_mistake(call, cells):
    (cells[0] / "result.json").unlink()
    assert call("verify-row", "runs", cells[0].name)[0] == 1
    status, _, err = call("verify-row", "runs", "grid--cub_002")
    assert status == 2 and "unknown cell" in err
    status, _, err = call("verify-row", "elsewhere", "grid")
    assert status == 2 and "no folder elsewhere/cells" in err
    assert call("verify-row", "runs", "../cells/" + cells[1].name)[0] == 2


def test_a_pattern_checks_many_and_one_that_differs_decides(call, cells):
    status, out, _ = call("verify-row", "runs", "*--cub_*")
    assert status == 0 and out.count(": equal") == 2
    rewrite(cells[0], scores=[scores(cells[0])[0] | {"value": 1.0}])
    status, out, _ = call("verify-row", "runs", "*")
    assert status == 1 and (out.count(": equal"), out.count(": differs")) == (1, 1)


def test_what_cannot_be_checked_is_neither_equal_nor_different(call, cells):
    record = rewrite(cells[0], dataset_digests={"fit": "0", "regress": "0", "test": "0"})
    status, out, _ = call("verify-row", "runs", cells[0].name)
    assert status == 2 and "is not at hand as it was measured on" in out
    old = [score | {"protocol_version": PROTOCOLS[score["protocol"]].version + 1} for score in scores(cells[1])]
    rewrite(cells[1], scores=old)
    status, out, _ = call("verify-row", "runs", cells[1].name)
    assert status == 2 and "of other versions of their protocols" in out
    failure = {"type": "ValueError", "message": "no light", "traceback": ""}
    rewrite(cells[0], status="failed", scores=[], failure=failure)
    status, out, _ = call("verify-row", "runs", record.cell_id)
    assert status == 2 and "no light" in out


def test_records_say_how_many_images_were_predicted_and_count_parameters(cells):
    for record in load_records(cells[0].parents[1]):
        warped = record.scores[0].n_test  # a copy of each test image, as there are fewer than 257
        assert record.provenance["images_predicted"] == record.scores[0].n_fit + record.scores[0].n_test + warped
        assert record.provenance["parameters"] == {"own": 0, "frozen": 0}
