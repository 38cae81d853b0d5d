"""Linear regression from K keypoints to L landmarks, with the options in which published protocols differ.

Without a bias, the origin changes the result: regression about the image centre (released code of Stable Keypoints),
about the image corner (AutoLink) and with a bias are three different estimators.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from metrics.errors import Floats, Mask, MetricError

Origin = Literal["centre", "corner"]
Solver = Literal["gelsd", "pinv", "inverse", "inverse_float32"]
ORIGINS: dict[Origin, float] = {"centre": 0.5, "corner": 0.0}

# Rows that fit a processor's cache with 16 to 30 keypoints; products of that size run in one thread.
_QR_ROWS = 256
_BLOCK_ROWS, _TILE_ROWS = 1024, 128


@dataclass(frozen=True)
class Estimator:
    """Settings of the regression: about an ``origin``, or with an ``intercept`` (both sides are mean-centred).

    The solver "gelsd" computes the least-squares solution of least norm in float64, as LAPACK's gelsd does. The other
    solvers reproduce released code on the normal equations: "pinv" and "inverse" (Stable Keypoints) work in float64 and
    round the weights to float32, "inverse_float32" (AutoLink) works in float32. If their matrix is singular,
    ``singular_ridge`` is added to its diagonal; if that is 0 or smaller than rounding, the gelsd solution is used,
    because the released code would fail or return rounding noise. ``ridge`` (gelsd only) penalises the weights, in
    units of the largest entry of the Gram matrix.
    """

    origin: Origin = "centre"
    intercept: bool = False
    solver: Solver = "gelsd"
    ridge: float = 0.0
    singular_ridge: float = 0.0


@dataclass(frozen=True)
class Regression:
    """Weights (2K, 2L) about ``origin`` with a ``bias`` (2L,), and the conditioning of the design.

    ``rows`` (L,) counts the images that each landmark was fitted on. ``rank`` is the lowest rank among the landmarks'
    designs, ``condition`` their largest ratio of singular values; it is None if a design is rank deficient.
    """

    weights: Floats
    bias: Floats
    origin: float
    rows: NDArray[np.int64]
    rank: int
    condition: float | None
    rank_deficient: bool

    def predict(self, keypoints: Floats) -> Floats:
        """Landmarks (N, L, 2) of keypoints (N, K, 2). Raises MetricError for another K or non-finite values."""
        check_points(keypoints, "keypoints")
        if 2 * keypoints.shape[1] != len(self.weights):
            raise MetricError(f"{keypoints.shape[1]} keypoints, the regression was fitted on {len(self.weights) // 2}")
        flat = (keypoints - self.origin).reshape(len(keypoints), -1)
        return (flat @ self.weights + self.bias).reshape(len(keypoints), -1, 2)


class Design:
    """The design matrix of keypoints (N, K, 2), factored once for any number of targets.

    The weights ``solve(moment(targets))`` are linear in the targets, so a change of few rows needs no new fit.
    ``matrix`` (N, 2K) is centred at ``about`` (2K,): the origin, or with an intercept the mean.
    """

    def __init__(self, keypoints: Floats, estimator: Estimator) -> None:
        flat = keypoints.reshape(len(keypoints), 2 * keypoints.shape[1])
        origin = ORIGINS[estimator.origin]
        self.about = flat.mean(axis=0) if estimator.intercept and len(flat) else np.full(flat.shape[1], origin)
        self.matrix = flat - self.about
        self._rounded = estimator.solver != "gelsd"
        basis, triangle = tall_qr(self.matrix)
        left, singular, right = np.linalg.svd(triangle, full_matrices=False)
        # Singular values below rounding error, including that of centring, count as 0.
        largest = max(singular.max(initial=0.0), np.abs(self.about).max() * len(flat) ** 0.5 * estimator.intercept)
        self.rank = int((singular > max(flat.shape) * np.finfo(np.float64).eps * largest).sum())
        self.deficient = self.rank < flat.shape[1]
        self.condition = np.inf if self.deficient else float(singular[0] / singular[-1])
        penalty = estimator.ridge * (triangle**2).sum(axis=0).max(initial=0.0)
        kept = singular[: self.rank]
        self.basis: NDArray[Any] = basis
        self._back: NDArray[Any] = right[: self.rank].T / (kept + penalty / kept) @ left[:, : self.rank].T
        if estimator.solver != "gelsd":
            self._release(estimator)

    def moment(self, targets: Floats) -> NDArray[Any]:
        """Products (2K, T) of the basis with targets (N, T); the fit depends on targets only through them."""
        return self.basis.T @ targets.astype(self.basis.dtype, copy=False)

    def moment_of(self, rows: NDArray[np.intp] | slice, targets: Floats) -> NDArray[Any]:
        """The contribution of some rows to the moment, given their targets (n, T)."""
        basis = self.basis[rows]
        return (tiles(basis).swapaxes(1, 2) @ tiles(targets.astype(basis.dtype, copy=False))).sum(axis=0)

    def solve(self, moment: NDArray[Any]) -> Floats:
        """Weights (2K, T) for a moment."""
        weights = self._back @ moment
        return (weights.astype(np.float32) if self._rounded else weights).astype(np.float64)

    def _release(self, estimator: Estimator) -> None:
        """Switch to the released code's normal equations if their matrix can be inverted."""
        single = estimator.solver == "inverse_float32"
        matrix = self.matrix.astype(np.float32) if single else self.matrix
        gram = matrix.T @ matrix
        if estimator.solver == "pinv":
            back = None if self.deficient else np.linalg.pinv(gram)
        else:
            back = _inverse(gram, self.deficient, estimator.singular_ridge)
        if back is not None:
            # AutoLink multiplies from the left, which rounds differently in float32.
            product = matrix @ back.T, np.eye(len(gram), dtype=np.float32)
            self.basis, self._back = product if single else (matrix, back)


