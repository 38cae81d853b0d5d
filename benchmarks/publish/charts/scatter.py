"""Plots of named dots as SVG text, and a line through those that no other beats. The style sheet has the colours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup, escape

from benchmarks.publish.charts.axes import (
    BOTTOM,
    HEIGHT,
    LEFT,
    WIDTH,
    Scale,
    across,
    axes,
    drawing,
    log_ticks,
    short,
    up,
)

RADIUS = 5
LETTER, LINE = 7.0, 16.0  # room for a letter and a line of text, in SVG units
ROOM = 1.3  # factor between the ends of the x axis and the outermost dots
COLOURS = 8  # of the style sheet

Box = tuple[float, float, float, float]  # left, top, right, bottom


@dataclass(frozen=True)
class Dot:
    """A dot at (x, y), of which less x and more y are better.

    ``half`` is half the width of the interval of y, 0 without one. Only a ``ranked`` dot can be on the front.
    """

    name: str
    x: float
    y: float
    half: float = 0.0
    filled: bool = True
    ranked: bool = True


def front(dots: Sequence[Dot]) -> list[Dot]:
    """The ranked dots that no other ranked dot beats (less or equal x and more or equal y), by increasing x."""
    found: list[Dot] = []
    for dot in sorted((dot for dot in dots if dot.ranked), key=lambda dot: (dot.x, -dot.y)):
        if not found or dot.y > found[-1].y:
            found.append(dot)
    return found


def scatter(title: str, x_title: str, y_title: str, dots: Sequence[Dot]) -> Markup:
    """A plot of dots over a logarithmic x axis, each with its name, and the front as a line with steps."""
    if not dots:
        return Markup("")
    x = Scale(min(dot.x for dot in dots) / ROOM, max(dot.x for dot in dots) * ROOM, log=True)
    lows, highs = [dot.y - dot.half for dot in dots], [dot.y + dot.half for dot in dots]
    y = Scale(1.04 * min(0.0, *lows), 1.04 * max(1.0, *highs))
    parts = [axes(x, y, x_title, y_title, {place: short(place) for place in log_ticks(x.low, x.high)})]
    corners = _corners(front(dots), x, y)
    line = " ".join(f"{left:.1f},{height:.1f}" for left, height in corners)
    parts.append(f'<polyline class="front" points="{line}"/>')
    parts += [_dot(dot, x, y, number) for number, dot in enumerate(dots)]
    parts += _names(dots, corners, x, y)
    read = "; ".join(f"{dot.name}: {short(dot.y)} at {short(dot.x)}" for dot in dots)
    return drawing(title, parts, f"{title}. {y_title} at {x_title}: {read}")


def _corners(dots: Sequence[Dot], x: Scale, y: Scale) -> list[tuple[float, float]]:
    """The corners of the line: from each dot level to the next one's x, then up to it."""
    places = [(across(x, dot.x), up(y, dot.y)) for dot in dots]
    ends = [*(left for left, _ in places[1:]), across(x, x.high)]
    pairs = zip(places, ends, strict=True)
    return [corner for (left, height), end in pairs for corner in ((left, height), (end, height))]


def _dot(dot: Dot, x: Scale, y: Scale, number: int) -> str:
    left, height = across(x, dot.x), up(y, dot.y)
    style = f"c{number % COLOURS}"
    ends = f'y1="{up(y, dot.y - dot.half):.1f}" y2="{up(y, dot.y + dot.half):.1f}"'
    line = f'<line class="series {style}" x1="{left:.1f}" x2="{left:.1f}" {ends}/>' if dot.half else ""
    kind = "dot" if dot.filled else "dot hollow"
    return f'{line}<circle class="{kind} {style}" cx="{left:.1f}" cy="{height:.1f}" r="{RADIUS}"/>'


def _names(dots: Sequence[Dot], corners: Sequence[tuple[float, float]], x: Scale, y: Scale) -> list[str]:
    """The name of each dot beside it, where it covers least of the dots, lines and names before it."""
    taken: list[Box] = [(one[0] - 1, other[1] - 1, other[0] + 1, one[1] + 1) for one, other in pairwise(corners)]
    for dot in dots:
        left = across(x, dot.x)
        taken.append((left - RADIUS, up(y, dot.y) - RADIUS, left + RADIUS, up(y, dot.y) + RADIUS))
        taken.append((left - 1, up(y, dot.y + dot.half), left + 1, up(y, dot.y - dot.half)))
    parts = []
    for number, dot in enumerate(dots):
        box, anchor = _place(across(x, dot.x), up(y, dot.y), len(dot.name) * LETTER, taken)
        taken.append(box)
        at = {"start": box[0], "end": box[2], "middle": (box[0] + box[2]) / 2}[anchor]
        where = f'x="{at:.1f}" y="{box[3] - 4:.1f}" text-anchor="{anchor}"'
        parts.append(f'<text class="name c{number % COLOURS}" {where}>{escape(dot.name)}</text>')
    return parts


def _place(left: float, height: float, width: float, taken: Sequence[Box]) -> tuple[Box, str]:
    """The box of a name beside a dot, and where in it the text begins."""
    gap = RADIUS + 4
    found: list[tuple[Box, str]] = []
    for shift in (0.0, -LINE * 0.7, LINE * 0.7):
        top = height - LINE / 2 + shift
        found.append(((left + gap, top, left + gap + width, top + LINE), "start"))
        found.append(((left - gap - width, top, left - gap, top + LINE), "end"))
    for top in (height - gap - LINE, height + gap):
        found.append(((left - width / 2, top, left + width / 2, top + LINE), "middle"))
    return min(found, key=lambda each: sum(_common(each[0], other) for other in taken) + _outside(each[0]))


def _common(one: Box, other: Box) -> float:
    """The area that two boxes share."""
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    return max(0.0, wide) * max(0.0, high)


def _outside(box: Box) -> float:
    """The area of a box beyond the axes or the margin on the right, times ten: such a text can hardly be read."""
    whole = (box[2] - box[0]) * (box[3] - box[1])
    return 10 * (whole - _common(box, (float(LEFT), 0.0, float(WIDTH), float(HEIGHT - BOTTOM))))
