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
    """List the names that describe knows, each with a summary.

    Formats are those of other systems' outputs; systems are those of the literature that have published results.
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
