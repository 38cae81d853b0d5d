"""The curves of fits: losses over the steps, of one cell or of all cells of a task together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.drawing.colours import GREY, INK
from benchmarks.records.store import HISTORY, read_columns
from benchmarks.show.cells import label, method_of
from benchmarks.show.figures import LINES, RULE, new_figure, quieten, write_figure
from methods.base import Method

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D
    from numpy.typing import NDArray

    from leaderboard.records import ResultRecord

DECADES = 6  # most decades of a scale that also shows 0
DASHES = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)))
SMOOTHED = 1 / 20  # length of the window of the moving average, in lengths of the curve
FEWEST = 100  # steps: the average of a shorter curve would lie on the curve itself
MOST_PALE = 6  # number of fits above which raw values would hide the averages


@dataclass(frozen=True)
class Curves:
    """The scalars of one fit: ``columns`` by name, each as long as ``steps``; ``titles`` of those to be drawn."""

    label: str
    seed: int
    steps: NDArray[np.float64]
    columns: dict[str, NDArray[np.float64]]
    titles: Mapping[str, str]


def read_curves(folder: Path, record: ResultRecord) -> Curves:
    """Read the curves in a cell's folder; ``titles`` has those that its method labels, or all if it labels none."""
    columns = {name: np.asarray(values, dtype=np.float64) for name, values in read_columns(folder / HISTORY).items()}
    steps = columns.pop("step")
    labels = (method_of(record) or Method).curve_labels
    titles = {name: title for name, title in labels.items() if name in columns} or {name: name for name in columns}
    return Curves(label(record), record.seed, steps, columns, titles)


def smoothed(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The moving average of a curve (N,) over a twentieth of its length; the window is cut off at both ends.

    Values that are not finite are left out of the average, which is NaN where no value is left.
    """
    reach = int(len(values) * SMOOTHED) // 2
    weights = np.ones(2 * reach + 1)
    known = np.isfinite(values)
    total = np.convolve(np.where(known, values, 0.0), weights)[reach : reach + len(values)]
    count = np.convolve(known, weights)[reach : reach + len(values)]
    return np.divide(total, count, out=np.full(len(values), np.nan), where=count > 0)


def write_curves(path: Path, heading: str, fits: Sequence[Curves]) -> None:
    """Draw one panel for each scalar: thick lines are smoothed, thin lines (at most 6 fits) are raw values.

    A curve of fewer than 100 steps is drawn as it is. Fits of one label share a colour, fits of one seed a dash
    pattern. The scale is logarithmic, with a part for 0 if a scalar becomes 0, and linear if one becomes negative.
    """
    titles = {name: title for fit in reversed(fits) for name, title in fit.titles.items()}
    names = list(dict.fromkeys(name for fit in fits for name in fit.titles))
    labels = list(dict.fromkeys(fit.label for fit in fits))
    seeds = sorted({fit.seed for fit in fits})
    entries = _entries(fits, labels, seeds)
    width = max(6.4, 4.4 * len(names))
    columns = max(1, int(width / (0.6 + 0.075 * max(len(str(entry.get_label())) for entry in entries))))
    figure = new_figure(heading, width, 4.0 + 0.22 * -(-len(entries) // columns))
    panels = figure.subplots(1, len(names), squeeze=False)[0]
    for axes, name in zip(panels, names, strict=True):
        _prepare(axes, titles[name])
        for fit in fits:
            _draw(axes, fit, name, _colour(labels, fit.label), _dashes(seeds, fit.seed), len(fits))
        _finish(axes)
    figure.legend(handles=entries, loc="outside lower left", ncols=columns, frameon=False, fontsize=9, labelcolor=INK)
    write_figure(path, figure)


def _prepare(axes: Axes, title: str) -> None:
    axes.set_title(title, loc="left", fontsize=11, color=INK)
    axes.set_xlabel("step", color=GREY, fontsize=9)
    axes.grid(axis="y", color=RULE, linewidth=0.6)
    quieten(axes)


def _finish(axes: Axes) -> None:
    """Choose and label the scale; write '0 throughout' on an empty panel."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullLocator

    if not axes.lines:
        axes.text(0.5, 0.5, "0 throughout", transform=axes.transAxes, ha="center", color=GREY)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(NullLocator())
        return
    values = np.concatenate([np.asarray(line.get_ydata(), dtype=np.float64) for line in axes.lines])
    values = values[np.isfinite(values)]
    if (values < 0).any():
        return  # the scale stays linear
    least, most = float(values[values > 0].min()), float(values.max())
    if (values == 0).any():
        lowest = max(math.floor(math.log10(least)), math.ceil(math.log10(most)) - DECADES)
        axes.set_yscale("symlog", linthresh=10.0**lowest, linscale=0.5)
        axes.set_ylim(bottom=0)
        decades = range(lowest, math.ceil(math.log10(most)) + 1)
        axes.yaxis.set_major_locator(FixedLocator([0, *(10.0**decade for decade in decades)]))
    else:
        axes.set_yscale("log")
        low, high = axes.get_ylim()
        span = math.log10(high / low)
        narrow, wide = MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]), LogLocator(subs=(1, 2, 5) if span < 2.5 else (1,))
        axes.yaxis.set_major_locator(narrow if span < 1 else wide)
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _draw(axes: Axes, fit: Curves, name: str, colour: str, dashes: Any, fits: int) -> None:
    values = fit.columns.get(name)
    if values is None or not values[np.isfinite(values)].any():
        return
    seen = np.where(np.isfinite(values), values, np.nan)
    short = len(values) < FEWEST
    if fits <= MOST_PALE and not short:
        axes.plot(fit.steps, seen, color=colour, alpha=0.3 / fits**0.5, linewidth=0.8, zorder=1)
    bold = seen if short else smoothed(values)
    axes.plot(fit.steps, bold, color=colour, linestyle=dashes, linewidth=1.8 if fits == 1 else 1.5)


def _entries(fits: Sequence[Curves], labels: Sequence[str], seeds: Sequence[int]) -> list[Line2D]:
    """The entries of the legend: labels and seeds if there are several, then the kinds of lines."""
    from matplotlib.lines import Line2D

    entries = []
    if len(labels) > 1:
        entries += [Line2D([], [], color=_colour(labels, label), linewidth=2.2, label=label) for label in labels]
    if len(seeds) > 1:
        entries += [
            Line2D([], [], color=GREY, linestyle=_dashes(seeds, seed), linewidth=1.6, label=f"seed {seed}")
            for seed in seeds
        ]
    paint = LINES[0] if len(labels) == 1 else GREY
    averaged = [fit for fit in fits if len(fit.steps) >= FEWEST]
    if averaged:
        mean = f"mean over {100 * SMOOTHED:.0f} % of the steps"
        entries.append(Line2D([], [], color=paint, linewidth=1.8, label=mean))
        if len(fits) <= MOST_PALE:
            entries.append(Line2D([], [], color=paint, linewidth=0.8, alpha=0.4, label="each step"))
    if len(averaged) < len(fits):
        label = f"each step (fits of fewer than {FEWEST} steps)" if averaged else "each step"
        entries.append(Line2D([], [], color=paint, linewidth=1.8, label=label))
    return entries


def _colour(labels: Sequence[str], label: str) -> str:
    return LINES[labels.index(label) % len(LINES)]


def _dashes(seeds: Sequence[int], seed: int) -> Any:
    return DASHES[seeds.index(seed) % len(DASHES)]
