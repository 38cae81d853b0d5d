"""Agreement of the keypoints that a method finds with different seeds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from itertools import combinations
from pathlib import Path
from statistics import fmean

from benchmarks.errors import UserError
from benchmarks.records.store import read_predictions
from leaderboard.aggregate import measured_rows
from leaderboard.correlation import cells_of
from leaderboard.correlation_tables import PlainFormat, csv_text, grid
from leaderboard.records import ResultRecord
from metrics.direct.agreement import agreement

THRESHOLD = 5.0  # percent of the image side


@dataclass(frozen=True)
class SeedAgreement:
    """The agreement of a method's seeds on a task, as a mean over ``pairs`` of seeds.

    ``distance`` is that of matched keypoints in percent of the image side, ``found_again`` the percentage of keypoints
    that are less than ``THRESHOLD`` from their partners, on average over test images. ``cells`` are the ids of the
    cells and the dates of their runs.
    """

    task: str
    profile: str
    method: str
    label: str
    is_floor: bool
    seeds: int
    pairs: int
    distance: float
    found_again: float
    cells: tuple[tuple[str, str], ...]


def seed_agreements(
    runs: Path, records: Sequence[ResultRecord], tasks: Sequence[str], profile: str
) -> list[SeedAgreement]:
    """The agreement of every method that has two seeds or more on a task, from the kept test keypoints.

    Raises OSError for predictions that cannot be read, UserError if the seeds' images differ.
    """
    found = []
    for row in measured_rows(records, tasks, profile):
        if row.status != "done" or len(row.cells) < 2:
            continue
        predictions = [read_predictions(runs / "cells" / record.cell_id, "test") for record in row.cells]
        if any(ids != predictions[0][0] for ids, _ in predictions):
            raise UserError(f"{runs}: the seeds of {row.label} on {row.task} have other test images or another order")
        keypoints = [each for _, each in predictions]
        pairs = [agreement(first, second) for first, second in combinations(keypoints, 2)]
        found.append(
            SeedAgreement(
                task=row.task,
                profile=profile,
                method=row.method,
                label=row.label,
                is_floor=row.is_floor,
                seeds=len(keypoints),
                pairs=len(pairs),
                distance=100 * fmean(pair.distance for pair in pairs),
                found_again=100 * fmean(pair.share_within(THRESHOLD / 100) for pair in pairs),
                cells=tuple(sorted(cells_of(row.cells))),
            )
        )
    return found


def render(found: Sequence[SeedAgreement], format: PlainFormat) -> str:
    """The agreements as one text."""
    plain = [asdict(each) for each in found]
    if format == "json":
        return json.dumps(plain, indent=1, ensure_ascii=False) + "\n"
    if format == "csv":
        names = [each.name for each in fields(SeedAgreement) if each.name != "cells"]
        return csv_text(names, [[each[name] for name in names] for each in plain])
    header = ("method", "task", "seeds", "distance (% side) ↓", f"found again within {THRESHOLD:g} % (% keypoints) ↑")
    lines = [
        (each.label, each.task, each.seeds, f"{each.distance:.2f}", f"{each.found_again:.1f}")
        for each in sorted(found, key=lambda each: (each.task, each.is_floor, each.distance))
    ]
    return grid(header, lines, format) if lines else "No method has two seeds or more on a task.\n"
