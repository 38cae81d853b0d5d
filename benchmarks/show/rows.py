"""One picture of several cells: a row of test images for each cell, with the keypoints that it discovered."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from benchmarks.drawing.canvas import Canvas
from benchmarks.drawing.colours import palette
from benchmarks.drawing.page import Panel, make_page
from benchmarks.records.store import read_predictions
from benchmarks.run.overlay import COLUMNS, LARGE, grid, spread_out
from benchmarks.show.cells import heading, open_same
from leaderboard.records import ResultRecord

if TYPE_CHECKING:
    from benchmarks.registry import Open


def write_rows(path: Path, run: Path, records: Sequence[ResultRecord], datasets: Open) -> None:
    """Draw ``COLUMNS`` test images of each cell, spread evenly over the split, with its recorded keypoints.

    A keypoint has the same colour in the whole row. Raises UserError if a dataset is missing or differs from that of
    the record.
    """
    panels = []
    for record in records:
        ids, keypoints = read_predictions(run / "cells" / record.cell_id, "test")
        dataset = open_same(datasets, record, record.dataset, "test")
        tiles, colours = [], palette(keypoints.shape[1])
        for index in spread_out(len(ids), COLUMNS):
            canvas = Canvas(Image.fromarray(dataset.image(ids[index], LARGE)), LARGE)
            canvas.dots(keypoints[index], colours, radius=6.0)
            tiles.append(canvas.finished())
        panels.append(Panel(f"{heading(record)}: {keypoints.shape[1]} keypoints", grid(tiles, COLUMNS)))
    path.parent.mkdir(parents=True, exist_ok=True)
    make_page("", panels).save(path, optimize=True)
