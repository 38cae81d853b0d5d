"""An interval within a cell of a table, as SVG text. Colours come from the style sheet."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from benchmarks.publish.charts.axes import Scale


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
