"""The losses of LMDIS against float64 computations by other means, and against closed forms."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal, norm

from methods.lmdis import losses


def maps(seed: int = 0, shape: tuple[int, ...] = (2, 3, 5, 8)) -> np.ndarray:
    return np.random.default_rng(seed).random(shape) + 0.01


def numbers(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, shape)


def test_moments_are_weighted_means_and_deviations_of_the_cells() -> None:
    given = maps()
    points, deviations = losses.moments(torch.tensor(given))
    y, x = np.mgrid[0.5:5, 0.5:8]
    cells = np.stack([2 * x.ravel() / 8 - 1, 2 * y.ravel() / 5 - 1])
    for image, keypoint in np.ndindex(2, 3):
        weights = given[image, keypoint].ravel()
        covariance = np.cov(cells, aweights=weights, ddof=0)
        assert points[image, keypoint].numpy() == pytest.approx(np.average(cells, axis=1, weights=weights), abs=1e-7)
        assert deviations[image, keypoint].numpy() == pytest.approx(np.sqrt(np.diag(covariance)), abs=1e-7)


def test_a_single_cell_has_its_centre_and_no_width() -> None:
    given = torch.zeros(1, 1, 8, 16)
    given[0, 0, 2, 11] = 0.3
    points, deviations = losses.moments(given)
    assert points[0, 0].tolist() == pytest.approx([2 * 11.5 / 16 - 1, 2 * 2.5 / 8 - 1])
    assert deviations.max() <= 1.1e-5


def test_a_map_of_zeros_is_in_the_middle_and_has_a_finite_gradient() -> None:
    given = torch.zeros(1, 2, 4, 4, requires_grad=True)
    points, deviations = losses.moments(given)
    assert not points.any() and deviations.max() <= 1.1e-5
    (points.sum() + deviations.sum()).backward()
    assert given.grad is not None and given.grad.isfinite().all()


def test_a_flat_map_has_the_deviation_of_a_uniform_grid() -> None:
    points, deviations = losses.moments(torch.full((1, 1, 4, 10), 0.7))
    assert points[0, 0].tolist() == pytest.approx([0, 0], abs=1e-6)
    assert deviations[0, 0].tolist() == pytest.approx([((1 - 1 / n**2) / 3) ** 0.5 for n in (10, 4)], rel=1e-6)


@given(seed=st.integers(0, 2**32 - 1), factor=st.floats(1e-3, 1e3))
@settings(max_examples=25)
def test_moments_do_not_depend_on_the_sum_of_a_map_and_mirror_with_it(seed: int, factor: float) -> None:
    given = torch.tensor(maps(seed))
    points, deviations = losses.moments(given)
    scaled, mirrored = losses.moments(factor * given), losses.moments(given.flip(3))
    torch.testing.assert_close(scaled, (points, deviations))
    torch.testing.assert_close(mirrored, (points * torch.tensor([-1.0, 1.0]), deviations))


@pytest.mark.parametrize("part", [0, 1])
def test_moments_have_their_gradients(part: int) -> None:
    given = torch.tensor(maps(1, (2, 2, 3, 4)), requires_grad=True)
    assert torch.autograd.gradcheck(lambda those: losses.moments(those)[part], given)


def test_a_single_cell_has_a_finite_gradient() -> None:
    given = torch.zeros(1, 1, 4, 4)
    given[..., 1, 2] = 1
    given.requires_grad_()
    losses.concentration(losses.moments(given)[1]).backward()
    assert given.grad is not None and given.grad.isfinite().all()


def test_concentration_is_the_exponential_of_a_gaussians_entropy() -> None:
    deviations = np.random.default_rng(2).uniform(0.05, 0.4, (4, 3, 2))
    expected = [
        sum(np.exp(multivariate_normal(cov=pair.mean() ** 2 * np.eye(2)).entropy()) for pair in image)
        for image in deviations
    ]
    assert losses.concentration(torch.tensor(deviations)).item() == pytest.approx(np.mean(expected), rel=1e-12)


def test_concentration_of_an_isotropic_map() -> None:
    found = losses.concentration(torch.full((2, 5, 2), 0.1, dtype=torch.float64)).item()
    assert found == pytest.approx(5 * 2 * np.pi * np.e * 0.01, rel=1e-12)


def test_separation_sums_over_ordered_pairs() -> None:
    points = numbers((3, 4, 2), 3)
    expected = [
        sum(np.exp(-(np.linalg.norm(a - b) ** 2) / (2 * 0.3**2)) for a, b in permutations(image, 2)) for image in points
    ]
    assert losses.separation(torch.tensor(points), 0.3).item() == pytest.approx(np.mean(expected), rel=1e-12)


def test_separation_of_two_points_one_bandwidth_apart_of_coinciding_and_of_far_points() -> None:
    pair = torch.tensor([[[0.1, 0.2], [0.1, 0.28]]], dtype=torch.float64)
    assert losses.separation(pair, 0.08).item() == pytest.approx(2 * np.exp(-0.5), rel=1e-12)
    assert losses.separation(torch.zeros(2, 5, 2), 0.08).item() == pytest.approx(20)
    assert losses.separation(torch.tensor([[[0.0, 0.0], [9.0, 9.0]]]), 0.08).item() == 0
    assert losses.separation(torch.zeros(2, 1, 2), 0.08).item() == 0


def test_equivariance_sums_squared_distances() -> None:
    points, back = numbers((3, 4, 2), 4), numbers((3, 4, 2), 5)
    expected = np.mean(
        [sum(np.linalg.norm(a - b) ** 2 for a, b in zip(*pair, strict=True)) for pair in zip(points, back, strict=True)]
    )
    assert losses.equivariance(torch.tensor(points), torch.tensor(back)).item() == pytest.approx(expected, rel=1e-12)
    assert losses.equivariance(torch.tensor(points), torch.tensor(points)).item() == 0


def test_reconstruction_is_a_gaussians_negative_log_likelihood() -> None:
    drawn, pixels = numbers((2, 3, 4, 5), 6), numbers((2, 3, 4, 5), 7)
    expected = -norm(drawn).logpdf(pixels).sum((1, 2, 3)).mean() - 3 * 4 * 5 * 0.5 * np.log(2 * np.pi)
    assert losses.reconstruction(torch.tensor(drawn), torch.tensor(pixels)).item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("loss", "shapes"),
    [
        (losses.concentration, [(2, 3, 2)]),
        (lambda points: losses.separation(points, 0.5), [(2, 3, 2)]),
        (losses.equivariance, [(2, 3, 2), (2, 3, 2)]),
    ],
)
def test_losses_have_their_gradients(loss: Any, shapes: list[tuple[int, ...]]) -> None:
    those = [torch.tensor(numbers(shape, seed), requires_grad=True) for seed, shape in enumerate(shapes)]
    assert torch.autograd.gradcheck(loss, those)
