"""The losses of LMDIS, the moments of its score maps, and the random warps of its equivariance loss.

Points are (x, y) in [-1, 1] of the padded image, the centre of pixel i of n at ``(2 i + 1) / n - 1``, unless a function
says otherwise. Every loss is a mean over images and a sum over keypoints. Source: Zhang et al., CVPR 2018, section 3,
and their released code.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from methods.training.warps import basis, centres, control_points

if TYPE_CHECKING:
    from methods.lmdis.config import LMDISConfig

LEAST_SUM = 1e-20  # of a map's scores: a softmax in float32 can be 0 everywhere
LEAST_VARIANCE = 1e-10  # a map of one cell has no variance, where the square root has no gradient


def moments(maps: Tensor) -> tuple[Tensor, Tensor]:
    """Means (B, K, 2) and standard deviations (B, K, 2), both (x, y), of score maps (B, K, h, w) of no negative number.

    A map is first divided by its sum. One that is 0 everywhere has its mean in the middle, and no width.
    """
    maps = maps / maps.sum((2, 3), keepdim=True).clamp(min=LEAST_SUM)
    shares = maps.sum(2), maps.sum(3)  # of columns, and of rows
    places = [centres(share.shape[2], maps.device).to(maps) for share in shares]
    means = [(share * place).sum(2) for share, place in zip(shares, places, strict=True)]
    variances = [
        (share * (place - mean[..., None]).square()).sum(2)
        for share, place, mean in zip(shares, places, means, strict=True)
    ]
    deviations = torch.stack(variances, dim=2).clamp(min=LEAST_VARIANCE).sqrt()
    return torch.stack(means, dim=2), deviations


def concentration(deviations: Tensor) -> Tensor:
    """Exponential of the entropy of an isotropic Gaussian, 2 pi e s^2, with s the mean of a map's two deviations.

    ``deviations`` (B, K, 2) are in sides of the image.
    """
    return 2 * math.pi * math.e * deviations.mean(2).square().sum(1).mean()


def separation(points: Tensor, bandwidth: float) -> Tensor:
    """The sum of exp(-d^2 / (2 bandwidth^2)) over all ordered pairs of two keypoints at distance d.

    ``points`` (B, K, 2) and ``bandwidth`` have the same unit.
    """
    squares = (points[:, :, None] - points[:, None]).square().sum(3)
    near = torch.exp(-squares / (2 * bandwidth**2))
    others = 1 - torch.eye(points.shape[1], device=points.device, dtype=points.dtype)
    return (near * others).sum((1, 2)).mean()


def equivariance(points: Tensor, back: Tensor) -> Tensor:
    """Squared distance of keypoints (B, K, 2) and those of the warped image, mapped back (B, K, 2)."""
    return (points - back).square().sum((1, 2)).mean()


def reconstruction(drawn: Tensor, pixels: Tensor) -> Tensor:
    """Half of the squared difference of two batches of images (B, 3, H, W), summed over pixels and channels.

    This is the negative log likelihood of a Gaussian of variance 1, without its constant.
    """
    return 0.5 * (drawn - pixels).square().sum((1, 2, 3)).mean()


def spline(points: Tensor, coefficients: Tensor) -> Tensor:
    """Places (B, P, 2) to which splines with coefficients (B, M + 3, 2) map points (B, P, 2).

    The same spline as that of ``methods.training.warps.sampling_grid``, with a gradient for the points.
    """
    side = math.isqrt(coefficients.shape[1] - 3)
    controls = torch.from_numpy(control_points(side)).to(points)
    squares = (points[:, :, None] - controls).square().sum(3)
    radial = squares * squares.clamp(min=torch.finfo(points.dtype).tiny).log()
    return torch.cat([radial, torch.ones_like(points[..., :1]), points], dim=2) @ coefficients


def draw(config: LMDISConfig, count: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """Coefficients (count, M + 3, 2) of random splines, which map points of a warped image to points of the image.

    The spline moves each control point by normally distributed steps; a random similarity follows. The logarithm of
    its scale and its angle are normally distributed, and its shift is uniform.
    """
    controls = control_points(config.control_points)
    places = controls + config.bend * generator.standard_normal((count, *controls.shape))
    angle = np.deg2rad(config.rotation_degrees) * generator.standard_normal(count)
    scale = config.zoom * np.exp(np.log(config.scale) * generator.standard_normal(count))
    cosine, sine = scale * np.cos(angle), scale * np.sin(angle)
    linear = np.stack([np.stack([cosine, -sine], -1), np.stack([sine, cosine], -1)], axis=1)
    shift = 2 * config.translation * generator.uniform(-1, 1, (count, 2))
    coefficients: NDArray[np.float64] = _solution(config.control_points) @ places @ linear
    coefficients[:, -3] += shift
    return coefficients


@lru_cache(maxsize=4)
def _solution(side: int) -> NDArray[np.float64]:
    """The matrix (M + 3, M) that maps places of the control points to the coefficients of the spline through them."""
    controls = control_points(side)
    rows = basis(controls, controls)
    polynomial = rows[:, len(controls) :]
    system = np.block([[rows], [polynomial.T, np.zeros((3, 3))]])
    return np.linalg.inv(system)[:, : len(controls)]
