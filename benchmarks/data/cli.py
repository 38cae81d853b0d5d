"""The command line of ``python -m benchmarks data``: ``status``, ``describe``, ``verify`` and ``fetch``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

data_app = typer.Typer(
    help="Say what data is there, check it, and get it.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


class StatusFormat(StrEnum):
    """How the status is written."""

    table = "table"
    json = "json"


DataRoot = Annotated[Path | None, typer.Option(help="Folder with the datasets (default: KEYPOINTS_DATA_ROOT).")]


@data_app.command()
def status(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME", help="Default: all but mini.")] = None,
    data_root: DataRoot = None,
    format: Annotated[StatusFormat, typer.Option(help="For people, or for programs.")] = StatusFormat.table,
) -> None:
    """Say which annotations and images are found, and what is missing."""
    from benchmarks.data.status import status

    typer.echo(status(names or [], data_root, format.value))


@data_app.command()
def describe(
    name: Annotated[str, typer.Argument(help="A dataset.")],
    data_root: DataRoot = None,
) -> None:
    """Say all about a dataset: what it is, what to know about it, how to get it, where its files belong."""
    from benchmarks.data.card import description

    typer.echo(description(name, data_root))


@data_app.command()
def verify(
    names: Annotated[list[str], typer.Argument(metavar="NAME", help="Datasets.")],
    data_root: DataRoot = None,
    annotations_only: Annotated[bool, typer.Option("--annotations-only", help="Decode no image.")] = False,
    workers: Annotated[int | None, typer.Option(min=1, help="Threads (default: one for each processor).")] = None,
    cache: Annotated[
        Path | None, typer.Option(help="Folder that remembers what was verified (default: the user's cache folder).")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="File for all problems, one a line.")] = None,
) -> None:
    """Check counts, digests and annotations, and decode every image.

    Broken off, it goes on where it stopped: an image whose file has not changed since is not decoded again.

    Exit status: 0 all is well, 1 something is broken or missing, 2 a mistake you can mend, 130 interrupted.
    """
    from benchmarks.data.verify import Verification, verify

    raise typer.Exit(verify(names, data_root, Verification(annotations_only, workers, cache, output)))


@data_app.command()
def fetch(
    name: Annotated[str, typer.Argument(help="A dataset.")],
    data_root: DataRoot = None,
    source: Annotated[
        Path | None, typer.Option("--from", metavar="FILE", help="The archive, if it is at hand; no download.")
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Put a folder that is in the way aside, as FOLDER.old.")
    ] = False,
) -> None:
    """Download a dataset and unpack it, where its licence allows that; else say how to get it by hand.

    A download that is broken off begins anew; one that is complete is not repeated.

    Exit status: 0 it is there, 1 it is unpacked and lacks something still, 2 a mistake you can mend, or one that has
    to be got by hand, 130 interrupted.
    """
    from benchmarks.data.fetch import fetch

    raise typer.Exit(fetch(name, data_root, source, replace))
