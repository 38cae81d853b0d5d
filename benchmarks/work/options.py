"""The options of the ``work`` command."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.options import DataRoot, Output


@dataclass(frozen=True, kw_only=True)
class WorkOptions:
    """Values of the options of ``work``."""

    plan: Annotated[Path, typer.Argument(metavar="PLAN.json", help="File that `run --emit` writes.")]
    unit: Annotated[int, typer.Option("--unit", min=0, metavar="N", help="Number of the unit, from 0.")]
    output: Output = Path("runs")
    data_root: DataRoot = None
    device: Annotated[str | None, typer.Option(help="Device in place of the plan's: auto, cpu, cuda or mps.")] = None
    force: Annotated[bool, typer.Option("--force", help="Do the unit even if it is done or claimed.")] = False
    wait: Annotated[
        bool,
        typer.Option("--wait", help="If another process does the unit, wait, and do it if that process does not."),
    ] = False
