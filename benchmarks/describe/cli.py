"""The command lines of ``list`` and ``describe``."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from benchmarks.completion import starting
from benchmarks.options import DataRoot

KINDS = ("methods", "datasets", "tasks", "suites", "families", "protocols", "formats", "systems")


def _described() -> list[str]:
    from benchmarks.describe.catalogue import known_names

    return known_names()


def list_command(
    kind: Annotated[
        str | None,
        typer.Argument(
            metavar="KIND",
            help=f"{', '.join(KINDS[:-1])} or {KINDS[-1]} (default: all).",
            autocompletion=starting(lambda: KINDS),
        ),
    ] = None,
) -> None:
    """List all names that the command describe accepts, each with a summary.

    A family is a group of protocols. A format is a file format of another system's keypoints. A system is a published
    method of the literature.
    """
    from benchmarks.describe.catalogue import listing

    typer.echo(listing(kind))


def describe(
    name: Annotated[
        str,
        typer.Argument(
            help="A method, dataset, task, suite, protocol, family of protocols, format, or system of the literature.",
            autocompletion=starting(_described),
        ),
    ],
    data_root: DataRoot = None,
    format: Annotated[
        Literal["text", "croissant"],
        typer.Option(help="Text, or of a dataset its card as Croissant JSON-LD, the metadata format of MLCommons."),
    ] = "text",
) -> None:
    """Print everything known about a method, dataset, task, suite, protocol, format or published system."""
    if format == "croissant":
        from benchmarks.describe.croissant import dataset_croissant

        typer.echo(dataset_croissant(name, data_root), nl=False)
        return
    from benchmarks.describe.catalogue import description

    typer.echo(description(name, data_root))
