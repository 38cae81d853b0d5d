"""The command line of ``score``."""

from __future__ import annotations

from benchmarks.options import from_dataclass
from benchmarks.score.options import ScoreOptions


@from_dataclass(ScoreOptions)
def score(options: ScoreOptions) -> None:
    """Score any keypoints against any landmarks, without running a method.

    Files are npz, npy, mat, csv, parquet or pt; FILE:KEY names one array of several.
    """
    from benchmarks.score.command import score_command

    score_command(options)
