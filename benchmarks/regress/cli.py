"""The command line of ``regress``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_REFERENCES = Path(__file__).resolve().parents[2] / "leaderboard" / "reference"


def regress(
    only: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PART|PATTERN",
            help="settings, protocols, floors, fits, or ids ('floors/grid/*'); repeatable.",
        ),
    ] = None,
    update: Annotated[
        bool, typer.Option("--update", help="Rewrite the parts that moved; needs a tree without other changes.")
    ] = False,
    reason: Annotated[
        str | None, typer.Option(metavar="TEXT", help="With --update: why they moved, for log.json.")
    ] = None,
    every_row: Annotated[bool, typer.Option("--all", help="Show every row of what moved.")] = False,
    references: Annotated[Path, typer.Option(help="Folder of the references.")] = _REFERENCES,
) -> None:
    """Measure a small fixed grid and compare it with committed references.

    The grid is the settings of the methods, every protocol on fixed points, the floors on every mini task, and the
    methods for a few steps; it runs on the CPU and needs no data. Exit status: 0 nothing moved, 1 something moved, is
    new, is gone or failed, 2 a mistake that you can correct, 130 interrupted.
    """
    from benchmarks.regress.command import RegressOptions, regress_command
    from benchmarks.signals import exit_status, terminable

    options = RegressOptions(references, tuple(only or ()), update, reason, every_row)
    try:
        with terminable():
            status = regress_command(options)
    except KeyboardInterrupt as stop:
        typer.echo("interrupted: the references stay as they are", err=True)
        status = exit_status(stop)
    raise typer.Exit(status)
