"""The command line of ``work``."""

from __future__ import annotations

import typer

from benchmarks.options import from_dataclass
from benchmarks.work.options import WorkOptions


@from_dataclass(WorkOptions)
def work(options: WorkOptions) -> None:
    """Do one unit of a plan that `run --emit` wrote, and nothing else.

    Units of one plan may be done by any number of processes and machines that share the run directory. A unit that is
    done, or that another process works on, is left alone. `run` with the same output gathers the results.

    Exit status: 0 done here or elsewhere, 1 failed, 2 bad input or an earlier unit is missing, 130 interrupted, 143
    terminated.
    """
    from benchmarks.signals import exit_status, terminable
    from benchmarks.work.command import work_command

    try:
        with terminable():
            status = work_command(options)
    except KeyboardInterrupt as stop:
        typer.echo("interrupted; what was done is kept, the same command continues", err=True)
        status = exit_status(stop)
    raise typer.Exit(status)
