"""The command line of ``import``."""

from __future__ import annotations

import typer

from benchmarks.importing.options import ImportOptions
from benchmarks.options import from_dataclass
from leaderboard.text import printable


@from_dataclass(ImportOptions)
def import_outputs(options: ImportOptions) -> None:
    """Import the keypoints of another system as a method, which the command run scores.

    Range, order, number of rows and ids are checked against the task's landmarks. Images are read only if a checkpoint
    must be run. Exit status: 0 the keypoints are written, 2 the input is wrong (one line says why).
    """
    from benchmarks.importing.command import import_command

    typer.echo(printable(import_command(options)))
