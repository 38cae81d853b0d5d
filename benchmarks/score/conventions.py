"""Conventions of coordinates, and from each to (x, y) in [0, 1] of the image.

``unit`` is that already; ``centred`` runs from -0.5 to 0.5 and ``symmetric`` from -1 to 1 about the image's centre;
``pixels:W,H`` divides x by the width and y by the height, without the shift of half a pixel, as the published
evaluations do.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from benchmarks.errors import UserError, near_match

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

Order = Literal["xy", "yx"]
RANGES = ("unit", "centred", "symmetric", "pixels:W,H")
_SPANS = {"unit": (0.0, 1.0), "centred": (-0.5, 1.0), "symmetric": (-1.0, 2.0)}
_SAMPLE = 20_000
_OUTSIDE = 1 / 3


@dataclass(frozen=True)
class Convention:
    """How a file writes points: the order of a point's two numbers, and where the image lies in them.

    ``start`` is the image's upper left corner and ``size`` its width and height.
    """

    range: str
    order: Order
    start: float
    size: tuple[float, float]

    def to_unit(self, points: NDArray[Any]) -> Floats:
        """Points (N, K, 2) as float64 (x, y) in image sides; what is that already is not copied."""
        ordered = points[..., ::-1] if self.order == "yx" else points
        if self.start == 0.0 and self.size == (1.0, 1.0):
            return np.ascontiguousarray(ordered, dtype=np.float64)
        moved = np.subtract(ordered, self.start, dtype=np.float64, order="C")
        moved /= self.size
        return moved

    def boxes_to_unit(self, boxes: NDArray[Any]) -> Floats:
        """Boxes (N, 4) of x, y, width, height (y, x, height, width where points are yx) in image sides."""
        corners = self.to_unit(boxes.reshape(-1, 2, 2))
        widths_are_no_places = np.array([(0.0, 0.0), (self.start, self.start)]) / self.size
        return (corners + widths_are_no_places).reshape(-1, 4)


def parse_convention(range_: str, order: str, option: str = "") -> Convention:
    """The convention of ``--range`` and ``--order``, or with option 'gt-' of ``--gt-range`` and ``--gt-order``.

    ``pixels:S`` stands for ``pixels:S,S``. Raises UserError for any other.
    """
    if order not in get_args(Order):
        raise UserError(f"--{option}order {order}: expected {' or '.join(get_args(Order))}")
    found: Order = "yx" if order == "yx" else "xy"
    if range_ in _SPANS:
        start, size = _SPANS[range_]
        return Convention(range_, found, start, (size, size))
    pixels = re.fullmatch(r"pixels:(\d+(?:\.\d+)?)(?:[,x](\d+(?:\.\d+)?))?", range_)
    if pixels:
        width, height = float(pixels[1]), float(pixels[2] or pixels[1])
        if width > 0 and height > 0:
            return Convention(range_, found, 0.0, (width, height))
    hint = "; pixels takes the image's width and height" if range_.startswith("pixel") else near_match(range_, RANGES)
    raise UserError(f"--{option}range {range_}: expected {', '.join(RANGES[:-1])} or {RANGES[-1]}{hint}")


def check_range(
    name: str, values: NDArray[Any], convention: Convention, option: str = "", visible: NDArray[np.bool_] | None = None
) -> None:
    """Raise UserError where values (N, K, 2) cannot be of the convention, with the option that fits them.

    Points may lie outside the image, but not a third of their coordinates; and nobody's fill only the first
    pixel and a half, or only the lower right quarter of a symmetric range. What is NaN or not ``visible`` (N, K) is
    left out, and long arrays are sampled.
    """
    step = max(1, len(values) // _SAMPLE)
    sample = np.asarray(values[::step], dtype=np.float64)
    counted = np.isfinite(sample).all(axis=-1)
    sample = sample[counted if visible is None else counted & visible[::step]]
    if not sample.size or _fits(sample, convention, _OUTSIDE):
        return
    candidates = [parse_convention(kind, convention.order) for kind in _SPANS if kind != convention.range]
    fitting = [candidate.range for candidate in candidates if _fits(sample, candidate, 0.01)]
    better = fitting[0] if fitting else "pixels:W,H, with the image's width and height,"
    raise UserError(
        f"{name}: the values run from {sample.min():.4g} to {sample.max():.4g}, which is not "
        f"--{option}range {convention.range}; --{option}range {better} would fit"
    )


def _fits(sample: Floats, convention: Convention, tolerance: float) -> bool:
    unit = convention.to_unit(sample)
    if np.mean((unit < 0) | (unit > 1)) > tolerance:
        return False
    within_unit = sample.min() >= 0 and sample.max() <= 1
    if convention.range == "symmetric":
        return not (within_unit and sample.max() > 0.5)
    return not (min(convention.size) >= 4 and sample.min() >= -1.5 and 0 < sample.max() <= 1.5)
