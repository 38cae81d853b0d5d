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
    """List what can be run and described: also formats of others' outputs, and systems with published rows."""
    from benchmarks.describe.catalogue import listing

    typer.echo(listing(kind))


def describe(
    name: Annotated[
        str, typer.Argument(help="A method, dataset, task, suite, protocol, format, or system of the literature.")
    ],
    data_root: DataRoot = None,
) -> None:
    """Describe one of them in full."""
    from benchmarks.describe.catalogue import description

    typer.echo(description(name, data_root))
