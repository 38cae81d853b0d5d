"""Two processes that share a fit give the result of one; an error in one of them ends both."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from methods.base import MethodError
from methods.checkpoints import FILE
from methods.parallel import Team, own_device, world
from tests.methods.test_checkpoints import STEPS, images, learn, make, steps_kept

LAUNCH = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1"}

# What two processes do, one thing after another: fit and save. ``spoilt`` and ``stop`` are the number of a call of
# ``load`` in the second process that fails, or upon which that process alone is told to stop.
CASES: dict[str, dict[str, Any]] = {
    "whole": {"settings": {"batch_size": 3}},
    "stopped": {"stop": 5},
    "spoilt while learning": {"spoilt": 4},
    "spoilt while choosing": {"spoilt": STEPS + 1},
}
PROGRAM = """
import json, os, signal, sys
from pathlib import Path
import torch.distributed as dist
from methods.base import MethodError
from tests.methods.test_checkpoints import make, images
rank = int(os.environ["RANK"])

def run(case, pipeline):
    os.environ["MASTER_PORT"] = case["port"]
    folder = Path(case["folder"])
    method = make(Path(pipeline), **case.get("settings", {}))
    method.checkpoints = folder / f"checkpoints{rank}"
    stream, calls = images(), []
    load = stream.load
    def loading(indices):
        calls.append(len(list(indices)))
        if rank and len(calls) == case.get("spoilt"):
            raise ValueError("image 3 is broken")
        if rank and len(calls) == case.get("stop"):
            os.kill(os.getpid(), signal.SIGTERM)
        return load(indices)
    stream.load = loading
    reports = []
    try:
        method.fit(stream, 3, 0, lambda done, total, **scalars: reports.append([done, scalars]))
    except (MethodError, ValueError) as error:
        return {"ended": str(error)}
    except KeyboardInterrupt:
        return {"ended": "told to stop"}
    (folder / str(rank)).mkdir()
    method.save(folder / str(rank))
    return {"ended": "", "loaded": calls, "reports": reports}

given = json.loads(sys.argv[1])
for name, case in given["cases"].items():
    print(json.dumps([name, run(case, given["pipeline"])]))
    dist.destroy_process_group()
