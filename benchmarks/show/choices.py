"""A bar chart of how often each candidate was kept, with the chosen ones in the colours of their keypoints."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.drawing.colours import GREY, INK, palette
from benchmarks.show.figures import RULE, new_figure, quieten, write_figure

if TYPE_CHECKING:
    from methods.base import Choices

MOST_BARS = 64
BESIDE = 1.4  # inches on the left and right of the bars
DENSITY = 11.0  # characters in an inch of the explanation, at most
PALE = "#c9d0d8"


def agrees(choices: Choices) -> bool:
    """Whether the candidates kept most often are the chosen ones (of two that tie, the lower index counts)."""
    ranked = np.argsort(-choices.counts, kind="stable")
    return set(ranked[: len(choices.chosen)].tolist()) == set(choices.chosen)


def write_choices(path: Path, heading: str, choices: Choices) -> None:
    """Draw a bar for each candidate that was kept at all, the most frequent first; at most 64 bars.

    The chosen candidates are always among them.
    """
    shown = _shown(choices)
    share = 100 * choices.counts[shown] / choices.seen
    paint = {candidate: tuple(value / 255 for value in colour) for candidate, colour in _colours(choices).items()}
    width = max(6.4, 1.6 + 0.19 * len(shown))
    explained = textwrap.wrap(_explained(choices, len(shown)), int((width - BESIDE) * DENSITY))
    figure = new_figure(heading, width, 4.0 + 0.17 * len(explained))
    axes = figure.subplots()
    axes.bar(range(len(shown)), share, width=0.78, color=[paint.get(each, PALE) for each in shown])
    at_random = 100 * len(choices.chosen) / len(choices.counts)
    axes.axhline(at_random, color=GREY, linewidth=1, linestyle=(0, (4, 3)))
    axes.annotate(
        f"at random\n{at_random:.2g} %",
        (1, at_random),
        xycoords=("axes fraction", "data"),
        xytext=(5, 0),
        textcoords="offset points",
        va="center",
        color=GREY,
        fontsize=9,
    )
    axes.set_xticks(range(len(shown)), [str(each) for each in shown], rotation=90 if len(shown) > 12 else 0)
    axes.set_xlim(-0.7, len(shown) - 0.3)
    axes.set_ylim(0, 104)
    axes.set_xlabel(choices.candidate, color=GREY, fontsize=9)
    axes.set_ylabel(f"kept, % of {choices.seen} images", color=GREY, fontsize=9)
    axes.grid(axis="y", color=RULE, linewidth=0.6)
    quieten(axes)
    for label, each in zip(axes.get_xticklabels(), shown, strict=True):
        label.set_color(INK if each in paint else GREY)
        label.set_fontweight("bold" if each in paint else "normal")
    axes.set_title("\n".join(explained), loc="left", fontsize=10, color=GREY)
    write_figure(path, figure)


def _colours(choices: Choices) -> dict[int, tuple[int, int, int]]:
    return dict(zip(choices.chosen, palette(len(choices.chosen)), strict=True))


def _shown(choices: Choices) -> list[int]:
    """Candidates by how often they were kept (ties: the chosen ones first, then the lower index)."""
    chosen = set(choices.chosen)
    ranked = sorted(range(len(choices.counts)), key=lambda token: (-choices.counts[token], token not in chosen, token))
    rare = [token for token in ranked if choices.counts[token] and token not in chosen][MOST_BARS - len(chosen) :]
    return [token for token in ranked if token in chosen or (choices.counts[token] and token not in rare)]


def _explained(choices: Choices, shown: int) -> str:
    kept, candidates = int((choices.counts > 0).sum()), len(choices.counts)
    text = f"{kept} of {candidates} {choices.candidate}s were kept at least once"
    text += f" ({shown} shown); " if shown < kept else "; "
    text += f"the {len(choices.chosen)} chosen ones in their colours"
    return text + (f"; first {choices.seen} of {choices.total} images" if choices.seen < choices.total else "")
