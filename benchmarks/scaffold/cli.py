"""The ``new-method`` command's line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def new_method(
    name: Annotated[str, typer.Argument(help="Id of the method, such as my_method.")],
    package: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Write a package of its own, which leaves this repository as it is."),
    ] = None,
) -> None:
    """Write a working method of 40 lines and its test, to begin with."""
    from benchmarks.scaffold.write import into_package, into_repository

    typer.echo(into_package(name, package) if package else into_repository(name))
