"""Own data labelled with DeepLabCut: ``CollectedData_<scorer>.csv`` beside the labelled frames of each video.

The path is that of a project, of its ``labeled-data``, or of one video's folder in there. A csv has three rows of
heading (scorer, bodyparts, coords) and a row a frame, named by one path or by a path in three columns; an empty cell
is a part that was not labelled. Frames without a labelled part are left out. Projects with several animals (a fourth
row, individuals) are not read.

Coordinates count pixels from 0, whole numbers being the centres of pixels, as DeepLabCut's labelling tools have them,
so x lies ``x + 0.5`` from the image's left edge. The sizes of images are those of the files, read with a split.
"""

from __future__ import annotations

import csv
import math
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np

from datasets.base import DatasetError, Split
from datasets.reading.custom import Contents, OwnDataset, distinct_names, refuse_entry, split_by
from datasets.reading.photos import padded_square, photo_size
from datasets.reading.table import Table
from datasets.reading.text import read_lines, refuse

CSV = "CollectedData_*.csv"
HEADING = ("scorer", "bodyparts", "coords")
VIDEOS = 5  # so many videos are split by video, fewer by frame
FEW_VIDEOS = (
    f"fewer than {VIDEOS} videos: tested on frames of videos that are learned from too, and intervals are over frames"
)


class Frame(NamedTuple):
    """A labelled frame: its video's folder, its file, and x, y of every part in pixels, NaN where not labelled."""

    video: str
    path: Path
    points: list[tuple[float, float]]


class DeepLabCut(OwnDataset):
    """A DeepLabCut project of one animal. An id is video/frame; whole images are padded to a square.

    The group is the video where there are at least VIDEOS, of which a fifth, or two, are tested on; else the frame.
    """

    prefix: ClassVar[str] = "dlc"
    what: ClassVar[str] = f"a DeepLabCut project or labeled-data folder with {CSV}"
    preprocessing: ClassVar[str] = (
        "whole image, upright by its EXIF orientation, padded to a square, the image in its middle; coordinates count "
        "pixels from 0, so half a pixel is added"
    )

    def load(self) -> Contents:
        """Read every csv; landmarks are in pixels as yet. Raises DatasetError naming file and line."""
        names, frames = self._frames()
        ids = tuple(f"{frame.video}/{frame.path.name}" for frame in frames)
        points = np.array([frame.points for frame in frames], dtype=np.float64)
        by_video = len({frame.video for frame in frames}) >= VIDEOS
        groups = tuple(frame.video for frame in frames) if by_video else ids
        return Contents(
            landmark_names=names,
            table=Table(ids, points, ~np.isnan(points[..., 0]), groups),
            files=tuple(frame.path for frame in frames),
            rows=split_by(self.source, groups, at_least=2 if by_video else 1),
            remarks=() if by_video else (FEW_VIDEOS,),
        )

    def annotated(self) -> tuple[bool, str]:
        """Whether the path and every image are there: pixels mean nothing without the sizes of the images."""
        return self.available()

    def read(self, name: Split) -> Table:
        """The rows of a split. Raises DatasetError naming an image whose size cannot be read."""
        table = super().read(name)
        crops = tuple(padded_square(*photo_size(self.path(image_id), self.upright)) for image_id in table.ids)
        corners = np.array([(crop.left, crop.top) for crop in crops], dtype=np.float64)[:, None]
        sides = np.array([crop.width for crop in crops], dtype=np.float64)[:, None, None]
        landmarks = np.where(table.visible[..., None], (table.landmarks + 0.5 - corners) / sides, 0.5)
        return replace(table, landmarks=landmarks, crops=crops)

    def _frames(self) -> tuple[tuple[str, ...], list[Frame]]:
        """The parts' names and the labelled frames of all videos."""
        found = [path for folder in ("", "*/", "labeled-data/*/") for path in sorted(self.source.glob(folder + CSV))]
        if not found:
            raise DatasetError(f"no {CSV} in {self.source}, expected {self.what}; saving labels writes it")
        names, frames = read_labels(found[0])
        for before, path in pairwise(found):
            if path.parent == before.parent:
                raise DatasetError(f"{path}: {before.name} lies beside it, expected one scorer; move one of them away")
            others, labelled = read_labels(path)
            if others != names:
                refuse_entry(path, "line 2", ", ".join(others), f"the bodyparts of {found[0]}: {', '.join(names)}")
            frames += labelled
        if not frames:
            raise DatasetError(f"{found[0]}: no frame has a labelled part, expected some")
        return names, frames


def open_dlc(path: str) -> DeepLabCut:
    """The dataset of a DeepLabCut folder; nothing is read yet."""
    return DeepLabCut(path)


def read_labels(path: Path) -> tuple[tuple[str, ...], list[Frame]]:
    """The parts' names and the labelled frames of one csv. Raises DatasetError naming the line."""
    try:
        rows = list(csv.reader(read_lines(path)))
    except csv.Error as error:
        raise DatasetError(f"cannot read {path}: {error}; save the labels again") from error
    names, columns = _heading(path, rows)
    lines: dict[str, int] = {}
    frames = []
    for number, row in enumerate(rows[len(HEADING) :], start=len(HEADING) + 1):
        if not row:
            continue
        if len(row) != columns + 2 * len(names):
            refuse(path, number, f"{len(row)} columns", f"{columns + 2 * len(names)}, as in the heading")
        name = "/".join(row[:columns]).replace("\\", "/").rpartition("/")[2]
        if not name or name in lines:
            refuse(path, number, name, "the path of an image that has no line yet")
        lines[name] = number
        cells = row[columns:]
        points = [_point(path, number, *cell) for cell in zip(names, cells[::2], cells[1::2], strict=True)]
        if any(math.isfinite(x) for x, _ in points):
            frames.append(Frame(path.parent.name, path.parent / name, points))
    return names, frames


def _heading(path: Path, rows: list[list[str]]) -> tuple[tuple[str, ...], int]:
    """The parts' names, and the number of columns before them."""
    for number, name in enumerate(HEADING, start=1):
        got = rows[number - 1][0] if len(rows) >= number and rows[number - 1] else "nothing"
        if got == "individuals":
            refuse(path, number, got, f"{name}: labels of several animals are not read, only those of one")
        if got != name:
            refuse(path, number, got, f"{name} (the heading is {', '.join(HEADING)})")
    _, parts, coordinates = rows[:3]
    columns = coordinates.index("x") if "x" in coordinates else len(coordinates)
    named = list(zip(parts[columns:], coordinates[columns:], strict=False))
    if named[::2] != [(part, "x") for part, _ in named[1::2]] or any(axis != "y" for _, axis in named[1::2]):
        refuse(path, 3, ",".join(coordinates), "x and y of each bodypart in turn")
    return distinct_names(path, "line 2", [part for part, _ in named[::2]]), columns


def _point(path: Path, number: int, part: str, x: str, y: str) -> tuple[float, float]:
    """x and y in pixels, NaN where there is none."""
    try:
        point = float(x.strip() or "nan"), float(y.strip() or "nan")
    except ValueError:
        point = math.inf, math.inf
    if any(map(math.isinf, point)) or math.isnan(point[0]) != math.isnan(point[1]):
        refuse(path, number, f"{part} {x}, {y}", "two numbers, or two empty cells")
    return point
