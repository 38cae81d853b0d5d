"""What status says about run directories in every state, and that it changes nothing."""

import json
import os
import time

import pytest

from benchmarks.run.units.claims import Claims
from benchmarks.run.units.parts import count_images, end_of, part_name, parts_by_first, rows_of
from leaderboard.process import this_process

RUN = ("run", "--task", "toy_many", "--no-floors", "--no-mlflow", "--device", "cpu")
ENDED = f"{this_process().partition('-')[0]}-999999999-1"  # a process of this machine that has ended


@pytest.fixture
def runs(tmp_path):
    return tmp_path / "runs"


@pytest.fixture
def planned(call, runs):
    """A plan of two seeds on 40 and 44 images with shards of 16; gives a function that does units of it."""
    plan = ("--method", "toy_colours", "--seeds", "2", "--emit", "plan", "--shard-size", "16", "--output", runs)
    assert call(*RUN, *plan)[0] == 0

    def work(*numbers):
        for number in numbers:
            assert call("work", runs / "plan.json", "--unit", number, "--output", runs)[0] == 0

    return work


@pytest.fixture
def status(call, runs):
    """The exit status and the JSON of ``status``."""

    def ask():
        code, out, err = call("status", runs, "--format", "json")
        assert not err
        return code, json.loads(out)

    return ask


def counts(found, state):
    return {stage: of[state] for stage, of in found["units"].items()}


def state_of(runs):
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in runs.rglob("*") if path.is_file()}


def test_a_plan_is_counted_unit_by_unit(planned, status, runs):
    code, found = status()
    assert code == 3 and counts(found, "waiting") == {"fit": 2, "predict": 12, "score": 2}
    assert found["images"] == {"predicted": 0, "of": 168} and found["plan"] == {"cells": 2, "units": 16}
    planned(0, 2, 3)
    code, found = status()
    assert code == 3 and counts(found, "done") == {"fit": 1, "predict": 2, "score": 0}
    assert found["images"]["predicted"] == 32
    (partial,) = found["partial"]
    assert (partial["split"], partial["predicted"], partial["of"]) == ("regress", 32, 40)
    planned(4, 5, 6, 7, 14)
    code, found = status()
    assert code == 3 and counts(found, "done") == {"fit": 1, "predict": 6, "score": 1}
    assert len(found["cells"]["done"]) == 1


def test_a_finished_run_is_done_with_and_without_its_plan(planned, call, status, runs):
    assert call(*RUN, "--method", "toy_colours", "--seeds", "2", "--output", runs)[0] == 0
    for _ in range(2):
        code, found = status()
        assert code == 0 and not any(counts(found, "waiting").values())
        assert len(found["cells"]["done"]) == 2 and not found["partial"]
        (runs / "plan.json").unlink(missing_ok=True)


def test_fits_that_were_removed_after_all_their_cells_were_done_are_not_missing(planned, call, status, runs):
    assert call(*RUN, "--method", "toy_colours", "--seeds", "2", "--output", runs)[0] == 0
    for path in sorted(runs.glob("fits/*/*")):
        path.unlink()
    assert status()[0] == 0


def test_status_writes_nothing(planned, call, runs):
    planned(0, 2)
    (runs / "claims" / "score--x.0").write_text("{}")
    before = state_of(runs)
    assert call("status", runs)[0] == 3 and call("status", runs, "--format", "json")[0] == 3
    assert state_of(runs) == before


def test_who_works_on_what_and_what_is_stale(planned, status, call, runs):
    planned(0)
    cell = json.loads((runs / "plan.json").read_text())["units"][2]["cell_id"]
    with Claims(runs).taken(f"predict--{cell}--regress-00000000-00000016"):
        code, found = status()
        assert code == 3 and counts(found, "running") == {"fit": 0, "predict": 1, "score": 0}
        (claim,) = found["claims"]
        assert claim["pid"] == os.getpid() and not claim["stale"] and 0 <= claim["seconds"] < 60
        assert f"process {os.getpid()}" in call("status", runs)[1]
    (runs / "claims" / "score--x.0").write_text(f'{{"unit": "score--x", "process": "{ENDED}"}}')
    old = runs / "claims" / "fit--y.3"
    old.write_text('{"unit": "fit--y", "host": "node7", "pid": 4711, "job": "12_3", "process": "00000000-1-1"}')
    assert [claim["stale"] for claim in status()[1]["claims"]] == [False, True]
    os.utime(old, (time.time() - 1000,) * 2)
    code, found = status()
    assert code == 1 and all(claim["stale"] for claim in found["claims"])
    text = call("status", runs)[1]
    assert "stale claim fit--y  node7, process 4711, job 12_3, renewed 16:40 min ago" in text


