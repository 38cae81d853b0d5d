"""Count the recorded keypoints of a cell inside the object's box; nothing is predicted again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmarks.errors import UserError
from benchmarks.records.store import predictions_path, read_predictions

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from datasets.base import Box


def inside(keypoints: NDArray[np.float64], boxes: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether keypoints (N, K, 2) lie inside or on the box (N, 4), x0, y0, x1, y1, of their image: (N, K) bool.

    A keypoint that was not found does not.
    """
    low, high = boxes[:, None, :2], boxes[:, None, 2:]
    return np.all((keypoints >= low) & (keypoints <= high), axis=-1)


def box_lines(folder: Path, object_box: Callable[[str], Box | None]) -> list[str]:
    """Lines about the test keypoints in the folder of a cell; none if ``object_box`` returns None for every image.

    Test images without a box do not count. Raises UserError if the folder holds no keypoints.
    """
    if not predictions_path(folder, "test").exists():
        raise UserError(f"no keypoints are kept in {predictions_path(folder, 'test')}; run the cell again")
    ids, keypoints = read_predictions(folder, "test")
    found = [object_box(image_id) for image_id in ids]
    boxed = [row for row, box in enumerate(found) if box is not None]
    if not boxed:
        return []
    boxes = np.array([found[row] for row in boxed], dtype=np.float64)
    return _lines(inside(keypoints[boxed], boxes), boxes)


def _lines(hits: NDArray[np.bool_], boxes: NDArray[np.float64]) -> list[str]:
    """One line about all hits (N, K), and one about each keypoint.

    The chance level is the boxes' mean share of the image's area: uniformly random points lie inside that often.
    """
    by_keypoint = hits.mean(axis=0)
    at_random = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1).mean()
    astray = int((by_keypoint < 0.5).sum())
    return [
        f"inside the object's box: {100 * hits.mean():.1f} % of keypoints ({int(hits.sum()):,} of {hits.size:,}), "
        f"worst keypoint {100 * by_keypoint.min():.0f} %; uniformly random points {100 * at_random:.1f} %",
        f"keypoints outside it in most of the {len(hits)} test images: {astray} of {len(by_keypoint)}; % of the "
        f"images with the keypoint inside it, by keypoint: {' '.join(f'{100 * share:.0f}' for share in by_keypoint)}",
    ]
