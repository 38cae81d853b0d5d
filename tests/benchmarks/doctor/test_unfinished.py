"""What an unfinished run keeps: broken parts and checkpoints are removed, so that the same run goes on to the same."""

import os
import shutil
import time
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from benchmarks.run.units.claims import Claims
from leaderboard.process import this_process
from methods.checkpoints import CheckpointFile
from tests.benchmarks.records.damaging import delete, exchange, flip, truncate
from tests.benchmarks.run.units.conftest import kept

RUN = ("run", "--method", "toy_colours", "--task", "toy_many", "--no-floors", "--no-mlflow", "--device", "cpu")
UNFINISHED: dict[str, Any] = {}  # the shared run, made by the first test
ENDED = f"{this_process().partition('-')[0]}-999999999-1"  # a process of this machine that has ended


@pytest.fixture
def runs(call, tmp_path, tmp_path_factory):
    """A copy of a run of two seeds: the fits are made, some images are predicted, and another fit has begun."""
    if "runs" not in UNFINISHED:
        output = UNFINISHED["runs"] = tmp_path_factory.mktemp("unfinished") / "runs"
        assert call(*RUN, "--seeds", "2", "--emit", "plan", "--shard-size", "16", "--output", output)[0] == 0
        for number in (0, 1, 2, 3, 5, 8, 9):
            assert call("work", output / "plan.json", "--unit", number, "--output", output)[0] == 0
        for name in ("toy--a", "toy--b"):
            about = {"method": "toy", "seed": name}
            tensors = {"history": torch.zeros(7, 3), "weights": torch.from_numpy(np.arange(5.0)) + len(name)}
            CheckpointFile(output / "fits" / f"{name}.partial", about).write_tensors(tensors)
        UNFINISHED["kept"] = finished(call, output, tmp_path / "whole")
    shutil.copytree(UNFINISHED["runs"], tmp_path / "runs")
    return tmp_path / "runs"


def finished(call, output, folder):
    """What is kept once a copy of the run is done."""
    shutil.copytree(output, folder / "runs", dirs_exist_ok=True)
    assert call(*RUN, "--seeds", "2", "--output", folder / "runs")[0] == 0
    return {name: content for name, content in kept(folder).items() if ".partial" not in name}


def files(runs):
    return {path.relative_to(runs).as_posix(): path.read_bytes() for path in runs.rglob("*") if path.is_file()}


def parts(runs):
    """The parts of the first fit and of the second, of rows 0 to 15."""
    return sorted(runs.glob("partial/*/*/00000000-00000016.parquet"))


KINDS = {
    "part": lambda runs: (parts(runs)[0], parts(runs)[-1]),
    "about": lambda runs: tuple(path.parent.with_suffix(".json") for path in (parts(runs)[0], parts(runs)[-1])),
    "checkpoint": lambda runs: tuple(sorted(runs.glob("fits/*.partial/*"))),
}


