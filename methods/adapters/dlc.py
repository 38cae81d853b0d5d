"""Keypoints of DeepLabCut, from the tables that it writes for a video, a folder of images, or an evaluation.

A .csv has three header lines (scorer, bodyparts, coords: x, y, likelihood) and a row per frame, named by its number in
the video or by the path of its image (in one column or three). A .h5 is the same table as pandas writes it; its pickled
column names are read as text and never executed. Keypoints are (x, y) in pixels of the frame; as in DeepLabCut's
labels, pixel ``i`` is ``i``. Likelihoods are scores; a keypoint without coordinates was not found.

The task's images are padded or cropped frames; the labels (``CollectedData_<scorer>.csv``, or .h5) tell where they lie
in the frames. A numbered frame of a video is the image ``<video>/img<number>.png`` of the task, the name that
DeepLabCut gives to extracted frames.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from methods.adapters.base import FormatCard, ImportRequest, OutputError, OutputFormat, Outputs
from methods.adapters.checks import check_points, check_scores, stand_in_notes
from methods.adapters.dlc_tables import DlcTable, read_table
from methods.adapters.placing import SIZE, Labels, frames_of, match, place

if TYPE_CHECKING:
    from numpy.typing import NDArray

LABELS = "CollectedData"
_EXTRACTED = re.compile(r"img(\d{1,18})\.\w+")


class Dlc(OutputFormat):
    """Tables for one animal, and the labels of the project."""

    card: ClassVar[FormatCard] = FormatCard(
        id="dlc",
        name="DeepLabCut",
        summary="csv or h5 of scorer, bodyparts, coords (x, y, likelihood)",
        files=f"<video>DLC_*.csv or .h5 (or tables of named images), and the labels {LABELS}_*.csv or .h5",
        order="xy",
        range="pixels of the frame",
        pixels="pixel i is i",
        code="https://github.com/DeepLabCut/DeepLabCut",
    )
    options: ClassVar[Mapping[str, str]] = {"size": SIZE}

    def read(self, request: ImportRequest) -> list[Outputs]:
        """Read keypoints by image name. Raises OutputError for labels alone, several animals, and unknown frames."""
        tables = [read_table(path) for path in _files(request.paths)]
        labels = _joined([table for table in tables if not table.predicted])
        predicted = _joined([table for table in tables if table.predicted])
        _check_parts(predicted)
        if not predicted:
            raise OutputError(
                f"{request.paths[0]}: holds labels (x, y), expected a table with x, y, likelihood, which DeepLabCut "
                "predicts; labels are what keypoints are measured with: --dataset dlc:PROJECT reads them"
            )
        ids = [image_id for truth in request.splits.values() for image_id in truth.ids]
        rows: dict[str, NDArray[np.float64]] = {}
        sure: dict[str, NDArray[np.float64]] = {}
        for table in predicted:
            found = _by_image(table, ids, request.num_keypoints)
            twice = next((image_id for image_id in found if image_id in rows), None)
            if twice is not None:
                raise OutputError(f"{table.path}: image '{twice}' is in another table too; name tables of one scorer")
            rows |= {image: points[:, :2] for image, points in found.items()}
            sure |= {image: points[:, 2] for image, points in found.items()}
        source = ", ".join(table.path.name for table in predicted)
        for image, points in rows.items():
            if not np.isnan(points).all():
                check_points(f"{source}, image '{image}'", points[None], gaps=True)
        remedy = f"name the labels {LABELS}_*.csv too"
        stated = [_labels(table) for table in labels]
        placed = place(source, rows, frames_of(request, stated, source, rows, "frame", remedy))
        scorers = sorted({table.scorer for table in predicted})
        notes = [f"scorer {', '.join(scorers)}; DeepLabCut's own keypoints are learned from labels"]
        notes += stand_in_notes(source, np.stack(list(rows.values())))
        keypoints = np.stack(list(placed.values()))
        scores = check_scores(source, np.stack([sure[image] for image in placed]), keypoints)
        return [Outputs(source, keypoints, names=tuple(placed), notes=tuple(notes), scores=scores)]


def _files(paths: tuple[Path, ...]) -> list[Path]:
    """The paths of tables, and the labels in those paths that are folders of a project."""
    files: list[Path] = []
    for path in paths:
        below = [
            file for place in ("", "*/", "labeled-data/*/") for file in sorted(path.glob(f"{place}{LABELS}_*.csv"))
        ]
        if path.is_dir() and not below:
            raise OutputError(f"{path}: holds no {LABELS}_*.csv, expected a project, or name the table itself")
        files += below if path.is_dir() else [path]
    return files


def _joined(tables: list[DlcTable]) -> list[DlcTable]:
    """The tables with all their bodyparts in one order; points of a bodypart that a table lacks are NaN."""
    parts = tuple(dict.fromkeys(part for table in tables for part in table.bodyparts))
    found = []
    for table in tables:
        points = np.full((len(table.points), len(parts), 2), np.nan)
        likelihoods = np.full(points.shape[:2], np.nan)
        places = [parts.index(part) for part in table.bodyparts]
        points[:, places] = table.points
        likelihoods[:, places] = table.likelihoods
        found.append(replace(table, points=points, likelihoods=likelihoods))
    return found


def _check_parts(tables: list[DlcTable]) -> None:
    """Raise OutputError for tables of keypoints with other bodyparts than the first one."""
    for table in tables:
        if set(table.bodyparts) != set(tables[0].bodyparts):
            raise OutputError(
                f"{table.path}: has the bodyparts {', '.join(table.bodyparts)}, expected those of {tables[0].path}: "
                f"{', '.join(tables[0].bodyparts)}"
            )


def _by_image(table: DlcTable, ids: list[str], num_keypoints: int) -> dict[str, NDArray[np.float64]]:
    """Keypoints (K, 3), x, y in pixels and likelihood, with NaN for missing ones, by image of the task.

    Raises OutputError for another K, and for a table without images of the task.
    """
    count = table.points.shape[1]
    if count != num_keypoints:
        raise OutputError(f"{table.path}: got K={count} bodyparts, the task has K={num_keypoints}")
    if table.names is None:
        video = re.sub(r"(_filtered)?$", "", table.path.stem).removesuffix(table.scorer)
        of_video = {image: number for image in ids if (number := _number(image, video)) is not None}
        rows = {image: number for image, number in of_video.items() if number < len(table.points)}
        if len(rows) < len(of_video):
            most = max(of_video.values())
            raise OutputError(
                f"{table.path}: has {len(table.points):,} frames, the task has frame {most:,} of '{video}'"
            )
        looked_for = f"<video>/img<number>.png of '{video}'"
    else:
        row_of = {name: row for row, name in enumerate(table.names)}
        if len(row_of) < len(table.names):
            twice = next(name for row, name in enumerate(table.names) if row_of[name] != row)
            raise OutputError(f"{table.path}: image '{twice}' has more than one row, expected one")
        rows = {image: row_of[name] for name, image in match(table.names, ids).items()}
        looked_for = f"such as '{table.names[0]}'"
    if not rows:
        raise OutputError(f"{table.path}: no image of the task among its rows ({looked_for}); the task has '{ids[0]}'")
    found = np.concatenate([table.points, table.likelihoods[..., None]], axis=2)
    return {image: found[row] for image, row in rows.items()}


def _number(image: str, video: str) -> int | None:
    """The number of the frame that an image was extracted from, None for another video."""
    folder, _, name = image.rpartition("/")
    found = _EXTRACTED.fullmatch(name)
    return int(found[1]) if found and folder.rpartition("/")[2] == video else None


def _labels(table: DlcTable) -> Labels:
    """The labels of a table; those that are NaN are not visible."""
    rows = zip(table.names or (), table.points, strict=bool(table.names))
    points = {name: (np.nan_to_num(row), np.isfinite(row).all(axis=1)) for name, row in rows}
    return Labels(str(table.path), points)