def _inverse(gram: NDArray[Any], singular: bool, ridge: float) -> NDArray[Any] | None:
    """Inverse of the matrix, if necessary with the ridge on its diagonal; None if neither can be inverted."""
    candidates = [] if singular else [gram]
    if ridge > np.finfo(gram.dtype).eps * gram.max():
        candidates.append(gram + ridge * np.eye(len(gram), dtype=gram.dtype))
    for candidate in candidates:
        with suppress(np.linalg.LinAlgError):
            found = np.linalg.inv(candidate)
            if np.isfinite(found).all():
                return found
    return None


def tall_qr(matrix: Floats) -> tuple[Floats, Floats]:
    """Thin QR of (N, P) for N far above P: first of blocks of rows, then of their stacked triangles.

    At 160,000 rows of 30 keypoints it takes 0.34 s of processor time, numpy.linalg.qr 0.96 s; with it all Human3.6M
    protocols take 7.1 s instead of 10.6 s.
    """
    rows, columns = matrix.shape
    whole = rows // _QR_ROWS * _QR_ROWS
    if rows < 4 * _QR_ROWS or columns > _QR_ROWS // 4:
        basis, triangle = np.linalg.qr(matrix)
        return basis, triangle
    bases, triangles = np.linalg.qr(matrix[:whole].reshape(-1, _QR_ROWS, columns))
    stack, rest = triangles.reshape(-1, columns), matrix[whole:]
    turned, triangle = tall_qr(np.concatenate([stack, rest]))
    joined = (bases @ turned[: len(stack)].reshape(-1, columns, columns)).reshape(-1, columns)
    return np.concatenate([joined, turned[len(stack) :]]), triangle


