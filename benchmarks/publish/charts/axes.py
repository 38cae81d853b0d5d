"""What all plots share, as SVG text: size, scales, axes, and places for texts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

WIDTH, HEIGHT = 680, 340  # of a plot, in SVG units
LEFT, RIGHT, TOP, BOTTOM = 56, 208, 14, 44  # margins; names stand on the right
MOST_TICKS = 8  # of a logarithmic axis
LOG_STEPS = ((1,), (1, 2, 5), (1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3, 3.5, 4, 5, 6, 7, 8, 9))  # times a power of ten


@dataclass(frozen=True)
class Scale:
    """A linear or logarithmic map of [low, high] to [0, 1]; what is outside goes to the nearer end."""

    low: float
    high: float
    log: bool = False

    def __call__(self, value: float) -> float:
        value = max(value, self.low)
        low, high, value = (math.log(each) if self.log else each for each in (self.low, self.high, value))
        return 0.5 if high == low else min(1.0, max(0.0, (value - low) / (high - low)))


def across(scale: Scale, value: float) -> float:
    """The x coordinate of a value."""
    return LEFT + (WIDTH - LEFT - RIGHT) * scale(value)


def up(scale: Scale, value: float) -> float:
    """The y coordinate of a value."""
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * scale(value)


def drawing(title: str, parts: Sequence[str], text: str = "") -> Markup:
    """The whole plot; screen readers read ``text``, or the title without one."""
    start = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(text or title)}">'
    svg = f"{start}<title>{escape(title)}</title>{''.join(parts)}</svg>"
    return Markup(f'<div class="plot" tabindex="0">{svg}</div>')  # noqa: S704 - every text in it is escaped


def axes(x: Scale, y: Scale, x_title: str, y_title: str, places: Mapping[float, str]) -> str:
    """Grid lines with their numbers, and the titles of the axes."""
    parts = []
    for value in log_ticks(y.low, y.high) if y.log else ticks(y.high, y.low):
        height = up(y, value)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{height:.1f}" y2="{height:.1f}"/>')
        parts.append(f'<text x="{LEFT - 7}" y="{height + 4:.1f}" text-anchor="end">{value:g}</text>')
    for value, text in places.items():
        place = f'x="{across(x, value):.1f}" y="{HEIGHT - BOTTOM + 18}"'
        parts.append(f'<text {place} text-anchor="middle">{escape(text)}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{HEIGHT - 6}" text-anchor="middle">{escape(x_title)}</text>')
    upright = f'transform="translate(13 {HEIGHT / 2:.0f}) rotate(-90)"'
    parts.append(f'<text {upright} text-anchor="middle">{escape(y_title)}</text>')
    return "".join(parts)


def short(value: float) -> str:
    """A number with three digits, or with all before the point."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def ticks(high: float, low: float = 0.0) -> list[float]:
    """Round numbers from ``low`` up to ``high``, about four to eight of them; 0 is one if it is between the two."""
    if high <= low:
        return [low]
    step = 10.0 ** math.floor(math.log10(high - low))
    step *= next(factor for factor in (1, 0.5, 0.25, 0.2) if (high - low) / (step * factor) >= 4)
    return [step * number for number in range(math.ceil(low / step), math.floor(high / step) + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Round numbers from ``low`` to ``high``, as many as fit on a logarithmic axis."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    found: list[float] = []
    for factors in LOG_STEPS:
        finer = [place for power in powers for step in factors if low <= (place := step * 10.0**power) <= high]
        if len(finer) > MOST_TICKS:
            break
        found = finer
    return found


def apart(places: Sequence[float], gap: float, last: float) -> list[float]:
    """Ascending places moved so that neighbours are ``gap`` apart and none exceeds ``last``."""
    found: list[float] = []
    for place in places:
        found.append(max(place, found[-1] + gap) if found else place)
    for number in reversed(range(len(found))):
        last = found[number] = min(found[number], last)
        last -= gap
    return found
