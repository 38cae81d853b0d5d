"""The options of the ``run`` command."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import typer

from benchmarks.options import DataRoot, Device, Output, ProfileName

Overwrite = Literal["never", "failed", "all"]
Memory = Literal["auto", "low"]


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """The options as given."""

    methods: Annotated[list[str], typer.Option("--method", help="Method to run; repeatable.")]
    suites: Annotated[list[str], typer.Option("--suite", help="Suite of tasks; repeatable.")] = field(
        default_factory=list
    )
    tasks: Annotated[list[str], typer.Option("--task", help="Single task; repeatable.")] = field(default_factory=list)
    datasets: Annotated[
        list[str],
        typer.Option(
            "--dataset",
            metavar="NAME|KIND:PATH",
            help="Any dataset, or a custom one: coco:FILE.json (COCO keypoints), dlc:FOLDER (DeepLabCut), folder:DIR "
            "(images without landmarks: keypoints only, no scores). With --keypoints; repeatable. A custom dataset "
            "alone runs under the paper profile and needs no data root. Under --profile mini a dataset is replaced by "
            "its synthetic counterpart mini_NAME; one without a counterpart, and a custom one, stays itself, and "
            "methods take their small preset.",
        ),
    ] = field(default_factory=list)
    keypoints: Annotated[int | None, typer.Option(min=1, help="Keypoints to discover on each --dataset.")] = None
    profile: ProfileName = None
    data_root: DataRoot = None
    seeds: Annotated[int, typer.Option(min=1, help="Run seeds 0 to N-1.")] = 1
    limit: Annotated[int | None, typer.Option(min=1, help="Cut every split to N images (marked in tables).")] = None
    device: Device = "auto"
    memory: Annotated[Memory, typer.Option(help="low: methods that can trade speed for (GPU) memory do so.")] = "auto"
    output: Output = Path("runs")
    assignments: Annotated[
        list[str], typer.Option("--set", metavar="METHOD.NAME=VALUE", help="Setting of a method; repeatable.")
    ] = field(default_factory=list)
    overwrite: Annotated[Overwrite, typer.Option(help="Run again: no cell that has a record, failed ones, or all.")] = (
        "failed"
    )
    floors: Annotated[
        bool, typer.Option(help="Run the baselines that learn nothing (floors) along with the methods.")
    ] = True
    mlflow: Annotated[bool, typer.Option(help="Mirror the records to MLflow.")] = True
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be run, and write nothing.")] = False
