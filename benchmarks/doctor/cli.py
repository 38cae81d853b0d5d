"""The command line of ``doctor``."""

from __future__ import annotations

import typer

from benchmarks.doctor.options import DoctorOptions
from benchmarks.options import from_dataclass


@from_dataclass(DoctorOptions)
def doctor(options: DoctorOptions) -> None:
    """Check every file of a run directory against its digest, and repair what needs no model.

    Stale claims, what killed processes left, and broken checkpoints and parts of predictions are removed; `run` makes
    them again. Errors per image are scored again if their dataset is there, and leaderboards are written again.
    Finished cells and fits are never removed: those that are broken are named, with the command that makes them again.
    What other processes work on is left alone.

    Exit status: 0 everything is whole now, 1 something is left, 2 bad input.
    """
    from benchmarks.doctor.command import doctor_command

    raise typer.Exit(doctor_command(options))
