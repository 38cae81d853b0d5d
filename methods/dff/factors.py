"""Non-negative matrix factorisation, the weights of new rows under fixed factors, and the place of a heat map."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from methods.draws import generator

Array = NDArray[np.float64]
CHECKED_EVERY = 10  # iterations, as in the released code


@dataclass(frozen=True)
class Factorisation:
    """``weights`` (N, K) and ``factors`` (K, C), both at least 0, whose product approximates a matrix (N, C).

    ``errors`` are the Frobenius norms of the difference, one at the start and one after each iteration.
    """

    weights: Array
    factors: Array
    errors: tuple[float, ...]


def factorise(matrix: Array, count: int, iterations: int, tolerance: float, seed: int) -> Factorisation:
    """Factorise a non-negative matrix (N, C) by multiplicative updates, after which the error never rises.

    Both factors start at absolute values of normal noise with deviation sqrt(mean / count). The updates end after
    ``iterations``, or where ten of them lower the error by less than ``tolerance`` of the first error. Source: Lee and
    Seung 2001; start and end as in the released code of Collins et al. 2018.
    """
    scale = np.sqrt(matrix.mean() / count)
    weights = scale * np.abs(generator(seed, "nmf", "weights").standard_normal((len(matrix), count)))
    factors = scale * np.abs(generator(seed, "nmf", "factors").standard_normal((count, matrix.shape[1])))
    square = float(np.vdot(matrix, matrix))
    errors = [float(np.linalg.norm(matrix - weights @ factors))]
    for iteration in range(1, iterations + 1):
        weights = weights * _ratio(matrix @ factors.T, weights @ (factors @ factors.T))
        inner, gram = weights.T @ matrix, weights.T @ weights
        factors = factors * _ratio(inner, gram @ factors)
        explained = 2 * np.vdot(inner, factors) - np.vdot(gram @ factors, factors)
        errors.append(float(np.sqrt(max(0.0, square - explained))))
        earlier = errors[max(0, iteration - CHECKED_EVERY)]
        if iteration % CHECKED_EVERY == 0 and earlier - errors[-1] < tolerance * errors[0]:
            break
    return Factorisation(weights, factors, tuple(errors))


def _ratio(above: Array, below: Array) -> Array:
    """``above / below``, and 0 where ``below`` is 0, as then ``above`` is 0 too or the entry stays 0."""
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)


def weights_of(rows: Array, factors: Array) -> Array:
    """Weights (N, K) at least 0 with which the factors (K, C) approximate each row (N, C) best, by least squares.

    The least-squares problems are reduced to K equations by a QR decomposition, which changes no solution.
    """
    orthogonal, triangle = np.linalg.qr(factors.T)
    targets = rows @ orthogonal
    return np.stack([nnls(triangle, target, maxiter=100 * len(factors))[0] for target in targets])
