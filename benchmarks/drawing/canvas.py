"""An image to draw smooth marks on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from benchmarks.drawing.colours import DARK, WHITE

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import ImageFont

    from benchmarks.drawing.colours import Colour

    Points = NDArray[np.float64]

SMOOTH = 3  # marks are drawn this many times larger, then reduced, for smooth edges
COINCIDENT = 0.5  # radii: keypoints that are closer share one dot


class Canvas:
    """An image to draw smooth marks on: places are (x, y) in [0, 1], sizes are pixels of the finished picture."""

    def __init__(self, photo: Image.Image, width: int, height: int | None = None) -> None:
        self._size = np.array([width, height or width], dtype=np.float64)
        small = photo.resize((width, height or width), Image.Resampling.LANCZOS)
        self._image = small.resize((small.width * SMOOTH, small.height * SMOOTH), Image.Resampling.NEAREST)
        self._draw = ImageDraw.Draw(self._image)

    def dots(self, points: Points, colours: Sequence[Colour], radius: float) -> bool:
        """A dot for each point (K, 2) that is not NaN; points that coincide share one, with a sector for each colour.

        Returns whether any coincide.
        """
        known = np.flatnonzero(np.isfinite(points).all(axis=1))
        groups = self.groups(points[known], COINCIDENT * radius)
        for members in groups:
            self.dot(points[known[members]].mean(axis=0), [colours[known[each]] for each in members], radius)
        return len(groups) < len(known)

    def dot(self, point: Points, colours: Sequence[Colour], radius: float) -> None:
        """A disc with a white and a thin dark rim, which is visible on any background; it has a sector a colour."""
        self.disc(point, radius + 0.7, DARK)
        self.disc(point, radius, WHITE)
        box, step = self._box(point, radius - 1.6), 360 / len(colours)
        for index, colour in enumerate(colours):
            self._draw.pieslice(box, 90 + index * step, 90 + (index + 1) * step, fill=colour)

    def ring(self, point: Points, colour: Colour, radius: float, width: float = 1.6) -> None:
        """A circle of this outer radius and line width, between thin dark circles."""
        self._draw.ellipse(self._box(point, radius + 0.8), outline=DARK, width=round((width + 1.6) * SMOOTH))
        self._draw.ellipse(self._box(point, radius), outline=colour, width=round(width * SMOOTH))

    def line(self, start: Points, end: Points, colour: Colour, width: float = 1.5) -> None:
        """A straight line with dark edges."""
        (x0, y0), (x1, y1) = (point * self._size * SMOOTH for point in (start, end))
        for paint, breadth in ((DARK, width + 1.4), (colour, width)):
            self._draw.line((x0, y0, x1, y1), fill=paint, width=round(breadth * SMOOTH))

    def disc(self, point: Points, radius: float, colour: Colour) -> None:
        """A filled circle."""
        self._draw.ellipse(self._box(point, radius), fill=colour)

    def note(self, text: str, face: ImageFont.FreeTypeFont) -> None:
        """Write a few characters into the lower left corner."""
        large = face.font_variant(size=face.size * SMOOTH)
        at = (5 * SMOOTH, self._image.height - 4 * SMOOTH)
        self._draw.text(at, text, fill=WHITE, font=large, anchor="ld", stroke_width=SMOOTH + 1, stroke_fill=DARK)

    def groups(self, points: Points, within: float) -> list[list[int]]:
        """Indices of points (K, 2) in groups: a point joins the first group whose first point is so many pixels off."""
        found: list[list[int]] = []
        for index, point in enumerate(points):
            near = (group for group in found if np.hypot(*((points[group[0]] - point) * self._size)) <= within)
            if (group := next(near, None)) is None:
                found.append([index])
            else:
                group.append(index)
        return found

    def finished(self) -> Image.Image:
        """The picture with its marks, reduced to its final size."""
        return self._image.reduce(SMOOTH)

    def _box(self, point: Points, radius: float) -> tuple[float, float, float, float]:
        x, y = (float(value) for value in point * self._size * SMOOTH)
        reach = radius * SMOOTH
        return x - reach, y - reach, x + reach, y + reach
