"""The picture of a finished cell: discovered keypoints, and the landmarks regressed from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageColor, ImageDraw, ImageFont

from benchmarks.records.store import read_predictions
from benchmarks.run.cells import Cell
from metrics.protocols import value_text

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from datasets.base import Annotation, KeypointDataset
    from metrics.scoring import Score

    Points = NDArray[np.float64]
    Colour = tuple[int, int, int]
    Draw = Callable[["Canvas", int], None]

GAP, MARGIN = 8, 28
TITLE, TITLE_LINE = 22, 28  # font size and line height of a heading, pixels
LARGE, LARGE_COLUMNS, LARGE_ROWS = 224, 6, 2  # keypoints: side of an image in pixels, columns and rows
SMALL, SMALL_COLUMNS = 166, 8  # landmarks: one row, as wide as the keypoints' rows
SMOOTH = 3  # marks are drawn this many times larger, then reduced, for smooth edges
INK, PAPER, GREY = "#1d2430", "#ffffff", "#6b7686"
WHITE, DARK = (255, 255, 255), (30, 30, 30)
COLOURS = (
    *("#e6194b", "#3cb44b", "#ffe119", "#4363d8", "#f58231", "#911eb4", "#42d4f4", "#f032e6", "#bfef45", "#fabed4"),
    *("#00897b", "#9a6324", "#000075", "#a9a9a9", "#800000", "#dcbeff", "#808000", "#aaffc3", "#ffd8b1", "#fffac8"),
)


def write_overlay(path: Path, cell: Cell, folder: Path, dataset: KeypointDataset, score: Score | None) -> None:
    """Draw keypoints on large test images, and regressed and annotated landmarks on small ones.

    The images are spread over the split. A keypoint has the same colour in all images, and so has a landmark. Without a
    score the landmarks are left out.
    """
    ids, keypoints = read_predictions(folder, "test")
    shown = spread_out(len(ids), LARGE_COLUMNS * LARGE_ROWS)
    photos = [Image.fromarray(dataset.image(ids[index], LARGE)) for index in shown]
    heading = f"{cell.title}, {cell.task.id}, {cell.profile} profile, seed {cell.seed}"
    panels = [(f"{keypoints.shape[1]} discovered keypoints", keypoint_panel(photos, keypoints[shown]))]
    if score is not None:
        annotations = [dataset.annotation(ids[index]) for index in shown[:SMALL_COLUMNS]]
        panel = _landmark_panel(photos, annotations, score.predicted[shown])
        value = value_text(score.protocol, score.value, 2)
        panels.append((f"landmarks: annotated (ring), regressed (dot); {value} {score.unit}", panel))
    _page(heading, panels).save(path)


def spread_out(total: int, count: int) -> NDArray[np.int64]:
    """At most ``count`` of ``total`` positions, evenly spaced from the first to the last."""
    return np.unique(np.linspace(0, total - 1, count).round().astype(np.int64))


def keypoint_panel(photos: Sequence[Image.Image], keypoints: Points) -> Image.Image:
    """Images in rows of ``LARGE_COLUMNS`` with keypoints (N, K, 2); a keypoint has the same colour in all images."""
    colours = palette(keypoints.shape[1])

    def draw(canvas: Canvas, row: int) -> None:
        for point, colour in zip(keypoints[row], colours, strict=True):
            canvas.dot(point, colour, radius=6.0)

    return _panel(photos, LARGE, LARGE_COLUMNS, draw)


def palette(count: int) -> list[Colour]:
    """``count`` colours, the most distinct first; after the last one they repeat."""
    colours = (ImageColor.getrgb(name) for name in islice(cycle(COLOURS), count))
    return [(red, green, blue) for red, green, blue, *_ in colours]


class Canvas:
    """An image to draw smooth marks on: places are (x, y) in [0, 1], sizes are pixels of the finished picture."""

    def __init__(self, photo: Image.Image, side: int) -> None:
        self._side = side
        small = photo.resize((side, side), Image.Resampling.LANCZOS)
        self._image = small.resize((side * SMOOTH, side * SMOOTH), Image.Resampling.NEAREST)
        self._draw = ImageDraw.Draw(self._image)

    def dot(self, point: Points, colour: Colour, radius: float) -> None:
        """A disc with a white and a thin dark rim, which is visible on any background."""
        self.disc(point, radius + 0.7, DARK)
        self.disc(point, radius, WHITE)
        self.disc(point, radius - 1.6, colour)

    def ring(self, point: Points, colour: Colour, radius: float) -> None:
        """The outline of a circle."""
        self._draw.ellipse(self._box(point, radius + 0.8), outline=DARK, width=SMOOTH)
        self._draw.ellipse(self._box(point, radius), outline=colour, width=round(1.6 * SMOOTH))

    def line(self, start: Points, end: Points, colour: Colour) -> None:
        """A straight line."""
        ends = [tuple(point * self._side * SMOOTH) for point in (start, end)]
        self._draw.line(ends, fill=colour, width=round(1.2 * SMOOTH))

    def finished(self) -> Image.Image:
        """The picture with its marks, reduced to its final size."""
        return self._image.reduce(SMOOTH)

    def disc(self, point: Points, radius: float, colour: Colour) -> None:
        """A filled circle."""
        self._draw.ellipse(self._box(point, radius), fill=colour)

    def _box(self, point: Points, radius: float) -> tuple[float, float, float, float]:
        x, y = (float(value) * self._side * SMOOTH for value in point)
        reach = radius * SMOOTH
        return x - reach, y - reach, x + reach, y + reach


def _landmark_panel(photos: Sequence[Image.Image], annotations: Sequence[Annotation], predicted: Points) -> Image.Image:
    """The annotated images, small, with regressed landmarks ``predicted`` (N, L, 2) beside the annotated ones."""
    colours = palette(predicted.shape[1])

    def draw(canvas: Canvas, row: int) -> None:
        _compare(canvas, annotations[row], predicted[row], colours)

    return _panel(photos[: len(annotations)], SMALL, SMALL_COLUMNS, draw)


def _compare(canvas: Canvas, annotation: Annotation, predicted: Points, colours: Sequence[Colour]) -> None:
    for landmark in np.flatnonzero(annotation.visible).tolist():
        annotated, regressed = annotation.landmarks[landmark], predicted[landmark]
        canvas.line(annotated, regressed, WHITE)
        canvas.ring(annotated, WHITE, radius=4.2)
        canvas.disc(regressed, 3.0, DARK)
        canvas.disc(regressed, 2.4, colours[landmark])


def _panel(photos: Sequence[Image.Image], side: int, columns: int, draw: Draw) -> Image.Image:
    rows = -(-len(photos) // columns)
    width, height = columns * (side + GAP) - GAP, rows * (side + GAP) - GAP
    panel = Image.new("RGB", (width, height), PAPER)
    for index, photo in enumerate(photos):
        canvas = Canvas(photo, side)
        draw(canvas, index)
        row, column = divmod(index, columns)
        panel.paste(canvas.finished(), (column * (side + GAP), row * (side + GAP)))
    return panel


def heading_lines(heading: str, width: float) -> list[str]:
    """A heading in lines of at most ``width`` pixels; it is broken at spaces, and inside words wider than a line."""
    font, lines = ImageFont.load_default(size=TITLE), [""]
    for word in heading.split():
        joined = f"{lines[-1]} {word}".lstrip()
        if font.getlength(joined) <= width:
            lines[-1] = joined
            continue
        lines += [""] if lines[-1] else []
        for letter in word:
            if lines[-1] and font.getlength(lines[-1] + letter) > width:
                lines.append("")
            lines[-1] += letter
    return lines


def write_heading(draw: ImageDraw.ImageDraw, lines: Sequence[str]) -> int:
    """Write a heading at the top of a page; returns the y in pixels at which the content below it begins."""
    font = ImageFont.load_default(size=TITLE)
    for row, line in enumerate(lines):
        draw.text((MARGIN, MARGIN - 6 + row * TITLE_LINE), line, fill=INK, font=font)
    return MARGIN + 6 + len(lines) * TITLE_LINE


def _page(heading: str, panels: Sequence[tuple[str, Image.Image]]) -> Image.Image:
    small = ImageFont.load_default(size=15)
    width = max(panel.width for _, panel in panels)
    lines = heading_lines(heading, width)
    height = MARGIN + 6 + len(lines) * TITLE_LINE + sum(panel.height + 26 + MARGIN for _, panel in panels)
    page = Image.new("RGB", (width + 2 * MARGIN, height), PAPER)
    draw = ImageDraw.Draw(page)
    top = write_heading(draw, lines)
    for caption, panel in panels:
        draw.text((MARGIN, top), caption, fill=GREY, font=small)
        page.paste(panel, (MARGIN, top + 26))
        top += panel.height + 26 + MARGIN
    return page
