"""The options of the ``doctor`` command."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.options import DataRoot


@dataclass(frozen=True, kw_only=True)
class DoctorOptions:
    """Values of the options of ``doctor``."""

    output: Annotated[Path, typer.Argument(metavar="DIR", help="The run directory.")]
    data_root: DataRoot = None
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what is wrong; change nothing.")] = False
