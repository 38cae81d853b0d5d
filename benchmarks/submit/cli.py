"""The command line of ``submit``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from benchmarks.options import DataRoot
from leaderboard.text import printable


def submit(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder such as submissions/my_method.")],
    output: Annotated[
        Path | None, typer.Option(help="Run directory to keep the rows in (default: they are only printed).")
    ] = None,
    data_root: DataRoot = None,
    format: Annotated[Literal["md", "json"], typer.Option(help="Markdown, or JSON with every row.")] = "md",
) -> None:
    """Check a submission, and compute its rows from the predictions in it.

    Prints the rows beside the committed ones. No file of the folder is executed, and no score in it is believed. Exit
    status: 0 the rows are printed, 2 something is wrong (a line for each mistake).
    """
    from benchmarks.submit.command import submit_command

    status, text = submit_command(folder, output, data_root, format)
    typer.echo(printable(text), nl=False, err=bool(status) and format == "md")
    if status:
        raise typer.Exit(status)
