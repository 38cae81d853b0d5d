"""The options of the ``run`` command."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import typer

from benchmarks import completion
from benchmarks.options import DataRoot, Device, Interocular, Output, ProfileName, SplitFile

SHARD_SIZE = 2048
Overwrite = Literal["never", "failed", "all"]
Memory = Literal["auto", "low"]
Emit = Literal["plan", "slurm"]
ExecutorName = Literal["in-process", "ray"]


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Values of the options of ``run``."""

    methods: Annotated[
        list[str], typer.Option("--method", help="Method to run; repeatable.", autocompletion=completion.methods)
    ]
    suites: Annotated[
        list[str],
        typer.Option(
            "--suite", help="Suite of tasks, all of which are run; repeatable.", autocompletion=completion.suites
        ),
    ] = field(default_factory=list)
    tasks: Annotated[
        list[str],
        typer.Option(
            "--task", help="Single task, beside those of --suite; repeatable.", autocompletion=completion.tasks
        ),
    ] = field(default_factory=list)
    datasets: Annotated[
        list[str],
        typer.Option(
            "--dataset",
            metavar="NAME|KIND:PATH",
            help="Registered dataset, or custom data: coco:FILE.json (COCO keypoints), dlc:FOLDER (DeepLabCut) or "
            "folder:DIR (images without landmarks, so no scores). Needs --keypoints; repeatable. Custom data alone "
            "runs under the paper profile and needs no data root. --profile mini replaces a dataset by its synthetic "
            "counterpart mini_NAME if it has one, and gives methods their small preset.",
            autocompletion=completion.datasets,
        ),
    ] = field(default_factory=list)
    keypoints: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Keypoints to discover on each --dataset.")
    ] = None
    split: SplitFile = None
    interocular: Interocular = None
    profile: ProfileName = None
    data_root: DataRoot = None
    seeds: Annotated[int, typer.Option(min=1, metavar="N", help="Run seeds 0 to N-1.")] = 1
    limit: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Use only the first N images of every split (marked in tables)."),
    ] = None
    device: Device = "auto"
    memory: Annotated[
        Memory, typer.Option(help="low: slower with less (GPU) memory, in methods that have this setting.")
    ] = "auto"
    output: Output = Path("runs")
    assignments: Annotated[
        list[str], typer.Option("--set", metavar="METHOD.NAME=VALUE", help="Setting of a method; repeatable.")
    ] = field(default_factory=list)
    overwrite: Annotated[Overwrite, typer.Option(help="Recorded cells to run again: none, failed ones, or all.")] = (
        "failed"
    )
    floors: Annotated[bool, typer.Option(help="Also run the baselines that learn nothing (floors).")] = True
    executor: Annotated[
        ExecutorName,
        typer.Option(
            help="in-process: do one unit of work (a fit, a set of predictions, a score) after another here. ray: do "
            "units side by side on a Ray cluster."
        ),
    ] = "in-process"
    address: Annotated[
        str | None,
        typer.Option(
            metavar="auto|HOST:PORT",
            help="With --executor ray: a running cluster; auto is that of this machine. Default: RAY_ADDRESS, or else "
            "a cluster of this machine alone that ends with the command.",
        ),
    ] = None
    workers: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="With --executor ray: number of workers. Default: as many as there is room for."
        ),
    ] = None
    gpus_per_unit: Annotated[
        float | None,
        typer.Option(
            min=0,
            metavar="N",
            help="With --executor ray: GPUs of a worker, such as 1, or 0.5 for two workers a GPU. Default: 1, but 0 "
            "with --device cpu or if the cluster has no GPU and --device is auto.",
        ),
    ] = None
    emit: Annotated[
        Emit | None,
        typer.Option(
            help="Run nothing. plan: write the units of work to OUTPUT/plan.json, for `work`. slurm: also write "
            "OUTPUT/slurm/submit.sh, which submits them to SLURM as job arrays."
        ),
    ] = None
    slurm: Annotated[
        list[str],
        typer.Option(
            "--slurm",
            metavar="NAME=VALUE",
            help="With --emit slurm: option of sbatch, such as partition=gpu, time=04:00:00, gres=gpu:a100:1, "
            "gpus=0 for no GPU, or array=%16 for at most 16 jobs at a time; repeatable.",
        ),
    ] = field(default_factory=list)
    shard_size: Annotated[
        int,
        typer.Option(min=1, metavar="N", help="Predict at most N images in one unit of work; results are the same."),
    ] = SHARD_SIZE
    mlflow: Annotated[bool, typer.Option(help="Copy the records to MLflow.")] = True
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan; run and write nothing.")] = False
