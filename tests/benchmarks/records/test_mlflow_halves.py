"""What killed commands, and commands that lost their server, leave in MLflow is cleaned by the next command."""

import os
import shutil
import subprocess
import sys
import time
from collections import Counter

import pytest
from mlflow import MlflowClient

from benchmarks.records import mlflow_mirror
from benchmarks.records.mlflow_mirror import PROCESS, Tracker, mirror
from benchmarks.records.mlflow_store import EXPERIMENT, RECORD
from leaderboard.process import this_process
from tests.benchmarks.records.conftest import runs

CALLS = ("create_run", "log_batch", "log_inputs", "log_artifact", "set_tag", "set_terminated")


class Killed(BaseException):
    """The process ends here: no code of it runs any more."""


@pytest.fixture
def killed(monkeypatch):
    """Mirror a run directory in a process that is killed after its n-th writing call; False if it ends."""

    def call(output, due):
        done: list[str] = []

        def counted(original):
            def run(*arguments, **named):
                if done and done[-1] == "dead":
                    raise Killed
                done.append(original.__name__)
                found = original(*arguments, **named)
                if len(done) == due:
                    done.append("dead")
                    raise Killed
                return found

            return run

        with monkeypatch.context() as patch:
            patch.setattr(mlflow_mirror, "this_process", ended_process)
            for name in CALLS:
                patch.setattr(MlflowClient, name, counted(getattr(MlflowClient, name)))
            patch.setattr(mlflow_mirror, "_remove", lambda *arguments: None)
            try:
                mirror(output)
            except Killed:
                return True
        return False

    return call


def ended_process():
    machine, _, started = this_process().split("-")
    return f"{machine}-{os.getpid()}-{int(started) - 1}"


def state(output):
    """Statuses of the parents, the children of each cell, and the number of runs that are RUNNING, deleted or not."""
    client = MlflowClient(f"sqlite:///{output}/mlflow.db")
    parents, children = runs(client)
    experiment = client.get_experiment_by_name(EXPERIMENT).experiment_id
    running = client.search_runs([experiment], "attributes.status = 'RUNNING'", run_view_type=3)
    return parents, Counter(child.data.tags["cell_id"] for child in children), len(running)


def test_a_kill_in_any_call_leaves_nothing_running_and_no_half_run_after_the_next_command(run, killed, tmp_path):
    assert run(mlflow=False) == 0
    names = {path.name for path in (tmp_path / "runs" / "cells").iterdir()}
    due = 1
    output = shutil.copytree(tmp_path / "runs", tmp_path / f"runs-{due}")
    while killed(output, due):
        assert mirror(output)[1] == 0
        parents, children, running = state(output)
        assert children == dict.fromkeys(names, 1), due
        assert {each.info.status for each in parents} <= {"FINISHED", "KILLED"}, due
        assert running == 0, due
        due += 1
        output = shutil.copytree(tmp_path / "runs", tmp_path / f"runs-{due}")
    assert due > 10


def test_the_same_run_command_cleans_and_completes_what_a_kill_left(run, killed, tmp_path):
    output = tmp_path / "runs"
    assert run(seeds=2, mlflow=False) == 0
    assert killed(output, 5)
    assert state(output)[2] == 2
    assert run(seeds=2) == 0  # finished before
    _, children, running = state(output)
    assert set(children.values()) == {1} and len(children) == 2
    assert running == 0


@pytest.fixture
def other_process(repository):
    """The name of a process that lives."""
    code = "from leaderboard.process import this_process; print(this_process(), flush=True); input()"
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=repository, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    yield process.stdout.readline().strip()
    process.communicate()


def test_runs_of_processes_that_live_or_cannot_be_asked_and_of_others_are_left_alone(run, tmp_path, other_process):
    output = tmp_path / "runs"
    assert run() == 0
    client = MlflowClient(f"sqlite:///{output}/mlflow.db")
    experiment = client.get_experiment_by_name(EXPERIMENT).experiment_id
    now = round(time.time() * 1000)

    def make(process, age=0.0, child=True):
        tags = {"command": "run"} | ({PROCESS: process} if process else {})
        parent = client.create_run(experiment, now - round(age * 1000), tags).info.run_id
        half = client.create_run(experiment, 0, {"mlflow.parentRunId": parent, "cell_id": "half"}).info.run_id
        return [parent, half]

    day = 24 * 3600
    kept = make(other_process) + make("elsewhere-1-1", 6 * day) + make("", 6 * day)
    gone = make(ended_process()) + make("elsewhere-1-1", 8 * day) + make("", 8 * day)
    stranger = client.create_run(experiment, 0, {"note": "a run that a user made"}).info.run_id
    whole = client.create_run(experiment, 0, {"cell_id": "x", RECORD: "y", "status": "failed"}).info.run_id
    assert mirror(output) == (0, 0)
    for name in [*kept, stranger]:
        info = client.get_run(name).info
        assert (info.status, info.lifecycle_stage) == ("RUNNING", "active")
    for name, stage in zip(gone, ["active", "deleted"] * 3, strict=True):
        info = client.get_run(name).info
        assert (info.status, info.lifecycle_stage) == ("KILLED", stage)
    assert client.get_run(whole).info.status == "FAILED"


def test_a_run_that_goes_on_is_not_ended_by_a_mirror_beside_it(run, tmp_path):
    output = tmp_path / "runs"
    assert run(seeds=2, mlflow=False) == 0
    first, second = sorted(path.name for path in (output / "cells").iterdir())
    tracker = Tracker(output, ["run"])
    tracker.log(first)
    assert mirror(output) == (1, 0)
    tracker.log(second)
    tracker.finish("FINISHED", [first, second])
    parents, children, running = state(output)
    assert children == {first: 1, second: 1}
    assert {each.info.status for each in parents} == {"FINISHED"} and running == 0


def test_two_runs_at_once_make_one_store_and_mirror_all(tmp_path, repository):
    output = tmp_path / "runs"
    command = [sys.executable, "-m", "benchmarks", "run", "--profile", "mini", "--no-floors", "--limit", "6"]
    command += ["--method", "centre", "--output", str(output)]
    both = [
        subprocess.Popen(
            [*command, "--task", task], cwd=repository, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for task in ("cub_001", "cub_002")
    ]
    said = [process.communicate(timeout=300)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert all("python -m benchmarks ui" in each and "not updated" not in each for each in said)
    parents, children, running = state(output)
    assert children == {path.name: 1 for path in (output / "cells").iterdir()} and len(children) == 2
    assert [each.info.status for each in parents] == ["FINISHED"] * 2 and running == 0
    assert not list(output.glob(".mlflow.db*"))
