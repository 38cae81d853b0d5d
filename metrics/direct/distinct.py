"""Distinctness: whether the K keypoints of an image are K different places."""

from __future__ import annotations

import numpy as np

from metrics.direct.values import Values
from metrics.errors import Floats, MetricError
from metrics.points import Points
from metrics.protocols.record import Protocol


def closest_pair(protocol: Protocol, test: Points) -> Values:
    """The distance of the two keypoints of an image that are closest to each other."""
    return Values(_pair_distances(protocol, test).min(axis=1) * protocol.scale, np.ones(len(test)))


def collapsed_pairs(protocol: Protocol, test: Points) -> Values:
    """The share of an image's pairs of keypoints that are less than ``threshold`` apart, times 100."""
    if protocol.threshold is None:
        raise ValueError(f"{protocol.id}: collapsed pairs require a threshold")
    apart = _pair_distances(protocol, test) * protocol.scale
    return Values(100.0 * (apart < protocol.threshold).mean(axis=1), np.ones(len(test)))


def _pair_distances(protocol: Protocol, test: Points) -> Floats:
    """Distances (N, K (K - 1) / 2) of all pairs of keypoints, in image sides. Raises MetricError for K below 2."""
    count = test.keypoints.shape[1]
    if count < 2:
        raise MetricError(f"{protocol.id} compares pairs of keypoints, but there is 1")
    first, second = np.triu_indices(count, 1)
    return np.linalg.norm(test.keypoints[:, first] - test.keypoints[:, second], axis=2)
