"""The picture of a finished cell: discovered keypoints, and the landmarks regressed from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from benchmarks.drawing.canvas import Canvas
from benchmarks.drawing.colours import DARK, PAPER, landmark_colours, palette
from benchmarks.drawing.page import GAP, Panel, font, make_page
from benchmarks.drawing.views import View, around, blank_padding, without_padding
from benchmarks.records.store import read_predictions
from benchmarks.run.cells import Cell
from leaderboard.files import replacing
from metrics.protocols import PROTOCOLS, value_text

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmarks.drawing.colours import Colour
    from datasets.base import KeypointDataset
    from metrics.scoring import Score

    Points = NDArray[np.float64]
    Draw = Callable[[Canvas, int], None]

LARGE, COLUMNS = 224, 6  # width of an image in pixels, and images in a row
LARGER, FEWER_COLUMNS = 340, 4  # the same where more than MANY points are drawn on an image
MANY = 8
SHARPEST = 1024  # pixels: largest side at which an image is read
MIDDLE = np.array([0.5, 0.5])


def write_overlay(path: Path, cell: Cell, folder: Path, dataset: KeypointDataset, score: Score | None) -> None:
    """Draw test images with their keypoints and, in a second panel, with annotated and regressed landmarks.

    The images are spread over the split. A keypoint has the same colour in all images, and so has a landmark. Without a
    score of landmarks there is no second panel. Padding around photographs is cut off, or white where not all have it,
    and small objects are enlarged.
    """
    if score is not None and PROTOCOLS[score.protocol].direction == "backward":
        score = None  # it predicts keypoints
    ids, keypoints = read_predictions(folder, "test")
    width, columns = _layout(keypoints.shape[1])
    shown = spread_out(len(ids), 2 * columns)
    regressed = None if score is None else score.predicted[shown]
    images = _Images(dataset, [ids[index] for index in shown], keypoints[shown], regressed)
    panels = [_keypoint_panel(images, width, columns)]
    if score is not None:
        panels.append(_landmark_panel(images, score, dataset))
    heading = f"{cell.title}, {cell.task.id}, {cell.profile} profile, seed {cell.seed}"
    with replacing(path) as partial:
        make_page(heading, panels).save(partial, format="png")


def spread_out(total: int, count: int) -> NDArray[np.int64]:
    """At most ``count`` of ``total`` positions, evenly spaced from the first to the last."""
    return np.unique(np.linspace(0, total - 1, count).round().astype(np.int64))


def grid(tiles: Sequence[Image.Image], columns: int) -> Image.Image:
    """Images of one size in rows of so many columns, with gaps between them."""
    (width, height), rows = tiles[0].size, -(-len(tiles) // columns)
    columns = min(columns, len(tiles))
    picture = Image.new("RGB", (columns * (width + GAP) - GAP, rows * (height + GAP) - GAP), PAPER)
    for index, tile in enumerate(tiles):
        row, column = divmod(index, columns)
        picture.paste(tile, (column * (width + GAP), row * (height + GAP)))
    return picture


class _Images:
    """Test images with keypoints (N, K, 2), annotated and regressed landmarks (N, L, 2), NaN where one is missing."""

    def __init__(
        self, dataset: KeypointDataset, ids: Sequence[str], keypoints: Points, regressed: Points | None
    ) -> None:
        self._dataset = dataset
        self.ids = ids
        self.keypoints = keypoints
        nothing = np.empty((len(ids), 0, 2))
        self.regressed = nothing if regressed is None else regressed
        self.annotated = nothing if regressed is None else np.stack([_annotated(dataset, each) for each in ids])
        points = np.concatenate([self.keypoints, self.annotated], axis=1)
        self._whole = without_padding([dataset.image(image_id, LARGE) for image_id in ids], points)

    def tile(self, index: int, points: Points, width: int) -> tuple[Canvas, View]:
        """A canvas, as wide as asked for, with the part of an image around points (P, 2)."""
        view = around(points, self._whole)
        side = min(SHARPEST, round(width / view.width))
        photo = Image.fromarray(blank_padding(self._dataset.image(self.ids[index], side)))
        canvas = Canvas(view.crop(photo), width, round(width * self._whole.height / self._whole.width))
        if view != self._whole:
            canvas.note(f"{self._whole.width / view.width:.1f}×", font(11))
        return canvas, view


def _annotated(dataset: KeypointDataset, image_id: str) -> Points:
    """Landmarks (L, 2) of an image, NaN where one is not visible."""
    annotation = dataset.annotation(image_id)
    return np.where(annotation.visible[:, None], annotation.landmarks, np.nan)


def _layout(points: int) -> tuple[int, int]:
    """Width of an image in pixels and images in a row, for so many points on an image."""
    return (LARGE, COLUMNS) if points <= MANY else (LARGER, FEWER_COLUMNS)


def _keypoint_panel(images: _Images, width: int, columns: int) -> Panel:
    tiles, colours, shared = [], palette(images.keypoints.shape[1]), False
    for index, keypoints in enumerate(images.keypoints):
        near = np.concatenate([keypoints, images.annotated[index]]) if images.annotated.size else keypoints[:0]
        canvas, view = images.tile(index, near, width)
        shared |= canvas.dots(view.inside(keypoints), colours, radius=6.0 if width == LARGE else 7.0)
        tiles.append(canvas.finished())
    legend = [(partial(_dot_mark, colour=colour), str(index)) for index, colour in enumerate(colours)]
    caption = f"{len(colours)} discovered keypoint{'s' if len(colours) > 1 else ''}"
    caption += "; a dot of several colours is several keypoints at one place" if shared else ""
    return Panel(caption, grid(tiles, columns), legend)


def _landmark_panel(images: _Images, score: Score, dataset: KeypointDataset) -> Panel:
    names = dataset.card.landmark_names
    colours = landmark_colours(names, dataset.card.left_right_pairs)
    width, columns = _layout(len(names))
    tiles = []
    for index in range(min(len(images.ids), columns * (1 + (len(names) > MANY)))):
        annotated, regressed = images.annotated[index], images.regressed[index]
        canvas, view = images.tile(index, np.concatenate([annotated, regressed]), width)
        _compare(canvas, view.inside(annotated), view.inside(regressed), colours)
        tiles.append(canvas.finished())
    value = value_text(score.protocol, score.value, 2)
    caption = (
        "landmarks: ring annotated, dot regressed from the keypoints; "
        f"error over all test images {value} {score.unit} ({score.protocol})"
    )
    legend = [(partial(_ring_mark, colour=colour), name) for name, colour in zip(names, colours, strict=True)]
    return Panel(caption, grid(tiles, columns), legend)


def _compare(canvas: Canvas, annotated: Points, regressed: Points, colours: Sequence[Colour]) -> None:
    """Draw landmarks (L, 2) as rings, coincident ones concentric, joined by lines to dots where they are regressed."""
    known = np.flatnonzero(np.isfinite(annotated + regressed).all(axis=1)).tolist()
    for landmark in known:
        canvas.line(annotated[landmark], regressed[landmark], colours[landmark])
    for group in canvas.groups(annotated[known], 1.0):
        for place, member in reversed(list(enumerate(group))):
            landmark = known[member]
            canvas.ring(annotated[known[group[0]]], colours[landmark], radius=5.0 + 2.4 * place)
    for landmark in known:
        canvas.disc(regressed[landmark], 3.6, DARK)
        canvas.disc(regressed[landmark], 2.8, colours[landmark])


def _dot_mark(canvas: Canvas, colour: Colour) -> None:
    canvas.dot(MIDDLE, [colour], radius=6.0)


def _ring_mark(canvas: Canvas, colour: Colour) -> None:
    canvas.ring(MIDDLE, colour, radius=5.0)
