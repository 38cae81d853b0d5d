"""A picture of a finished cell: the keypoints it discovered, and the landmarks regressed from them."""

from __future__ import annotations

import colorsys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from benchmarks.cells import Cell
from benchmarks.store import read_predictions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from datasets.base import Annotation, KeypointDataset
    from metrics.protocols import Score

    Points = NDArray[np.float64]
    Draw = Callable[["Canvas", int], None]

COLUMNS, ROWS = 6, 2
LARGE, SMALL = 224, 148  # sides of the images of the two panels, in pixels of the picture
GAP, MARGIN = 8, 28
SMOOTH = 3  # dots are drawn this much larger, then reduced
INK, PAPER, GREY = "#1d2430", "#ffffff", "#6b7686"
WHITE = (255, 255, 255)


def write_overlay(path: Path, cell: Cell, folder: Path, dataset: KeypointDataset, score: Score) -> None:
    """Draw test images, spread over the split: discovered keypoints large, regressed against annotated landmarks small.

    A keypoint keeps its colour from image to image, and a landmark has its own.
    """
    ids, keypoints = read_predictions(folder, "test")
    shown = np.unique(np.linspace(0, len(ids) - 1, COLUMNS * ROWS).round().astype(int))
    photos = [Image.fromarray(dataset.image(ids[index], LARGE)) for index in shown]
    annotations = [dataset.annotation(ids[index]) for index in shown]
    colours = palette(keypoints.shape[1])
    landmark_colours = palette(len(dataset.card.landmark_names))

    def draw_keypoints(canvas: Canvas, row: int) -> None:
        for point, colour in zip(keypoints[shown[row]], colours, strict=True):
            canvas.dot(point, colour, radius=6.0)

    def draw_landmarks(canvas: Canvas, row: int) -> None:
        _compare(canvas, annotations[row], score.predicted[shown[row]], landmark_colours)

    value = f"{score.value:.2f} {score.unit}"
    heading = f"{cell.label}, {cell.task.id}, {cell.profile} profile, seed {cell.seed}"
    panels = [
        (f"{cell.task.num_keypoints} discovered keypoints", _panel(photos, LARGE, draw_keypoints)),
        (f"landmarks: annotated (ring), regressed (dot); {value}", _panel(photos, SMALL, draw_landmarks)),
    ]
    _page(heading, panels).save(path, optimize=True)


def palette(count: int) -> list[tuple[int, int, int]]:
    """Distinct bright colours: the hue circle in equal steps, in three turns of lightness."""
    colours = []
    for index in range(count):
        hue = (index * 0.618034 + 0.56) % 1.0
        lightness, saturation = ((0.55, 0.95), (0.42, 0.85), (0.70, 0.90))[index // 8 % 3]
        red, green, blue = colorsys.hls_to_rgb(hue, lightness, saturation)
        colours.append((round(red * 255), round(green * 255), round(blue * 255)))
    return colours


class Canvas:
    """An image to draw smooth marks on, in coordinates (x, y) in [0, 1] and sizes in pixels of the picture."""

    def __init__(self, photo: Image.Image, side: int) -> None:
        self._side = side
        self._image = photo.resize((side * SMOOTH, side * SMOOTH), Image.Resampling.LANCZOS)
        self._draw = ImageDraw.Draw(self._image)

    def dot(self, point: Points, colour: tuple[int, int, int], radius: float) -> None:
        """A disc with a white rim on a thin dark one, to be seen on any ground."""
        self._disc(point, radius + 0.7, (30, 30, 30))
        self._disc(point, radius, WHITE)
        self._disc(point, radius - 1.6, colour)

    def ring(self, point: Points, colour: tuple[int, int, int], radius: float) -> None:
        """A circle, empty inside."""
        self._draw.ellipse(self._box(point, radius + 0.8), outline=(30, 30, 30), width=SMOOTH)
        self._draw.ellipse(self._box(point, radius), outline=colour, width=round(1.6 * SMOOTH))

    def line(self, start: Points, end: Points, colour: tuple[int, int, int]) -> None:
        """A straight line."""
        ends = [tuple(point * self._side * SMOOTH) for point in (start, end)]
        self._draw.line(ends, fill=colour, width=round(1.2 * SMOOTH))

    def finished(self) -> Image.Image:
        """The image at its own size."""
        return self._image.resize((self._side, self._side), Image.Resampling.LANCZOS)

    def _disc(self, point: Points, radius: float, colour: tuple[int, int, int]) -> None:
        self._draw.ellipse(self._box(point, radius), fill=colour)

    def _box(self, point: Points, radius: float) -> tuple[float, float, float, float]:
        x, y = (float(value) * self._side * SMOOTH for value in point)
        reach = radius * SMOOTH
        return x - reach, y - reach, x + reach, y + reach


def _compare(
    canvas: Canvas, annotation: Annotation, predicted: Points, colours: Sequence[tuple[int, int, int]]
) -> None:
    for landmark in np.flatnonzero(annotation.visible).tolist():
        annotated, regressed = annotation.landmarks[landmark], predicted[landmark]
        canvas.line(annotated, regressed, WHITE)
        canvas.ring(annotated, WHITE, radius=4.0)
        canvas.dot(regressed, colours[landmark], radius=3.4)


def _panel(photos: Sequence[Image.Image], side: int, draw: Draw) -> Image.Image:
    rows = -(-len(photos) // COLUMNS)
    width, height = COLUMNS * (side + GAP) - GAP, rows * (side + GAP) - GAP
    panel = Image.new("RGB", (width, height), PAPER)
    for index, photo in enumerate(photos):
        canvas = Canvas(photo, side)
        draw(canvas, index)
        row, column = divmod(index, COLUMNS)
        panel.paste(canvas.finished(), (column * (side + GAP), row * (side + GAP)))
    return panel


def _page(heading: str, panels: Sequence[tuple[str, Image.Image]]) -> Image.Image:
    large, small = ImageFont.load_default(size=22), ImageFont.load_default(size=15)
    width = max(panel.width for _, panel in panels) + 2 * MARGIN
    height = MARGIN + 34 + sum(panel.height + 26 + MARGIN for _, panel in panels)
    page = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(page)
    draw.text((MARGIN, MARGIN - 6), heading, fill=INK, font=large)
    top = MARGIN + 34
    for caption, panel in panels:
        draw.text((MARGIN, top), caption, fill=GREY, font=small)
        page.paste(panel, (MARGIN, top + 26))
        top += panel.height + 26 + MARGIN
    return page
