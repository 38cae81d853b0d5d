"""OpenMP threads sleep while they wait, however the code is started, unless the user wants them to spin.

libgomp prints how often a waiting thread looks before it sleeps. Its line ``OMP_WAIT_POLICY = 'PASSIVE'`` says
nothing: it prints that where the variable is unset too, and spins all the same.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch  # noqa: F401 - loads its OpenMP library

LIBRARIES = Path("/proc/self/maps")
SLEEPS = 0
SPINS_BY_DEFAULT = 300_000
START = """
import runpy, sys
module, sys.argv = sys.argv[1], [sys.argv[1], "--help"]
try:
    runpy.run_module(module, run_name="__main__", alter_sys=True)
except SystemExit:
    pass
import torch
"""
COLLECT = ["-m", "pytest", "-p", "no:cacheprovider", "-s", "-q", "--collect-only", "tests/benchmarks/test_threads.py"]
WORKER = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "1", "-m", "benchmarks", "run"]
WAYS_IN = [pytest.param(["-c", START, "benchmarks"], id="benchmarks"), pytest.param(COLLECT, id="pytest")]
pytestmark = pytest.mark.skipif(
    not (LIBRARIES.exists() and "libgomp" in LIBRARIES.read_text()),
    reason="this torch has another OpenMP library than libgomp, which prints its settings otherwise",
)


def spins(repository, arguments, policy=None):
    """How often a waiting thread looks before it sleeps, for each process that loads libgomp, in their order."""
    unset = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    environment |= {"OMP_DISPLAY_ENV": "verbose"} | ({} if policy is None else {"OMP_WAIT_POLICY": policy})
    done = subprocess.run(
        [sys.executable, *arguments], cwd=repository, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return [int(count) for count in re.findall(r"GOMP_SPINCOUNT = '(\d+)'", done.stderr)]


@pytest.mark.parametrize("way_in", WAYS_IN)
def test_waiting_threads_sleep(repository, way_in):
    assert spins(repository, way_in) == [SLEEPS]


def test_the_policy_of_the_user_wins(repository):
    (count,) = spins(repository, ["-c", START, "benchmarks"], policy="ACTIVE")
    assert count > SPINS_BY_DEFAULT


@pytest.mark.slow
def test_waiting_threads_of_a_torchrun_worker_sleep(repository, tmp_path):
    """The launcher is torch's own: it shows what libgomp does if nobody sets the policy."""
    cell = ["--method", "grid", "--task", "cub_001", "--profile", "mini", "--no-floors", "--device", "auto"]
    launched = [*WORKER, *cell, "--no-mlflow", "--output", str(tmp_path / "runs")]
    assert spins(repository, launched) == [SPINS_BY_DEFAULT, SLEEPS]


def test_nothing_is_set_where_torch_has_read_its_settings(repository):
    code = "import os, torch, benchmarks; assert 'OMP_WAIT_POLICY' not in os.environ"
    assert spins(repository, ["-c", code]) == [SPINS_BY_DEFAULT]
