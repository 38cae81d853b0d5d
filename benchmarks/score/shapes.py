"""Arrays taken for what they are meant to be: points, visibility, boxes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.errors import UserError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmarks.score.arrays import Array

_SENTINELS = (-1, 0)


def as_points(array: Array, notes: list[str]) -> NDArray[Any]:
    """Points (N, K, 2); of a table (N, 2K) the columns are x0, y0, x1, y1, ... Raises UserError for other shapes."""
    values = array.values
    shape = values.shape
    hint = ""
    if values.dtype.kind == "b":
        raise UserError(f"{array.name}: got true and false, expected coordinates")
    if values.ndim == 2 and shape[1] % 2 == 0 and values.size:
        if array.ids is None:  # with ids it is the layout that is asked for
            notes.append(f"{array.name}: {shape[1]} columns are read as x and y of {shape[1] // 2} points in turn")
        return values.reshape(shape[0], -1, 2)
    if values.ndim == 3 and shape[2] == 2 and values.size:
        return values
    if values.ndim == 3 and shape[2] == 3:
        hint = "; of three numbers a point keep the first two, and give the visibility in a file of its own (--visible)"
    elif values.ndim == 3 and shape[1] == 2:
        hint = "; exchange its last two axes"
    elif values.ndim == 2 and shape[1] % 2:
        hint = "; an odd number of columns is no list of points (a column of names needs the heading image_id)"
    raise UserError(f"{array.name}: got an array of shape {shape}, expected (N, K, 2) or (N, 2K){hint}")


def as_mask(array: Array, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Visibility (N, L) from true and false or 1 and 0. Raises UserError for other shapes and numbers."""
    values = array.values
    if values.shape != shape:
        raise UserError(f"{array.name}: visibility has shape {values.shape}, its landmarks need {shape}")
    mask = values != 0
    if values.dtype.kind != "b" and not np.array_equal(values, mask):
        other = values[values != mask].flat[0]
        raise UserError(f"{array.name}: got {other} as visibility, expected 1 for visible and 0 for not")
    return np.asarray(mask)


def as_boxes(array: Array, count: int) -> NDArray[Any]:
    """Boxes (N, 4) of x, y, width, height. Raises UserError for another shape, or for a box of no size."""
    values = array.values
    if values.shape != (count, 4):
        raise UserError(f"{array.name}: boxes have shape {values.shape}, expected ({count}, 4): x, y, width, height")
    empty = ~(np.isfinite(values).all(axis=1) & (values[:, 2:] > 0).all(axis=1))
    if empty.any():
        row = int(empty.argmax())
        raise UserError(f"{array.name}, row {row}: box {values[row].tolist()}, expected a width and height above 0")
    return values


def check_finite(name: str, keypoints: NDArray[np.float64]) -> None:
    """Raise UserError, naming the first place, unless all keypoints are finite."""
    if np.isfinite(keypoints.sum()):
        return
    broken = ~np.isfinite(keypoints).all(axis=2)
    if broken.any():
        row, point = np.argwhere(broken)[0].tolist()
        raise UserError(
            f"{name}: row {row}, keypoint {point} is not finite ({int(broken.sum()):,} in all); "
            "expected all keypoints of every image"
        )


def missing_notes(name: str, landmarks: NDArray[Any], visible: NDArray[np.bool_]) -> list[str]:
    """What to know about landmarks whose visibility was not given."""
    notes = []
    missing = visible.size - int(visible.sum())
    if missing:
        notes.append(f"{name}: {missing:,} of {visible.size:,} landmarks are NaN and count as not visible")
    for sentinel in _SENTINELS:
        marked = int((landmarks == sentinel).all(axis=-1).sum())
        if marked:
            notes.append(
                f"{name}: {marked:,} landmarks lie on ({sentinel}, {sentinel}) exactly; if that stands for missing, "
                "give --visible or write NaN"
            )
    return notes
