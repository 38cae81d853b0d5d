"""Plans over the toys, as data and as files."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.registry import opener
from benchmarks.run.cells import Cell
from benchmarks.run.plan import Request, make_plan
from benchmarks.tasks import TASKS


@pytest.fixture
def cells(toys: Any) -> Callable[..., list[Cell]]:
    """The cells of a toy method on toy tasks."""

    def make(*tasks: str, method: str = "toy_colours", seeds: int = 1, limit: int | None = None) -> list[Cell]:
        wanted = [TASKS[name] for name in tasks]
        return make_plan(Request([method], wanted, "paper", opener(None), seeds, limit, floors=False)).cells

    return make


def kept(folder: Path) -> dict[str, bytes]:
    """The bytes of what a run keeps; records without times, memory, command and the digests over these."""
    found = {}
    for path in sorted(folder.glob("runs/cells/*/*")):
        found[f"{path.parent.name}/{path.name}"] = plain(path) if path.suffix == ".json" else path.read_bytes()
    for path in sorted(folder.glob("runs/fits/*/*")):
        if path.name != "fit.json":
            found[f"{path.parent.name}/{path.name}"] = path.read_bytes()
    return found


def plain(path: Path) -> bytes:
    """A record without what differs between two runs of the same cell: times, memory, command and its own digest."""
    record = json.loads(path.read_text())
    for name in ("seconds", "peak_memory_mb", "digest"):
        record.pop(name)
    for name in ("date", "argv", "seconds_waiting"):
        record["provenance"].pop(name)
    return json.dumps(record, sort_keys=True).encode()


@pytest.fixture
def ended():
    """The name of a process of this machine that has ended."""
    code = "from leaderboard.process import this_process; print(this_process())"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
