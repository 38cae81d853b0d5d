"""Agreement of two sets of keypoints on the same images, such as those of two seeds, whose order means nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from metrics.errors import Floats, MetricError


@dataclass(frozen=True)
class Agreement:
    """Mean ``distances`` (K,) of matched keypoints in image sides; keypoint i goes with keypoint ``partners[i]``."""

    distances: Floats
    partners: tuple[int, ...]

    @property
    def distance(self) -> float:
        """The mean distance of matched keypoints, in image sides."""
        return float(self.distances.mean())

    def share_within(self, threshold: float) -> float:
        """The share of keypoints that are less than ``threshold`` image sides from their partners, on average."""
        return float((self.distances < threshold).mean())


def agreement(first: Floats, second: Floats) -> Agreement:
    """Match keypoints (N, K, 2) of the same N images so that the distance is smallest, by Hungarian assignment.

    The distance of two keypoints is their mean distance over images. Raises MetricError for other or unequal shapes.
    """
    from scipy.optimize import linear_sum_assignment

    if first.shape != second.shape or first.ndim != 3 or 0 in first.shape or first.shape[2] != 2:
        raise MetricError(f"keypoints {first.shape} and {second.shape}, expected (N, K, 2) both, of the same images")
    apart = np.array([np.linalg.norm(second - first[:, [row]], axis=2).mean(axis=0) for row in range(first.shape[1])])
    rows, columns = linear_sum_assignment(apart)
    return Agreement(apart[rows, columns], tuple(columns.tolist()))
