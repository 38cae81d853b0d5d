"""The command line of ``show``."""

from __future__ import annotations

import typer

from benchmarks.options import from_dataclass
from benchmarks.show.options import ShowOptions


@from_dataclass(ShowOptions)
def show(options: ShowOptions) -> None:
    """Draw loss curves, and attention maps and choices of methods that have them, as PNG.

    Where a dataset knows the object's box, print the share of keypoints inside it, of all and of each.

    Exit status: 0 all is shown, 1 something is missing (a line says what), 2 a mistake you can mend, 130 interrupted.
    """
    from benchmarks.show.command import show_command
    from benchmarks.signals import exit_status, terminable

    try:
        with terminable():
            status = show_command(options)
    except KeyboardInterrupt as stop:
        typer.echo("interrupted: the pictures named above stay", err=True)
        status = exit_status(stop)
    raise typer.Exit(status)
