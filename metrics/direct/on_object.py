"""Keypoints on the object: by its mask, or by its box where there is no mask."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from metrics.direct.values import Values
from metrics.errors import Floats, Mask, MetricError
from metrics.points import Points
from metrics.protocols.record import Protocol


def marked(mask: NDArray[Any], points: Floats) -> Mask:
    """Which points (K, 2), in image sides, lie on a pixel that a mask (H, W) of the image marks.

    A point on the right or lower edge belongs to the last pixel; a point outside the image lies on no pixel.
    """
    height, width = mask.shape
    inside = np.asarray(((points >= 0) & (points <= 1)).all(axis=1))
    places = np.floor(np.where(inside[:, None], points, 0.0) * (width, height)).astype(int)
    columns, rows = np.minimum(places, (width - 1, height - 1)).T
    return inside & (mask[rows, columns] != 0)


def on_object(protocol: Protocol, test: Points) -> Values:
    """The share of an image's keypoints that lie on the object's mask, times ``scale``.

    Raises MetricError where the images have no masks.
    """
    if test.on_object is None:
        raise MetricError(f"{protocol.id} needs masks of the objects, which the dataset does not have")
    return _shares(protocol, test.on_object, test)


def in_box(protocol: Protocol, test: Points) -> Values:
    """The share of an image's keypoints that lie in the object's box or on its edge, times ``scale``.

    Raises MetricError where the images have no boxes.
    """
    if test.boxes is None:
        raise MetricError(f"{protocol.id} needs boxes of the objects, which the dataset does not have")
    low, size = test.boxes[:, None, :2], test.boxes[:, None, 2:]
    inside = np.asarray(((test.keypoints >= low) & (test.keypoints <= low + size)).all(axis=2))
    return _shares(protocol, inside, test)


def _shares(protocol: Protocol, inside: Mask, test: Points) -> Values:
    there = np.isfinite(test.keypoints).all(axis=2)
    counts = there.sum(axis=1)
    return Values(
        protocol.scale * (inside & there).sum(axis=1) / np.maximum(counts, 1), (counts > 0).astype(np.float64)
    )
