"""Ctrl-C or SIGTERM in the middle of a fit: what is finished stays, and the next run goes on from there."""

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


BOTH = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])


@BOTH
def test_interrupt_before_the_first_cell(tmp_path, repository, number):
    # The first line comes before torch is imported, which Ctrl-C must not break off half-way.
    _, err = interrupted(command(tmp_path, repository, "--device", "auto"), repository, "profile paper", number=number)
    assert err.strip() == "interrupted: finished cells stay; the same command goes on from there"
    assert statuses(tmp_path) == {}


@BOTH
def test_interrupt(tmp_path, repository, number):
    slow = command(tmp_path, repository, "--set", "toy_colours.steps=1000", "--set", "toy_colours.pause=0.1")
    # A fit shows its progress after a second. Schedulers send SIGTERM more than once; the second must break nothing.
    again = number == signal.SIGTERM
    out, err = interrupted(slow, repository, "toy_colours", "fit ", number=number, again=again)
    assert "interrupted: 3 finished cells stay; the same command goes on from there" in out
    assert "Traceback" not in out + err
    assert statuses(tmp_path) == {"centre": "done", "grid": "done", "random_points": "done"}
    assert not list((tmp_path / "runs" / "staging").iterdir())
    assert not list(tmp_path.glob("runs/fits/toy_colours*"))

    done = subprocess.run(
        command(tmp_path, repository), cwd=repository, capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("finished before") == 3
    assert statuses(tmp_path)["toy_colours"] == "done"
