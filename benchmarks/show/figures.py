"""Common style of the figures, and writing them to disk."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.drawing.colours import GREY, INK, PAPER
from leaderboard.files import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 120
HEADING_DENSITY = 8.5  # characters in an inch of a heading, at most
RULE = "#dfe3e8"
LINES = (
    *("#4363d8", "#e6194b", "#00897b", "#f58231", "#911eb4"),
    *("#9a6324", "#42a5d4", "#808000", "#f032e6", "#000075"),
    *("#5fae3a", "#e0a800", "#800000", "#8c97a5"),
)


def new_figure(heading: str, width: float, height: float) -> Figure:
    """A figure with a heading and nothing else, sizes in inches; it needs no display."""
    from matplotlib.figure import Figure

    lines = textwrap.wrap(heading, int(width * HEADING_DENSITY))
    figure = Figure(figsize=(width, height + 0.22 * (len(lines) - 1)), dpi=DPI, facecolor=PAPER, layout="constrained")
    figure.suptitle("\n".join(lines), x=0.01, ha="left", color=INK, fontsize=14)
    return figure


def quieten(axes: Axes) -> None:
    """Remove the frame above and on the right, and make the remaining axes pale."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(RULE)
    axes.tick_params(which="both", colors=GREY, labelsize=9, width=0.8)
    axes.set_axisbelow(True)


def write_figure(path: Path, figure: Figure) -> None:
    """Write a figure as PNG; an interrupted write leaves no file."""
    write_whole(path, lambda partial: figure.savefig(partial, format="png"))


def write_whole(path: Path, write: Callable[[Path], None]) -> None:
    """Let ``write`` write a new file that then replaces ``path``; the folders above are made."""
    with replacing(path) as partial:
        write(partial)
