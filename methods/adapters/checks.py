"""What adapters check in what a file holds; every refusal is one line that says what was found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from methods.adapters.base import OutputError

if TYPE_CHECKING:
    from numpy.typing import NDArray


def find(paths: Sequence[Path], name: str) -> Path | None:
    """The file of this name among the paths, or in the folders among them; None where there is none."""
    for path in paths:
        if path.is_file() and path.name == name:
            return path
        if path.is_dir() and (path / name).is_file():
            return path / name
    return None


def check_points(source: str, values: NDArray[Any], num_keypoints: int | None = None) -> NDArray[np.float64]:
    """Finite points (N, K, 2) as float64. Raises OutputError for another shape, another K, no rows, or NaN."""
    if values.ndim != 3 or values.shape[2] != 2 or values.dtype.kind not in "iuf":
        raise OutputError(f"{source}: got an array of {values.dtype} {values.shape}, expected numbers (N, K, 2)")
    if not len(values):
        raise OutputError(f"{source}: holds no rows, expected one an image")
    if num_keypoints is not None and values.shape[1] != num_keypoints:
        raise OutputError(f"{source}: got K={values.shape[1]} keypoints an image, the task has K={num_keypoints}")
    found = np.asarray(values, dtype=np.float64)
    broken = ~np.isfinite(found).all(axis=2)
    if broken.any():
        row, point = np.argwhere(broken)[0].tolist()
        raise OutputError(
            f"{source}: row {row}, keypoint {point} is not finite ({int(broken.sum()):,} of {broken.size:,} points are "
            "not); expected every keypoint of every image"
        )
    return found


def check_range(source: str, values: NDArray[np.float64], low: float, high: float, meaning: str) -> None:
    """Raise OutputError where values (N, K, 2) cannot run from ``low`` to ``high`` of the image (``meaning``).

    Keypoints are found within the image, so none may lie further than 1 % of the span outside. Numbers that fill only
    the upper half of a range that goes below 0, or that are fractions of a range of pixels, have another unit.
    """
    span, least, most = high - low, float(values.min()), float(values.max())
    found = f"{source}: the values run from {least:.4g} to {most:.4g}"
    if least < low - 0.01 * span or most > high + 0.01 * span:
        raise OutputError(f"{found}, expected {low:g} to {high:g} ({meaning})")
    if low < 0 and least >= 0 and most <= high and float(np.ptp(values)) > 0:
        raise OutputError(f"{found}, none below 0; expected {low:g} to {high:g} ({meaning}), not 0 to {high:g}")
    if span > 2 and most <= 1.5 and least >= -1.5:
        raise OutputError(f"{found}, which are fractions of the image; expected {low:g} to {high:g} ({meaning})")


def to_unit(
    values: NDArray[np.float64], order: Literal["xy", "yx"], low: float = 0.0, high: float = 1.0, shift: float = 0.0
) -> NDArray[np.float64]:
    """Points (N, K, 2) as (x, y) in [0, 1], where the image runs from ``low`` to ``high``.

    ``shift`` is added first: 0.5 where pixel ``i`` is written as ``i``.
    """
    ordered = values[..., ::-1] if order == "yx" else values
    return np.ascontiguousarray((ordered + shift - low) / (high - low))


def check_count(source: str, count: int, expected: int, what: str) -> None:
    """Raise OutputError where there are another number of rows than ``what`` has."""
    if count != expected:
        raise OutputError(f"{source}: got {count:,} rows, expected {expected:,}, one for each of {what}")
