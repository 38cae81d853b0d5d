"""Plots as SVG text: intervals within table cells, and curves with axes. Colours come from the style sheet."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

WIDTH, HEIGHT = 680, 340  # of a plot of curves, in SVG units
LEFT, RIGHT, TOP, BOTTOM = 56, 208, 14, 44  # margins; the names of the curves stand on the right
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


@dataclass(frozen=True)
class Scale:
    """A linear or logarithmic map of [low, high] to [0, 1]."""

    low: float
    high: float
    log: bool = False

    def __call__(self, value: float) -> float:
        low, high, value = (math.log(each) if self.log else each for each in (self.low, self.high, value))
        return 0.5 if high == low else min(1.0, max(0.0, (value - low) / (high - low)))


def interval(scale: Scale, value: float, low: float | None, high: float | None, floors: Sequence[float] = ()) -> Markup:
    """A value as a dot with its interval as a line; floors are upright dashes. As wide as the cell, 14 pixels high."""
    dashes = "".join(
        f'<line class="floor" x1="{_percent(scale(each))}" x2="{_percent(scale(each))}" y1="0" y2="14"/>'
        for each in floors
        if scale.low <= each <= scale.high
    )
    line = ""
    if low is not None and high is not None:
        line = f'<line x1="{_percent(scale(low))}" x2="{_percent(scale(high))}" y1="7" y2="7"/>'
    dot = f'<circle cx="{_percent(scale(value))}" cy="7" r="3"/>'
    return Markup(f'<svg class="interval" aria-hidden="true">{dashes}{line}{dot}</svg>')  # noqa: S704 - numbers alone


def _percent(share: float) -> str:
    return f"{2 + 96 * share:.1f}%"


def curves(
    title: str,
    x_title: str,
    y_title: str,
    found: Sequence[Curve],
    log_x: bool = False,
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
    y = Scale(0.0, max([each[1] for each in points] + ends) * 1.04)
    places = sorted({each[0] for each in points})
    if len(places) > FEW:
        places = [place for place in ticks(x.high) if place >= x.low]
    parts = [_axes(x, y, x_title, y_title, {place: (names or {}).get(place, short(place)) for place in places})]
    parts += [_curve(curve, x, y, number) for number, curve in enumerate(found)]
    parts.append(_names(found, x, y))
    label = f"<title>{escape(title)}</title>"
    svg = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">{label}{"".join(parts)}</svg>'
    return Markup(f'<div class="plot" tabindex="0">{svg}</div>')  # noqa: S704 - every text in it is escaped


def _across(scale: Scale, value: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * scale(value)


def _up(scale: Scale, value: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * scale(value)


def _axes(x: Scale, y: Scale, x_title: str, y_title: str, places: Mapping[float, str]) -> str:
    """Grid lines with their numbers, and the titles of the axes."""
    parts = []
    for value in ticks(y.high):
        height = _up(y, value)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{height:.1f}" y2="{height:.1f}"/>')
        parts.append(f'<text x="{LEFT - 7}" y="{height + 4:.1f}" text-anchor="end">{value:g}</text>')
    for value, text in places.items():
        place = f'x="{_across(x, value):.1f}" y="{HEIGHT - BOTTOM + 18}"'
        parts.append(f'<text {place} text-anchor="middle">{escape(text)}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{HEIGHT - 6}" text-anchor="middle">{escape(x_title)}</text>')
    upright = f'transform="translate(13 {HEIGHT / 2:.0f}) rotate(-90)"'
    parts.append(f'<text {upright} text-anchor="middle">{escape(y_title)}</text>')
    return "".join(parts)


def short(value: float) -> str:
    """A number with three digits, or with all before the point."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def ticks(high: float) -> list[float]:
    """Round numbers from 0 up to ``high``, four to eight of them."""
    if high <= 0:
        return [0.0]
    step = 10.0 ** math.floor(math.log10(high))
    step *= next(factor for factor in (1, 0.5, 0.25, 0.2) if high / (step * factor) >= 4)
    return [step * number for number in range(int(high / step) + 1)]


def _curve(curve: Curve, x: Scale, y: Scale, number: int) -> str:
    style = _style(curve, number)
    places = [(_across(x, across), _up(y, value)) for across, value in curve.points]
    line = " ".join(f"{across:.1f},{height:.1f}" for across, height in places)
    parts = [f'<polyline class="{style}" points="{line}"/>']
    for (across, _), ends in zip(places, curve.intervals, strict=False):
        if ends:
            low, high = (_up(y, end) for end in ends)
            parts.append(f'<line class="{style}" x1="{across:.1f}" x2="{across:.1f}" y1="{low:.1f}" y2="{high:.1f}"/>')
    if len(places) <= FEW:
        parts += [f'<circle class="{style}" cx="{across:.1f}" cy="{height:.1f}" r="3.2"/>' for across, height in places]
    return "".join(parts)


def _style(curve: Curve, number: int) -> str:
    return f"series c{number % STYLES}" + (" dashed" if curve.dashed or number >= STYLES else "")


def _names(found: Sequence[Curve], x: Scale, y: Scale) -> str:
    """The names at the right ends of the curves, moved apart where they would overlap."""
    ended = [(_up(y, curve.points[-1][1]), number, curve) for number, curve in enumerate(found) if curve.points]
    ended.sort(key=lambda each: each[:2])
    parts = []
    above_axis = HEIGHT - BOTTOM  # where all fit there, so that none stands beside the numbers of the axis
    last = above_axis if len(ended) * LINE_HEIGHT < above_axis else HEIGHT - 10
    heights = apart([end for end, _, _ in ended], LINE_HEIGHT, float(last))
    for (end, number, curve), height in zip(ended, heights, strict=True):
        start = WIDTH - RIGHT
        leader = f"{_across(x, curve.points[-1][0]):.1f},{end:.1f} {start},{end:.1f} {start + 14},{height:.1f}"
        parts.append(f'<polyline class="{_style(curve, number)} leader" points="{leader}"/>')
        place = f'x="{start + 18}" y="{height + 4:.1f}"'
        parts.append(f'<text class="name c{number % STYLES}" {place}>{escape(curve.name)}</text>')
    return "".join(parts)


def apart(places: Sequence[float], gap: float, last: float) -> list[float]:
    """Ascending places moved so that neighbours are ``gap`` apart and none exceeds ``last``."""
    found: list[float] = []
    for place in places:
        found.append(max(place, found[-1] + gap) if found else place)
    for number in reversed(range(len(found))):
        last = found[number] = min(found[number], last)
        last -= gap
    return found
