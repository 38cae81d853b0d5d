"""Several processes on one run directory: each unit is done once, and the records are those of one process alone."""

import json
import os
import resource
import signal
import subprocess
from collections import Counter

import numpy as np
import pytest

from benchmarks.records.checks import record_fault
from benchmarks.records.store import Store, read_predictions
from tests.benchmarks.records.killing import kept, leftovers
from tests.benchmarks.run.toy_process import records, toy_command
from tests.benchmarks.run.units.killing import command, kill_workers

SLOW = ["--set", "toy_colours.pause=0.1", "--set", "toy_colours.batch_pause=0.05", "--no-floors"]


@pytest.fixture
def start(repository, tmp_path):
    """Start ``run`` of the toy in a process of its own, with a log of its calls; returns the process."""
    running = []

    def call(*options, task="toy_many", limit=None, **environment):
        def set_limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

        started = subprocess.Popen(
            toy_command(repository, tmp_path, *SLOW, *options, task=task),
            cwd=repository,
            env=os.environ | {"KEYPOINT_TOYS_LOG": str(tmp_path / "log"), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=set_limit if limit else None,
        )
        running.append(started)
        return started

    yield call
    for each in running:
        each.kill()
        each.communicate()


def ended(*processes):
    """The exit statuses of processes, and what they said."""
    said = [process.communicate(timeout=120)[0] for process in processes]
    return [process.returncode for process in processes], said


def calls(folder):
    """How often each call of the toy was made, by all processes."""
    return Counter(line.partition(" ")[2] for line in (folder / "log").read_text().splitlines())


def assert_as_alone(folder, run_toy, *options, task):
    """The run directory has what a run alone, in this process, makes of the same cells."""
    whole = folder / "whole"
    whole.mkdir()
    assert run_toy(whole, *SLOW, *options, task=task).status == 0
    found, expected = kept(folder / "runs"), kept(whole / "runs")
    for record in (each for side in (found, expected) for each in side.values() if isinstance(each, dict)):
        del record["suites"]  # the suite of the toys is known in this process alone
    assert found == expected
    assert leftovers(folder / "runs") == []


def test_two_runs_share_the_work(tmp_path, start, run_toy):
    options = ["--seeds", "2", "--task", "toy", "--shard-size", "16"]
    statuses, said = ended(start(*options), start(*options))
    assert statuses == [0, 0], said
    made = calls(tmp_path)
    assert made["fit seed 0 on 6 images"] == made["fit seed 1 on 6 images"] == 2, "one for each dataset"
    assert {call: count for call, count in made.items() if count != 2} == {}, "each batch once for each seed"
    assert len(made) == 2 + 3 + 3 + 1 + 1
    assert not list(tmp_path.glob("runs/claims/*"))
    assert_as_alone(tmp_path, run_toy, *options, task="toy_many")


def test_two_runs_whose_lists_of_tasks_overlap(tmp_path, start, run_toy):
    first, second = start("--task", "toy_many", task="toy"), start("--task", "toy", task="toy_transfer")
    statuses, said = ended(first, second)
    assert statuses == [0, 0], said
    assert set(calls(tmp_path).values()) <= {1, 2}
    assert calls(tmp_path)["fit seed 0 on 6 images"] == 2, "one for each dataset"
    assert calls(tmp_path)["predict 8 test/0"] == 1, "both tasks have the same images"
    assert_as_alone(tmp_path, run_toy, "--task", "toy_many", "--task", "toy_transfer", task="toy")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGKILL, -9), (signal.SIGTERM, 143)])
def test_one_run_ends_and_the_other_goes_on(tmp_path, start, run_toy, number, status):
    options = ["--seeds", "2"]
    statuses, said = ended(start(*options, KEYPOINT_TOYS_SIGNAL=f"{int(number)} 2"), start(*options))
    assert statuses == [status, 0], said
    assert {calls(tmp_path)[f"fit seed {seed} on 6 images"] for seed in (0, 1)} == {1}
    assert_as_alone(tmp_path, run_toy, *options, task="toy_many")


