"""The command line of ``show``."""

from __future__ import annotations

import typer

from benchmarks.options import from_dataclass
from benchmarks.show.options import ShowOptions


@from_dataclass(ShowOptions)
def show(options: ShowOptions) -> None:
    """Draw loss curves as PNG, and attention maps and chosen tokens of methods that have them.

    If the dataset has a box of the object, print the share of keypoints inside it, for all keypoints and for each one.

    Exit status: 0 all is shown, 1 something is missing (a line says what), 2 bad input, 130 interrupted.
    """
    from benchmarks.show.command import show_command
    from benchmarks.signals import exit_status, terminable

    try:
        with terminable():
            status = show_command(options)
    except KeyboardInterrupt as stop:
        typer.echo("interrupted: the pictures named above are kept", err=True)
        status = exit_status(stop)
    raise typer.Exit(status)
