"""Rows in the wrong order: keypoints that belong to other images than those that their ids name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.importing.order import CLEARLY, MOST_IMAGES, explained

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from methods.adapters.base import SplitTruth

    Floats = NDArray[np.float64]
    Order = NDArray[np.int64]

FARTHEST = 3  # rows that keypoints are shifted by, at most


def misplaced(keypoints: Floats, rows: Sequence[int], truth: SplitTruth) -> str:
    """How keypoints (N, K, 2) of the images of ``truth`` seem to be in the wrong order, or ''.

    ``rows`` are their rows in the files. The landmarks are predicted from the keypoints as they are, and again with the
    keypoints moved by a few rows, reversed, and in other orders of the images. If one of these predicts much better,
    the keypoints stand beside the wrong ids. Too few images give ''.
    """
    if len(keypoints) < 4 * (keypoints.shape[1] + 1):
        return ""
    as_written = _explained(keypoints, truth)
    best, how = as_written, ""
    for text, order in _orders(np.argsort(np.asarray(rows), kind="stable"), truth.ids):
        if (found := _explained(keypoints[order], truth)) > best:
            best, how = found, text
    if best <= as_written + CLEARLY or best <= 2 * as_written:
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


def _explained(keypoints: Floats, truth: SplitTruth) -> float:
    step = max(1, len(keypoints) // MOST_IMAGES)
    return explained(keypoints[::step], truth.landmarks[::step], truth.visible[::step])
