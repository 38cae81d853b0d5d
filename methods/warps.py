"""Warp images and maps by affine transformations, and back."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def warp(images: Tensor, theta: Tensor) -> Tensor:
    """Sample images (B, C, H, W) bilinearly at the places to which theta (B, 2, 3) maps output pixels; 0 outside."""
    theta = theta.to(images)
    on_cpu = theta.device.type == "cpu"
    grid = F.affine_grid(theta, list(images.shape), align_corners=False) if on_cpu else exact_grid(theta, images)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def exact_grid(theta: Tensor, images: Tensor) -> Tensor:
    """``F.affine_grid`` without a matrix product, which TF32 on a GPU rounds to a tenth of a pixel."""
    height, width = images.shape[-2:]
    rows, columns = (
        (2 * torch.arange(size, device=theta.device, dtype=theta.dtype) + 1) / size - 1 for size in (height, width)
    )
    x, y, shift = theta[:, None, None].unbind(-1)
    return columns[:, None] * x + rows[:, None, None] * y + shift


def inverse(theta: Tensor) -> Tensor:
    """The theta (B, 2, 3) of the inverse transformation; on a GPU in closed form, without a wait or a copy."""
    if theta.device.type != "cpu":
        return closed_inverse(theta)
    last_row = theta.new_tensor([0.0, 0.0, 1.0]).expand(len(theta), 1, 3)
    return torch.linalg.inv_ex(torch.cat([theta, last_row], dim=1)).inverse[:, :2]


def closed_inverse(theta: Tensor) -> Tensor:
    """The same as ``inverse``, from the determinant of the 2 x 2 part."""
    (a, b, x), (c, d, y) = (row.unbind(-1) for row in theta.unbind(-2))
    entries = torch.stack([d, -b, b * y - d * x, -c, a, c * x - a * y], dim=-1)
    return (entries / (a * d - b * c)[..., None]).unflatten(-1, (2, 3))


def average_unwarped(maps: Tensor, theta: Tensor, side: int) -> Tensor:
    """Eq. 11: maps (B, A, K, R, R) of A views, warped back at ``side`` pixels and averaged: (B, K, side, side).

    ``theta`` is (B, A, 2, 3). A pixel is averaged over the views that cover it, with bilinear weights; it is 0 where
    no view does.
    """
    batch, views, tokens = maps.shape[:3]
    back = inverse(theta.flatten(0, 1))
    large = resize(maps.flatten(0, 1), side)
    ones = large.new_ones(batch * views, 1, side, side)
    total = warp(large, back).view(batch, views, tokens, side, side).sum(1)
    count = warp(ones, back).view(batch, views, 1, side, side).sum(1)
    return torch.where(count > 0, total / count, 0.0)


def resize(maps: Tensor, side: int) -> Tensor:
    """Maps (B, K, R, R) resized bilinearly to ``side`` pixels (align_corners False)."""
    if maps.shape[-1] == side:
        return maps
    return F.interpolate(maps, size=(side, side), mode="bilinear", align_corners=False)
