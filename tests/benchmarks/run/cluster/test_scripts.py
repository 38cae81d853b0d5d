"""The scripts for SLURM with a program in the place of Python: numbers, order, signals, environment, odd paths."""

import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks.errors import UserError
from benchmarks.registry import opener
from benchmarks.run.cluster import slurm
from benchmarks.run.cluster.sbatch_options import parse_options
from benchmarks.run.cluster.slurm import environment, stages, write_scripts
from benchmarks.run.plan import Request, make_plan
from benchmarks.run.units.plan_file import PlanFile, read_plan
from benchmarks.run.units.unit import STAGES, Unit
from benchmarks.tasks import TASKS
from tests.benchmarks.run.cluster.stand_in import Cluster

RECORD = """#!/bin/bash
# Called with -m benchmarks work PLAN --unit N --output DIR --wait
echo "$6" >>{folder}/units
printf '%s\\n' "$@" >{folder}/arguments
{rest}
"""
UNTIL_TERM = "trap 'exit {status}' TERM\nwhile [[ ! -e {folder}/go ]]; do sleep 0.02; done"


@cache
def cell():
    """A cell of a real plan."""
    wanted = Request(["grid"], [TASKS["cub_001"]], "mini", opener(None), seeds=1, limit=None, floors=False)
    return make_plan(wanted).cells[0]


def plan(fits=1, predictions=1, scores=1):
    """A plan with so many units of each stage, all of one cell."""
    counts = zip(STAGES, (fits, predictions, scores), strict=True)
    units = [Unit(cell_id=cell().id, stage=stage) for stage, count in counts for _ in range(count)]
    return PlanFile(cells=(cell(),), units=tuple(units), device="cpu")


class Scripts:
    """Makes scripts that call a program which notes its unit and then does ``rest``."""

    def __init__(self, folder, monkeypatch):
        self._folder, self._monkeypatch = folder, monkeypatch

    def __call__(self, of=None, *options, rest="", output=None):
        program = self._folder / "python"
        program.write_text(RECORD.format(folder=self._folder, rest=rest.format(folder=self._folder)))
        program.chmod(0o755)
        self._monkeypatch.setattr(sys, "executable", str(program))
        submit = write_scripts(Path(output or self._folder / "runs"), of or plan(), parse_options(options))
        return SimpleNamespace(submit=submit, script=submit.with_name("unit.sbatch"))

    def units(self):
        """The units that were done, in order."""
        return list(map(int, (self._folder / "units").read_text().split()))

    def arguments(self):
        """The arguments of the last call."""
        return (self._folder / "arguments").read_text().splitlines()


@pytest.fixture
def made(tmp_path, monkeypatch):
    return Scripts(tmp_path, monkeypatch)


@pytest.fixture
def submitted(tmp_path, made):
    """A cluster with the jobs of submit.sh."""

    def submit(*arguments, **names):
        cluster = Cluster(tmp_path / "cluster", **names)
        done = cluster.call("bash", made(*arguments).submit)
        assert done.returncode == 0, done.stderr
        return cluster, done.stdout

    return submit


@pytest.mark.parametrize(
    ("size", "scheduler", "arrays"),
    [(11, "", 3 + 1), (1001, "", 3), (1001, ",max_array_tasks=7", 1 + 4 + 1), (1, "", 30)],
)
def test_each_unit_is_done_once_stage_after_stage(submitted, made, size, scheduler, arrays):
    cluster, out = submitted(plan(4, 22, 4), max_array_size=size, scheduler=scheduler, nodes=8)
    assert set(cluster.run().values()) == {"COMPLETED"}
    done = made.units()
    assert sorted(done) == list(range(30))
    assert sorted(done[:4]) == list(range(4)) and sorted(done[26:]) == list(range(26, 30))
    assert out.count("does units") == arrays


def test_a_throttle_holds_for_all_arrays_of_a_stage(submitted, made):
    cluster, _ = submitted(plan(1, 12, 1), "array=%2", max_array_size=3, nodes=8)
    cluster.run()
    assert sorted(made.units()) == list(range(14)) and cluster.most == 2


