"""Runs on real Ray clusters of this machine: the same bytes as in one process, also if a node is killed."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks.run.toy_process import toy_command

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        subprocess.run([sys.executable, "-c", "import ray"], capture_output=True, check=False).returncode != 0,
        reason="ray is not installed: pip install '.[ray]'",
    ),
]
CLUSTER = """
import sys, time
from ray.cluster_utils import Cluster
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
node = cluster.add_node(num_cpus=1)
print(cluster.address, flush=True)
for line in sys.stdin:
    if line.strip() == "kill":
        cluster.remove_node(node, allow_graceful=False)
        print("killed", flush=True)
cluster.shutdown()
"""
CHANGING = {"seconds", "peak_memory_mb", "digest"}  # of a record: times, memory, and the digest over them
CHANGING_PROVENANCE = {"date", "argv", "seconds_waiting"}


@pytest.fixture
def quiet(monkeypatch):
    """One thread, no token but that of the command, and no sign of a run in a home of its own."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_ADDRESS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def two_nodes(quiet, monkeypatch, tmp_path):
    """A cluster of two nodes with a CPU each; gives its address, and a function that kills the second one."""
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    process = subprocess.Popen(
        [sys.executable, "-c", CLUSTER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )

    orders, answers = process.stdin, process.stdout
    assert orders is not None and answers is not None

    def kill():
        orders.write("kill\n")
        orders.flush()
        assert answers.readline().strip() == "killed"

    yield answers.readline().strip(), kill
    orders.close()
    process.wait(60)


def start(repository, folder, *options, **names) -> subprocess.Popen:
    """Start a toy run in a process of its own."""
    folder.mkdir(exist_ok=True)
    command = toy_command(repository, folder, *options, **names)
    return subprocess.Popen(command, cwd=repository, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finish(run, status=0) -> str:
    text, _ = run.communicate(timeout=300)
    assert run.returncode == status, text
    return text


def kept(folder) -> dict[str, Any]:
    """What a run directory keeps of its cells, apart from times, memory and what the command was."""
    found: dict[str, Any] = {}
    for path in folder.glob("runs/cells/*/*"):
        content: Any = path.read_bytes()
        if path.name == "result.json":
            record = json.loads(path.read_text())
            record["provenance"] = {k: v for k, v in record["provenance"].items() if k not in CHANGING_PROVENANCE}
            content = {key: value for key, value in record.items() if key not in CHANGING}
        found[f"{path.parent.name}/{path.name}"] = content
    return found


def wait_for(condition, seconds=120.0):
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.05)


def test_a_node_that_is_killed_changes_no_byte(repository, tmp_path, two_nodes):
    """At least 60 units, toys that take a while for each batch, and half the cluster gone in the middle."""
    address, kill = two_nodes
    slow = ["--seeds", "4", "--shard-size", "7", "--set", "toy_colours.batch_pause=0.1"]
    run = start(repository, tmp_path / "ray", *slow, "--executor", "ray", "--address", address, task="toy_many")
    wait_for(lambda: len(list(tmp_path.glob("ray/runs/partial/toy_colours*/*/*.parquet"))) >= 4)
    kill()
    text = finish(run)
    assert "was lost" in text
    (count,) = re.findall(r"Ray: (\d+) units of 16 cells for 2 workers with 1 CPU each", text)
    assert int(count) >= 60
    finish(start(repository, tmp_path / "plain", *slow, task="toy_many"))
    assert kept(tmp_path / "ray") == kept(tmp_path / "plain") != {}
    assert list(tmp_path.glob("ray/runs/claims/*.[0-9]*")) == []


def test_a_cluster_of_its_own_ends_with_the_command_and_leaves_nothing_behind(repository, tmp_path, quiet, monkeypatch):
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    folder = tmp_path / "ray"
    text = finish(start(repository, folder, "--executor", "ray", "--workers", "1"))
    assert not (home / ".ray").exists()
    assert not re.search(r"^\(|raylet|WARNING|INFO|\d I \d", text, re.MULTILINE), text
    assert [path for path in (folder / "runs").iterdir() if path.name.startswith(".")] == []
    again = finish(start(repository, folder, "--executor", "ray"))
    assert again.count("(finished before)") == 4 and "Ray" not in again  # it starts no cluster for nothing
    before = kept(folder)
    made = {path: path.stat().st_ino for path in folder.glob("runs/*/*/*.json")}
    finish(start(repository, folder, "--executor", "ray", "--overwrite", "all"))
    assert kept(folder) == before
    assert not set(made.items()) & {(path, path.stat().st_ino) for path in folder.glob("runs/*/*/*.json")}


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_units_and_the_same_command_goes_on(
    repository, tmp_path, quiet, interruptible, number, status
):
    folder, options = tmp_path / "ray", ["--no-floors", "--set", "toy_colours.batch_pause=0.3"]
    run = start(repository, folder, *options, "--executor", "ray", task="toy_many")
    wait_for(lambda: list(folder.glob("runs/claims/predict*")))
    time.sleep(0.5)
    run.send_signal(number)
    text = finish(run, status)
    assert re.search(r"stopping: \d running units? keeps? what", text)
    assert list(folder.glob("runs/claims/*.[0-9]*")) == []
    assert list(folder.glob("runs/partial/*/*/*.parquet"))  # the images of the unit that was stopped
    finish(start(repository, folder, *options, "--executor", "ray", task="toy_many"))
    finish(start(repository, tmp_path / "plain", *options, task="toy_many"))
    ours, plain = kept(folder), kept(tmp_path / "plain")
    for record in (ours, plain):
        for content in record.values():
            if isinstance(content, dict):
                content["provenance"].pop("fit_reused")  # the fit is that of the command that was stopped
    assert ours == plain


def test_a_failure_is_recorded_as_in_one_process(repository, tmp_path, quiet):
    crash = ["--set", "toy_colours.crash=true"]
    text = finish(start(repository, tmp_path / "ray", *crash, "--executor", "ray"), 1)
    finish(start(repository, tmp_path / "plain", *crash), 1)
    assert "failed: ValueError: the toy crashed" in text
    ours, plain = kept(tmp_path / "ray"), kept(tmp_path / "plain")
    assert ours.keys() == plain.keys()
    failures = {name: content["failure"] for name, content in ours.items() if name.endswith("result.json")}
    for name, failure in failures.items():
        other = plain[name]["failure"]
        assert (failure and failure["type"], failure and failure["message"]) == (
            other and other["type"],
            other and other["message"],
        )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--workers", "999"], "999: each worker needs"),
        (
            ["--gpus-per-unit", "64", "--device", "auto"],
            "a worker needs 1 CPU and 64 GPUs; the cluster has room for none",
        ),
    ],
)
def test_what_the_cluster_can_never_place_is_refused(repository, tmp_path, quiet, options, words):
    assert words in finish(start(repository, tmp_path / "ray", "--executor", "ray", *options), 2)


