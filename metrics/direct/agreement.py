"""Agreement of two sets of keypoints on the same images, such as those of two seeds, whose order means nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from metrics.errors import Floats, MetricError, means_over_visible

NEVER = 2**0.5  # image sides: the diagonal, as no two keypoints are farther apart


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

    The distance of two keypoints is their mean distance over the images in which both were found (are not NaN); it is
    ``NEVER`` if there is none. Raises MetricError for other or unequal shapes.
    """
    from scipy.optimize import linear_sum_assignment

    if first.shape != second.shape or first.ndim != 3 or 0 in first.shape or first.shape[2] != 2:
        raise MetricError(f"keypoints {first.shape} and {second.shape}, expected (N, K, 2) both, of the same images")
    apart = np.stack([_mean_distances(first[:, [row]], second) for row in range(first.shape[1])])
    rows, columns = linear_sum_assignment(apart)
    return Agreement(apart[rows, columns], tuple(columns.tolist()))


def _mean_distances(one: Floats, others: Floats) -> Floats:
    """Mean distances (K,) of one keypoint (N, 1, 2) from others (N, K, 2)."""
    apart = np.linalg.norm(others - one, axis=2).T
    found = means_over_visible(apart, np.isfinite(apart))
    return np.where(np.isnan(found), NEVER, found)
