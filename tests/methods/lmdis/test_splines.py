"""The random warps of LMDIS against SciPy's thin plate splines, their distribution, and their direction."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy.interpolate import RBFInterpolator
from torch.nn.functional import grid_sample

from methods.lmdis import LMDISConfig, losses
from methods.training.warps import control_points, sampling_grid

STILL: dict[str, Any] = {"bend": 0.0, "rotation_degrees": 0.0, "scale": 1.0, "translation": 0.0, "zoom": 1.0}


def drawn(count: int, **settings: Any) -> np.ndarray:
    config = LMDISConfig(**{**STILL, "control_points": 4, **settings})
    return losses.draw(config, count, np.random.default_rng(0))


def mapped(points: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    return losses.spline(torch.tensor(points), torch.tensor(coefficients)).numpy()


def some_points(count: int = 1) -> np.ndarray:
    return np.random.default_rng(1).uniform(-1, 1, (count, 30, 2))


def test_a_warp_without_deviations_moves_nothing() -> None:
    assert np.abs(mapped(some_points(2), drawn(2)) - some_points(2)).max() < 1e-10


def test_a_bent_spline_is_scipys_through_the_moved_control_points() -> None:
    coefficients = drawn(1, bend=0.2)
    controls = control_points(4)
    places = mapped(controls[None], coefficients)[0]
    expected = RBFInterpolator(controls, places, kernel="thin_plate_spline", degree=1)(some_points()[0])
    assert np.abs(mapped(some_points(), coefficients)[0] - expected).max() < 1e-8


def test_control_points_move_by_the_deviation_asked_for() -> None:
    controls = control_points(4)
    moved = mapped(np.broadcast_to(controls, (2000, 16, 2)).copy(), drawn(2000, bend=0.2)) - controls
    assert moved.std() == pytest.approx(0.2, rel=0.02) and abs(moved.mean()) < 0.003


def test_similarities_have_the_distribution_asked_for() -> None:
    coefficients = drawn(20_000, rotation_degrees=10, scale=1.25, translation=0.15, zoom=0.5)
    shift, linear = coefficients[:, -3], coefficients[:, -2:]
    assert np.abs(coefficients[:, :-3]).max() < 1e-9
    assert np.abs(shift).max() <= 0.3 and shift.std() == pytest.approx(0.3 / 3**0.5, rel=0.02)
    assert np.corrcoef(shift.T)[0, 1] == pytest.approx(0, abs=0.03)
    scale = np.sqrt(np.linalg.det(linear))
    assert np.median(scale) == pytest.approx(0.5, rel=0.01) and np.log(scale).std() == pytest.approx(
        np.log(1.25), rel=0.02
    )
    angle = np.rad2deg(np.arctan2(linear[:, 1, 0], linear[:, 0, 0]))
    assert angle.std() == pytest.approx(10, rel=0.02)


def test_the_spline_leads_from_a_spot_in_the_warped_image_to_the_spot_in_the_image() -> None:
    side, centre = 64, np.array([0.2, -0.3])
    axis = (2 * np.arange(side) + 1) / side - 1
    spot = np.exp(-((axis[:, None] - centre[1]) ** 2 + (axis - centre[0]) ** 2) / (2 * 0.1**2))
    coefficients = drawn(5, bend=0.05, rotation_degrees=20, scale=1.2, translation=0.1)
    image = torch.tensor(spot, dtype=torch.float32)[None, None].expand(5, 1, side, side)
    warped = grid_sample(image, sampling_grid(coefficients, side), align_corners=False)
    points, _ = losses.moments(warped**4)
    back = mapped(points[:, 0, None].double().numpy(), coefficients)[:, 0]
    assert np.abs(points[:, 0].numpy() - centre).max() > 0.1
    assert np.abs(back - centre).max() < 0.02


def test_splines_have_their_gradients_at_a_control_point_too() -> None:
    coefficients = torch.tensor(drawn(1, bend=0.2, rotation_degrees=10))
    points = torch.tensor(some_points()[:, :6], requires_grad=True)
    assert torch.autograd.gradcheck(lambda those: losses.spline(those, coefficients), points)
    corner = torch.tensor([[[-1.0, -1.0]]], requires_grad=True)
    losses.spline(corner, coefficients.float()).sum().backward()
    assert corner.grad is not None and corner.grad.isfinite().all()
