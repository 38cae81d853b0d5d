"""Whole runs of ``run --emit slurm`` on the stand-in cluster, with the real ``work`` command in each job."""

import json
import os
import shutil
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.regress.cells import one_thread
from tests.benchmarks.run.cluster.stand_in import Cluster, Task
from tests.conftest import PLUGINS

pytestmark = pytest.mark.slow
SMALL = {"steps": 60, "batch_size": 2, "image_size": 32, "channels": 8, "decoder_channels": 16, "features": "pixels"}
IMM = [f"--set=imm.{name}={value}" for name, value in (SMALL | {"checkpoint_every": 1000}).items()]


@pytest.fixture
def run(toys, command, monkeypatch, tmp_path):
    """Run the command line on the toys in this process; jobs find the toys through PYTHONPATH."""
    monkeypatch.setenv("PYTHONPATH", str(PLUGINS))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")

    def call(output, *options, methods=("toy_colours",)):
        named = [f"--method={method}" for method in methods]
        fixed = ["--task", "toy_many", "--data-root", tmp_path, "--device", "cpu", "--no-floors", "--no-mlflow"]
        return command("run", *named, *fixed, "--output", output, *options)

    return call


def keypoints(output):
    """The bytes of the keypoints by cell and split."""
    return {f"{path.parent.name}/{path.name}": path.read_bytes() for path in output.glob("cells/*/predictions_*")}


def records(output):
    found = [json.loads(path.read_text()) for path in output.glob("cells/*/result.json")]
    return {record["method"]: record for record in found}


def ends(output):
    """What the jobs said at the end of their units: (unit, status)."""
    lines = [line for log in output.glob("slurm/logs/*.out") for line in log.read_text().splitlines()]
    found = [json.loads(line) for line in lines if line.startswith("{")]
    return Counter((line["unit"], line["status"]) for line in found if line["event"] == "end")


def test_a_failed_fit_stops_its_own_cell_alone_and_run_gathers(tmp_path, run):
    output, options = tmp_path / "on cluster", ["--set=toy_colours.crash=true"]
    methods = ("toy_colours", "centre")
    assert run(tmp_path / "here", methods=("centre",))[0] == 0
    assert run(output, *options, "--emit=slurm", methods=methods)[0] == 0
    cluster = Cluster(tmp_path / "cluster")
    assert cluster.call("bash", output / "slurm" / "submit.sh").returncode == 0
    states = cluster.run()
    assert Counter(states.values()) == {"COMPLETED": 4, "FAILED": 4}
    assert Counter(status for _, status in ends(output)) == {"done": 4, "failed": 1, "waiting": 3}
    assert cluster.call("sacct").stdout.count("COMPLETED") == 4
    assert "the toy" in records(output)["toy_colours"]["failure"]["message"]
    status, out, err = run(output, *options, "--overwrite=never", methods=methods)
    assert status == 1 and "toy_many" in out and "the toy" in err and (output / "leaderboard").is_dir()
    assert keypoints(output) == keypoints(tmp_path / "here") and len(keypoints(output)) == 2


def test_a_fit_that_sigterm_stops_goes_on_and_ends_with_the_same_bits(tmp_path, run):
    output = tmp_path / "cluster_runs"
    with one_thread():  # as a job has, and another number rounds differently
        assert run(tmp_path / "here", *IMM, methods=("imm",))[0] == 0
    assert run(output, *IMM, "--emit=slurm", methods=("imm",))[0] == 0
    cluster = Cluster(tmp_path / "cluster")
    assert cluster.call("bash", output / "slurm" / "submit.sh").returncode == 0
    stopped: list[Task] = []

    def watch(cluster):
        task = cluster.tasks["100_0"]
        log = output / "slurm" / "logs" / "100_0.out"
        if not stopped and task.state == "RUNNING" and "fit 1/60" in log.read_text():
            cluster.terminate(task)
            stopped.append(task)

    assert set(cluster.run(watch).values()) == {"COMPLETED"}
    assert (stopped[0].statuses, stopped[0].restarts) == ([143, 0], 1)
    assert keypoints(output) == keypoints(tmp_path / "here") and len(keypoints(output)) == 2
    assert records(output)["imm"]["provenance"]["fit_resumed"] is True
    assert records(output)["imm"]["scores"] == records(tmp_path / "here")["imm"]["scores"]
    assert not list((output / "claims").glob("*.[0-9]*"))


