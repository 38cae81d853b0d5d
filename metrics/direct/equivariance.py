"""Equivariance: whether keypoints move with the image when it is warped."""

from __future__ import annotations

import numpy as np

from metrics.direct.values import Values
from metrics.direct.warps import warp_of
from metrics.errors import MetricError, distances, means_over_visible
from metrics.points import Points
from metrics.protocols.record import Protocol


def equivariance(protocol: Protocol, test: Points) -> Values:
    """The mean distance of an image between its warped keypoints and the keypoints of the warped image.

    Keypoints that the warp moves out of the image do not count, and neither do keypoints that were not found, before or
    after the warp, and images that were not warped. Raises MetricError without keypoints of warped images.
    """
    if test.warped is None:
        raise MetricError(f"{protocol.id} needs keypoints of warped images, which only `run` predicts")
    expected = np.stack([warp_of(name).apply(points) for name, points in zip(test.ids, test.keypoints, strict=True)])
    inside = ((expected >= 0) & (expected <= 1)).all(axis=2)
    counts = np.asarray(np.isfinite(test.warped).all(axis=2) & inside)
    found = np.nan_to_num(means_over_visible(distances(test.warped, expected), counts) * protocol.scale)
    return Values(np.asarray(found), np.asarray(counts.any(axis=1), dtype=np.float64))
