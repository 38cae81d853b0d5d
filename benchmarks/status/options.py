"""The options of the ``status`` command."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer


@dataclass(frozen=True, kw_only=True)
class StatusOptions:
    """Values of the options of ``status``."""

    output: Annotated[Path, typer.Argument(metavar="DIR", help="The run directory.")]
    format: Annotated[
        Literal["text", "json"], typer.Option(help="text for people, json with all lists in full for programs.")
    ] = "text"
