"""Random warps against SciPy's thin plate splines in float64, and against affine maps."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.interpolate import RBFInterpolator

from methods.training import warps
from methods.training.warp_config import WarpConfig


def solved(controls: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Coefficients of the spline through ``places``, by solving for them with the side conditions, in float64."""
    radial = np.array([[_kernel(np.hypot(*(a - b))) for b in controls] for a in controls])
    polynomial = np.column_stack([np.ones(len(controls)), controls])
    system = np.block([[radial, polynomial], [polynomial.T, np.zeros((3, 3))]])
    return np.linalg.solve(system, np.concatenate([places, np.zeros((3, 2))]))


def _kernel(radius: float) -> float:
    return 2 * radius**2 * np.log(radius) if radius > 0 else 0.0


def places_moved(controls: np.ndarray, seed: int = 0) -> np.ndarray:
    return controls + 0.1 * np.random.default_rng(seed).standard_normal(controls.shape)


def test_spline_passes_through_the_places_of_its_controls() -> None:
    controls = warps.control_points(5)
    places = places_moved(controls)
    assert np.abs(warps.basis(controls, controls) @ solved(controls, places) - places).max() < 1e-12


def test_spline_is_scipys_between_its_controls() -> None:
    controls = warps.control_points(4)
    places = places_moved(controls, 1)
    points = np.random.default_rng(2).uniform(-1.2, 1.2, (200, 2))
    expected = RBFInterpolator(controls, places, kernel="thin_plate_spline", degree=1)(points)
    assert np.abs(warps.basis(points, controls) @ solved(controls, places) - expected).max() < 1e-10


def test_affine_places_give_an_affine_spline() -> None:
    controls = warps.control_points(4)
    matrix, shift = np.array([[0.9, 0.2], [-0.3, 1.1]]), np.array([0.1, -0.2])
    coefficients = solved(controls, controls @ matrix + shift)
    assert np.abs(coefficients[:-3]).max() < 1e-12
    points = np.random.default_rng(0).uniform(-1, 1, (50, 2))
    assert np.abs(warps.basis(points, controls) @ coefficients - (points @ matrix + shift)).max() < 1e-12


def test_grid_of_pixels_is_the_spline_at_their_centres() -> None:
    coefficients = solved(warps.control_points(4), places_moved(warps.control_points(4)))
    grid = warps.sampling_grid(coefficients[None], 6).numpy()
    for row, column in [(0, 0), (2, 5), (5, 1)]:
        centre = np.array([[(2 * column + 1) / 6 - 1, (2 * row + 1) / 6 - 1]])
        expected = warps.basis(centre, warps.control_points(4)) @ coefficients
        assert np.abs(grid[0, row, column] - expected).max() < 1e-5


def test_draws_have_the_deviations_asked_for() -> None:
    warp = WarpConfig(rotation_degrees=4, scale=0.05, translation=0.2, bend=(0.001, 0.01))
    drawn = warps.draw(warp, 3, 20_000, np.random.default_rng(0))
    assert drawn.shape == (20_000, 12, 2)
    shift, linear = drawn[:, 9], drawn[:, 10:]
    assert shift.std() == pytest.approx(0.2, rel=0.02)
    assert np.sqrt(np.linalg.det(linear)).std() == pytest.approx(0.05, rel=0.03)
    angle = np.rad2deg(np.arctan2(linear[:, 1, 0], linear[:, 0, 0]))
    assert angle.std() == pytest.approx(4, rel=0.03)
    assert (
        np.abs(np.einsum("nij,nik->njk", linear, linear) - np.linalg.det(linear)[:, None, None] * np.eye(2)).max()
        < 1e-12
    )
    # a mixture of equal halves: variance 0.001^2 + 0.01^2 / 2, and half of the coefficients are small
    assert drawn[:, :9].std() == pytest.approx((1e-6 + 5e-5) ** 0.5, rel=0.02)
    assert (np.abs(drawn[:, :9]) < 0.003).mean() == pytest.approx(0.5 * 0.9973 + 0.5 * 0.2347, abs=0.01)


def test_affine_warp_has_no_bend() -> None:
    drawn = warps.draw(WarpConfig(translation=0.1), 4, 8, np.random.default_rng(0))
    assert not drawn[:, :16].any()
    assert (drawn[:, 17:] == np.eye(2)).all()
