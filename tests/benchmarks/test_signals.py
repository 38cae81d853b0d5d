"""Ctrl-C or SIGTERM in the middle of a fit: finished cells are kept, and the next run continues."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.benchmarks.run.toy_process import records, toy_command

pytestmark = pytest.mark.usefixtures("interruptible")


def command(folder: Path, repository: Path, *settings: str) -> list[str]:
    return toy_command(repository, folder, "--overwrite", "failed", *settings)


def statuses(folder: Path) -> dict[str, str]:
    return {method: record["status"] for method, record in records(folder).items()}


def interrupted(
    arguments: list[str], repository: Path, *words: str, number: signal.Signals = signal.SIGINT, again: bool = False
) -> tuple[str, str]:
    """What a process says that is told to stop at its first line with all of the words."""
    process = subprocess.Popen(
        arguments, cwd=repository, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ
    )
    deadline = time.monotonic() + 60
    assert process.stdout is not None
    for line in process.stdout:
        if all(word in line for word in words):
            break
        assert time.monotonic() < deadline
    process.send_signal(number)
    if again:
        process.send_signal(number)
    out, err = process.communicate(timeout=600)
    assert process.returncode == 128 + number, err
    return out, err


def test_interrupt_before_the_first_cell(tmp_path, repository):
    # The first line comes before torch is imported, which Ctrl-C must not break off half-way.
    _, err = interrupted(command(tmp_path, repository, "--device", "auto"), repository, "profile paper")
    assert err.strip() == "interrupted while no cell ran; finished cells are kept, the same command continues"
    assert statuses(tmp_path) == {}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupt(tmp_path, repository, run_toy, number):
    slow = command(tmp_path, repository, "--set", "toy_colours.steps=1000", "--set", "toy_colours.pause=0.1")
    # A fit shows its progress after a second. Schedulers send SIGTERM more than once; the second must break nothing.
    again = number == signal.SIGTERM
    out, err = interrupted(slow, repository, "toy_colours", "fit ", number=number, again=again)
    assert "interrupted: 3 finished cells are kept; run the same command again to continue" in out
    assert "Traceback" not in out + err
    assert statuses(tmp_path) == {"centre": "done", "grid": "done", "random_points": "done"}
    assert not list((tmp_path / "runs" / "staging").iterdir())
    assert not list(tmp_path.glob("runs/fits/toy_colours*"))

    done = run_toy(tmp_path)
    assert done.status == 0, done.err
    assert done.out.count("finished before") == 3
    assert statuses(tmp_path)["toy_colours"] == "done"
