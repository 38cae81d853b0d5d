"""The options of the ``show`` command."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.options import DataRoot, Device


@dataclass(frozen=True)
class ShowOptions:
    """Values of the options of ``show``."""

    run: Annotated[Path, typer.Argument(help="A run directory, or the folder of one cell.")] = Path("runs")
    cells: Annotated[list[str], typer.Argument(help="Ids of cells, or patterns such as '*--cub_*' (default: all).")] = (
        field(default_factory=list)
    )
    images: Annotated[int, typer.Option(min=1, help="Test images with attention maps.")] = 6
    selection_images: Annotated[
        int, typer.Option(min=1, help="Most images over which to count how often each token is kept.")
    ] = 500
    data_root: DataRoot = None
    device: Device = "auto"
    output: Annotated[Path | None, typer.Option(help="Folder for the pictures (default: beside each record).")] = None
    mlflow: Annotated[bool, typer.Option(help="Add the pictures to MLflow (not with --output).")] = True
    rows: Annotated[
        Path | None,
        typer.Option(help="Write only this picture: for each cell a row of test images with its keypoints."),
    ] = None
