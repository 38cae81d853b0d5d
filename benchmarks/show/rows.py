"""One picture of several cells: a row of test images for each cell, with the keypoints that it discovered."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from benchmarks.records.store import read_predictions
from benchmarks.run.overlay import GAP, LARGE, LARGE_COLUMNS, PAPER, keypoint_panel, spread_out
from benchmarks.show.cells import open_same
from leaderboard.records import ResultRecord

if TYPE_CHECKING:
    from benchmarks.registry import Open


def write_rows(path: Path, run: Path, records: Sequence[ResultRecord], datasets: Open) -> None:
    """Draw ``LARGE_COLUMNS`` test images of each cell, spread evenly over the split, with its recorded keypoints.

    A keypoint has the same colour in the whole row. Raises UserError if a dataset is missing or differs from that of
    the record.
    """
    rows = []
    for record in records:
        ids, keypoints = read_predictions(run / "cells" / record.cell_id, "test")
        dataset = open_same(datasets, record, record.dataset, "test")
        shown = spread_out(len(ids), LARGE_COLUMNS)
        photos = [Image.fromarray(dataset.image(ids[index], LARGE)) for index in shown]
        rows.append(keypoint_panel(photos, keypoints[shown]))
    height = sum(row.height + GAP for row in rows) - GAP
    page = Image.new("RGB", (max(row.width for row in rows), height), PAPER)
    top = 0
    for row in rows:
        page.paste(row, (0, top))
        top += row.height + GAP
    path.parent.mkdir(parents=True, exist_ok=True)
    page.save(path)
