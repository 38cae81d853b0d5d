"""Checks of visibility, boxes and landmarks that the user brings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.errors import UserError
from methods.adapters.checks import stand_ins
from methods.adapters.headings import Point, box_columns, visible_columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from methods.adapters.arrays import Array
    from methods.adapters.conventions import Order


def as_mask(
    array: Array, shape: tuple[int, ...], points: Sequence[Point] | None = None, most: int = 1
) -> NDArray[np.bool_]:
    """Visibility (N, L) from true and false, or 0 and the numbers 1 to ``most``.

    ``points`` are the landmarks as their headings name them. Raises UserError for other shapes and numbers, OutputError
    for headings of other landmarks.
    """
    values = array.values
    if (places := visible_columns(array.name, array.headings, points)) is not None:
        values = values[:, places]
    if values.shape != shape:
        raise UserError(f"{array.name}: visibility has shape {values.shape}, its landmarks need {shape}")
    mask = values != 0
    known = np.isin(values, range(most + 1))
    if values.dtype.kind != "b" and not known.all():
        other = values[~known].flat[0]
        raise UserError(f"{array.name}: got {other} as visibility, expected 1 for visible and 0 for not visible")
    return np.asarray(mask)


def as_boxes(array: Array, count: int, order: Order = "xy") -> NDArray[Any]:
    """Boxes (N, 4) of x, y, width, height, or of y, x, height, width for the order yx; headings decide where they can.

    Raises UserError for another shape, and for a box without an area; OutputError for headings of other boxes.
    """
    values = array.values
    if (places := box_columns(array.name, array.headings)) is not None:
        values = values[:, [places[part] for part in ((0, 1, 2, 3) if order == "xy" else (1, 0, 3, 2))]]
    if values.shape != (count, 4):
        raise UserError(f"{array.name}: boxes have shape {values.shape}, expected ({count}, 4): x, y, width, height")
    empty = ~(np.isfinite(values).all(axis=1) & (values[:, 2:] > 0).all(axis=1))
    if empty.any():
        row = int(empty.argmax())
        raise UserError(f"{array.name}, row {row}: box {values[row].tolist()}, expected a width and height above 0")
    return values


def missing_notes(name: str, landmarks: NDArray[Any], visible: NDArray[np.bool_]) -> list[str]:
    """Notes on landmarks (N, L, 2) whose visibility (N, L) was not given but follows from NaN."""
    notes = []
    missing = visible.size - int(visible.sum())
    if missing:
        notes.append(f"{name}: {missing:,} of {visible.size:,} landmarks are NaN and count as not visible")
    notes += [
        f"{name}: {count:,} of {visible.size:,} landmarks lie exactly on ({value:g}, {value:g}); if that stands for "
        "missing, give --visible or write NaN"
        for value, count in stand_ins(landmarks).items()
    ]
    return notes
