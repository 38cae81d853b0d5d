"""The command line of ``agreement`` and ``correlation``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from benchmarks import completion
from benchmarks.options import ProfileName

Format = Literal["table", "md", "csv", "json"]
Suites = Annotated[
    list[str] | None,
    typer.Option("--suite", help="Suite; repeatable (default: all tasks).", autocompletion=completion.suites),
]
FormatOption = Annotated[Format, typer.Option(help="A table for the terminal, Markdown, CSV or JSON.")]
Output = Annotated[Path | None, typer.Option(help="File to write (default: the terminal).")]


def agreement(
    runs: Annotated[Path, typer.Option(metavar="DIR", help="Run directory.")] = Path("runs"),
    suite: Suites = None,
    profile: ProfileName = None,
    format: FormatOption = "table",
    output: Output = None,
) -> None:
    """Print how well the keypoints of different seeds of a method agree, after matching them pair by pair."""
    from benchmarks.label_free.command import agreement_command

    agreement_command(runs, suite or [], profile, format, output)


def correlation(
    runs: Annotated[Path, typer.Option(metavar="DIR", help="Run directory, or a folder of committed results.")] = Path(
        "runs"
    ),
    suite: Suites = None,
    profile: ProfileName = None,
    format: FormatOption = "table",
    output: Output = None,
) -> None:
    """Print whether measures without landmarks order methods as the error of landmarks does."""
    from benchmarks.label_free.command import correlation_command

    correlation_command(runs, suite or [], profile, format, output)