def test_a_stage_without_units_is_left_out_and_the_next_waits_for_the_one_before(submitted, made):
    cluster, out = submitted(plan(0, 2, 2))
    cluster.run()
    assert "fit" not in out and sorted(made.units()[:2]) == [0, 1] and sorted(made.units()[2:]) == [2, 3]
    assert stages(plan(2, 0, 3)) == [("fit", 0, 2), ("score", 2, 3)]


def test_failed_jobs_do_not_stop_the_stages_after_them(tmp_path, made):
    cluster = Cluster(tmp_path / "cluster")
    cluster.call("bash", made(plan(2, 2, 1), rest="exit 1").submit)
    assert set(cluster.run().values()) == {"FAILED"}
    assert sorted(made.units()) == list(range(5))


def test_sbatch_that_fails_is_named_and_can_be_tried_again(tmp_path, made):
    submit = made(plan(1, 1, 1)).submit
    cluster = Cluster(tmp_path / "cluster", refused=[1], timed_out=[3])
    first = cluster.call("bash", submit)
    assert first.returncode == 1 and "QOS" in first.stderr and "so far: 100." in first.stderr
    second = cluster.call("bash", submit)
    assert second.returncode == 1 and "timed out" in second.stderr and "so far: 102." in second.stderr
    assert cluster.call("bash", submit).returncode == 0
    cluster.run()
    assert sorted(made.units()) == [0, 0, 0, 1, 1, 2]


def test_a_cluster_without_arrays_is_refused(tmp_path, made):
    done = Cluster(tmp_path / "cluster", max_array_size=0).call("bash", made().submit)
    assert done.returncode == 2 and "no job arrays" in done.stderr


def until_term(tmp_path, made, status, act, **names):
    """One job that runs until SIGTERM and ends with ``status``; its task after ``act(cluster, task)``."""
    cluster = Cluster(tmp_path / "cluster", **names)
    cluster.call("bash", made(plan(1, 0, 0), rest=UNTIL_TERM.replace("{status}", str(status))).submit)
    acted: list[None] = []

    def watch(cluster):
        (task,) = cluster.tasks.values()
        if not acted and (tmp_path / "units").exists():
            acted.append(act(cluster, task))
            (tmp_path / "units").write_text("")
        elif acted and (tmp_path / "units").read_text():
            (tmp_path / "go").touch()

    cluster.run(watch)
    (task,) = cluster.tasks.values()
    return task


@pytest.mark.parametrize("requeues", [False, True])
def test_a_job_that_keeps_a_checkpoint_on_sigterm_is_requeued(tmp_path, made, requeues):
    task = until_term(tmp_path, made, 143, Cluster.terminate, requeues=requeues)
    assert (task.statuses, task.restarts, task.state) == ([143, 0], 1, "COMPLETED")


def test_a_job_that_is_finished_at_sigterm_is_not_requeued(tmp_path, made):
    task = until_term(tmp_path, made, 0, Cluster.terminate)
    assert (task.statuses, task.restarts, task.state) == ([0], 0, "COMPLETED")


def test_a_cancelled_job_is_not_requeued(tmp_path, made):
    task = until_term(tmp_path, made, 143, Cluster.cancel)
    assert (task.statuses, task.restarts, task.state) == ([143], 0, "CANCELLED")


def test_a_job_is_not_requeued_for_ever(tmp_path, made, monkeypatch):
    monkeypatch.setattr(slurm, "MAX_RESTARTS", 3)
    cluster = Cluster(tmp_path / "cluster")
    cluster.call("bash", made(plan(1, 0, 0), rest="exit 143").submit)
    assert cluster.run() == {"100_0": "FAILED"} and len(made.units()) == 4


