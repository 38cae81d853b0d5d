"""Options that do not go together are refused before anything is read or started."""

from types import SimpleNamespace

import pytest

from benchmarks.run.cluster import start
from methods.parallel import VARIABLES


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--workers", "2"], "--workers goes with --executor ray"),
        (["--address", "auto"], "--address goes with --executor ray"),
        (["--gpus-per-unit", "1"], "--gpus-per-unit goes with --executor ray"),
        (["--executor", "ray", "--emit", "plan"], "--emit plan runs nothing"),
        (["--executor", "ray", "--device", "cuda:1"], "expected auto, cpu or cuda"),
        (["--executor", "ray", "--address", "ray://head:10001"], "must be started on a node of the cluster"),
        (["--executor", "ray", "--address", "head"], "expected auto or HOST:PORT"),
    ],
)
def test_options_that_do_not_go_together(run_toy, tmp_path, options, words):
    done = run_toy(tmp_path, *options)
    assert done.status == 2 and words in done.err


def test_without_a_cluster_on_this_machine_auto_says_how_to_start_one(run_toy, tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise ConnectionError("Could not find any running Ray instance. Please specify `--address`.")

    monkeypatch.setattr(start, "_ray", lambda: SimpleNamespace(init=refuse))
    done = run_toy(tmp_path, "--executor", "ray", "--address", "auto")
    assert done.status == 2 and "Could not" not in done.err
    assert "--address auto: no Ray cluster runs on this machine; start one with `ray start --head`" in done.err


def test_torchrun_and_ray_do_not_go_together(run_toy, tmp_path, monkeypatch):
    for name, value in (dict.fromkeys(VARIABLES, "1") | {"RANK": "0", "WORLD_SIZE": "2"}).items():
        monkeypatch.setenv(name, value)
    done = run_toy(tmp_path, "--executor", "ray")
    assert done.status == 2 and "without torchrun" in done.err


def test_a_dry_run_needs_no_cluster(run_toy, tmp_path):
    done = run_toy(tmp_path, "--executor", "ray", "--dry-run")
    assert done.status == 0 and "4 run; nothing was run or written" in done.out
