"""Check the order of x and y, and the scale of keypoints, against the landmarks of the same images.

The x of landmarks correlates with the x of keypoints. So each coordinate of the landmarks is regressed on the same
coordinate of the keypoints, on half of the images, and predicted on the other half. This is repeated with the other
coordinate of the keypoints. If that predicts much better, x and y are exchanged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmarks.errors import UserError
from methods.adapters.base import SplitTruth
from methods.presence import absent

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

MOST_IMAGES = 4000  # images to check, at most
LITTLE = 0.02  # explained variance below which keypoints predict nothing
SLIGHTLY = 0.05  # gain in explained variance by exchanging x and y: in doubt above this
CLEARLY = 0.15  # exchanged above this


def check_placement(source: str, keypoints: Floats, truth: SplitTruth, remedy: str | None) -> list[str]:
    """Notes on the order and the scale of keypoints (N, K, 2) of the images of ``truth``.

    Raises UserError with the ``remedy`` if y comes before x; if the remedy is None, a note says so instead.
    """
    keypoints = without_gaps(keypoints)
    looks_swapped, found = check_order(keypoints, truth)
    if looks_swapped:
        found = f"y seems to come before x: {found}"
        if remedy is not None:
            raise UserError(f"{source}: {found}; {remedy}")
    return [text for text in (found, check_scale(keypoints, truth)) if text]


def without_gaps(keypoints: Floats) -> Floats:
    """Keypoints (N, K, 2) with the mean place of each in images where it was not found; 0.5 if it never was."""
    gaps = absent(keypoints)
    if not gaps.any():
        return keypoints
    counts = (~gaps).sum(axis=0)[:, None]
    means = np.where(counts, np.nansum(keypoints, axis=0) / np.maximum(counts, 1), 0.5)
    return np.where(gaps[..., None], means, keypoints)


def check_order(keypoints: Floats, truth: SplitTruth) -> tuple[bool, str]:
    """Whether y seems to come before x in keypoints (N, K, 2) of the images of ``truth``, and the evidence as text.

    The text is empty if the order looks right or there are too few images to tell.
    """
    step = max(1, len(keypoints) // MOST_IMAGES)
    points, landmarks, visible = keypoints[::step], truth.landmarks[::step], truth.visible[::step]
    if not enough(points):
        return False, ""
    as_written, swapped = (explained(found, landmarks, visible) for found in (points, points[..., ::-1]))
    measured = f"read as (y, x) they explain {swapped:.0%} of the landmarks' variance, as (x, y) {as_written:.0%}"
    if swapped > as_written + CLEARLY and swapped > 2 * as_written:
        return True, measured
    if swapped > as_written + SLIGHTLY:
        return False, f"the order of x and y is in doubt: {measured}"
    if max(as_written, swapped) < LITTLE:
        return False, (
            "the keypoints do not predict where landmarks are, in either order: they may be the same for every image, "
            "or their rows may be in another order than the images"
        )
    return False, ""


def enough(keypoints: Floats) -> bool:
    """Whether keypoints (N, K, 2) are of enough images to say what they explain."""
    return len(keypoints) >= 4 * (keypoints.shape[1] + 1)


def check_scale(keypoints: Floats, truth: SplitTruth) -> str:
    """A note on keypoints (N, K, 2) that all lie in the upper left quarter of the image; else empty.

    This happens to pixels that were divided by the side of a larger image. The note is empty if all landmarks lie in
    that quarter too.
    """
    farthest, landmarks = float(keypoints.max()), truth.landmarks[truth.visible]
    if farthest > 0.5 or not len(landmarks) or float(landmarks.max()) <= 0.5:
        return ""
    return (
        f"no keypoint lies beyond {farthest:.2f} of the image in x or y, but landmarks do (up to "
        f"{landmarks.max():.2f}): the keypoints may be pixels of a smaller image than stated"
    )


def explained(points: Floats, landmarks: Floats, visible: NDArray[np.bool_]) -> float:
    """The share (at least 0) of the variance of held-out landmarks that the same coordinate of keypoints explains."""
    left, total = 0.0, 0.0
    for landmark in range(landmarks.shape[1]):
        rows = np.flatnonzero(visible[:, landmark])
        fit, held_out = rows[::2], rows[1::2]
        if len(fit) < 2 * (points.shape[1] + 1) - 1:
            continue
        for axis in (0, 1):
            wanted = landmarks[:, landmark, axis]
            mean = wanted[fit].mean()
            design = points[..., axis] - points[fit, :, axis].mean(axis=0)
            weights = np.linalg.lstsq(design[fit], wanted[fit] - mean, rcond=1e-6)[0]
            left += float(((wanted[held_out] - mean - design[held_out] @ weights) ** 2).sum())
            total += float(((wanted[held_out] - mean) ** 2).sum())
    return max(0.0, 1 - left / total) if total else 0.0