def blocks(count: int) -> Iterator[slice]:
    """Consecutive slices over ``count`` rows, each small enough for a processor's cache.

    With blocks and ``tiles`` all Human3.6M protocols on 160,000 rows of 30 keypoints take 7.1 s of processor time,
    without them 8.7 s (on 50,000 rows of 16 keypoints 1.05 s and 1.36 s), and no temporary array has all rows.
    """
    return (slice(start, min(start + _BLOCK_ROWS, count)) for start in range(0, count, _BLOCK_ROWS))


def tiles(block: NDArray[Any]) -> NDArray[Any]:
    """A block (n, P) as (T, m, P): T tiles that are multiplied one by one, or one tile if n is no multiple of 128."""
    rows = len(block) if len(block) % _TILE_ROWS else _TILE_ROWS
    return block.reshape(-1, rows, block.shape[1])


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
    keypoints: Floats, landmarks: Floats, visible: Mask | None = None, estimator: Estimator | None = None
) -> Regression:
    """Regress landmarks (N, L, 2) on keypoints (N, K, 2), both in sides of their frame.

    With ``visible`` (N, L) each landmark is fitted on the images where it is visible. A landmark that is never visible
    is predicted at the origin: the least-norm solution without equations. Raises MetricError for wrong shapes, values
    that are not finite, and no rows. Source: the regressions in the released code of Stable Keypoints (with and without
    visibility), AutoLink, Siarohin, SCOPS and Sanchez.
    """
    estimator = Estimator() if estimator is None else estimator
    check_points(keypoints, "keypoints")
    if visible is None:
        visible = np.ones(landmarks.shape[:2], dtype=bool)
    if visible.shape != landmarks.shape[:2] or len(keypoints) != len(landmarks):
        raise MetricError(
            f"{len(keypoints)} rows of keypoints, landmarks {landmarks.shape}, visible {visible.shape}: "
            "expected (N, K, 2), (N, L, 2) and (N, L) with the same N"
        )
    check_points(landmarks, "landmarks", visible)
    origin = ORIGINS[estimator.origin]
    weights = np.zeros((2 * keypoints.shape[1], *landmarks.shape[1:]))
    bias = np.full(landmarks.shape[1:], origin)
    designs = []
    for columns in _landmarks_by_visibility(visible):
        seen = visible[:, columns[0]]
        design = Design(keypoints[seen], estimator)
        targets = landmarks[seen][:, columns].reshape(-1, 2 * len(columns))
        level = targets.mean(axis=0) if estimator.intercept and len(targets) else np.full(targets.shape[1], origin)
        solution = design.solve(design.moment(targets - level))
        weights[:, columns] = solution.reshape(-1, len(columns), 2)
        bias[columns] = (level + (origin - design.about) @ solution).reshape(-1, 2)
        designs.append(design)
    return assemble(weights.reshape(len(weights), -1), bias.ravel(), origin, visible.sum(axis=0), designs)


def assemble(
    weights: Floats, bias: Floats, origin: float, rows: NDArray[np.int64], designs: list[Design]
) -> Regression:
    """The regression, with the lowest rank and the largest condition number of its designs."""
    deficient = any(design.deficient for design in designs)
    return Regression(
        weights=weights,
        bias=bias,
        origin=origin,
        rows=rows,
        rank=min(design.rank for design in designs),
        condition=None if deficient else max(design.condition for design in designs),
        rank_deficient=deficient,
    )


def together(regressions: Sequence[Regression]) -> Regression:
    """The first of several regressions, with the lowest rank and the largest condition number of all."""
    deficient = any(each.rank_deficient for each in regressions)
    return replace(
        regressions[0],
        rank=min(each.rank for each in regressions),
        condition=None if deficient else max(each.condition or 0.0 for each in regressions),
        rank_deficient=deficient,
    )


def _landmarks_by_visibility(visible: Mask) -> list[list[int]]:
    """Groups of landmarks that are visible in the same images, and therefore share a design."""
    groups: dict[bytes, list[int]] = {}
    for landmark, column in enumerate(np.packbits(visible, axis=0).T):
        groups.setdefault(column.tobytes(), []).append(landmark)
    return list(groups.values())
