"""The command lines of ``list`` and ``describe``."""

from __future__ import annotations

from typing import Annotated

import typer

from benchmarks.options import DataRoot


def list_command(
    kind: Annotated[
        str | None,
        typer.Argument(help="methods, datasets, tasks, suites, protocols, formats or systems (default: all)."),
    ] = None,
) -> None:
    """List all names that ``describe`` accepts, each with a summary.

    A format is a file format of another system's keypoints. A system is a published method of the literature.
    """
    from benchmarks.describe.catalogue import listing

    typer.echo(listing(kind))


def describe(
    name: Annotated[
        str, typer.Argument(help="A method, dataset, task, suite, protocol, format, or system of the literature.")
    ],
    data_root: DataRoot = None,
) -> None:
    """Describe a method with its settings, or a dataset, task, suite, protocol, format or system."""
    from benchmarks.describe.catalogue import description

    typer.echo(description(name, data_root))
