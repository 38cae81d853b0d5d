"""The command line of ``import``."""

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
    method: Annotated[str, typer.Option(metavar="NAME", help="Name of the row.")],
    task: Annotated[str | None, typer.Option(help="Task whose images the keypoints are of.")] = None,
    dataset: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|KIND:PATH",
            help="Dataset in place of a task, also custom data such as coco:FILE.json; with --keypoints.",
        ),
    ] = None,
    keypoints: Annotated[int | None, typer.Option(min=1, help="Keypoints per image, for a --dataset.")] = None,
    profile: Annotated[
        str | None, typer.Option(help="mini or paper (default: paper where there is a data root).")
    ] = None,
    data_root: Annotated[
        Path | None, typer.Option(help="Folder with the datasets (default: KEYPOINTS_DATA_ROOT).")
    ] = None,
    output: Annotated[Path, typer.Option(help="Run directory; the keypoints go to its folder imports.")] = Path("runs"),
    supervision: Annotated[str, typer.Option(metavar="TEXT", help="Supervision of the method.")] = "unsupervised",
    option: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="Option of the format; repeatable.")
    ] = None,
    device: Annotated[
        str, typer.Option(help="Device for a checkpoint that must be run: auto, cpu, cuda, cuda:N or mps.")
    ] = "auto",
    trust_order: Annotated[
        bool, typer.Option("--trust-order", help="Keep the order of x and y even if the landmarks contradict it.")
    ] = False,
) -> None:
    """Import the keypoints of another system as a method that ``run`` scores and ``leaderboard`` ranks.

    Range, order, number of rows and ids are checked against the task's landmarks. Images are read only if a checkpoint
    must be run. Exit status: 0 if the keypoints are kept, 2 if the input is wrong (one line says why).
    """
    from benchmarks.importing.command import ImportOptions, import_command

    given = dict(locals())
    del given["import_command"], given["ImportOptions"]
    given |= {"paths": tuple(paths), "assignments": tuple(given.pop("option") or ())}
    typer.echo(import_command(ImportOptions(**given)))