def test_no_cluster_at_an_address(repository, tmp_path, quiet):
    text = finish(start(repository, tmp_path / "ray", "--executor", "ray", "--address", "127.0.0.1:1"), 2)
    assert "error: --address 127.0.0.1:1: no Ray cluster can be reached there" in text


def test_workers_use_the_gpus_that_ray_gives_them(quiet, tmp_path):
    """Ray believes in a GPU that is not there, so a worker is placed on it and sees its number."""
    script = tmp_path / "gpus.py"
    script.write_text(
        "import os\n"
        "os.environ['RAY_AUTH_MODE'] = 'disabled'\n"
        "import ray\n"
        "from benchmarks.run.cluster.nodes import choose_needs, choose_workers\n"
        "from benchmarks.run.cluster.start import nodes_of\n"
        "ray.init('local', num_cpus=2, num_gpus=1, include_dashboard=False, log_to_driver=False)\n"
        "needs = choose_needs(None, 'auto', 1, nodes_of(ray))\n"
        "assert (needs.cpus, needs.gpus) == (1, 1.0)\n"
        "assert choose_workers(None, needs, nodes_of(ray)) == 1\n"
        "seen = ray.remote(num_gpus=needs.gpus)(lambda: os.environ['CUDA_VISIBLE_DEVICES'])\n"
        "assert ray.get(seen.remote()) == '0'\n"
    )
    root = Path(__file__).resolve().parents[4]
    subprocess.run([sys.executable, script], check=True, timeout=200, env=os.environ | {"PYTHONPATH": str(root)})
