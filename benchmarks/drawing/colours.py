"""Colours of the pictures: one palette for keypoints, another for landmarks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import cycle, islice

import numpy as np
from PIL import ImageColor

Colour = tuple[int, int, int]

INK, PAPER, GREY = "#1d2430", "#ffffff", "#6b7686"
WHITE, DARK = (255, 255, 255), (24, 24, 28)
KEYPOINTS = (
    *("#e6194b", "#3cb44b", "#ffe119", "#4363d8", "#f58231", "#911eb4", "#42d4f4", "#f032e6", "#bfef45", "#fabed4"),
    *("#00897b", "#9a6324", "#000075", "#a9a9a9", "#800000", "#dcbeff", "#808000", "#aaffc3", "#ffd8b1", "#fffac8"),
)
LEFT = ("#2746d0", "#2f8ff0", "#74e4ff")  # shades run through these
RIGHT = ("#cc2321", "#f5692d", "#ffcf3f")
NO_SIDES = ("#6a22b8", "#d8408c", "#ff8f55", "#ffe66b")
MIDDLE = (
    *("#12a150", "#c653e0", "#f1f3f5", "#9be22d", "#7b3fb5", "#0b8f86"),
    *("#ff9ad5", "#8a8f98", "#0b5d2a", "#b3f5cf", "#5b1f66", "#d9c6f2"),
)
_RIGHT = re.compile(r"right|(?<![a-z])r(?![a-z])")


def palette(count: int) -> list[Colour]:
    """``count`` colours of keypoints, the most distinct first; after the last one they repeat."""
    return [_rgb(name) for name in islice(cycle(KEYPOINTS), count)]


def landmark_colours(names: Sequence[str], pairs: Sequence[tuple[int, int]] = ()) -> list[Colour]:
    """A colour for each landmark: blue to cyan on the left side, red to yellow on the right, other colours in between.

    ``pairs`` are the indices of landmarks that stand on either side; the names say which is the left one, and if they
    do not, it is the first. Without pairs the colours run from violet to yellow.
    """
    right = {one if _RIGHT.search(names[one].lower()) else other for one, other in pairs}
    left = {each for pair in pairs for each in pair} - right
    middle = sorted(set(range(len(names))) - left - right)
    if not pairs:
        return _ramp(NO_SIDES, len(names))
    found = dict(zip(middle, map(_rgb, cycle(MIDDLE)), strict=False))
    for side, stops in ((left, LEFT), (right, RIGHT)):
        found |= dict(zip(sorted(side), _ramp(stops, len(side)), strict=True))
    return [found[each] for each in range(len(names))]


def _ramp(stops: Sequence[str], count: int) -> list[Colour]:
    """``count`` colours evenly spaced along a line through the stops; of one alone the middle of the line."""
    known = np.array([_rgb(stop) for stop in stops], dtype=np.float64)
    places = np.linspace(0, 1, count) if count > 1 else np.full(count, 0.5)
    channels = [np.interp(places, np.linspace(0, 1, len(known)), known[:, channel]).round() for channel in range(3)]
    return [(int(red), int(green), int(blue)) for red, green, blue in zip(*channels, strict=True)]


def _rgb(name: str) -> Colour:
    red, green, blue, *_ = ImageColor.getrgb(name)
    return red, green, blue