def test_two_runs_of_a_method_that_fails_try_it_once_each_at_most(tmp_path, start):
    options = ["--set", "toy_colours.crash=true"]
    assert ended(start(*options), start(*options))[0] == [1, 1]
    assert calls(tmp_path)["fit seed 0 on 6 images"] <= 2
    (tmp_path / "log").unlink()
    assert ended(start(*options), start(*options, "--overwrite", "failed"))[0] == [1, 1]
    assert 1 <= calls(tmp_path)["fit seed 0 on 6 images"] <= 2
    assert records(tmp_path)["toy_colours"]["status"] == "failed"


def test_two_runs_that_do_everything_again(tmp_path, start, run_toy):
    before = run_toy(tmp_path, *SLOW, task="toy_many")
    assert before.status == 0
    old = kept(tmp_path / "runs")
    statuses, said = ended(start("--overwrite", "all"), start("--overwrite", "all"))
    assert statuses == [0, 0], said
    assert 1 <= calls(tmp_path)["fit seed 0 on 6 images"] <= 2
    assert kept(tmp_path / "runs") == old and leftovers(tmp_path / "runs") == []


def test_the_run_with_a_full_disk_says_so(tmp_path, start, run_toy):
    statuses, said = ended(start(limit=60), start())
    assert statuses == [2, 0], said
    assert "File too large; raise the limit on the size of files" in said[0]
    assert records(tmp_path)["toy_colours"]["status"] == "done"


def at_step(monkeypatch, toys, name, act, number=1):
    """Run ``act`` in call ``number`` of a method of the toy, which goes on with what the call of it gives then."""
    original = getattr(toys.Colours, name)
    seen = []

    def stepping(self, *arguments):
        seen.append(name)
        result = original(self, *arguments)
        if len(seen) == number:
            act()
        return result

    monkeypatch.setattr(toys.Colours, name, stepping)


@pytest.fixture
def plan(run_toy, tmp_path):
    """A plan of one cell whose fit has other bits each time: a fit, a unit for each split, and the scores."""
    noise = ["--set", "toy_colours.noise=true", "--no-floors"]
    assert run_toy(tmp_path, *noise, "--emit", "plan", task="toy_many").status == 0
    return tmp_path / "runs" / "plan.json"


@pytest.fixture
def work(plan, command):
    """Do a unit in this process; returns the exit status and the status in the last line."""

    def call(number, *options):
        status, out, err = command("work", plan, "--unit", number, "--output", plan.parent, *options)
        return status, json.loads(out.splitlines()[-1])["status"] if out else err

    return call


