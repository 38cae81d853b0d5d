"""Random thin-plate-spline warps, the pairs of images that they give, and the mask of the border.

Coordinates are (x, y) in [-1, 1] of the image, the centre of pixel i of n at ``(2 i + 1) / n - 1``.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import grid_sample

if TYPE_CHECKING:
    from methods.imm.config import WarpConfig


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
    control point, to which a second term is added with probability 1/2. Source: the released code, which samples the
    coefficients of the spline, not the positions of its control points.
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


def border_mask(side: int, margin: float, step: float) -> Tensor:
    """Weights of pixels (1, 1, side, side): 0 in a margin along the border, then rising to 1 like a hyperbolic tangent.

    ``margin`` and ``step`` are the widths of the two zones as shares of the side. Source: the released code (10 and 20
    pixels of 128).
    """
    zeros, rising = round(margin * side), round(step * side)
    strip = torch.ones(side)
    slope = 0.5 + 0.5 * torch.tanh(torch.linspace(-1, 1, rising) / 0.4)
    strip[:zeros], strip[side - zeros :] = 0, 0
    strip[zeros : zeros + rising] = slope
    strip[side - zeros - rising : side - zeros] = slope.flip(0)
    return (strip[:, None] * strip)[None, None]


def pairs(
    pixels: Tensor, mask: Tensor, grids: tuple[Tensor, Tensor], outside: Literal["black", "mirrored"] = "black"
) -> tuple[Tensor, Tensor, Tensor]:
    """Source and target (B, 3, H, W) of images (B, 3, H, W), and the target's mask (B, 1, H, W).

    The target is the image sampled at the first of ``grids`` (B, H, W, 2), the source is the target sampled at the
    second. Samples from ``outside`` the image are black, as in the released code, or those of the image mirrored at its
    border; the mask is 0 there.
    """
    padding = "zeros" if outside == "black" else "reflection"
    target = grid_sample(pixels, grids[0], padding_mode=padding, align_corners=False)
    source = grid_sample(target, grids[1], padding_mode=padding, align_corners=False)
    return source, target, grid_sample(mask.expand(len(pixels), -1, -1, -1), grids[0], align_corners=False)
