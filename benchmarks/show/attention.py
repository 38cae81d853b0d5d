"""Attention maps over images in a grid: one row for each image, one column for each keypoint."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from benchmarks.drawing.canvas import Canvas
from benchmarks.drawing.colours import GREY, INK, PAPER, WHITE, palette
from benchmarks.drawing.page import GAP, MARGIN, NARROWEST, TITLE_LINE, font, heading_lines, shortened, write_heading
from benchmarks.show.figures import write_whole

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmarks.drawing.colours import Colour
    from methods.base import Attention

PAGE_WIDTH, SMALLEST, LARGEST = 2000, 116, 192
TEXT, LABEL, SMALL = 14, 13, 11
HEAD, LABELS, CAPTION = 78, 26, 18  # heights in pixels: title of one line, column labels, caption of an image
COLOURS = "turbo"
STRENGTH = 0.85  # of the tint, where a map is at its maximum
BAR = (150, 10)


def tile_side(num_keypoints: int) -> int:
    """Side in pixels of an image in the grid; the columns fit the page unless that makes images too small."""
    return max(SMALLEST, min(LARGEST, PAGE_WIDTH // (num_keypoints + 1)))


def maximum(attention: NDArray[np.float32]) -> NDArray[np.float64]:
    """(x, y) in [0, 1] of the first maximum of a map (S, S)."""
    row, column = np.unravel_index(int(attention.argmax()), attention.shape)
    return np.array([column + 0.5, row + 0.5]) / np.array(attention.shape[::-1])


def tinted(photo: Image.Image, attention: NDArray[np.float32]) -> Image.Image:
    """A grey photo tinted by a map (S, S): no tint where the map is 0, the strongest at its maximum."""
    side = photo.width
    scaled = np.clip(attention, 0, None) / max(float(attention.max()), 1e-12)
    share = Image.fromarray(scaled.astype(np.float32)).resize((side, side), Image.Resampling.BILINEAR)
    strength = np.asarray(share, dtype=np.float64)[..., None]
    grey = np.asarray(photo.convert("L"), dtype=np.float64)[..., None] * 0.8 + 30
    blend = STRENGTH * strength
    mixed = (1 - blend) * grey + blend * _colours(strength[..., 0])
    return Image.fromarray(mixed.round().clip(0, 255).astype(np.uint8), "RGB")


def write_attention(path: Path, heading: str, photos: Sequence[tuple[str, Image.Image]], attention: Attention) -> None:
    """Draw for each photo (id and square image) its keypoints, and the map of each keypoint."""
    side, colours = photos[0][1].width, palette(len(attention.names))
    step, line = side + GAP, side + CAPTION + GAP
    page, start = _page(heading, len(attention.names), side, len(photos) * line)
    draw = ImageDraw.Draw(page)
    _label_columns(page, attention.names, colours, side, start)
    for row, ((image_id, photo), maps) in enumerate(zip(photos, attention.maps, strict=True)):
        top = start + LABELS + row * line
        points = [maximum(each) for each in maps]
        page.paste(_with_keypoints(photo, points, colours), (MARGIN, top))
        _text_below(draw, _shortened(image_id, side), MARGIN, top + side)
        for column, (each, point) in enumerate(zip(maps, points, strict=True), start=1):
            left = MARGIN + column * step
            canvas = Canvas(tinted(photo, each), side)
            canvas.ring(point, WHITE, radius=max(5.5, side / 26))
            page.paste(canvas.finished(), (left, top))
            _text_below(draw, f"max {each.max():#.2g}", left, top + side)
    write_whole(path, lambda partial: page.save(partial, format="PNG"))


def _page(heading: str, num_keypoints: int, side: int, height: int) -> tuple[Image.Image, int]:
    """A page with its title, and the y in pixels where the column labels begin; ``height`` is that of the grid."""
    text = font(TEXT)
    width = max((num_keypoints + 1) * (side + GAP) - GAP, NARROWEST)
    lines = heading_lines(heading, width)
    start = MARGIN + HEAD + (len(lines) - 1) * TITLE_LINE
    page = Image.new("RGB", (width + 2 * MARGIN, start + height + LABELS + MARGIN - GAP), PAPER)
    draw = ImageDraw.Draw(page)
    top = write_heading(draw, lines)
    explained = f"attention of the {num_keypoints} keypoints, its maximum ringed;  0"
    draw.text((MARGIN, top), explained, fill=GREY, font=text)
    left = round(MARGIN + draw.textlength(explained, font=text) + 8)
    ramp = np.tile(np.linspace(0, 1, BAR[0]), (BAR[1], 1)).astype(np.float32)
    page.paste(_ramp(ramp), (left, top + 5))
    draw.text((left + BAR[0] + 8, top), "each map's own maximum", fill=GREY, font=text)
    return page, start


def _ramp(share: NDArray[np.float32]) -> Image.Image:
    """The tint of shares in [0, 1] over middle grey."""
    blend = STRENGTH * share[..., None].astype(np.float64)
    mixed = (1 - blend) * 140 + blend * _colours(share)
    return Image.fromarray(mixed.round().astype(np.uint8), "RGB")


def _label_columns(page: Image.Image, names: Sequence[str], colours: Sequence[Colour], side: int, top: int) -> None:
    draw = ImageDraw.Draw(page)
    draw.text((MARGIN, top), "keypoints", fill=INK, font=font(LABEL))
    for column, (name, colour) in enumerate(zip(names, colours, strict=True), start=1):
        left = MARGIN + column * (side + GAP)
        canvas = Canvas(Image.new("RGB", (18, 18), PAPER), 18)
        canvas.dot(np.array([0.5, 0.5]), [colour], radius=6.0)
        page.paste(canvas.finished(), (left, top))
        draw.text((left + 23, top), shortened(name, side - 23, LABEL), fill=INK, font=font(LABEL))


def _with_keypoints(
    photo: Image.Image, points: Sequence[NDArray[np.float64]], colours: Sequence[Colour]
) -> Image.Image:
    canvas = Canvas(photo, photo.width)
    canvas.dots(np.array(points), colours, radius=max(4.5, photo.width / 32))
    return canvas.finished()


def _text_below(draw: ImageDraw.ImageDraw, text: str, left: int, top: int) -> None:
    draw.text((left, top + 2), text, fill=GREY, font=font(SMALL))


def _shortened(image_id: str, side: int) -> str:
    """An id, cut at its beginning where it is wider than an image."""
    face = font(SMALL)
    if face.getlength(image_id) <= side:
        return image_id
    start = next(start for start in range(len(image_id)) if face.getlength("…" + image_id[start:]) <= side)
    return "…" + image_id[start:]


def _colours(share: NDArray[np.floating]) -> NDArray[np.float64]:
    """Colours (..., 3) in [0, 255] of numbers in [0, 1]."""
    from matplotlib import colormaps

    return 255 * np.asarray(colormaps[COLOURS](share))[..., :3]
