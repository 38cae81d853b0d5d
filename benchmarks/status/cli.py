"""The command line of ``status``."""

from __future__ import annotations

import typer

from benchmarks.options import from_dataclass
from benchmarks.status.options import StatusOptions


@from_dataclass(StatusOptions)
def status(options: StatusOptions) -> None:
    """Say what a run directory holds: what is done, running, waiting and failed, and who works on what.

    Nothing is written, and no file is checked; `doctor` does that.

    Exit status: 0 all is done, 1 a cell failed or a claim is stale, 2 bad input, 3 not finished yet.
    """
    from benchmarks.status.command import status_command

    raise typer.Exit(status_command(options))
