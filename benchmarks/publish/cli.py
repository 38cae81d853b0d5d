"""The command line of ``publish``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmarks.options import DataRoot


def publish(
    output: Annotated[Path, typer.Option(help="The folder to write the site to; an earlier site there is replaced.")],
    runs: Annotated[
        Path | None, typer.Option(help="A run directory to publish (default: the committed results).")
    ] = None,
    data_root: DataRoot = None,
    show_images: Annotated[
        bool,
        typer.Option(
            "--show-images",
            help="Show photographs of real datasets too, whose licences may forbid it (default: keypoints on blank).",
        ),
    ] = False,
) -> None:
    """Write the results as a static site, which opens from the disk and needs no network."""
    from benchmarks.publish.command import publish_site

    typer.echo(publish_site(output, runs, data_root, show_images))
