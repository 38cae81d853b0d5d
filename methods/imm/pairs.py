"""Pairs of warped images, and the mask of their border.

Coordinates are (x, y) in [-1, 1] of the image, the centre of pixel i of n at ``(2 i + 1) / n - 1``.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import grid_sample


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
