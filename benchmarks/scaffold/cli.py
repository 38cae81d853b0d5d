"""The command lines of ``new-method`` and ``new-dataset``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from benchmarks.scaffold.kinds import Kind

Package = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="Write a separate package into this folder, not into this repository."),
]


def new_method(
    name: Annotated[str, typer.Argument(help="Id of the method, such as my_method.")], package: Package = None
) -> None:
    """Write a working method of 40 lines and its test, as a starting point for your own."""
    from benchmarks.scaffold.kinds import METHOD

    _write(METHOD, name, package)


def new_dataset(
    name: Annotated[str, typer.Argument(help="Id of the dataset, such as my_dataset.")], package: Package = None
) -> None:
    """Write a working dataset of 60 lines and its test, as a starting point for your own.

    The dataset reads images in a folder, and their landmarks from a CSV file in the same folder.
    """
    from benchmarks.scaffold.kinds import DATASET

    _write(DATASET, name, package)


def _write(kind: Kind, name: str, package: Path | None) -> None:
    from benchmarks.scaffold.write import into_package, into_repository

    typer.echo(into_package(kind, name, package) if package else into_repository(kind, name))
