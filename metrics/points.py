"""Keypoints with their landmarks, and the landmarks, frame and visibility that a protocol uses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from metrics.errors import Floats, Mask, MetricError
from metrics.protocols.record import Protocol
from metrics.regression import check_points

SMALLEST = 1e-3  # of the image side: errors are not divided by a shorter distance between eyes, or side of a box


@dataclass(frozen=True)
class Points:
    """Keypoints (N, K, 2) and landmarks (N, L, 2) of the same N images, float64 in image sides.

    Both coordinates of a keypoint that was not found are NaN (``metrics.absent``).
    ``visible`` is (N, L). ``groups`` names the person or video of each image, ``ids`` the image. ``boxes`` (N, 4) are
    the objects' boxes (x, y, width, height), for protocols that need them. ``on_object`` (N, K) says which keypoints
    lie on the object's mask. ``warped`` (N, K, 2) are the keypoints that were predicted on the images after the warps
    of ``metrics.direct.warps``, NaN for images that were not warped. L is 0 for images without landmarks.
    """

    keypoints: Floats
    landmarks: Floats
    visible: Mask
    groups: Sequence[str]
    ids: Sequence[str]
    boxes: Floats | None = None
    on_object: Mask | None = None
    warped: Floats | None = None

    def __len__(self) -> int:
        return len(self.keypoints)


def checked(points: Points, name: str) -> Points:
    """The points as float64 and bool arrays.

    Raises MetricError for wrong shapes, unequal lengths, repeated ids, and keypoints that are found in no image.
    """
    keypoints = np.asarray(points.keypoints, dtype=np.float64)
    landmarks = np.asarray(points.landmarks, dtype=np.float64)
    visible = np.asarray(points.visible, dtype=bool)
    boxes = None if points.boxes is None else np.asarray(points.boxes, dtype=np.float64)
    if visible.shape != landmarks.shape[:2]:
        raise MetricError(f"{name} landmarks {landmarks.shape} and visible {visible.shape}, expected (N, L, 2), (N, L)")
    found = np.asarray(~np.isnan(keypoints).all(axis=-1))
    check_points(keypoints, f"{name} keypoints", found)
    if not found.any():
        raise MetricError(f"{name} keypoints are absent in all {found.size} places, expected some that were found")
    if landmarks.shape[1:] != (0, 2):
        check_points(landmarks, f"{name} landmarks", visible)
    lengths = (len(keypoints), len(landmarks), len(points.groups), len(points.ids))
    if len(set(lengths)) > 1:
        raise MetricError(f"{name}: {lengths} rows of keypoints, landmarks, groups and ids, expected equal numbers")
    if (different := len(set(points.ids))) < len(points.ids):
        raise MetricError(f"{name}: {len(points.ids)} rows but {different} different ids, expected one row per id")
    if boxes is not None and boxes.shape != (len(keypoints), 4):
        raise MetricError(f"{name} boxes {boxes.shape}, expected {(len(keypoints), 4)}: x, y, width and height")
    for what, array, shape in (
        ("on_object", points.on_object, keypoints.shape[:2]),
        ("warped keypoints", points.warped, keypoints.shape),
    ):
        if array is not None and np.shape(array) != shape:
            raise MetricError(f"{name} {what} {np.shape(array)}, expected {shape}")
    return replace(points, keypoints=keypoints, landmarks=landmarks, visible=visible, boxes=boxes)


def positive(points: Points) -> Mask:
    """Mask (N, L) of visible landmarks with both coordinates above 0; Stable Keypoints counts only these on Tai-Chi."""
    return points.visible & (points.landmarks > 0).all(axis=2)


def seen_by(protocol: Protocol, points: Points, name: str) -> Points:
    """Checked points in the protocol's frame, with the landmarks and visibility that it uses.

    Raises MetricError for a number of landmarks that the protocol is not for, if a protocol that uses all landmarks
    meets one that is not finite, if boxes are missing or smaller than ``SMALLEST``, and if no landmark is left.
    """
    landmarks, visible, keypoints = points.landmarks, points.visible, points.keypoints
    if not protocol.is_for(count := landmarks.shape[1]):
        raise MetricError(f"{name} has {count} landmarks, {protocol.id} is for {protocol.num_landmarks}")
    if protocol.rows == "positive":
        visible = positive(points)
    elif protocol.rows == "all" and not visible.all():
        visible = np.ones_like(visible)
        check_points(landmarks, f"{name} landmarks", visible)
    if protocol.grid is not None:
        landmarks = np.trunc(landmarks * protocol.grid) / protocol.grid
    if protocol.frame == "box":
        corner, size = _boxes(protocol, points, name)
        keypoints, landmarks = (keypoints - corner) / size, (landmarks - corner) / size
    if protocol.landmarks is not None:
        if landmarks.shape[1] <= max(protocol.landmarks):
            raise MetricError(
                f"{name} has {landmarks.shape[1]} landmarks, {protocol.id} names up to {max(protocol.landmarks)}"
            )
        kept = list(protocol.landmarks)
        landmarks, visible = landmarks[:, kept], visible[:, kept]
    if not visible.any():
        raise MetricError(f"{name}: no landmark is used by {protocol.id}, expected at least one that is visible")
    return replace(points, keypoints=keypoints, landmarks=landmarks, visible=visible)


def some_of(points: Points, rows: NDArray[np.intp]) -> Points:
    """The points of some rows (images)."""
    return Points(
        keypoints=points.keypoints[rows],
        landmarks=points.landmarks[rows],
        visible=points.visible[rows],
        groups=[points.groups[row] for row in rows],
        ids=[points.ids[row] for row in rows],
        boxes=None if points.boxes is None else points.boxes[rows],
        on_object=None if points.on_object is None else points.on_object[rows],
        warped=None if points.warped is None else points.warped[rows],
    )


def turned(points: Points, visible: Mask) -> Points:
    """Points with keypoints and landmarks exchanged, for a backward regression of the ``visible`` (N, K) keypoints."""
    return replace(points, keypoints=points.landmarks, landmarks=points.keypoints, visible=visible)


def from_frame(protocol: Protocol, predicted: Floats, points: Points, name: str) -> Floats:
    """Predicted landmarks (N, L, 2), converted from the protocol's frame to image sides."""
    if protocol.frame == "image":
        return predicted
    corner, size = _boxes(protocol, points, name)
    return predicted * size + corner


def _boxes(protocol: Protocol, points: Points, name: str) -> tuple[Floats, Floats]:
    """Corner (x, y) and size (width, height) of each image's box, both (N, 1, 2)."""
    if points.boxes is None:
        raise MetricError(f"{protocol.id} needs the boxes of the {name} images, which the dataset does not have")
    broken = ~(np.isfinite(points.boxes).all(axis=1) & (points.boxes[:, 2:] >= SMALLEST).all(axis=1))
    if broken.any():
        image = points.ids[int(broken.argmax())]
        box = ", ".join(f"{value:g}" for value in points.boxes[broken.argmax()])
        raise MetricError(
            f"{name} image {image}: box ({box}), expected x, y, and a width and height of {SMALLEST:g} image sides or "
            "more; correct the box or remove the image"
        )
    return points.boxes[:, None, :2], points.boxes[:, None, 2:]
