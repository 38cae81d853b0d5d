"""Ctrl-C in the middle of a fit: what is finished stays, and the next run goes on from there."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

PROGRAM = """
import sys
sys.path.insert(0, sys.argv.pop(1))
import keypoint_toys
from benchmarks.tasks import TASKS
TASKS.update({task.id: task for task in keypoint_toys.tasks()})
from benchmarks.cli import main
main()
"""


def command(folder: Path, repository: Path, *settings: str) -> list[str]:
    plugins = str(repository / "tests" / "plugins")
    options = ["--method", "toy_colours", "--task", "toy", "--data-root", str(folder), "--device", "cpu"]
    options += ["--output", str(folder / "runs"), "--no-mlflow", "--overwrite", "failed"]
    return [sys.executable, "-c", PROGRAM, plugins, "run", *options, *settings]


def statuses(folder: Path) -> dict[str, str]:
    found = [json.loads(path.read_text()) for path in folder.glob("runs/cells/*/result.json")]
    return {record["method"]: record["status"] for record in found}


def interrupted(arguments: list[str], repository: Path, *words: str) -> tuple[str, str]:
    """What a process says that gets Ctrl-C at its first line with all of the words."""
    process = subprocess.Popen(
        arguments, cwd=repository, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ
    )
    deadline = time.monotonic() + 60
    assert process.stdout is not None
    for line in process.stdout:
        if all(word in line for word in words):
            break
        assert time.monotonic() < deadline
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    return out, err


def test_interrupt_before_the_first_cell(tmp_path, repository):
    # The first line comes before torch is imported, which Ctrl-C must not break off half-way.
    _, err = interrupted(command(tmp_path, repository, "--device", "auto"), repository, "profile paper")
    assert err.strip() == "interrupted: finished cells stay; the same command goes on from there"
    assert statuses(tmp_path) == {}


def test_interrupt(tmp_path, repository):
    slow = command(tmp_path, repository, "--set", "toy_colours.steps=1000", "--set", "toy_colours.pause=0.1")
    out, err = interrupted(slow, repository, "toy_colours", "fit ")  # a fit shows its progress after a second
    assert "interrupted: 3 finished cells stay; the same command goes on from there" in out
    assert "Traceback" not in out + err
    assert statuses(tmp_path) == {"centre": "done", "grid": "done", "random_points": "done"}
    assert not list((tmp_path / "runs" / "staging").iterdir())
    assert not list(tmp_path.glob("runs/fits/toy_colours*"))

    again = subprocess.run(
        command(tmp_path, repository), cwd=repository, capture_output=True, text=True, check=False, timeout=60
    )
    assert again.returncode == 0, again.stderr
    assert again.stdout.count("finished before") == 3
    assert statuses(tmp_path)["toy_colours"] == "done"