def flip_data(path, other):
    """Change one bit of the keypoints of a part, or of any other file."""
    if path.suffix != ".parquet":
        return flip(path, other)
    column = pq.read_metadata(path).row_group(0).column(5)
    content = bytearray(path.read_bytes())
    content[column.data_page_offset + column.total_compressed_size - 9] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [flip_data, truncate, exchange])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_broken_is_removed_and_made_again(kind, damage, runs, call, tmp_path):
    mine, theirs = KINDS[kind](runs)
    before = files(runs)
    damage(mine, theirs)
    damaged = {path for path, content in files(runs).items() if before[path] != content}
    assert call("doctor", runs, "--dry-run")[0] == 1 and files(runs).keys() == before.keys()
    status, out, _ = call("doctor", runs)
    assert status == 0, out
    assert all(any(line.startswith(f"{path} ") and "removed" in line for line in out.splitlines()) for path in damaged)
    assert files(runs) == {path: content for path, content in before.items() if path not in damaged}
    assert call("doctor", runs)[:2] == (0, "0 cells checked: everything is whole\n")
    assert finished(call, runs, tmp_path / "again") == UNFINISHED["kept"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_deleted_is_made_again(kind, runs, call, tmp_path):
    delete(*KINDS[kind](runs))
    assert call("doctor", runs)[0] == 0
    assert finished(call, runs, tmp_path / "again") == UNFINISHED["kept"]


@pytest.mark.parametrize("damage", [flip, truncate])
def test_a_broken_plan_is_named_and_written_again_by_run(damage, runs, call):
    plan = runs / "plan.json"
    before = plan.read_bytes()
    damage(plan, plan)
    status, out, _ = call("doctor", runs)
    assert status == 1 and "plan.json " in out and "left as it is" in out
    assert call("work", plan, "--unit", "0", "--output", runs)[0] == 2
    assert call(*RUN, "--seeds", "2", "--emit", "plan", "--shard-size", "16", "--output", runs)[0] == 0
    assert len(plan.read_bytes()) > 0.9 * len(before) and call("doctor", runs)[0] == 0


def test_parts_of_the_last_folder_go_with_what_describes_it(runs, call):
    for path in runs.glob("partial/*/*/*.parquet"):
        path.write_bytes(b"no parquet")
    assert call("doctor", runs)[0] == 0
    assert not list(runs.glob("partial/*"))


def test_what_killed_processes_left_is_removed(runs, call):
    (fit, *_) = [path for path in runs.glob("fits/*") if path.suffix != ".partial"]
    left = [
        runs / "staging" / f"{ENDED}.00000000" / "file",
        fit / f".fit.json.{ENDED}.partial",
        runs / "claims" / f".{ENDED}.00000000",
        runs / "fits" / "toy--a.partial" / ".checkpoint.safetensors.999",
    ]
    mine = [runs / "staging" / f"{this_process()}.00000000" / "file", fit / f".fit.json.{this_process()}.partial"]
    for path in (*left, *mine, runs / "partial" / "toy--c" / "nothing"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch() if path.name != "nothing" else path.mkdir()
    status, out, _ = call("doctor", runs)
    assert status == 0, out
    assert not any(path.exists() for path in left) and all(path.exists() for path in mine)
    assert not (runs / "partial" / "toy--c").exists() and "partial/toy--c/nothing is an empty folder" in out
    assert call("doctor", runs)[:2] == (0, "0 cells checked: everything is whole\n")


def test_stale_claims_are_removed_and_live_ones_stay(runs, call):
    stale = runs / "claims" / "score--cell.0"
    stale.write_text(f'{{"unit": "score--cell", "host": "node7", "pid": 4711, "process": "{ENDED}"}}')
    with Claims(runs).taken("fit--toy--a"):
        status, out, _ = call("doctor", runs)
        assert status == 0 and not stale.exists()
        assert "claims/score--cell is stale (of node7, process 4711" in out and "work on (1 claim)" in out
        assert list(runs.glob("claims/fit--toy--a*"))


def test_what_other_processes_work_on_is_left_alone(runs, call):
    (first, *_), (checkpoint, other) = parts(runs), sorted(runs.glob("fits/*.partial/*"))
    for path in (first, checkpoint, other):
        truncate(path, path)
    cell = next(path for path in (runs / "plan.json").read_text().split('"') if path.startswith("toy_colours--"))
    with Claims(runs).taken("fit--toy--a"), Claims(runs).taken(f"predict--{cell}--test-00000000-00000016"):
        assert call("doctor", runs)[0] == 0
        assert checkpoint.exists() and not other.exists()
    assert call("doctor", runs)[0] == 0 and not first.exists() and not checkpoint.exists()


def test_parts_of_older_versions_are_removed(runs, call):
    part = parts(runs)[0]
    old = part.with_name("00000000.parquet")
    part.rename(old)
    status, out, _ = call("doctor", runs)
    assert status == 0 and "00000000.parquet is of an older version: removed" in out and not old.exists()


def test_a_folder_that_is_no_run_directory_is_refused(call, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    for command in ("doctor", "status"):
        status, _, err = call(command, tmp_path / "mine")
        assert status == 2 and "is no run directory" in err
        assert call(command, tmp_path / "nowhere")[0] == 2


def test_a_claim_that_is_not_renewed_is_stale_by_its_age(runs, call, monkeypatch):
    monkeypatch.setenv("KEYPOINTS_STALE_AFTER", "60")
    path = runs / "claims" / "fit--toy--a.0"
    path.write_text('{"unit": "fit--toy--a", "host": "elsewhere", "pid": 1, "process": "00000000-1-1"}')
    assert call("doctor", runs)[0] == 0 and path.exists()
    os.utime(path, (time.time() - 100,) * 2)
    assert call("doctor", runs)[0] == 0 and not path.exists()


def test_a_checkpoint_beside_its_saved_fit_is_no_unfinished_fit(runs, call):
    fit = min(path.name for path in (runs / "fits").iterdir() if not path.name.endswith(".partial"))
    CheckpointFile(runs / "fits" / f"{fit}.partial", {"method": "toy"}).write_tensors({"history": torch.zeros(3, 3)})
    assert not [line for line in call("status", runs)[1].splitlines() if line.split()[:2] == ["checkpoint", fit]]
    status, out, _ = call("doctor", runs)
    assert status == 0 and f"fits/{fit}.partial/checkpoint.safetensors is left beside" in out.replace("\n", " ")
    assert not (runs / "fits" / f"{fit}.partial" / "checkpoint.safetensors").exists()
    assert (runs / "fits" / fit).is_dir()
