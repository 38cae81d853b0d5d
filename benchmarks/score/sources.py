"""From files and tasks to the keypoints and landmarks that are scored.

Rows are joined by image id where both sides name their images, and by their place where they do not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from benchmarks.errors import UserError
from benchmarks.score.arrays import Array, read_array, read_labels
from benchmarks.score.conventions import check_range, parse_convention
from benchmarks.score.shapes import as_boxes, as_mask, as_points, check_finite, missing_notes
from benchmarks.score.tables import ID
from metrics.protocols import Points

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmarks.score.options import ScoreOptions
    from benchmarks.score.tasks import TaskData

Side = Literal["fit", "test"]


@dataclass(frozen=True)
class Files:
    """The files of one side, as named on the command line; ``pred`` may be several that are one."""

    side: Side
    pred: tuple[str, ...]
    gt: str | None
    visible: str | None
    boxes: str | None
    groups: str | None


@dataclass(frozen=True)
class Truth:
    """Landmarks (N, L, 2) and visible (N, L) of one side, and what else is known about its images."""

    name: str
    landmarks: NDArray[np.float64]
    visible: NDArray[np.bool_]
    ids: Sequence[str] | None
    groups: Sequence[str] | None
    boxes: NDArray[np.float64] | None


class Reader:
    """Reads the two sides in the conventions of the options; ``notes`` are what the user should know about it."""

    def __init__(self, options: ScoreOptions, data: TaskData | None) -> None:
        self._data = data
        self._keypoints = parse_convention(options.range, options.order)
        self._landmarks = parse_convention(options.gt_range or options.range, options.gt_order or options.order, "gt-")
        self._by_id = options.predictions
        self._arrays: dict[tuple[str, ...], Array] = {}
        self.notes: list[str] = []

    def points(self, files: Files) -> Points:
        """Keypoints beside landmarks, row by row. Raises UserError naming the file that does not fit."""
        pred = self._predictions(files.pred)
        values = as_points(pred, self.notes)
        check_range(pred.name, values, self._keypoints)
        truth = self._truth(files)
        if pred.ids is not None and truth.ids is not None:
            values = values[_rows(pred, truth.ids, truth.name)]
        elif len(values) != len(truth.landmarks):
            raise UserError(_unequal(pred.name, len(values), truth))
        keypoints = self._keypoints.to_unit(values)
        check_finite(pred.name, keypoints)
        ids = truth.ids or pred.ids or [str(row) for row in range(len(keypoints))]
        groups = truth.groups or ids
        return Points(keypoints, truth.landmarks, truth.visible, groups, ids, boxes=truth.boxes)

    def note_unused(self, files: Iterable[tuple[Files, Points]]) -> None:
        """Note rows of the predictions that belong to no image scored."""
        used: dict[tuple[str, ...], set[str]] = {}
        for side, points in files:
            used.setdefault(side.pred, set()).update(points.ids)
        for names, ids in used.items():
            array = self._arrays[names]
            extra = [name for name in array.ids or () if name not in ids]
            if extra:
                self.notes.append(f"{array.name}: {len(extra):,} rows are of no image scored, first '{extra[0]}'")

    def _predictions(self, names: tuple[str, ...]) -> Array:
        if names not in self._arrays:
            found = [read_array(name) for name in names]
            nameless = [array.name for array in found if array.ids is None]
            if nameless and names == self._by_id:
                raise UserError(
                    f"{nameless[0]}: names no images, expected a column {ID}; or use --fit-pred, --test-pred"
                )
            self._arrays[names] = found[0] if len(found) == 1 else _together(found, self.notes)
        return self._arrays[names]

    def _truth(self, files: Files) -> Truth:
        if files.gt is None:
            return self._of_task(files.side)
        array = read_array(files.gt)
        values = as_points(array, self.notes)
        count = len(values)
        mask = as_mask(read_array(files.visible), values.shape[:2]) if files.visible else None
        check_range(array.name, values, self._landmarks, "gt-", mask)
        if mask is None:
            mask = np.isfinite(values).all(axis=-1)
            self.notes += missing_notes(array.name, values, mask)
        boxes = self._landmarks.boxes_to_unit(as_boxes(read_array(files.boxes), count)) if files.boxes else None
        groups = read_labels(files.groups) if files.groups else None
        if groups is not None and len(groups) != count:
            raise UserError(f"{files.groups}: {len(groups)} groups, expected one a row of {array.name}: {count}")
        landmarks = self._landmarks.to_unit(values)
        return Truth(array.name, landmarks, mask, array.ids, groups, boxes)

    def _of_task(self, side: Side) -> Truth:
        if self._data is None:
            raise UserError(f"no --{side}-gt: name landmarks with --fit-gt and --test-gt, or a --task that has them")
        split: Literal["regress", "test"] = "regress" if side == "fit" else "test"
        table = self._data.table(split)
        name = f"split '{split}' of {self._data.dataset.card.id}"
        return Truth(name, table.landmarks, table.visible, table.ids, table.groups, table.boxes)


def _together(arrays: Sequence[Array], notes: list[str]) -> Array:
    """Predictions kept in several files as if they were in one."""
    values = [as_points(array, notes) for array in arrays]
    counts = {array.shape[1] for array in values}
    if len(counts) > 1:
        held = ", ".join(f"{array.name} {found.shape[1]}" for array, found in zip(arrays, values, strict=True))
        raise UserError(f"files of different numbers of keypoints: {held}; expected the same in all")
    ids = [name for array in arrays for name in array.ids or ()]
    return Array(", ".join(array.name for array in arrays), np.concatenate(values), ids)


def _rows(array: Array, wanted: Sequence[str], where: str) -> NDArray[np.int64]:
    """The row of each wanted id."""
    ids = array.ids or []
    rows = {name: row for row, name in enumerate(ids)}
    if len(rows) < len(ids):
        twice = next(name for row, name in enumerate(ids) if rows[name] != row)
        raise UserError(f"{array.name}: image '{twice}' has more than one row; expected one row an image")
    missing = [name for name in wanted if name not in rows]
    if missing:
        example = f"; its ids look like '{ids[0]}'" if len(missing) == len(wanted) and ids else ""
        raise UserError(
            f"{array.name}: no row for {len(missing):,} of {len(wanted):,} images of {where}, "
            f"first '{missing[0]}'{example}; every image needs its keypoints under its {ID}"
        )
    return np.fromiter((rows[name] for name in wanted), dtype=np.int64, count=len(wanted))


def _unequal(name: str, count: int, truth: Truth) -> str:
    text = f"{name} has {count:,} rows, {truth.name} {len(truth.landmarks):,}; expected one row an image"
    if truth.ids:
        text += f" in the order of the latter, from '{truth.ids[0]}' to '{truth.ids[-1]}'"
    return text
