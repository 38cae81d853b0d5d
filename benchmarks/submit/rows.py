"""Rows in the wrong order: keypoints that belong to other images than those that their ids name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.importing.order import MOST_IMAGES, enough, explained, without_gaps

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from methods.adapters.base import SplitTruth

    Floats = NDArray[np.float64]
    Order = NDArray[np.int64]

FARTHEST = 3  # rows that keypoints are moved by, at most
MUCH = 0.3  # gain in explained variance that few images of unrelated keypoints do not give by chance
FAR_MOVES = 16  # moves that tell what an order explains by chance


def misplaced(keypoints: Floats, rows: Sequence[int], truth: SplitTruth) -> str:
    """How keypoints (N, K, 2) of the images of ``truth`` seem to be in the wrong order, or ''.

    ``rows`` are their rows in the files. The landmarks are predicted from the keypoints as they are, and again with the
    keypoints moved by a few rows, reversed, and in other orders of the images. If one of these predicts much better,
    and much better than orders that nobody would write, the keypoints stand beside the wrong ids. Too few images give
    ''.
    """
    if not enough(keypoints):
        return ""
    keypoints = without_gaps(keypoints)
    as_written = _explained(keypoints, truth)
    best, how = as_written, ""
    in_file = np.argsort(np.asarray(rows), kind="stable")
    for text, order in _orders(in_file, truth.ids):
        if (found := _explained(keypoints[order], truth)) > best:
            best, how = found, text
    if best <= as_written + MUCH or best <= 2 * as_written:
        return ""
    by_chance = max(_explained(keypoints[order], truth) for order in _other_orders(in_file))
    if best <= by_chance + MUCH:
        return ""
    return f"the keypoints explain {as_written:.0%} of the landmarks' variance, but {best:.0%} {how}"


def _orders(in_file: Order, ids: Sequence[str]) -> Iterator[tuple[str, Order]]:
    """Wrong orders that happen: the place, in the dataset, of the keypoints that belong to each image.

    ``in_file`` has the places of the images in the order of the files.
    """
    ranks = np.argsort(np.argsort(np.asarray(ids)[in_file], kind="stable"))
    row_of = np.argsort(in_file)
    yield "in the order of sorted ids", in_file[ranks][row_of]
    yield "in the order of the dataset", in_file
    for name, places in (("of the files", in_file), ("of the dataset", np.arange(len(in_file)))):
        back = np.argsort(places)
        yield f"in the reverse order {name}", places[::-1][back]
        for shift in range(1, FARTHEST + 1):
            yield f"moved up by {shift} in the order {name}", np.roll(places, -shift)[back]
            yield f"moved down by {shift} in the order {name}", np.roll(places, shift)[back]


def _other_orders(in_file: Order) -> Iterator[Order]:
    """Orders that do not happen: keypoints moved far, forwards and reversed, so that neighbours stay neighbours."""
    back = np.argsort(in_file)
    for shift in np.unique(np.linspace(FARTHEST + 1, len(in_file) - FARTHEST - 1, FAR_MOVES, dtype=int)):
        yield np.roll(in_file, shift)[back]
        yield np.roll(in_file[::-1], shift)[back]


def _explained(keypoints: Floats, truth: SplitTruth) -> float:
    step = max(1, len(keypoints) // MOST_IMAGES)
    return explained(keypoints[::step], truth.landmarks[::step], truth.visible[::step])