"""


@dataclass
class Pair:
    """The folder of a case, and what each of the two processes said of it."""

    folder: Path
    said: list[dict[str, Any]]


def free_ports(count: int) -> list[str]:
    with ExitStack() as stack:
        servers = [stack.enter_context(socket.socket()) for _ in range(count)]
        for server in servers:
            server.bind(("127.0.0.1", 0))
        return [str(server.getsockname()[1]) for server in servers]


@pytest.fixture(scope="module")
def pairs(pipeline: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Pair]:
    """Each case by its name, all run by the same two processes, since starting them takes longer than what they do."""
    found = {name: Pair(tmp_path_factory.mktemp("pair"), []) for name in CASES}
    ports = dict(zip(CASES, free_ports(len(CASES)), strict=True))
    cases = {name: {**CASES[name], "folder": str(found[name].folder), "port": ports[name]} for name in CASES}
    environment = {**os.environ, **LAUNCH, "OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, json.dumps({"pipeline": str(pipeline), "cases": cases})],
            cwd=Path(__file__).parents[2],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**environment, "RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank in range(2)
    ]
    outputs = [process.communicate(timeout=600) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    for out, _ in outputs:
        for name, said in map(json.loads, out.splitlines()):
            found[name].said.append(said)
    return found


def test_two_processes_come_to_what_one_does(pairs: dict[str, Pair], pipeline: Path):
    """A batch of 3 and 5 selection images, so that the shares are uneven."""
    seen: list[tuple[int, dict[str, float]]] = []
    alone = learn(pipeline, None, seen, batch_size=3)
    folder, (first, second) = pairs["whole"].folder, pairs["whole"].said
    kept = [load_file(folder / str(rank) / "tokens.safetensors") for rank in range(2)]
    assert torch.equal(kept[0]["tokens"], kept[1]["tokens"])
    assert torch.equal(kept[0]["chosen"], kept[1]["chosen"])
    _, tokens, chosen = alone._learned()
    assert float((kept[0]["tokens"] - tokens).abs().max() / tokens.abs().max()) < 1e-5
    assert kept[0]["chosen"].tolist() == chosen.tolist()
    assert sorted(first["loaded"][:STEPS] + second["loaded"][:STEPS]) == [1] * STEPS + [2] * STEPS
    assert second["reports"] == []
    assert [done for done, _ in first["reports"]] == [*range(1, STEPS + 1), STEPS + 1, STEPS + 2]
    for (_, ours), (_, theirs) in zip(first["reports"][:STEPS], seen[:STEPS], strict=True):
        assert ours == pytest.approx(theirs, rel=1e-4)
    assert sorted(path.name for path in folder.iterdir()) == ["0", "1", "checkpoints0"]


def test_one_that_is_told_to_stop_stops_both_and_one_alone_goes_on(pairs: dict[str, Pair], pipeline: Path):
    folder = pairs["stopped"].folder
    assert [said["ended"] for said in pairs["stopped"].said] == ["told to stop"] * 2
    assert sorted(path.name for path in folder.iterdir()) == ["checkpoints0"]
    assert 3 <= steps_kept(folder / "checkpoints0") <= 5
    assert (folder / "checkpoints0" / FILE).exists()
    expected = learn(pipeline, None)._learned()
    continued = learn(pipeline, folder / "checkpoints0")._learned()
    assert float((continued[1] - expected[1]).abs().max() / expected[1].abs().max()) < 1e-5
    assert continued[2].tolist() == expected[2].tolist()


@pytest.mark.parametrize("when", ["while learning", "while choosing"])
def test_what_fails_in_one_ends_both(pairs: dict[str, Pair], when: str):
    assert [said["ended"] for said in pairs[f"spoilt {when}"].said] == [
        "another process failed; its own message says why",
        "image 3 is broken",
    ]


def launched(monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    for name, value in {**LAUNCH, "RANK": "0", "MASTER_PORT": "1", **variables}.items():
        monkeypatch.setenv(name, value)


def test_more_processes_than_images_in_a_batch(pipeline: Path, monkeypatch: pytest.MonkeyPatch):
    launched(monkeypatch, WORLD_SIZE="3")
    with pytest.raises(MethodError, match="batch_size is 2, expected at least the 3 processes that share a batch"):
        make(pipeline).fit(images(), 3, 0, lambda *_, **__: None)


@pytest.mark.parametrize("variables", [{"RANK": "2"}, {"RANK": "-1"}, {"WORLD_SIZE": "two"}])
def test_numbers_of_processes_that_cannot_be(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]):
    launched(monkeypatch, **variables)
    with pytest.raises(MethodError, match=r"RANK is .* WORLD_SIZE .* torchrun"):
        world()


def test_a_size_without_a_place_to_meet_is_no_launch(monkeypatch: pytest.MonkeyPatch):
    for name in ("RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WORLD_SIZE", "8")
    assert world() == (0, 1)
    assert Team("cpu").total(torch.ones(2)).tolist() == [1, 1]


def test_each_process_takes_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch):
    launched(monkeypatch, RANK="1", LOCAL_RANK="1")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert own_device("cuda") == "cuda:1"
    assert own_device("cuda:1") == "cuda:1"
    assert own_device("cpu") == "cpu"
    with pytest.raises(MethodError, match="device is cuda:0 in each of 2 processes"):
        own_device("cuda:0")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(MethodError, match="has no GPU: this machine has 1; launch with --nproc-per-node 1"):
        own_device("cuda")


@pytest.mark.parametrize("size", [1, 2, 3, 7])
@pytest.mark.parametrize("count", [0, 1, 2, 7, 10])
def test_shares_are_a_partition_into_almost_equal_parts(count: int, size: int):
    team = Team("cpu")
    team.size = size
    parts = []
    for team.rank in range(size):
        parts.append(list(range(count))[team.share(count)])
    assert [number for part in parts for number in part] == list(range(count))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
