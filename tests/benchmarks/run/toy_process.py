"""The command line in a process of its own, with the toy plugins and their tasks."""

import json
import sys
from pathlib import Path

from benchmarks.records.store import read_columns

PROGRAM = """
import sys
sys.path.insert(0, sys.argv.pop(1))
import keypoint_toys
from benchmarks.tasks import TASKS
TASKS.update({task.id: task for task in keypoint_toys.tasks()})
from benchmarks.cli import main
main()
"""


def toy_command(
    repository: Path, folder: Path, *options: str, method: str = "toy_colours", task: str = "toy"
) -> list[str]:
    """``run`` of a toy method on a toy task, into ``folder/runs``, with its data root at ``folder``."""
    fixed = ["--method", method, "--task", task, "--data-root", str(folder), "--device", "cpu"]
    fixed += ["--output", str(folder / "runs"), "--no-mlflow"]
    return [sys.executable, "-c", PROGRAM, str(repository / "tests" / "plugins"), "run", *fixed, *options]


def records(folder: Path) -> dict[str, dict]:
    """The records under ``folder/runs`` by method, as JSON has them."""
    found = [json.loads(path.read_text()) for path in folder.glob("runs/cells/*/result.json")]
    return {record["method"]: record for record in found}


def history(folder: Path, method: str) -> dict[str, list]:
    """The curves of the one cell of a method."""
    (path,) = folder.glob(f"runs/cells/{method}--*/history.parquet")
    return read_columns(path)
