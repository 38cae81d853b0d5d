"""The options of the ``import`` command."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.options import DataRoot, Interocular, ProfileName, SplitFile


@dataclass(frozen=True, kw_only=True)
class ImportOptions:
    """Values of the options of ``import``."""

    format: Annotated[
        str, typer.Argument(help="Format of the files: neutral, stable_keypoints, ... (see list formats).")
    ]
    paths: Annotated[
        list[str],
        typer.Argument(metavar="PATH...", help="Files or folders; regress:PATH or test:PATH names the split."),
    ]
    method: Annotated[str, typer.Option(metavar="NAME", help="Name of the method in tables.")]
    task: Annotated[str | None, typer.Option(help="Task whose images the keypoints belong to.")] = None
    dataset: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|KIND:PATH",
            help="Dataset instead of a task, registered or custom (coco:FILE.json); needs --keypoints.",
        ),
    ] = None
    keypoints: Annotated[int | None, typer.Option(min=1, help="Keypoints per image, with --dataset.")] = None
    split: SplitFile = None
    interocular: Interocular = None
    profile: ProfileName = None
    data_root: DataRoot = None
    output: Annotated[Path, typer.Option(help="Run directory; the keypoints go to its subfolder imports.")] = Path(
        "runs"
    )
    supervision: Annotated[str, typer.Option(metavar="TEXT", help="Supervision of the method.")] = "unsupervised"
    saw_landmarks: Annotated[
        bool | None,
        typer.Option(help="Whether the method saw landmarks in training (default: no)."),
    ] = None
    assignments: Annotated[
        list[str], typer.Option("--option", metavar="NAME=VALUE", help="Option of the format; repeatable.")
    ] = field(default_factory=list)
    device: Annotated[
        str, typer.Option(help="Device for a checkpoint that must be run: auto, cpu, cuda, cuda:N or mps.")
    ] = "auto"
    trust_order: Annotated[
        bool, typer.Option("--trust-order", help="Keep the order of x and y even if the landmarks contradict it.")
    ] = False
