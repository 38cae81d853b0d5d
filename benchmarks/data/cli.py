"""The command line of ``python -m benchmarks data``: ``status``, ``describe``, ``verify`` and ``fetch``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from benchmarks import completion
from benchmarks.options import DataRoot, Headings, example

data_app = typer.Typer(
    cls=Headings,
    help="Report, verify and download datasets.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


class StatusFormat(StrEnum):
    """Format of the status report."""

    table = "table"
    json = "json"


@data_app.command(epilog=example("data status", "data status cub_001 --data-root /data"))
def status(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME", help="Names of datasets (default: all that need files).", autocompletion=completion.datasets
        ),
    ] = None,
    data_root: DataRoot = None,
    format: Annotated[
        StatusFormat, typer.Option(help="A table for people, or JSON for programs.")
    ] = StatusFormat.table,
) -> None:
    """Report which annotations and images are found, and what is missing."""
    from benchmarks.data.status import status

    typer.echo(status(names or [], data_root, format.value))


@data_app.command(epilog=example("data describe cub_001"))
def describe(
    name: Annotated[str, typer.Argument(help="A dataset.", autocompletion=completion.datasets)],
    data_root: DataRoot = None,
) -> None:
    """Describe a dataset: its card, remarks, how to get it, and the files that it expects."""
    from benchmarks.data.card import description

    typer.echo(description(name, data_root))


@data_app.command(epilog=example("data verify cub_001 --data-root /data"))
def verify(
    names: Annotated[
        list[str], typer.Argument(metavar="NAME", help="Names of datasets.", autocompletion=completion.datasets)
    ],
    data_root: DataRoot = None,
    annotations_only: Annotated[bool, typer.Option("--annotations-only", help="Do not check the images.")] = False,
    workers: Annotated[int | None, typer.Option(min=1, help="Threads (default: one for each CPU).")] = None,
    cache: Annotated[
        Path | None, typer.Option(help="Folder for the record of verified images (default: the user's cache folder).")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="Write all problems to this file, one per line.")] = None,
) -> None:
    """Check counts, digests and annotations, and decode every image.

    An image that was verified before is decoded again only if its file has changed, so an interrupted verification
    continues where it stopped.

    Exit status: 0 no problems, 1 something is broken or missing, 2 a usage error, 130 interrupted.
    """
    from benchmarks.data.verify import Verification, verify

    raise typer.Exit(verify(names, data_root, Verification(annotations_only, workers, cache, output)))


@data_app.command(epilog=example("data fetch cub_001 --data-root /data"))
def fetch(
    name: Annotated[str, typer.Argument(help="A dataset.", autocompletion=completion.datasets)],
    data_root: DataRoot = None,
    source: Annotated[
        Path | None, typer.Option("--from", metavar="FILE", help="Unpack this archive instead of downloading it.")
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="First move an existing folder to FOLDER.old.")] = False,
) -> None:
    """Download and unpack a dataset if its licence allows that; otherwise print how to get it.

    An interrupted download starts again from the beginning; a complete one is not repeated.

    Exit status: 0 the dataset is complete, 1 it is unpacked but something is still missing, 2 a usage error or a
    dataset without direct download, 130 interrupted.
    """
    from benchmarks.data.fetch import fetch

    raise typer.Exit(fetch(name, data_root, source, replace))
