"""The command line of ``run``."""

from __future__ import annotations

import typer

from benchmarks.options import from_dataclass
from benchmarks.run.options import RunOptions


@from_dataclass(RunOptions)
def run(options: RunOptions) -> None:
    """Run methods on tasks and score them.

    A cell is one method on one task with one seed. Finished cells are not run again. A stopped run (Ctrl-C, SIGTERM or
    killed) continues from the last checkpoint of its fit, if the method writes checkpoints, or from the last part of
    its predictions.

    Exit status: 0 all cells are done, 1 a cell failed, 2 bad input, 130 interrupted, 143 terminated.
    """
    from benchmarks.run.command import run_command
    from benchmarks.signals import exit_status, terminable

    try:
        with terminable():
            status = run_command(options)
    except KeyboardInterrupt as stop:  # before the first cell, or in the report after the last
        typer.echo("interrupted while no cell ran; finished cells are kept, the same command continues", err=True)
        status = exit_status(stop)
    raise typer.Exit(status)
