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
            help="Part (settings, protocols, floors, fits) or pattern of ids ('floors/grid/*'); repeatable.",
        ),
    ] = None,
    update: Annotated[
        bool,
        typer.Option("--update", help="Rewrite the references of parts that moved; refuses other uncommitted changes."),
    ] = False,
    reason: Annotated[str | None, typer.Option(metavar="TEXT", help="Reason for --update, kept in log.json.")] = None,
    every_row: Annotated[bool, typer.Option("--all", help="Print every value that moved, not only 40.")] = False,
    references: Annotated[
        Path, typer.Option(help="Folder of the references.", show_default="leaderboard/reference")
    ] = _REFERENCES,
) -> None:
    """Measure a small fixed grid and compare it with committed references.

    The grid has the settings of the methods, every protocol on fixed points, the baselines (floors) on every mini task,
    and fits of a few steps; it runs on the CPU and needs no data. Exit status: 0 nothing moved, 1 a value moved, is
    new, is gone or failed, 2 bad input, 130 interrupted.
    """
    from benchmarks.regress.command import RegressOptions, regress_command
    from benchmarks.signals import exit_status, terminable

    options = RegressOptions(references, tuple(only or ()), update, reason, every_row)
    try:
        with terminable():
            status = regress_command(options)
    except KeyboardInterrupt as stop:
        typer.echo("interrupted: the references are unchanged", err=True)
        status = exit_status(stop)
    raise typer.Exit(status)
