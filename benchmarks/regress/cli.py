"""The ``regress`` command's line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_REFERENCES = Path(__file__).resolve().parents[2] / "leaderboard" / "reference"


def regress(
    only: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PART|PATTERN", help="settings, protocols, floors, fits, or ids: 'floors/grid/*'; repeatable."
        ),
    ] = None,
    update: Annotated[
        bool, typer.Option("--update", help="Rewrite the references of parts that moved, from a clean tree.")
    ] = False,
    reason: Annotated[
        str | None, typer.Option(metavar="TEXT", help="With --update: why they moved, kept in log.json.")
    ] = None,
    every_row: Annotated[bool, typer.Option("--all", help="Show everything that moved, however much.")] = False,
    references: Annotated[Path, typer.Option(help="Folder of the references.")] = _REFERENCES,
) -> None:
    """Measure a small fixed grid and compare it with committed references.

    Settings of the methods, every protocol on fixed points, the floors on every mini task, and methods for a few
    steps; on the CPU, without data. Exit status: 0 all is as it was, 1 something moved, is new, is gone or failed,
    2 a mistake you can mend, 130 interrupted.
    """
    from benchmarks.regress.command import RegressOptions, regress_command
    from benchmarks.signals import exit_status, terminable

    options = RegressOptions(references, tuple(only or ()), update, reason, every_row)
    try:
        with terminable():
            status = regress_command(options)
    except KeyboardInterrupt as stop:
        typer.echo("interrupted: references stay as they are", err=True)
        status = exit_status(stop)
    raise typer.Exit(status)
