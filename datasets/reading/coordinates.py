"""Checks of the coordinates of custom data: are they pixels, is x before y, which stand for a missing keypoint?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from datasets.base import DatasetError
from datasets.reading.labels import Labels

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Sizes = Sequence[tuple[int, int] | None]

FRACTIONS, NEARLY_ALL = 2.0, 0.95  # if more than this share of coordinates is at most FRACTIONS, they are no pixels
PERCENT, LARGE = 100.0, 300  # coordinates of at most PERCENT, in images with all sides above LARGE, may be percent
HALF = 0.5  # share of the image that labels on smaller copies of the images do not exceed
SURE = 10  # fewest visible keypoints or boxes for checks of their order
EDGE = 1.0  # pixels by which a keypoint may lie outside its image


def refuse_fractions(source: Path, points: Floats, boxes: Floats | None) -> None:
    """Raise DatasetError if visible keypoints (P, 2), or boxes, are fractions of the image."""
    for what, values in (("keypoints", points), ("boxes", np.zeros((0, 2)) if boxes is None else boxes)):
        small = values[np.abs(values) <= FRACTIONS]
        if len(small) > NEARLY_ALL * values.size:
            raise DatasetError(
                f"{source}: its {what} run from {small.min():.4g} to {small.max():.4g}, which are fractions of the "
                "image; expected pixels: multiply x by the image's width and y by its height"
            )


def hide_stand_ins(points: Floats, visible: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], tuple[str, ...]]:
    """Mask (N, L) of the labelled keypoints: those at (0, 0), (-1, -1) and the like count as missing. Also remarks."""
    stands = visible & (points[..., 0] == points[..., 1]) & (points[..., 0] <= 0)
    remarks = []
    for value in np.unique(points[stands]):
        count = int((stands & (points[..., 0] == value)).sum())
        remarks.append(
            f"labelled keypoints exactly on ({value:g}, {value:g}): {count} of {int(visible.sum())}; they count as "
            "missing (move one that is really there by 0.1 pixels)"
        )
    return visible & ~stands, tuple(remarks)


def check_order(source: Path, labels: Labels, sizes: Sizes) -> tuple[str, ...]:
    """Check that x stands before y and boxes are x, y, width, height, by the known ``sizes`` of images.

    Raises DatasetError if many do not fit and nearly all would fit in the other order; returns remarks on percent and
    on keypoints outside the images.
    """
    known = [row for row, size in enumerate(sizes) if size]
    size = np.array([sizes[row] for row in known], dtype=np.float64).reshape(-1, 2)
    points, visible = labels.points[known], labels.visible[known]
    if labels.boxes is not None:
        _refuse_corners(source, labels.boxes[known], size)
        _refuse_centres(source, labels.points, labels.visible, labels.boxes)
        _refuse_swapped(source, labels.points, labels.visible, labels.boxes[:, None, :2], labels.boxes[:, None, 2:])
    else:
        _refuse_swapped(source, points, visible, np.zeros((len(known), 1, 2)), size[:, None] - 1)
    outside = (((points < -EDGE - 0.5) | (points > size[:, None] + EDGE - 0.5)).any(axis=2) & visible).sum()
    if outside * 2 > visible.sum():
        raise DatasetError(
            f"{source}: {outside} of {visible.sum()} labelled keypoints lie outside their images, such as that of "
            f"{size[0, 0]:g} x {size[0, 1]:g} pixels of '{labels.names[known[0]]}'; take the images in the size in "
            "which they were labelled"
        )
    remarks = [f"labelled keypoints outside their images: {outside} of {visible.sum()}"] * bool(outside)
    found = points[visible]
    far = float((points / size[:, None])[visible].max(initial=0.0))
    if len(found) >= SURE and 0 <= found.min() <= found.max() <= PERCENT and size.min() > LARGE:
        remarks.append(
            f"all keypoints lie between 0 and {found.max():g}, in images of {size.min():g} pixels and more: if they "
            "are percent of the image, make pixels of them"
        )
    elif len(found) >= SURE and 0 < far <= HALF:
        remarks.append(
            f"no labelled keypoint lies beyond {far:.2f} of its image in x or y: if they were labelled on smaller "
            "copies of the images, take those"
        )
    return tuple(remarks)


def _refuse_corners(source: Path, boxes: Floats, size: Floats) -> None:
    corner, side = boxes[:, :2], boxes[:, 2:]
    beyond = (corner + side > size + EDGE).any(axis=1)
    would_fit = (side > corner).all(axis=1) & (side <= size + EDGE).all(axis=1)
    if len(boxes) >= SURE and beyond.mean() > 0.5 and would_fit.mean() > 0.95:
        raise DatasetError(
            f"{source}: {beyond.sum()} of {len(boxes)} boxes reach beyond their images, and would fit as x1, y1, x2, "
            "y2; expected x, y, width, height"
        )


def _refuse_centres(source: Path, points: Floats, visible: NDArray[np.bool_], boxes: Floats) -> None:
    def fit(corner: Floats) -> float:
        low, high = corner[:, None] - EDGE, (corner + boxes[:, 2:])[:, None] + EDGE
        return float((((points >= low) & (points <= high)).all(axis=2) & visible).sum()) / count

    count = int(visible.sum())
    if count >= SURE and fit(boxes[:, :2]) < 0.9 and fit(boxes[:, :2] - boxes[:, 2:] / 2) > 0.99:
        raise DatasetError(
            f"{source}: {1 - fit(boxes[:, :2]):.0%} of the labelled keypoints lie outside their boxes, and none would "
            "if the boxes were centre x, centre y, width, height; expected x, y of the corner, width, height"
        )


def _refuse_swapped(source: Path, points: Floats, visible: NDArray[np.bool_], corner: Floats, side: Floats) -> None:
    def fit(found: Floats) -> float:
        return float((((found >= corner - EDGE) & (found <= corner + side + EDGE)).all(axis=2) & visible).sum()) / count

    count = int(visible.sum())
    if count >= SURE and fit(points) < 0.9 and fit(points[..., ::-1]) > 0.99:
        raise DatasetError(
            f"{source}: {1 - fit(points):.0%} of the labelled keypoints lie outside their boxes or images, and none "
            "would with x and y exchanged; expected x before y"
        )
