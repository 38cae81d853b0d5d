"""Features made non-negative, the heat maps of factors, and the place of a heat map."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from methods.dff.factors import weights_of


def rectified(maps: Tensor, mean: Tensor, how: str) -> Tensor:
    """Non-negative float64 maps on the CPU of feature maps (B, C, h, w), whose mean over the fit images is (C,).

    ``relu`` sets negative values to 0, and ``centred`` does so after the mean is subtracted. ``split`` subtracts the
    mean and keeps both signs, as 2 C channels.
    """
    maps = maps.double().cpu()
    if how == "relu":
        return maps.relu()
    maps = maps - mean.double().cpu()[:, None, None]
    return maps.relu() if how == "centred" else torch.cat([maps.relu(), (-maps).relu()], 1)


def heat_maps(maps: Tensor, factors: Tensor) -> Tensor:
    """Weights (B, K, h, w) of the factors (K, C) in each cell of non-negative maps (B, C, h, w)."""
    height, width = maps.shape[2:]
    found = [weights_of(image.flatten(1).T.numpy(), factors.cpu().numpy()) for image in maps]
    return torch.from_numpy(np.stack(found)).transpose(1, 2).unflatten(2, (height, width))


def places_of(heat: Tensor, point: str, window: int) -> Tensor:
    """Places (B, K, 2), (x, y) in [0, 1], of heat maps (B, K, h, w): the centre of their mass, or of that by a maximum.

    For ``maximum`` only the cells at most ``window`` from the largest one count. A map of zeros has its place at the
    centre of the image.
    """
    height, width = heat.shape[2:]
    values = heat.flatten(2)
    cells = torch.arange(height * width)
    rows, columns = cells // width, cells % width
    if point == "maximum":
        best = values.argmax(-1, keepdim=True)
        values = values * (((rows - best // width).abs() <= window) & ((columns - best % width).abs() <= window))
    values = torch.where(heat.flatten(2).amax(-1, keepdim=True) > 0, values, 1.0)
    grid = torch.stack([(columns + 0.5) / width, (rows + 0.5) / height], -1).to(values)
    return values @ grid / values.sum(-1, keepdim=True)
