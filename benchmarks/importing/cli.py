"""The ``import`` command's line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def import_outputs(
    format: Annotated[
        str, typer.Argument(help="Format of the files: neutral, stable_keypoints, ... (see list formats).")
    ],
    paths: Annotated[
        list[str],
        typer.Argument(metavar="PATH...", help="Files or folders; regress:PATH or test:PATH names the split."),
    ],
    method: Annotated[str, typer.Option(metavar="NAME", help="What to call the row.")],
    task: Annotated[str | None, typer.Option(help="Task whose images they are of.")] = None,
    dataset: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|KIND:PATH",
            help="In place of a task any dataset, own data such as coco:FILE.json too; with --keypoints.",
        ),
    ] = None,
    keypoints: Annotated[int | None, typer.Option(min=1, help="Keypoints an image, on a --dataset.")] = None,
    profile: Annotated[
        str | None, typer.Option(help="mini or paper (default: paper where there is a data root).")
    ] = None,
    data_root: Annotated[
        Path | None, typer.Option(help="Folder with the datasets (default: KEYPOINTS_DATA_ROOT).")
    ] = None,
    output: Annotated[Path, typer.Option(help="The run directory; keypoints are kept in its folder imports.")] = Path(
        "runs"
    ),
    supervision: Annotated[str, typer.Option(metavar="TEXT", help="The method's supervision.")] = "unsupervised",
    option: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="Setting of the format; repeatable.")
    ] = None,
    device: Annotated[
        str, typer.Option(help="auto, cpu, cuda, cuda:N or mps, for a checkpoint that must be run.")
    ] = "auto",
    trust_order: Annotated[
        bool, typer.Option("--trust-order", help="Take x and y as they stand, whatever the landmarks say.")
    ] = False,
) -> None:
    """Turn the keypoints that somebody's system wrote into a method that can be run and ranked.

    Range, order, number of rows and ids are checked against the task's landmarks; no images are read, unless a
    checkpoint must be run. Exit status: 0 it is kept, 2 something does not fit (a line says what).
    """
    from benchmarks.importing.command import ImportOptions, import_command

    options = ImportOptions(
        format=format,
        paths=tuple(paths),
        task=task,
        dataset=dataset,
        keypoints=keypoints,
        method=method,
        profile=profile,
        data_root=data_root,
        output=output,
        supervision=supervision,
        assignments=tuple(option or ()),
        device=device,
        trust_order=trust_order,
    )
    typer.echo(import_command(options))