def test_failures_are_grouped_by_their_reason(call, status, runs):
    crash = ("--set", "toy_colours.crash=true", "--seeds", "3", "--output", runs)
    assert call(*RUN, "--method", "toy_colours", *crash)[0] == 1
    code, found = status()
    assert code == 1 and [len(cells) for cells in found["cells"]["failed"].values()] == [3]
    assert "and 2 more: the toy crashed" in call("status", runs)[1]
    assert call(*RUN, "--method", "toy_colours", *crash, "--emit", "plan")[0] == 0
    assert counts(status()[1], "failed") == {"fit": 3, "predict": 6, "score": 3}


def test_without_a_plan_a_fit_that_no_cell_has_used_is_a_cell_to_come(planned, call, status, runs):
    planned(0, 2, 3, 4, 5)
    (runs / "plan.json").unlink()
    code, found = status()
    assert code == 3 and counts(found, "done") == {"fit": 1, "predict": 1, "score": 0}
    assert counts(found, "waiting") == {"fit": 0, "predict": 1, "score": 1}
    text = call("status", runs)[1]
    assert "test of toy_many: 16 of 44 images" in text and "40 of 40" not in text
    assert "next        call the same `run` command again" in text and "images predicted" not in text


def test_without_a_plan_the_predictions_of_finished_cells_are_counted(planned, call, status, runs):
    assert call(*RUN, "--method", "toy_colours", "--seeds", "2", "--output", runs)[0] == 0
    (runs / "plan.json").unlink()
    assert counts(status()[1], "done") == {"fit": 2, "predict": 4, "score": 2}
    assert "next" not in call("status", runs)[1]


def test_the_claim_of_a_run_is_called_run_and_nothing_is_to_do_while_it_works(planned, call, runs):
    with Claims(runs).taken(f"run--{this_process()}"):
        text = call("status", runs)[1]
    assert f"running     `run`  {os.uname().nodename}, process {os.getpid()}" in text and "next" not in text
    assert "next        call the same `run` command again" in call("status", runs)[1]


def test_records_that_cannot_be_read_are_named(call, status, runs):
    assert call(*RUN, "--method", "toy_colours", "--output", runs)[0] == 0
    (path,) = runs.glob("cells/*/result.json")
    path.write_text("{")
    code, found = status()
    assert code == 1 and found["cells"]["unreadable"] == [path.parent.name]


def test_a_plan_that_was_changed_is_told_and_what_is_there_is_counted(planned, status, runs):
    planned(0)
    path = runs / "plan.json"
    path.write_text(path.read_text().replace('"device": "cpu"', '"device": "cuda"'))
    code, found = status()
    assert code == 3 and "has changed since it was written" in found["plan_fault"]
    assert counts(found, "done")["fit"] == 1


def test_the_text_is_one_screen_and_has_no_colours_in_a_pipe(planned, call, runs):
    planned(0, 2)
    text = call("status", runs)[1]
    assert len(text.splitlines()) <= 24 and "\x1b" not in text
    assert "regress of toy_many: 16 of 40 images" in text


def test_checkpoints_tell_their_step(planned, status, runs):
    import torch

    from methods.checkpoints import CheckpointFile

    file = CheckpointFile(runs / "fits" / "toy--1.partial", {"method": "toy"})
    file.write_tensors({"history": torch.zeros(7, 3), "a": torch.ones(2)})
    assert status()[1]["checkpoints"] == [{"fit": "toy--1", "steps": 7}]
    (runs / "fits" / "toy--1.partial" / "checkpoint.safetensors").write_bytes(b"\xff" * 20)
    assert status()[1]["checkpoints"] == [{"fit": "toy--1", "steps": None}]


def test_a_folder_that_cannot_be_read_is_told_and_not_taken_as_empty(planned, call, runs, monkeypatch):
    whole = os.scandir

    def closed(path):
        if str(path).endswith("cells"):
            raise PermissionError(13, "Permission denied", str(path))
        return whole(path)

    monkeypatch.setattr("benchmarks.records.listing.os.scandir", closed)
    for command in ("status", "doctor"):
        status, _, err = call(command, runs)
        assert status == 2 and f"cannot read {runs / 'cells'}: Permission denied" in err


@pytest.mark.parametrize("name", ["00000000.parquet", "00000004-00000004.parquet", ".00000000-00000004.parquet.x"])
def test_other_names_are_no_parts(name):
    assert rows_of(name) is None


def test_parts_are_counted_once_and_followed_from_row_to_row():
    assert rows_of(part_name(3, 10)) == (3, 10)
    parts = parts_by_first([part_name(*rows) for rows in ((0, 4), (0, 8), (6, 10), (10, 12), (20, 24))])
    assert count_images(parts) == 8 + 2 + 2 + 4
    assert [end_of(parts, first, 24) for first in (0, 6, 1, 20)] == [8, 12, 1, 24]
    assert end_of(parts, 0, 5) == 5
