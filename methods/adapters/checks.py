"""Checks of the arrays in files of other systems; each error is one line that says what was found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from methods.adapters.base import OutputError
from methods.adapters.headings import point_columns
from methods.presence import absent, fault

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

FAR, FAR_AGAIN = 10, 2  # see ``stand_ins``


def as_points(
    source: str, values: NDArray[Any], headings: Sequence[str] | None = None, order: str = "xy"
) -> NDArray[Any]:
    """Points (N, K, 2) in the ``order`` xy or yx, also from columns (N, 2K): x0, y0, x1, y1, ... for the order xy.

    ``headings`` that name points decide which column is which. Raises OutputError for another shape, and for headings
    that contradict each other or say x, y where the order is yx.
    """
    named = point_columns(source, headings)
    if named is not None:
        if order == "yx" and not named.y_first:
            raise OutputError(f"{source}: the headings name x before y, the order is yx; give the order xy")
        points = values[:, named.places].reshape(len(values), -1, 2)
        values = points[..., ::-1] if order == "yx" else points
    shape = values.shape
    if len(shape) == 2 and named is None and shape[1] % 3 == 0 and _every_third_is_visibility(values):
        raise OutputError(
            f"{source}: every third of its {shape[1]} columns holds only 0, 1 and 2, as a visibility does; leave these "
            "columns out, or write the headings x0, y0, v0, x1, ..."
        )
    if values.dtype.kind == "b":
        raise OutputError(f"{source}: got true and false, expected coordinates")
    if len(shape) == 2 and shape[1] % 2 == 0 and values.size:
        return values.reshape(shape[0], -1, 2)
    if len(shape) == 3 and shape[2] == 2 and values.size:
        return values
    hint = ""
    if not values.size:
        hint = "; the array is empty"
    elif len(shape) == 3 and shape[2] == 3:
        hint = "; of three numbers per point keep the first two, and put the visibility in a file of its own"
    elif len(shape) == 3 and shape[1] == 2:
        hint = "; exchange the last two axes"
    elif len(shape) == 2 and shape[1] % 2:
        hint = "; the number of columns is odd (a column of names needs the heading image_id)"
    raise OutputError(f"{source}: got an array of shape {shape}, expected (N, K, 2) or (N, 2K){hint}")


def _every_third_is_visibility(values: NDArray[Any]) -> bool:
    """Whether every third column (N, 3K) holds only 0, 1 and 2, and the others hold further values."""
    triples = values.reshape(len(values), -1, 3)
    few = [bool(np.isin(triples[..., place], (0, 1, 2)).all()) for place in range(3)]
    return values.size > 0 and few == [False, False, True]


def check_points(
    source: str, values: NDArray[Any], num_keypoints: int | None = None, gaps: bool = False
) -> NDArray[np.float64]:
    """Finite points (N, K, 2) as float64; with ``gaps`` both coordinates of a point that was not found are NaN.

    Raises OutputError for another shape, another K, no rows, no point that was found, and other points with NaN.
    """
    if values.ndim != 3 or values.shape[2] != 2 or values.dtype.kind not in "iuf":
        raise OutputError(f"{source}: got an array of {values.dtype} {values.shape}, expected numbers (N, K, 2)")
    if not len(values):
        raise OutputError(f"{source}: holds no rows, expected one per image")
    if num_keypoints is not None and values.shape[1] != num_keypoints:
        raise OutputError(f"{source}: got K={values.shape[1]} keypoints per image, the task has K={num_keypoints}")
    found = np.asarray(values, dtype=np.float64)
    broken = ~np.isfinite(found).all(axis=2)
    expected = "expected every keypoint of every image"
    if gaps:
        if (missing := absent(found)).all():
            raise OutputError(f"{source}: no keypoint was found in any image, expected some")
        broken &= ~missing
        expected = "expected numbers, or NaN in x and y of a keypoint that was not found"
    if broken.any():
        row, point = np.argwhere(broken)[0].tolist()
        raise OutputError(
            f"{source}: row {row}, keypoint {point} is not finite ({int(broken.sum()):,} of {broken.size:,} points are "
            f"not); {expected}"
        )
    return found


def check_scores(source: str, values: NDArray[Any], keypoints: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scores (N, K) of keypoints (N, K, 2) as float64.

    Raises OutputError for another shape, and for a score that is not finite of a keypoint that was found.
    """
    if values.dtype.kind not in "biuf":
        raise OutputError(f"{source}: got scores of {values.dtype}, expected numbers")
    scores = np.asarray(values, dtype=np.float64)
    if found := fault(keypoints, scores):
        raise OutputError(f"{source}: {found}; expected one number per keypoint, higher for surer ones")
    return scores


def found_points(points: NDArray[Any]) -> NDArray[Any]:
    """The points (M, 2), of (N, K, 2), that were found."""
    return points[~np.isnan(points).all(axis=-1)]


def stand_ins(points: NDArray[Any]) -> dict[float, int]:
    """How many points (..., 2) lie exactly on (v, v) with a v that often says 'missing'.

    This is 0, -1, any v below -1, and a v far above the other points: ``FAR`` times the coordinate that 5 % of them
    exceed, or ``FAR_AGAIN`` times if several points lie there.
    """
    x, y = points[..., 0], points[..., 1]
    values, counts = np.unique(x[x == y], return_counts=True)
    others = points[x != y].max(axis=-1)
    usual = max(float(np.quantile(others, 0.95)), 0.0) if len(others) else np.inf
    far = (values > FAR * usual) | ((values > FAR_AGAIN * usual) & (counts > 1))
    chosen = (values == 0) | (values <= -1) | ((values > 0) & far)
    return dict(zip(values[chosen].tolist(), counts[chosen].tolist(), strict=True))


def stand_in_notes(source: str, points: NDArray[Any]) -> list[str]:
    """Notes on keypoints (N, K, 2), as they are in the file, that may stand for keypoints which were not found."""
    points = found_points(points)
    return [
        f"{source}: {count:,} of {points.size // 2:,} keypoints lie exactly on ({value:g}, {value:g}), which counts as "
        "a position even if it says 'not found'"
        for value, count in stand_ins(points).items()
    ]


def check_count(source: str, count: int, expected: int, what: str) -> None:
    """Raise OutputError unless ``count`` is ``expected``, the number of rows of ``what``."""
    if count != expected:
        raise OutputError(f"{source}: got {count:,} rows, expected {expected:,}, one for each of {what}")
