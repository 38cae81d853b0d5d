"""Random thin-plate-spline warps.

Coordinates are (x, y) in [-1, 1] of the image, the centre of pixel i of n at ``(2 i + 1) / n - 1``.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

if TYPE_CHECKING:
    from methods.training.warp_config import WarpConfig


def centres(side: int, device: torch.device | str = "cpu") -> Tensor:
    """Coordinates (side,) float32 of pixel centres in [-1, 1]."""
    return (2 * torch.arange(side, device=device) + 1) / side - 1


def control_points(side: int) -> NDArray[np.float64]:
    """A regular grid (side * side, 2) of (x, y) over [-1, 1], its corners in the image's corners."""
    axis = np.linspace(-1, 1, side)
    return np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)


def basis(points: NDArray[np.float64], controls: NDArray[np.float64]) -> NDArray[np.float64]:
    """Basis functions (P, M + 3) of a thin plate spline: r^2 log r^2 for each control point, then 1, x, y."""
    squares = ((points[:, None] - controls[None]) ** 2).sum(-1)
    radial = squares * np.log(np.where(squares > 0, squares, 1))
    return np.concatenate([radial, np.ones((len(points), 1)), points], axis=1)


def draw(warp: WarpConfig, controls: int, count: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """Coefficients (count, controls^2 + 3, 2) of random splines: of each control point, then of 1, x and y.

    The angle, scale - 1 and shift of the affine part are normally distributed, and so is the coefficient of each
    control point, to which a second term is added with probability 1/2. Source: the released code of IMM (Jakab et al.,
    NeurIPS 2018), which samples the coefficients of the spline, not the positions of its control points.
    """
    shape = (count, controls**2, 2)
    first, second = warp.bend
    radial = first * generator.standard_normal(shape)
    radial += second * generator.standard_normal(shape) * (generator.random(shape) > 0.5)
    angle = np.deg2rad(warp.rotation_degrees * generator.standard_normal(count))
    scale = 1 + warp.scale * generator.standard_normal(count)
    shift = warp.translation * generator.standard_normal((count, 1, 2))
    cosine, sine = scale * np.cos(angle), scale * np.sin(angle)
    linear = np.stack([np.stack([cosine, -sine], -1), np.stack([sine, cosine], -1)], axis=1)
    return np.concatenate([radial, shift, linear], axis=1)


def sampling_grid(coefficients: NDArray[np.float64], side: int) -> Tensor:
    """Coordinates (B, side, side, 2), float32 (x, y), at which each pixel of a warped image is sampled."""
    controls = round((coefficients.shape[1] - 3) ** 0.5)
    places = torch.from_numpy(_pixel_basis(side, controls)) @ torch.from_numpy(coefficients.astype(np.float32))
    return places.view(len(coefficients), side, side, 2)


@lru_cache(maxsize=4)
def _pixel_basis(side: int, controls: int) -> NDArray[np.float32]:
    axis = centres(side).double().numpy()
    pixels = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    return basis(pixels, control_points(controls)).astype(np.float32)
