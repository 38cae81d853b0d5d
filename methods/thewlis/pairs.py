"""Two warped versions of an image, and the places of the first that the cells of the second show."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from methods.thewlis.losses import recoloured
from methods.thewlis.network import STRIDE
from methods.training.warps import cells, draw, sampling_grid

if TYPE_CHECKING:
    from methods.thewlis.config import ThewlisConfig


class Pair(NamedTuple):
    """Images ``first`` and ``second`` (B, 3, h, w), and places in units of a cell about the image's centre.

    ``places`` (1, h / 2, w / 2, 2) are those of the cells of ``first``. A cell of ``second`` shows what ``first`` has
    at its place in ``warped`` (B, h / 2, w / 2, 2).
    """

    first: Tensor
    second: Tensor
    places: Tensor
    warped: Tensor


def drawn(config: ThewlisConfig, pixels: Tensor, generator: np.random.Generator) -> Pair:
    """Warp images (B, 3, H, W) at random, warp the result again, change colours, and crop both by the margin."""
    count, side = len(pixels), pixels.shape[-1]
    first, second = (
        draw(warp, config.control_points, count, generator) for warp in (config.first_warp, config.second_warp)
    )
    padding = "zeros" if config.outside == "black" else "reflection"
    one = grid_sample(pixels, sampling_grid(first, side).to(pixels), padding_mode=padding, align_corners=False)
    two = grid_sample(one, sampling_grid(second, side).to(pixels), padding_mode=padding, align_corners=False)
    if config.colour:
        amounts = torch.from_numpy(config.colour * generator.standard_normal((2, count, 7)))
        one, two = recoloured(one, amounts[0]), recoloured(two, amounts[1])
    small, cut = side // STRIDE, config.cut
    half = small / 2
    inside = slice(cut, small - cut)
    within = slice(STRIDE * cut, side - STRIDE * cut)
    return Pair(
        one[..., within, within],
        two[..., within, within],
        half * cells(small)[None, inside, inside].to(pixels),
        half * sampling_grid(second, small)[:, inside, inside].to(pixels),
    )