def test_jobs_that_run_twice_do_each_unit_once(tmp_path, run):
    """sbatch submitted the fits and yet failed, so that submit.sh was called again."""
    output = tmp_path / "cluster_runs"
    assert run(tmp_path / "here")[0] == 0
    assert run(output, "--set=toy_colours.pause=0.5", "--emit=slurm")[0] == 0
    cluster = Cluster(tmp_path / "cluster", timed_out=[0], nodes=2)
    assert cluster.call("bash", output / "slurm" / "submit.sh").returncode == 1
    assert cluster.call("bash", output / "slurm" / "submit.sh").returncode == 0
    assert set(cluster.run().values()) == {"COMPLETED"}
    assert ends(output) == {(0, "done"): 1, (0, "kept"): 1, **{(unit, "done"): 1 for unit in (1, 2, 3)}}
    mine, here = keypoints(output), keypoints(tmp_path / "here")
    assert list(mine.values()) == list(here.values()) and len(mine) == 2


def test_a_job_whose_node_fails_is_done_again_on_another(tmp_path, run, monkeypatch):
    """Its claim is not stale yet: the job waits until it is, in place of leaving the unit undone."""
    monkeypatch.setenv("KEYPOINTS_STALE_AFTER", "4")
    output = tmp_path / "cluster_runs"
    assert run(output, "--set=toy_colours.pause=0.3", "--emit=slurm")[0] == 0
    cluster = Cluster(tmp_path / "cluster")
    assert cluster.call("bash", output / "slurm" / "submit.sh").returncode == 0
    lost: list[dict] = []

    def watch(cluster):
        claims = list((output / "claims").glob("fit*.0"))
        if not lost and claims:
            cluster.lose(cluster.tasks["100_0"])
            claim = json.loads(claims[0].read_text())
            claims[0].write_text(json.dumps(claim | {"process": "0-0-0", "host": "node7"}))  # of another machine
            lost.append(claim)

    assert set(cluster.run(watch).values()) == {"COMPLETED"}
    assert ends(output) == {(unit, "done"): 1 for unit in range(4)}
    assert "waiting for node7" in (output / "slurm" / "logs" / "100_0.out").read_text()


@pytest.mark.parametrize("place", ["relative", "link", "shared memory"])
def test_the_run_directory_can_be_on_another_file_system_or_behind_a_link(tmp_path, run, place, monkeypatch):
    monkeypatch.chdir(tmp_path)
    memory = Path("/dev/shm") / f"keypoints {os.getpid()}"
    if place == "shared memory" and not os.access("/dev/shm", os.W_OK):
        pytest.skip("no /dev/shm")
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "there")
    output = {"relative": Path("runs"), "link": tmp_path / "link" / "runs", "shared memory": memory}[place]
    try:
        assert run(output, "--emit=slurm", "--slurm=partition=gpu")[0] == 0
        cluster = Cluster(tmp_path / "cluster")
        assert cluster.call("bash", (output / "slurm" / "submit.sh").absolute()).returncode == 0
        assert set(cluster.run().values()) == {"COMPLETED"}
        assert len(keypoints(output)) == 2 and records(output)["toy_colours"]["scores"]
    finally:
        shutil.rmtree(memory, ignore_errors=True)


def test_options_that_do_not_go_together_are_refused(tmp_path, run):
    for options in (["--slurm=time=1"], ["--slurm=time=1", "--emit=plan"]):
        status, _, err = run(tmp_path / "runs", *options)
        assert status == 2 and "--slurm" in err
    assert run(tmp_path / "runs", "--slurm=a\nb=1", "--emit=slurm")[0] == 2
    assert run(tmp_path / "runs", "--overwrite=all", "--emit=slurm")[0] == 2
    assert not (tmp_path / "runs" / "plan.json").exists()


def test_nothing_is_submitted_where_nothing_is_left(tmp_path, run):
    assert run(tmp_path / "runs")[0] == 0
    status, out, _ = run(tmp_path / "runs", "--emit=slurm")
    assert status == 0 and "nothing is left" in out and not (tmp_path / "runs" / "slurm").exists()
