"""The part of an image that a picture shows: no padding around photographs, and small objects enlarged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from datasets.photos import FILL

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

    Points = NDArray[np.float64]

ROOM = 1.7  # side of an enlarged view, in sides of the box around its points
LARGEST = 0.8  # of the whole: a view that would be larger shows the whole
SMALLEST = 0.18  # of the whole


class View(NamedTuple):
    """A rectangle of an image, in [0, 1]."""

    left: float
    top: float
    width: float
    height: float

    def inside(self, points: Points) -> Points:
        """Points (..., 2) of the image in coordinates of the view."""
        return (points - [self.left, self.top]) / [self.width, self.height]

    def crop(self, photo: Image.Image) -> Image.Image:
        """The part of an image, to the nearest pixel."""
        wide, high = photo.size
        right, bottom = self.left + self.width, self.top + self.height
        return photo.crop((round(self.left * wide), round(self.top * high), round(right * wide), round(bottom * high)))


def without_padding(photos: Sequence[NDArray[np.uint8]], points: Points) -> View:
    """The part that is left when the padding that all square photos share is cut off; ``points`` (..., 2) stay inside.

    Padding is whole rows and columns at the borders in the colour that readers of photographs fill with. The row or
    column beside it is cut off too, because resizing blends the two.
    """
    padded = np.all([(photo == FILL).all(axis=-1) for photo in photos], axis=0)
    flat = points.reshape(-1, 2)
    flat = flat[np.isfinite(flat).all(axis=1)].clip(0, 1)
    ends = [_ends(padded.all(axis=axis), flat[:, axis]) for axis in (0, 1)]
    (left, right), (top, bottom) = ends
    return View(left, top, right - left, bottom - top)


def _ends(padded: NDArray[np.bool_], places: NDArray[np.float64]) -> tuple[float, float]:
    """The first and last place in [0, 1] that is kept along one axis."""
    kept, count = np.flatnonzero(~padded), len(padded)
    if not len(kept):
        return 0.0, 1.0
    first, last = int(kept[0]), int(kept[-1]) + 1
    start, end = (first + (first > 0)) / count, (last - (last < count)) / count
    return float(min(start, *places, 1.0)), float(max(end, *places, 0.0))


def blank_padding(photo: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A photo (side, side, 3) with its padding, and the row or column beside it, in white, the colour of the page."""
    padded, blank = (photo == FILL).all(axis=-1), photo.copy()
    for axis in (0, 1):  # columns, rows
        start, end = (round(place * len(photo)) for place in _ends(padded.all(axis=axis), np.empty(0)))
        beyond = np.ones(len(photo), np.bool_)
        beyond[start:end] = False
        blank[(slice(None), beyond) if axis == 0 else beyond] = 255
    return blank


def around(points: Points, whole: View) -> View:
    """A view around points (N, 2) in the shape of ``whole`` and within it; all of it unless the points are close."""
    known = points[np.isfinite(points).all(axis=1)]
    if not len(known):
        return whole
    low, high = whole.inside(known).min(axis=0), whole.inside(known).max(axis=0)
    side = max(SMALLEST, ROOM * float((high - low).max()))
    if side > LARGEST or (low < 0).any() or (high > 1).any():
        return whole
    left, top = np.clip((low + high - side) / 2, 0, 1 - side)
    return View(
        whole.left + left * whole.width, whole.top + top * whole.height, side * whole.width, side * whole.height
    )
