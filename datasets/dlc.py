"""Custom data labelled with DeepLabCut: ``CollectedData_<scorer>.csv`` beside the labelled frames of each video.

The path names a project or its config.yaml, its ``labeled-data``, the folder of one video in there, or that video's
csv. A csv has three heading rows (scorer, bodyparts, coords) and one row per frame, whose path stands in one column or
in three; an empty cell means that a part is not labelled. A fourth heading row, individuals, is accepted if one animal
is labelled. Bodyparts of several videos are joined by name. Frames without a labelled part are left out, and lines that
cannot be read; both are counted in a remark.

Coordinates count pixels from 0, whole numbers being the centres of pixels, as DeepLabCut's labelling tools have them,
so x lies ``x + 0.5`` from the image's left edge. The sizes of images are those of the files.
"""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np

from datasets import limits
from datasets.base import DatasetError
from datasets.reading.custom import CustomDataset, Found
from datasets.reading.image_files import SUFFIXES
from datasets.reading.labels import Labels, LeftOut
from datasets.reading.landmark_names import distinct_names
from datasets.text import read_lines, refuse_entry, shown

CSV = "CollectedData_*.csv"
H5 = "CollectedData_*.h5"
HEADING = ("scorer", "bodyparts", "coords")
NOTHING = ("", "none", "null", "na", "n/a")  # cells of parts that are not labelled, beside nan
_CORRECT = "correct it"


class Frame(NamedTuple):
    """A labelled frame: its video, file, line of the csv, and (x, y) in pixels by part, NaN where it is unlabelled."""

    video: str
    path: Path
    place: str
    points: dict[str, tuple[float, float]]


class Heading(NamedTuple):
    """Heading of a csv: number of rows, number of columns with the path, (individual, part) of each column pair."""

    rows: int
    columns: int
    parts: list[tuple[str, str]]


class DeepLabCut(CustomDataset):
    """A DeepLabCut project of one animal. An id is video/frame; whole images are padded to a square."""

    prefix: ClassVar[str] = "dlc"
    what: ClassVar[str] = f"a DeepLabCut project or labeled-data folder with {CSV}"
    are_videos: ClassVar[bool] = True

    def find(self) -> Found:
        """Read every csv. Raises DatasetError naming file and line."""
        paths = self._csvs()
        left_out = LeftOut(self.source, "lines")
        names: list[str] = []
        listed: list[str] = []
        frames: list[Frame] = []
        counts: Counter[str] = Counter()
        for path in paths:
            parts, labelled, images = read_labels(path, left_out)
            listed += images
            if names and not set(parts) & set(names):
                refuse_entry(path, "line 2", ", ".join(parts), f"bodyparts of {paths[0]}: {', '.join(names)}", "")
            names = list(dict.fromkeys([*names, *parts]))
            counts.update(parts)
            frames += labelled
        if not frames:
            left_out.check(0)
            raise DatasetError(f"{paths[0]}: no frame has a labelled part, expected some")
        few = [f"{name} ({counts[name]} of {len(paths)})" for name in names if counts[name] < len(paths)]
        remarks = [f"bodyparts that not all videos have: {', '.join(few)}"] if few else []
        if reason := limits.excess(16 * len(frames) * len(names), limits.BYTES, "bytes of labels in memory"):
            raise DatasetError(f"{self.source}: {reason}")
        nowhere = (math.nan, math.nan)
        points = np.array([[frame.points.get(name, nowhere) for name in names] for frame in frames], dtype=np.float64)
        ids = tuple(f"{frame.video}/{frame.path.name}" for frame in frames)
        labels = Labels(
            ids=ids,
            names=ids,
            places=tuple(frame.place for frame in frames),
            files=tuple(frame.path for frame in frames),
            points=points,
            visible=~np.isnan(points[..., 0]),
            boxes=None,
            stated=(None,) * len(frames),
        )
        return Found(tuple(names), labels, left_out, (*remarks, *self._not_labelled(paths, listed)), tuple(listed))

    def how_to_find(self, name: str) -> str:
        """Advice for a missing frame."""
        return "put it back, or delete its line"

    def _not_labelled(self, paths: list[Path], listed: list[str]) -> Iterator[str]:
        """Remarks on the videos without a csv, and on the images beside a csv that it does not list."""
        folders = sorted(folder.name for folder in self._videos() if not any(folder.glob(CSV)))
        if folders:
            yield f"left out: folders without {CSV}: {len(folders)} (first {folders[0]})"
        files = (file for path in paths for file in path.parent.iterdir() if file.suffix.lower() in SUFFIXES)
        beside = {f"{file.parent.name}/{file.name}" for file in files if file.name[0] != "."}
        if images := sorted(beside - set(listed)):
            yield f"left out: images without a line in their csv: {len(images)} (first {images[0]})"

    def _videos(self) -> list[Path]:
        """The folders of the project's videos."""
        labelled = self.source / "labeled-data"
        return [path for path in (labelled.iterdir() if labelled.is_dir() else ()) if path.is_dir()]

    def _csvs(self) -> list[Path]:
        """The csv of each video. Raises DatasetError if there is none, or two in one folder."""
        if self.source.is_file() and self.source.suffix.lower() == ".csv":
            return [self.source]
        if self.source.is_file():
            raise DatasetError(f"{self.source} is a file, expected {self.what}; name the folder")
        found = [path for folder in ("", "*/", "labeled-data/*/") for path in sorted(self.source.glob(folder + CSV))]
        if not found:
            others = [path.name for place in ("", "labeled-data/*/") for path in self.source.glob(f"{place}{H5}")]
            there = f" ({others[0]} is there, which is not read)" if others else ""
            raise DatasetError(f"no {CSV} in {self.source}{there}, expected {self.what}; saving labels writes it")
        for before, path in pairwise(found):
            if path.parent == before.parent:
                raise DatasetError(
                    f"{path}: {before.name} lies beside it, expected one scorer; move one of them away, or name one of "
                    f"them, as in dlc:{before}"
                )
        return found


