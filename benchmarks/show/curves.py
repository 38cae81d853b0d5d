"""The curves of fits: loss and its parts over the steps, one cell alone or all cells of a task together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.records.store import HISTORY, read_columns
from benchmarks.run.overlay import GREY, INK
from benchmarks.show.figures import LINES, RULE, new_figure, quieten, write_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D
    from numpy.typing import NDArray

    from leaderboard.records import ResultRecord

PANELS = {"loss": "loss", "sharpening": "sharpening, unweighted", "equivariance": "equivariance, unweighted"}
DASHES = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)))
SMOOTHED = 1 / 20  # of the steps
MOST_PALE = 6  # fits, beyond which single steps would hide the means


@dataclass(frozen=True)
class Curves:
    """The scalars of one fit: ``columns`` by name, each as long as ``steps``."""

    label: str
    seed: int
    steps: NDArray[np.float64]
    columns: dict[str, NDArray[np.float64]]


def read_curves(folder: Path, record: ResultRecord) -> Curves:
    """The curves kept in the folder of a cell."""
    columns = {name: np.asarray(values, dtype=np.float64) for name, values in read_columns(folder / HISTORY).items()}
    steps = columns.pop("step")
    return Curves(label(record), record.seed, steps, columns)


def label(record: ResultRecord) -> str:
    """The method of a record with what was changed of it, and the limit that it was run under."""
    changed = f" {record.variant.name}" if record.variant else ""
    limit = f", {record.n_images_limit} images a split" if record.n_images_limit else ""
    return record.method_label + changed + limit


def smoothed(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean of each value and its neighbours, a twentieth of the curve in all; at the ends of fewer of them.

    What is not finite is left out of every mean, and NaN where nothing is left.
    """
    reach = int(len(values) * SMOOTHED) // 2
    weights = np.ones(2 * reach + 1)
    known = np.isfinite(values)
    total = np.convolve(np.where(known, values, 0.0), weights)[reach : reach + len(values)]
    count = np.convolve(known, weights)[reach : reach + len(values)]
    return np.divide(total, count, out=np.full(len(values), np.nan), where=count > 0)


def write_curves(path: Path, heading: str, fits: Sequence[Curves]) -> None:
    """Draw every scalar of the fits in a panel of its own, logarithmic: smoothed, and of few fits pale as it was.

    A label has a colour, a seed its dashes.
    """
    names = _panels(fits)
    labels = list(dict.fromkeys(fit.label for fit in fits))
    seeds = sorted({fit.seed for fit in fits})
    entries = _entries(fits, labels, seeds)
    width = max(6.4, 4.4 * len(names))
    columns = max(1, int(width / (0.6 + 0.075 * max(len(str(entry.get_label())) for entry in entries))))
    figure = new_figure(heading, width, 4.0 + 0.22 * -(-len(entries) // columns))
    panels = figure.subplots(1, len(names), squeeze=False)[0]
    for axes, name in zip(panels, names, strict=True):
        _prepare(axes, name)
        for fit in fits:
            _draw(axes, fit, name, _colour(labels, fit.label), _dashes(seeds, fit.seed), len(fits))
        _finish(axes)
    figure.legend(handles=entries, loc="outside lower left", ncols=columns, frameon=False, fontsize=9, labelcolor=INK)
    write_figure(path, figure)


def _panels(fits: Sequence[Curves]) -> list[str]:
    """The losses that are known; the scalars of a method without any of them are all shown."""
    found = list(dict.fromkeys(name for fit in fits for name in fit.columns))
    return [name for name in PANELS if name in found] or found


def _prepare(axes: Axes, name: str) -> None:
    axes.set_yscale("log")
    axes.set_title(PANELS.get(name, name), loc="left", fontsize=11, color=INK)
    axes.set_xlabel("step", color=GREY, fontsize=9)
    axes.grid(axis="y", color=RULE, linewidth=0.6)
    quieten(axes)


def _finish(axes: Axes) -> None:
    """Label the scale in plain numbers, the closer the less it spans; say so where there is nothing to see."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

    axes.yaxis.set_minor_locator(NullLocator())
    if not axes.lines:
        axes.text(0.5, 0.5, "0 throughout", transform=axes.transAxes, ha="center", color=GREY)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(NullLocator())
        return
    low, high = axes.get_ylim()
    decades = math.log10(high / low)
    narrow, wide = MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]), LogLocator(subs=(1, 2, 5) if decades < 2.5 else (1,))
    axes.yaxis.set_major_locator(narrow if decades < 1 else wide)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _draw(axes: Axes, fit: Curves, name: str, colour: str, dashes: Any, fits: int) -> None:
    values = fit.columns.get(name)
    if values is None:
        return
    seen = np.where(values > 0, values, np.nan)  # 0 has no place on the scale
    if not np.isfinite(seen).any():
        return
    if fits <= MOST_PALE:
        axes.plot(fit.steps, seen, color=colour, alpha=0.3 / fits**0.5, linewidth=0.8, zorder=1)
    axes.plot(fit.steps, smoothed(values), color=colour, linestyle=dashes, linewidth=1.8 if fits == 1 else 1.5)


def _entries(fits: Sequence[Curves], labels: Sequence[str], seeds: Sequence[int]) -> list[Line2D]:
    """The legend: labels where there are several, seeds where there are several, and what is smooth and what pale."""
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
    mean = f"mean over {100 * SMOOTHED:.0f} % of the steps"
    entries.append(Line2D([], [], color=paint, linewidth=1.8, label=mean))
    if len(fits) <= MOST_PALE:
        entries.append(Line2D([], [], color=paint, linewidth=0.8, alpha=0.4, label="each step"))
    return entries


def _colour(labels: Sequence[str], label: str) -> str:
    return LINES[labels.index(label) % len(LINES)]


def _dashes(seeds: Sequence[int], seed: int) -> Any:
    return DASHES[seeds.index(seed) % len(DASHES)]
