"""Plots of curves as SVG text. Colours come from the style sheet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from benchmarks.publish.charts.axes import (
    BOTTOM,
    HEIGHT,
    RIGHT,
    WIDTH,
    Scale,
    across,
    apart,
    axes,
    drawing,
    short,
    ticks,
    up,
)

LINE_HEIGHT = 17  # between two names
FEW = 8  # points of a curve that get a dot each, and places on the x axis that get a number each
STYLES = 8  # colours in the style sheet; curves beyond that repeat them with dashes


@dataclass(frozen=True)
class Curve:
    """A named curve through points (x, y) with y increasing upwards; ``dashed`` curves are floors."""

    name: str
    points: Sequence[tuple[float, float]]
    intervals: Sequence[tuple[float, float] | None] = ()
    dashed: bool = False


def curves(
    title: str,
    x_title: str,
    y_title: str,
    found: Sequence[Curve],
    log_x: bool = False,
    log_y: bool = False,
    names: Mapping[float, str] | None = None,
) -> Markup:
    """A plot of curves with axes, a dot at each point if these are few, and each name at the end of its curve.

    ``names`` has texts for places on the x axis, in place of numbers.
    """
    points = [point for curve in found for point in curve.points]
    if not points:
        return Markup("")
    x = Scale(min(each[0] for each in points), max(each[0] for each in points), log_x)
    ends = [end for curve in found for each in curve.intervals if each for end in each]
    heights = [each[1] for each in points]
    y = Scale(min(heights) / 1.2 if log_y else 0.0, max(heights + ends) * 1.04, log_y)
    places = sorted({each[0] for each in points})
    if len(places) > FEW:
        places = ticks(x.high, x.low)
    parts = [axes(x, y, x_title, y_title, {place: (names or {}).get(place, short(place)) for place in places})]
    parts += [_curve(curve, x, y, number) for number, curve in enumerate(found)]
    parts.append(_names(found, x, y))
    return drawing(title, parts)


def _curve(curve: Curve, x: Scale, y: Scale, number: int) -> str:
    style = _style(curve, number)
    places = [(across(x, place), up(y, value)) for place, value in curve.points]
    line = " ".join(f"{left:.1f},{height:.1f}" for left, height in places)
    parts = [f'<polyline class="{style}" points="{line}"/>']
    for (left, _), ends in zip(places, curve.intervals, strict=False):
        if ends:
            low, high = (up(y, end) for end in ends)
            parts.append(f'<line class="{style}" x1="{left:.1f}" x2="{left:.1f}" y1="{low:.1f}" y2="{high:.1f}"/>')
    if len(places) <= FEW:
        parts += [f'<circle class="{style}" cx="{left:.1f}" cy="{height:.1f}" r="3.2"/>' for left, height in places]
    return "".join(parts)


def _style(curve: Curve, number: int) -> str:
    return f"series c{number % STYLES}" + (" dashed" if curve.dashed or number >= STYLES else "")


def _names(found: Sequence[Curve], x: Scale, y: Scale) -> str:
    """The names at the right ends of the curves, moved apart where they would overlap."""
    ended = [(up(y, curve.points[-1][1]), number, curve) for number, curve in enumerate(found) if curve.points]
    ended.sort(key=lambda each: each[:2])
    parts = []
    above_axis = HEIGHT - BOTTOM  # where all fit there, so that none stands beside the numbers of the axis
    last = above_axis if len(ended) * LINE_HEIGHT < above_axis else HEIGHT - 10
    heights = apart([end for end, _, _ in ended], LINE_HEIGHT, float(last))
    for (end, number, curve), height in zip(ended, heights, strict=True):
        start = WIDTH - RIGHT
        leader = f"{across(x, curve.points[-1][0]):.1f},{end:.1f} {start},{end:.1f} {start + 14},{height:.1f}"
        parts.append(f'<polyline class="{_style(curve, number)} leader" points="{leader}"/>')
        place = f'x="{start + 18}" y="{height + 4:.1f}"'
        parts.append(f'<text class="name c{number % STYLES}" {place}>{escape(curve.name)}</text>')
    return "".join(parts)
