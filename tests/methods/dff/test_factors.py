"""The factorisation against constructed matrices, and weights under fixed factors against optimality conditions."""

from __future__ import annotations

import warnings
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.decomposition import NMF

from methods.dff.factors import factorise, weights_of

MATRICES = arrays(np.float64, st.tuples(st.integers(3, 9), st.integers(2, 6)), elements=st.floats(0, 10, width=16))


def unit_rows(factors: np.ndarray) -> np.ndarray:
    return factors / np.linalg.norm(factors, axis=1, keepdims=True)


@settings(max_examples=60)
@given(MATRICES, st.integers(1, 4), st.integers(0, 5))
def test_the_error_never_rises_and_is_that_of_the_factors(matrix: np.ndarray, count: int, seed: int):
    found = factorise(matrix, count, 25, 0.0, seed)
    assert min(found.weights.min(), found.factors.min()) >= 0
    slack = 1e-7 * max(
        1.0, float(np.linalg.norm(matrix))
    )  # the error of a perfect fit is a difference of equal numbers
    assert all(later <= earlier + slack for earlier, later in zip(found.errors, found.errors[1:], strict=False))
    assert found.errors[-1] == pytest.approx(np.linalg.norm(matrix - found.weights @ found.factors), abs=slack)


def test_one_factor_is_the_leading_singular_vector():
    """Perron and Frobenius: the best approximation of rank 1 of a non-negative matrix is non-negative."""
    matrix = np.random.default_rng(0).random((40, 12))
    found = factorise(matrix, 1, 100, 0.0, seed=3)
    left, values, right = np.linalg.svd(matrix)
    np.testing.assert_allclose(unit_rows(found.factors)[0], np.abs(right[0]), atol=1e-6)
    assert found.errors[-1] == pytest.approx(np.sqrt((values[1:] ** 2).sum()), rel=1e-6)
    np.testing.assert_allclose(found.weights @ found.factors, values[0] * np.outer(left[:, 0], right[0]), atol=1e-5)


def test_the_updates_are_those_of_scikit_learn():
    """From the same start; its solver updates weights before factors too."""
    matrix = np.random.default_rng(6).random((30, 9))
    start = factorise(matrix, 3, 1, 0.0, seed=2)
    theirs = NMF(3, init="custom", solver="mu", max_iter=40, tol=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns that 40 updates do not converge
        weights = theirs.fit_transform(matrix, W=start.weights.copy(), H=start.factors.copy())
    found = factorise(matrix, 3, 41, 0.0, seed=2)
    np.testing.assert_allclose(found.weights, weights, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(found.factors, theirs.components_, rtol=1e-6, atol=1e-9)


def test_factors_that_are_pure_somewhere_are_recovered():
    """Unique up to order and scale: each factor has rows and channels of its own."""
    generator = np.random.default_rng(1)
    factors = np.kron(np.eye(4), np.ones(3)) + 0.0
    factors[factors > 0] = generator.uniform(0.5, 2, 12)
    weights = np.concatenate([np.eye(4)[generator.integers(4, size=60)], generator.dirichlet(np.full(4, 0.3), 60)])
    found = factorise(weights @ factors, 4, 2000, 0.0, seed=0)
    assert found.errors[-1] < 1e-3 * found.errors[0]
    likeness = unit_rows(found.factors) @ unit_rows(factors).T
    order = likeness.argmax(0)
    assert sorted(order) == [0, 1, 2, 3]
    np.testing.assert_allclose(likeness[order, range(4)], 1, atol=1e-4)
    scaled = found.weights * np.linalg.norm(found.factors, axis=1)
    np.testing.assert_allclose(scaled[:, order], weights * np.linalg.norm(factors, axis=1), atol=0.02)


def test_channels_and_rows_of_zeros_stay_zeros():
    matrix = np.random.default_rng(2).random((10, 5))
    matrix[3], matrix[:, 2] = 0, 0
    found = factorise(matrix, 2, 30, 0.0, seed=0)
    assert np.isfinite(found.weights).all() and np.isfinite(found.factors).all()
    assert not found.factors[:, 2].any()
    np.testing.assert_allclose(found.weights[3] @ found.factors, 0, atol=1e-12)
    nothing = factorise(np.zeros((4, 3)), 2, 30, 1e-4, seed=0)
    assert not (nothing.weights @ nothing.factors).any()


def test_the_updates_end_where_ten_of_them_gain_too_little():
    matrix = np.random.default_rng(3).random((30, 8))
    long = factorise(matrix, 2, 500, 0.0, seed=0).errors
    short = factorise(matrix, 2, 500, 0.01, seed=0).errors
    assert long[: len(short)] == short and len(long) == 501
    gains = [(short[number - 10] - short[number]) / short[0] for number in range(10, len(short), 10)]
    assert (len(short) - 1) % 10 == 0 and gains[-1] < 0.01 <= min(gains[:-1], default=1)


def test_one_seed_gives_the_same_bits():
    matrix = np.random.default_rng(4).random((30, 8))
    first, again, other = (factorise(matrix, 3, 20, 0.0, seed) for seed in (1, 1, 2))
    assert first.factors.tobytes() == again.factors.tobytes() != other.factors.tobytes()


@settings(max_examples=60)
@given(MATRICES, st.integers(0, 5))
def test_weights_are_the_best_of_all_sets_of_positive_factors(rows: np.ndarray, seed: int):
    """Against every subset of factors, with plain least squares on each."""
    factors = np.random.default_rng(seed).random((3, rows.shape[1]))
    found = weights_of(rows, factors)
    assert found.shape == (len(rows), 3) and found.min() >= 0
    for row, weights in zip(rows, found, strict=True):
        errors = [np.linalg.norm(row)]
        for size in (1, 2, 3):
            for some in combinations(range(3), size):
                solution = np.linalg.lstsq(factors[list(some)].T, row, rcond=None)[0]
                if solution.min() >= 0:
                    errors.append(np.linalg.norm(row - solution @ factors[list(some)]))
        assert np.linalg.norm(row - weights @ factors) == pytest.approx(min(errors), abs=1e-6)


def test_weights_of_a_mixture_are_those_it_was_mixed_with():
    generator = np.random.default_rng(5)
    factors, weights = generator.random((4, 20)), generator.dirichlet(np.ones(4), 30)
    np.testing.assert_allclose(weights_of(weights @ factors, factors), weights, atol=1e-9)
