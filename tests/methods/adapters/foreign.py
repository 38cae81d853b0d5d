"""Keypoints in [0, 1] for tests of adapters, and the numbers that other systems would write for them.

Each formula follows from the system's own grid of coordinates, not from the adapter.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from methods.adapters.base import Split, SplitTruth
from tests.methods.adapters.requests import truth

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

K = 4
COUNTS: Mapping[Split, int] = {"regress": 20, "test": 12}


class Trap:
    """Writes a file where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def splits() -> dict[Split, SplitTruth]:
    """Both splits of a made-up task."""
    return {name: truth(name, count) for name, count in COUNTS.items()}


def keypoints(count: int, seed: int = 3) -> Floats:
    """(N, K, 2), (x, y) in the middle of the image, x to the left and y below so that they cannot be mistaken."""
    rng = np.random.default_rng(seed)
    return rng.uniform((0.2, 0.45), (0.55, 0.8), (count, K, 2))


def in_cells(points: Floats, cells: int) -> Floats:
    """Points in [0, 1] as numbers from -1 in the first cell to 1 in the last, as numpy.linspace numbers them."""
    ticks = np.linspace(-1, 1, cells)
    centres = (np.arange(cells) + 0.5) / cells
    slope, start = np.polyfit(centres, ticks, 1)
    return points * slope + start


def in_middle(points: Floats, fraction: float = 0.8) -> Floats:
    """Points in [0, 1] of the image in [0, 1] of its central part."""
    margin = (1 - fraction) / 2
    return (points - margin) / fraction


def swapped(points: Floats) -> Floats:
    """(x, y) as (y, x) and back."""
    return np.stack([points[..., 1], points[..., 0]], axis=-1)
