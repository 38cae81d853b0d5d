"""Points, Gaussian targets and the two losses (Eq. 5 to 8)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Reduction = Literal["sum", "mean"]


def peak(maps: Tensor) -> Tensor:
    """Row and column (..., 2) int64 of the first maximum, row-major, of each map (..., R, R). Eq. 7."""
    index = maps.flatten(-2).argmax(-1)
    return torch.stack([index // maps.shape[-1], index % maps.shape[-1]], dim=-1)


def gaussian(points: Tensor, side: int, sigma: float, dtype: torch.dtype = torch.float32) -> Tensor:
    """Unit-peak Gaussians (..., side, side) at pixels ``points`` (..., 2), sigma in pixels. Eq. 8."""
    pixels = torch.arange(side, device=points.device)
    axes = torch.exp(-((pixels - points[..., None]) ** 2).to(dtype) / (2 * sigma**2))
    return axes[..., 0, :, None] * axes[..., 1, None, :]


def sharpening(maps: Tensor, sigma: float, reduction: Reduction) -> Tensor:
    """Eq. 6: squared distance between maps (B, K, R, R) and the Gaussians at their own maxima."""
    target = gaussian(peak(maps.detach()), maps.shape[-1], sigma, maps.dtype)
    return _squared(maps - target, reduction)


def equivariance(maps: Tensor, unwarped: Tensor, reduction: Reduction) -> Tensor:
    """Eq. 5: squared distance between maps (B, K, R, R) and those of the transformed images, warped back."""
    return _squared(maps - unwarped, reduction)


def _squared(difference: Tensor, reduction: Reduction) -> Tensor:
    """Squares, averaged over images and tokens; summed (the paper's text) or averaged (its code) over pixels."""
    squares = difference.square().mean()
    return squares * difference.shape[-1] ** 2 if reduction == "sum" else squares