@pytest.fixture
def elsewhere(plan, repository):
    """Do a unit in another process, whether it is done or claimed."""

    def call(number):
        arguments = command("work", str(plan), "--unit", str(number), "--output", str(plan.parent), "--force")
        done = subprocess.run(arguments, cwd=repository, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    return call


def shift_of_fit(folder):
    (path,) = folder.glob("runs/fits/*/noise.json")
    return json.loads(path.read_text())


def assert_of_the_fit(folder, toys):
    """The one record is whole, and all keypoints have the shift of the fit that is kept."""
    (cell,) = folder.glob("runs/cells/*")
    record = Store(folder / "runs").record(cell.name)
    assert record is not None and record.status == "done" and record_fault(folder / "runs", cell.name) is None
    squares = toys.many(None)
    for split in ("regress", "test"):
        ids, keypoints = read_predictions(cell, split)
        centres = np.stack([(squares.corners(image) + 2) / 32 for image in ids])
        np.testing.assert_allclose(keypoints - shift_of_fit(folder), centres, atol=1e-6)


def test_of_two_fits_at_once_one_is_kept_and_predicts_all(tmp_path, toys, work, elsewhere, monkeypatch):
    kept_elsewhere = []

    def other():
        elsewhere(0)
        kept_elsewhere.append(shift_of_fit(tmp_path))

    at_step(monkeypatch, toys, "fit", other)
    assert work(0, "--force") == (0, "done")
    assert [shift_of_fit(tmp_path)] == kept_elsewhere, "the first fit that was kept stays"
    for unit in (1, 2, 3):
        assert work(unit) == (0, "done")
    assert_of_the_fit(tmp_path, toys)


@pytest.mark.parametrize("moment", ["load", "predict"])
def test_a_fit_that_is_replaced_during_predictions(tmp_path, toys, work, elsewhere, run_toy, monkeypatch, moment):
    assert work(0) == (0, "done")
    before = shift_of_fit(tmp_path)
    with monkeypatch.context() as patched:
        at_step(patched, toys, moment, lambda: elsewhere(0))
        assert work(1) == (0, "done")
    assert shift_of_fit(tmp_path) != before
    noise = ["--set", "toy_colours.noise=true", "--no-floors"]
    done = run_toy(tmp_path, *noise, task="toy_many")
    assert done.status == 0, done.err
    assert_of_the_fit(tmp_path, toys)


def test_a_fit_that_is_replaced_during_a_run_is_used_for_all(tmp_path, toys, plan, elsewhere, run_toy, monkeypatch):
    at_step(monkeypatch, toys, "predict", lambda: elsewhere(0), number=4)
    done = run_toy(tmp_path, "--set", "toy_colours.noise=true", "--no-floors", task="toy_many")
    assert done.status == 0, done.err
    assert_of_the_fit(tmp_path, toys)


def test_predictions_and_scores_that_are_made_twice_at_once(tmp_path, toys, work, elsewhere, monkeypatch):
    assert work(0) == (0, "done")
    with monkeypatch.context() as patched:
        at_step(patched, toys, "predict", lambda: elsewhere(1))
        assert work(1) == (0, "done")
    assert work(2) == (0, "done")
    with monkeypatch.context() as patched:
        annotation = toys.Squares.annotation
        patched.setattr(
            toys.Squares, "annotation", lambda self, image: elsewhere_once(image) or annotation(self, image)
        )
        scored: list[str] = []

        def elsewhere_once(image):
            if not scored:
                scored.append(image)
                elsewhere(3)

        assert work(3) == (0, "done")
    assert scored
    assert_of_the_fit(tmp_path, toys)


@pytest.mark.parametrize("unit", [1, 3])
def test_a_duplicate_that_fails_late_leaves_the_good_record(tmp_path, toys, work, elsewhere, monkeypatch, unit):
    for earlier in range(unit):
        assert work(earlier) == (0, "done")

    def finish_then_fail(*_):
        for number in range(unit, 4):
            elsewhere(number)
        raise ValueError("broken here alone")

    name = {1: (toys.Colours, "predict"), 3: (toys.Squares, "annotation")}[unit]
    with monkeypatch.context() as patched:
        patched.setattr(*name, finish_then_fail)
        assert work(unit, "--force") == (1, "failed")
    assert_of_the_fit(tmp_path, toys)
    assert len(records(tmp_path)) == 1


def test_a_duplicate_that_fails_in_the_last_moment_leaves_the_good_record(tmp_path, toys, work, elsewhere, monkeypatch):
    """The good record comes between the look of the failing process and its write."""
    for earlier in range(3):
        assert work(earlier) == (0, "done")
    from benchmarks.records import staging

    moved = staging._moved

    def late(filling, folder):
        if folder.parent.name == "cells":
            monkeypatch.setattr(staging, "_moved", moved)
            elsewhere(3)
        return moved(filling, folder)

    def fail(*_):
        raise ValueError("broken here alone")

    with monkeypatch.context() as patched:
        patched.setattr(toys.Squares, "annotation", fail)
        monkeypatch.setattr(staging, "_moved", late)
        assert work(3, "--force") == (1, "failed")
    assert_of_the_fit(tmp_path, toys)


def test_killed_workers_end_with_the_files_of_one_process(tmp_path):
    found, unequal = kill_workers(tmp_path, kills=3, seed=1, workers=2)
    assert unequal == [] and found.killed == 3
    assert set(found.statuses) == {0}
