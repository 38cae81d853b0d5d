"""Conventions of coordinates, the conversion from each to (x, y) in [0, 1] of the image, and the checks of ranges.

The range ``unit`` is [0, 1]; ``centred`` runs from -0.5 to 0.5 and ``symmetric`` from -1 to 1 about the centre of the
image; ``pixels:W,H`` divides x by the width and y by the height, without a shift by half a pixel, as the published
evaluations do. The tolerances of all checks of files from elsewhere are the constants of this module.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from methods.adapters.base import OutputError, SplitTruth
from methods.adapters.checks import found_points, stand_ins

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

Order = Literal["xy", "yx"]
RANGES = ("unit", "centred", "symmetric", "pixels:W,H")
KEYPOINTS_OUTSIDE = 0.01  # of the image's side: methods find keypoints within the image, up to rounding
LANDMARKS_OUTSIDE = 1 / 3  # of all coordinates: an annotated object may extend beyond the image
PLACED_OUTSIDE = 0.1  # of all keypoints that were found in a photograph of which the task's image is a part
MEAN_APART = 0.05  # of the image's side, between the mean landmarks of a file and of the task
_SPANS = {"unit": (0.0, 1.0), "centred": (-0.5, 1.0), "symmetric": (-1.0, 2.0)}
_SAMPLE = 20_000  # rows of landmarks that are checked


@dataclass(frozen=True)
class Convention:
    """The order of a point's two numbers in a file, and the place of the image in its coordinates.

    ``range`` is the name of the range; ``start`` is the coordinate of the image's left and upper edges, and ``size``
    its width and height.
    """

    range: str
    order: Order
    start: float
    size: tuple[float, float]

    def to_unit(self, points: NDArray[Any]) -> Floats:
        """Convert points (N, K, 2) to float64 (x, y) in [0, 1] of the image; unit points are not copied."""
        ordered = points[..., ::-1] if self.order == "yx" else points
        if self.start == 0.0 and self.size == (1.0, 1.0):
            return np.ascontiguousarray(ordered, dtype=np.float64)
        moved = np.subtract(ordered, self.start, dtype=np.float64, order="C")
        moved /= self.size
        return moved

    def boxes_to_unit(self, boxes: NDArray[Any]) -> Floats:
        """Convert boxes (N, 4) of x, y, width, height (y, x, height, width for the order yx) to image sides."""
        corners = self.to_unit(boxes.reshape(-1, 2, 2))
        widths_are_not_moved = np.array([(0.0, 0.0), (self.start, self.start)]) / self.size
        return (corners + widths_are_not_moved).reshape(-1, 4)

    def problem(self, points: NDArray[Any], landmarks: bool = False) -> str:
        """Why finite points (..., 2) cannot follow this convention; empty if they can.

        Keypoints and landmarks may lie outside the image within their tolerances. Points that all lie in the lower
        right quarter of a range that starts below 0, or within the first 1.5 pixels, follow another convention.
        """
        axes = tuple(range(points.ndim - 1))
        ends = np.stack([points.min(axis=axes), points.max(axis=axes)])
        least, most = float(ends.min()), float(ends.max())
        unit = self.to_unit(points if landmarks else ends)
        outside = np.maximum(-unit, unit - 1)
        if np.mean(outside > 0) > LANDMARKS_OUTSIDE if landmarks else outside.max() > KEYPOINTS_OUTSIDE:
            return "which is outside the image"
        if self.start < 0 <= least and most > self.start + max(self.size) * 0.75:
            return "none below 0"
        if min(self.size) >= 4 and least >= -1.5 and 0 < most <= 1.5:
            return "which are fractions of the image"
        return ""


def parse_convention(range_: str, order: Order) -> Convention | None:
    """The convention of a range and an order, None for an unknown range; ``pixels:S`` stands for ``pixels:S,S``."""
    if range_ in _SPANS:
        start, size = _SPANS[range_]
        return Convention(range_, order, start, (size, size))
    pixels = re.fullmatch(r"pixels:(\d+(?:\.\d+)?)(?:[,x](\d+(?:\.\d+)?))?", range_)
    width, height = (float(pixels[1]), float(pixels[2] or pixels[1])) if pixels else (0.0, 0.0)
    return Convention(range_, order, 0.0, (width, height)) if width > 0 and height > 0 else None


def check_convention(name: str, points: NDArray[Any], convention: Convention) -> None:
    """Raise OutputError if keypoints (N, K, 2) that were found cannot follow the convention; name a range that fits."""
    points = found_points(points)
    refuse_absent(name, points, convention)
    found = convention.problem(points)
    if found and not convention.problem(points, landmarks=True):
        raise OutputError(
            f"{name}: the values run from {points.min():.4g} to {points.max():.4g}, {found}; expected keypoints within "
            f"it for --range {convention.range}"
        )
    if found:
        raise OutputError(_not_of(name, points, convention, "range"))


def refuse_absent(name: str, points: NDArray[Any], convention: Convention) -> None:
    """Raise OutputError if keypoints (..., 2) follow the convention except for those on a point such as (-1, -1)."""
    values = [value for value in stand_ins(points) if value]
    absent = (points[..., 0] == points[..., 1]) & np.isin(points[..., 0], values)
    if absent.any() and not absent.all() and convention.problem(points) and not convention.problem(points[~absent]):
        found = " or ".join(f"({value:g}, {value:g})" for value in values)
        raise OutputError(
            f"{name}: {int(absent.sum()):,} of {absent.size:,} keypoints lie exactly on {found}, as where none was "
            "found; expected NaN in x and y of a keypoint that was not found"
        )


def check_landmarks(name: str, values: NDArray[Any], convention: Convention, visible: NDArray[np.bool_] | None) -> None:
    """Raise OutputError if landmarks (N, L, 2) cannot follow the convention, and name a range that fits.

    Landmarks that are NaN or not ``visible`` (N, L) are left out, and long arrays are sampled.
    """
    step = max(1, len(values) // _SAMPLE)
    counted = np.isfinite(values[::step]).all(axis=-1)
    points = values[::step][counted if visible is None else counted & visible[::step]]
    if points.size and convention.problem(points, landmarks=True):
        raise OutputError(_not_of(name, points, convention, "gt-range"))


def _not_of(name: str, points: NDArray[Any], convention: Convention, option: str) -> str:
    better = fitting_range(points, convention)
    return (
        f"{name}: the values run from {points.min():.4g} to {points.max():.4g}, which is not --{option} "
        f"{convention.range}; --{option} {better} would fit"
    )


def fitting_range(points: NDArray[Any], convention: Convention) -> str:
    """The range, as an option takes it, that fits finite points (..., 2) which do not follow the convention."""
    others = [parse_convention(kind, convention.order) for kind in _SPANS if kind != convention.range]
    fitting = [other.range for other in others if other and not other.problem(points)]
    return fitting[0] if fitting else "pixels:W,H, with the image's width and height,"


def check_range(source: str, values: Floats, low: float, high: float, meaning: str) -> None:
    """Raise OutputError if the image of keypoints (N, K, 2) cannot run from ``low`` to ``high`` (``meaning``)."""
    found = Convention(meaning, "xy", low, (high - low, high - low)).problem(values)
    if found:
        raise OutputError(
            f"{source}: the values run from {values.min():.4g} to {values.max():.4g}, {found}; expected {low:g} to "
            f"{high:g} ({meaning})"
        )


def to_unit(values: Floats, order: Order, low: float = 0.0, high: float = 1.0, shift: float = 0.0) -> Floats:
    """Convert points (N, K, 2) to (x, y) in [0, 1], where the image runs from ``low`` to ``high``.

    ``shift`` is added first: 0.5 where pixel ``i`` is written as ``i``.
    """
    ordered = values[..., ::-1] if order == "yx" else values
    return np.ascontiguousarray((ordered + shift - low) / (high - low))


def from_endpoints(values: Floats, cells: int) -> Floats:
    """Convert points (N, K, 2), (y, x) in [-1, 1], where -1 and 1 are the centres of the first and last of the cells.

    Returns (x, y) in [0, 1], where cell ``i`` has its centre at ``(i + 0.5) / cells``.
    """
    index = (values[..., ::-1] + 1) / 2 * (cells - 1)
    return np.ascontiguousarray((index + 0.5) / cells)


def from_middle(points: Floats, fraction: float) -> Floats:
    """Convert points in [0, 1] of the central ``fraction`` of an image to points in [0, 1] of the image."""
    return 0.5 + (points - 0.5) * fraction


def measured_order(source: str, landmarks: Floats, visible: NDArray[np.bool_], truth: SplitTruth, option: str) -> Order:
    """The order of coordinates in which the mean landmarks (N, L, 2), in [0, 1], agree with those of the task.

    ``option`` is the name of the option that sets the side in pixels by which they were divided.
    Raises OutputError for another number of landmarks, and where they disagree in either order.
    """
    if landmarks.shape[1] != truth.landmarks.shape[1]:
        found, expected = landmarks.shape[1], truth.landmarks.shape[1]
        raise OutputError(f"{source}: got {found} landmarks per image, the task has {expected}; import it for its task")
    seen = visible.any(axis=0) & truth.visible.any(axis=0)
    theirs = np.array([landmarks[visible[:, one], one].mean(axis=0) for one in np.flatnonzero(seen)])
    ours = np.array([truth.landmarks[truth.visible[:, one], one].mean(axis=0) for one in np.flatnonzero(seen)])
    apart = {"xy": float(np.abs(theirs - ours).mean()), "yx": float(np.abs(theirs[:, ::-1] - ours).mean())}
    best: Order = "xy" if apart["xy"] <= apart["yx"] else "yx"
    if apart[best] > MEAN_APART:
        raise OutputError(
            f"{source}: its mean landmarks lie {apart[best]:.3f} of the image's side from the task's (read as x, y: "
            f"{apart['xy']:.3f}, as y, x: {apart['yx']:.3f}), expected below {MEAN_APART:g}; they may be of other "
            f"images or crops, or in pixels of another size (--option {option}=N)"
        )
    return best