@pytest.mark.parametrize("folder", ["a b", "it's", '"', "$HOME `id` $(id)", "50%A%", "#x", "-n", "ü*?;&|"])
def test_any_folder_can_be_the_output(tmp_path, made, folder, monkeypatch):
    (tmp_path / folder).mkdir()
    monkeypatch.chdir(tmp_path / folder)
    output = tmp_path / folder / "runs"
    cluster = Cluster(tmp_path / "cluster")
    done = cluster.call("bash", made(plan(1, 0, 0), rest="pwd >{folder}/where", output="runs").submit)
    assert cluster.run() == {"100_0": "COMPLETED"}, done.stderr
    plan_copy, *rest = made.arguments()[3:]
    assert rest == ["--unit", "0", "--output", str(output), "--wait"]
    assert len(read_plan(Path(plan_copy)).units) == 1
    assert (output / "slurm" / "logs" / "100_0.out").read_text() == ""
    assert (tmp_path / "where").read_text() == f"{tmp_path / folder}\n"


@pytest.mark.parametrize("folder", ["a\nb", "a\\b", "a\u2028#SBATCH"])
def test_a_folder_that_no_script_can_name_is_refused(tmp_path, folder):
    with pytest.raises(UserError, match="--output"):
        write_scripts(tmp_path / folder, plan(), {})


def test_a_job_has_the_environment_in_which_the_script_was_written(tmp_path, made, monkeypatch, repository):
    odd = "a 'b' \"c\" $HOME"
    stated = {"KEYPOINTS_LIMITS": "4", "HF_HOME": odd, "KEYPOINTS_DATA_ROOT": "/data", "OMP_NUM_THREADS": "3"}
    for name, value in stated.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HF_TOKEN", "secret")
    monkeypatch.setenv("PYTHONPATH", "plugins")
    monkeypatch.chdir(tmp_path)
    script = made(rest="env -0 >{folder}/env").script
    subprocess.run(["/bin/bash", str(script)], env={"PATH": "/usr/bin:/bin"}, cwd="/", check=True)
    found = dict(pair.split("=", 1) for pair in (tmp_path / "env").read_text().split("\0") if pair)
    assert found | stated == found and "HF_TOKEN" not in found
    assert found["PYTHONPATH"] == f"{repository}:{tmp_path / 'plugins'}"


@pytest.mark.parametrize(("cpus", "threads"), [(None, "1"), ("6", "6")])
def test_threads_are_the_cpus_of_the_job_unless_they_were_set(tmp_path, made, monkeypatch, cpus, threads):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    script = made(rest="echo $OMP_NUM_THREADS >{folder}/threads").script
    known = {"PATH": "/usr/bin:/bin"} | ({"SLURM_CPUS_PER_TASK": cpus} if cpus else {})
    subprocess.run(["/bin/bash", str(script)], env=known, check=True)
    assert (tmp_path / "threads").read_text().strip() == threads


def test_secrets_and_what_does_not_matter_are_left_out():
    here = {"OMP_X": "1", "HOME": "/x", "HF_HUB_TOKEN": "s", "HF_API_KEY": "s", "CUDA_VISIBLE_DEVICES": "3"}
    assert environment(here).keys() == {"OMP_X", "PYTHONPATH"}


def test_a_variable_with_a_line_break_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HOME", "/a\n#SBATCH --wrap=1")
    with pytest.raises(UserError, match="HF_HOME"):
        write_scripts(tmp_path, plan(), {})


def test_jobs_that_wait_keep_their_plan_when_another_is_written(tmp_path, made):
    script = made(plan(1, 1, 1)).script
    before = script.read_text()
    made(plan(2, 2, 2))
    assert script.read_text() != before
    subprocess.run(["/bin/bash", "-c", before], check=True, env={"PATH": "/usr/bin:/bin"})
    assert len(read_plan(Path(made.arguments()[3])).units) == 3


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="needs shellcheck")
def test_shellcheck_finds_nothing(made):
    done = made(None, "array=%4", "partition=gpu")
    subprocess.run(["shellcheck", str(done.submit), str(done.script)], check=True)
