"""A page of panels with a heading, captions and legends, in one typeface."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from benchmarks.drawing.canvas import Canvas
from benchmarks.drawing.colours import GREY, INK, PAPER

GAP, MARGIN = 8, 28
TITLE, TITLE_LINE = 21, 29  # font size and line height of a heading, pixels
CAPTION, CAPTION_LINE = 14, 20
KEY, KEY_LINE, KEY_MARK = 13, 21, 18  # legend: font size, line height and side of a mark
NARROWEST = 700  # width in pixels of what stands between the margins

Mark = Callable[[Canvas], None]  # draws the mark of a legend's entry in the middle of a canvas


@cache
def font(size: int) -> ImageFont.FreeTypeFont:
    """The typeface of all pictures, which Matplotlib brings: DejaVu Sans."""
    import matplotlib

    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", size)


@dataclass(frozen=True)
class Panel:
    """A picture below its caption and its legend, which is a list of (mark, text)."""

    caption: str
    picture: Image.Image
    legend: Sequence[tuple[Mark, str]] = field(default=())


def wrapped(text: str, width: float, size: int) -> list[str]:
    """A text in lines of at most ``width`` pixels; it is broken at spaces, and inside words wider than a line."""
    face, lines = font(size), [""]
    for word in text.split():
        joined = f"{lines[-1]} {word}".lstrip()
        if face.getlength(joined) <= width:
            lines[-1] = joined
            continue
        lines += [""] if lines[-1] else []
        for letter in word:
            if lines[-1] and face.getlength(lines[-1] + letter) > width:
                lines.append("")
            lines[-1] += letter
    return lines


def heading_lines(heading: str, width: float) -> list[str]:
    """A heading in lines of at most ``width`` pixels."""
    return wrapped(heading, width, TITLE)


def write_heading(draw: ImageDraw.ImageDraw, lines: Sequence[str]) -> int:
    """Write a heading at the top of a page; returns the y in pixels at which the content below it begins."""
    for row, line in enumerate(lines):
        draw.text((MARGIN, MARGIN - 6 + row * TITLE_LINE), line, fill=INK, font=font(TITLE))
    return MARGIN + 6 + len(lines) * TITLE_LINE


def make_page(heading: str, panels: Sequence[Panel]) -> Image.Image:
    """The panels one below the other, as wide as the widest; an empty heading takes no room."""
    width = max(NARROWEST, *(panel.picture.width for panel in panels))
    lines = heading_lines(heading, width) if heading else []
    heads = [_head(panel, width) for panel in panels]
    height = MARGIN + 6 + len(lines) * TITLE_LINE
    height += sum(head.height + panel.picture.height + MARGIN for head, panel in zip(heads, panels, strict=True))
    page = Image.new("RGB", (width + 2 * MARGIN, height), PAPER)
    top = write_heading(ImageDraw.Draw(page), lines)
    for head, panel in zip(heads, panels, strict=True):
        page.paste(head, (MARGIN, top))
        page.paste(panel.picture, (MARGIN, top + head.height))
        top += head.height + panel.picture.height + MARGIN
    return page


def _head(panel: Panel, width: int) -> Image.Image:
    """The caption of a panel, and its legend in rows."""
    lines = wrapped(panel.caption, width, CAPTION) if panel.caption else []
    rows = _legend_rows(panel.legend, width)
    height = len(lines) * CAPTION_LINE + len(rows) * KEY_LINE + 8 * bool(lines or rows)
    head = Image.new("RGB", (width, max(height, 1)), PAPER)
    draw, top = ImageDraw.Draw(head), 0
    for line in lines:
        draw.text((0, top), line, fill=GREY, font=font(CAPTION))
        top += CAPTION_LINE
    for row in rows:
        for left, mark, text in row:
            canvas = Canvas(Image.new("RGB", (KEY_MARK, KEY_MARK), PAPER), KEY_MARK)
            mark(canvas)
            head.paste(canvas.finished(), (left, top + 2))
            draw.text((left + KEY_MARK + 4, top + 3), text, fill=INK, font=font(KEY))
        top += KEY_LINE
    return head


def _legend_rows(legend: Sequence[tuple[Mark, str]], width: int) -> list[list[tuple[int, Mark, str]]]:
    """The entries in rows, each with the x in pixels at which it begins; a text wider than the page is shortened."""
    rows: list[list[tuple[int, Mark, str]]] = []
    left = width
    for mark, text in legend:
        text = shortened(text, width - KEY_MARK - 4, KEY)
        needed = round(KEY_MARK + 4 + font(KEY).getlength(text))
        if left + needed > width:
            rows.append([])
            left = 0
        rows[-1].append((left, mark, text))
        left += needed + 14
    return rows


def shortened(text: str, width: float, size: int) -> str:
    """The text, its end replaced by … where it is wider than ``width`` pixels."""
    if font(size).getlength(text) <= width:
        return text
    return next(cut for end in range(len(text), -1, -1) if font(size).getlength(cut := text[:end] + "…") <= width)
