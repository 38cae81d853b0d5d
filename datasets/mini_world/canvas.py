"""Flat shapes in an object's own frame, drawn antialiased through a camera.

Object coordinates are about [-1, 1] x [-1, 1], with y pointing down. Shapes are drawn at ``OVERSAMPLING`` times the
final size and averaged down.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw

SIZE = 128
OVERSAMPLING = 3

Colour = tuple[int, int, int]
Points = NDArray[np.float64]

COLOURS: dict[str, Colour] = {
    "red": (204, 58, 52),
    "orange": (238, 138, 48),
    "yellow": (244, 208, 74),
    "green": (84, 156, 80),
    "blue": (62, 112, 196),
    "purple": (128, 82, 170),
    "pink": (238, 144, 174),
    "brown": (128, 84, 54),
    "white": (242, 240, 234),
    "black": (46, 44, 52),
}

_ANGLES = np.linspace(0.0, 2.0 * np.pi, 22, endpoint=False)
_CIRCLE: Points = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1)


@dataclass(frozen=True)
class Camera:
    """A similarity from the object's frame to pixels of the final image: (x, y) -> scale * R (x, y) + shift.

    With ``mirror`` x changes its sign first.
    """

    scale: float
    rotation: float
    shift: tuple[float, float]
    mirror: bool = False

    @property
    def matrix(self) -> Points:
        """The (2, 2) linear part."""
        cosine, sine = self.scale * np.cos(self.rotation), self.scale * np.sin(self.rotation)
        first = -1.0 if self.mirror else 1.0
        return np.array([[first * cosine, -sine], [first * sine, cosine]])

    def project(self, points: ArrayLike) -> Points:
        """(n, 2) object coordinates to (n, 2) pixels of the final image."""
        return np.asarray(points, dtype=np.float64) @ self.matrix.T + np.asarray(self.shift)


@dataclass
class Canvas:
    """An unfinished picture; ``camera`` may be changed between shapes."""

    picture: Image.Image
    camera: Camera
    pen: ImageDraw.ImageDraw = field(init=False)
    _outlines: list[Points] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self.pen = ImageDraw.Draw(self.picture)

    def polygon(self, points: ArrayLike, colour: Colour) -> None:
        """Fill the polygon with these (n, 2) corners."""
        outline = self.camera.project(points)
        self._outlines.append(outline)
        self.pen.polygon((outline * OVERSAMPLING).ravel().tolist(), fill=colour)

    def ellipse(self, centre: ArrayLike, radii: ArrayLike, colour: Colour, angle: float = 0.0) -> None:
        """Fill an ellipse with half axes ``radii`` turned by ``angle`` radians."""
        points = _CIRCLE * np.asarray(radii)
        if angle:
            cosine, sine = np.cos(angle), np.sin(angle)
            points = points @ np.array([[cosine, sine], [-sine, cosine]])
        self.polygon(points + np.asarray(centre), colour)

    def limb(self, start: ArrayLike, end: ArrayLike, widths: tuple[float, float], colour: Colour) -> None:
        """Fill a rounded, tapered stroke between two points with these half widths."""
        first, last = np.asarray(start, dtype=np.float64), np.asarray(end, dtype=np.float64)
        along = last - first
        angle = np.arctan2(along[1], along[0])
        turn = np.linspace(-np.pi / 2, np.pi / 2, 7) + angle
        arc = np.stack([np.cos(turn), np.sin(turn)], axis=1)
        self.polygon(np.concatenate([last + widths[1] * arc, first - widths[0] * arc]), colour)

    def blob(self, points: ArrayLike, colour: Colour) -> None:
        """Fill the smooth closed curve through these (n, 2) points."""
        self.polygon(smooth(points), colour)

    @property
    def outlines(self) -> tuple[Points, ...]:
        """The corners (n, 2), in pixels, of all shapes drawn on this canvas so far."""
        return tuple(self._outlines)

    def box(self) -> NDArray[np.float64]:
        """The smallest box around all shapes drawn on this canvas: (4,) x0, y0, x1, y1, cut to the image's [0, 1]."""
        points = np.concatenate(self._outlines) / SIZE
        return np.clip(np.concatenate([points.min(axis=0), points.max(axis=0)]), 0.0, 1.0)

    def finish(self) -> NDArray[np.uint8]:
        """The picture at its final size, (SIZE, SIZE, 3) uint8."""
        return np.asarray(self.picture.reduce(OVERSAMPLING))


def cover(outlines: Iterable[Points]) -> NDArray[np.bool_]:
    """The pixels that shapes with these corners fill, (n, n) for n = SIZE * OVERSAMPLING, as ``Canvas`` draws them."""
    side = SIZE * OVERSAMPLING
    picture = Image.new("L", (side, side))
    pen = ImageDraw.Draw(picture)
    for outline in outlines:
        pen.polygon((outline * OVERSAMPLING).ravel().tolist(), fill=1)
    return np.asarray(picture) == 1


def smooth(points: ArrayLike, steps: int = 5) -> Points:
    """The closed Catmull-Rom curve through (n, 2) points, with ``steps`` points per segment."""
    p1 = np.asarray(points, dtype=np.float64)
    p0, p2, p3 = np.roll(p1, 1, axis=0), np.roll(p1, -1, axis=0), np.roll(p1, -2, axis=0)
    t = np.linspace(0.0, 1.0, steps, endpoint=False)[None, :, None]
    curve = 0.5 * (
        2 * p1[:, None]
        + (p2 - p0)[:, None] * t
        + (2 * p0 - 5 * p1 + 4 * p2 - p3)[:, None] * t**2
        + (3 * p1 - p0 - 3 * p2 + p3)[:, None] * t**3
    )
    return curve.reshape(-1, 2)


def blend(first: Colour, second: Colour, share: float) -> Colour:
    """The colour ``share`` of the way from the first to the second."""
    mixed = [round(a + (b - a) * share) for a, b in zip(first, second, strict=True)]
    return mixed[0], mixed[1], mixed[2]


def shade(colour: Colour, amount: float) -> Colour:
    """The colour darkened (negative amount) or lightened (positive amount), amount in [-1, 1]."""
    return blend(colour, (255, 250, 240) if amount > 0 else (24, 20, 40), abs(amount))
