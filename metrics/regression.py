"""Linear regression from K keypoints to L landmarks without a bias, about a stated origin.

Without a bias the origin is part of the estimator: about the image centre (the released code of Stable Keypoints)
and about the corner (that of AutoLink) are two different regressions. The solver is LAPACK's gelsd in float64: the
least-squares solution of least norm, also where keypoints coincide or never move.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from metrics.errors import Floats, Mask, MetricError

Origin = Literal["centre", "corner"]
ORIGINS: dict[Origin, float] = {"centre": 0.5, "corner": 0.0}


@dataclass(frozen=True)
class Regression:
    """Weights (2K, 2L) about ``origin``, and how well the design determined them.

    ``rows`` (L,) counts the images that each landmark was fitted on; ``rank`` is the lowest of any landmark's
    design, ``condition`` the largest ratio of singular values, None where a design is rank deficient.
    """

    weights: Floats
    origin: float
    rows: NDArray[np.int64]
    rank: int
    condition: float | None
    rank_deficient: bool

    def predict(self, keypoints: Floats) -> Floats:
        """Landmarks (N, L, 2) of keypoints (N, K, 2). Raises MetricError for another K or a value not finite."""
        check_points(keypoints, "keypoints")
        if 2 * keypoints.shape[1] != len(self.weights):
            raise MetricError(f"{keypoints.shape[1]} keypoints, the regression was fitted on {len(self.weights) // 2}")
        flat = (keypoints - self.origin).reshape(len(keypoints), -1)
        return (flat @ self.weights).reshape(len(keypoints), -1, 2) + self.origin


def check_points(points: Floats, name: str, used: Mask | None = None) -> None:
    """Raise MetricError unless points are (N, K, 2) with N, K > 0, and finite where ``used`` (N, K) says so."""
    if points.ndim != 3 or points.shape[2] != 2 or 0 in points.shape:
        raise MetricError(f"{name} have shape {points.shape}, expected (N, K, 2) with at least one row and one point")
    broken = ~np.isfinite(points).all(axis=2)
    if used is not None:
        broken &= used
    if broken.any():
        row, column = np.argwhere(broken)[0]
        raise MetricError(f"{name} are not finite in {int(broken.sum())} places, first at row {row}, point {column}")


def fit_regression(
    keypoints: Floats, landmarks: Floats, visible: Mask | None = None, origin: Origin = "centre"
) -> Regression:
    """Least squares from keypoints (N, K, 2) to landmarks (N, L, 2), both in image sides.

    With ``visible`` (N, L) each landmark is fitted on the images that show it; one that none shows is
    predicted at the origin, as the least-norm solution of no equations. Raises MetricError for shapes that
    do not fit, values that are not finite, no rows. Source: the regressors of Stable Keypoints' released code, with
    and without visibility, and of AutoLink's.
    """
    check_points(keypoints, "keypoints")
    if visible is None:
        visible = np.ones(landmarks.shape[:2], dtype=bool)
    if visible.shape != landmarks.shape[:2] or len(keypoints) != len(landmarks):
        raise MetricError(
            f"{len(keypoints)} rows of keypoints, landmarks {landmarks.shape}, visible {visible.shape}: "
            "expected (N, K, 2), (N, L, 2) and (N, L) with the same N"
        )
    check_points(landmarks, "landmarks", visible)
    design = (keypoints - ORIGINS[origin]).reshape(len(keypoints), -1)
    weights = np.zeros((design.shape[1], *landmarks.shape[1:]))
    ranks, conditions = [], []
    for columns in _landmarks_by_visibility(visible):
        seen = visible[:, columns[0]]
        targets = (landmarks[seen][:, columns] - ORIGINS[origin]).reshape(-1, 2 * len(columns))
        solution, rank, condition = _least_squares(design[seen], targets)
        weights[:, columns] = solution.reshape(-1, len(columns), 2)
        ranks.append(rank)
        conditions.append(condition)
    deficient = min(ranks) < design.shape[1]
    return Regression(
        weights=weights.reshape(len(weights), -1),
        origin=ORIGINS[origin],
        rows=visible.sum(axis=0),
        rank=min(ranks),
        condition=None if deficient else max(conditions),
        rank_deficient=deficient,
    )


def _landmarks_by_visibility(visible: Mask) -> list[list[int]]:
    """Landmarks seen on the same images share a design, and are solved together."""
    groups: dict[bytes, list[int]] = {}
    for landmark, column in enumerate(np.packbits(visible, axis=0).T):
        groups.setdefault(column.tobytes(), []).append(landmark)
    return list(groups.values())


def _least_squares(design: Floats, targets: Floats) -> tuple[Floats, int, float]:
    """Least-norm solution, rank, condition number (infinite below full rank).

    Singular values below N * eps of the largest are zero.
    """
    if len(design) == 0:
        return np.zeros((design.shape[1], targets.shape[1])), 0, np.inf
    from scipy.linalg import lstsq

    cutoff = max(design.shape) * np.finfo(np.float64).eps
    solution, _, rank, singular = lstsq(design, targets, cond=cutoff, lapack_driver="gelsd", check_finite=False)
    return solution, int(rank), float(singular[0] / singular[-1]) if rank == design.shape[1] else np.inf