def open_dlc(path: str) -> DeepLabCut:
    """The dataset of a DeepLabCut folder, or of the folder of a config.yaml or label file; nothing is read yet."""
    named = Path(path).expanduser()
    alone = len(list(named.parent.glob(CSV))) < 2
    labels = named.match(H5) or (named.match(CSV) and alone)
    return DeepLabCut(named.parent if named.is_file() and (named.match("config.y*ml") or labels) else path)


def read_labels(path: Path, left_out: LeftOut) -> tuple[tuple[str, ...], list[Frame], list[str]]:
    """The parts' names, the labelled frames, and all frames' names, of one csv. Raises DatasetError naming the line."""
    try:
        rows = list(csv.reader(read_lines(path)))
    except csv.Error as error:
        raise DatasetError(f"cannot read {path}: {error}; save the labels again") from error
    heading = _heading(path, rows)
    lines: set[str] = set()
    found: list[tuple[Path, str, list[tuple[float, float]]]] = []
    for number, row in enumerate(rows[heading.rows :], start=heading.rows + 1):
        place = f"line {number}"
        if not row:
            continue
        with left_out.broken():
            width = heading.columns + 2 * len(heading.parts)
            if len(row) != width:
                refuse_entry(path, place, f"{len(row)} columns", f"{width}, as in the heading", _CORRECT)
            name = "/".join(row[: heading.columns]).replace("\\", "/").rpartition("/")[2]
            if not name or name in lines:
                refuse_entry(path, place, shown(name), "the path of an image that has no line yet", _CORRECT)
            lines.add(name)
            cells = row[heading.columns :]
            pairs = zip(heading.parts, cells[::2], cells[1::2], strict=True)
            points = [_point(path, place, part, x, y) for (_, part), x, y in pairs]
            if any(math.isfinite(x) for x, _ in points):
                found.append((path.parent / name, place, points))
            else:
                left_out.add("frames without a label", f"{path.parent.name}/{name}")
    columns, names = _one_animal(path, heading, [points for *_, points in found])
    frames = [
        Frame(
            *(path.parent.name, file, f"{place} of {path}"),
            {name: points[column] for column, name in zip(columns, names, strict=True)},
        )
        for file, place, points in found
    ]
    return names, frames, [f"{path.parent.name}/{name}" for name in sorted(lines)]


def _heading(path: Path, rows: list[list[str]]) -> Heading:
    """The heading of a csv, with or without individuals. Raises DatasetError for another one."""
    firsts = [row[0] if row else "nothing" for row in rows[:4]]
    several = firsts[1:2] == ["individuals"]
    expected = ("scorer", "individuals", "bodyparts", "coords") if several else HEADING
    for number, name in enumerate(expected, start=1):
        got = firsts[number - 1] if len(firsts) >= number else "nothing"
        if got != name:
            refuse_entry(
                *(path, f"line {number}", shown(got), f"{name} (the heading is {', '.join(expected)})"), "save it again"
            )
    *above, parts, coordinates = rows[1 : len(expected)]
    columns = coordinates.index("x") if "x" in coordinates else len(coordinates)
    animals = above[0] if several else [""] * len(parts)
    named = list(zip(animals[columns:], parts[columns:], coordinates[columns:], strict=False))
    if named[::2] != [(animal, part, "x") for animal, part, _ in named[1::2]] or any(
        axis != "y" for *_, axis in named[1::2]
    ):
        got = shown(",".join(coordinates))
        refuse_entry(path, f"line {len(expected)}", got, "x and y of each bodypart in turn", "save it again")
    return Heading(len(expected), columns, [(animal, part) for animal, part, _ in named[::2]])


def _one_animal(
    path: Path, heading: Heading, points: list[list[tuple[float, float]]]
) -> tuple[list[int], tuple[str, ...]]:
    """The columns and names of the labelled animal's parts. Raises DatasetError if several animals are labelled."""
    columns = list(range(len(heading.parts)))
    where = f"line {heading.rows - 1}"
    names = [part for _, part in heading.parts]
    if heading.rows > len(HEADING) and len(set(names)) < len(names):
        every = {
            animal
            for row in points
            for (animal, _), (x, _) in zip(heading.parts, row, strict=True)
            if not math.isnan(x)
        }
        labelled = every or {heading.parts[0][0]}
        columns = [column for column in columns if heading.parts[column][0] in labelled]
        names = [heading.parts[column][1] for column in columns]
        if len(labelled) > 1 and len(set(names)) < len(names):
            refuse_entry(
                path,
                "line 2",
                f"labels of {len(labelled)} individuals: {', '.join(sorted(labelled))}",
                "those of one animal",
                "convert them to COCO's format, in which each animal is an object",
            )
    return columns, distinct_names(path, where, names)


def _point(path: Path, place: str, part: str, x: str, y: str) -> tuple[float, float]:
    """x and y in pixels; NaN if the cells are empty."""
    try:
        point = _number(x), _number(y)
    except ValueError:
        point = math.inf, math.inf
    if any(map(math.isinf, point)) or math.isnan(point[0]) != math.isnan(point[1]):
        refuse_entry(path, place, shown(f"{part} {x}, {y}"), "two numbers, or two empty cells", _CORRECT)
    return point


def _number(cell: str) -> float:
    """The number in a cell; NaN if it is empty. Raises ValueError for other text."""
    return math.nan if cell.strip().lower() in NOTHING else float(cell)
