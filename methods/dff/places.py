"""Features made non-negative, heat maps of factors, and their places."""

from __future__ import annotations

import torch
from torch import Tensor

from methods.dff.factors import weights_of


def rectified(maps: Tensor, mean: Tensor, how: str) -> Tensor:
    maps = maps.double().cpu()
    if how == "relu":
        return maps.relu()
    maps = maps - mean.double().cpu()[:, None, None]
    if how == "centred":
        return maps.relu()
    return torch.cat([maps.relu(), (-maps).relu()], 1)


def heat_maps(maps: Tensor, factors: Tensor) -> Tensor:
    b, c, h, w = maps.shape
    found = [weights_of(each.flatten(1).T.numpy(), factors.cpu().numpy()) for each in maps]
    return torch.stack([torch.from_numpy(x).T.unflatten(1, (h, w)) for x in found])


def places_of(heat: Tensor, point: str, window: int) -> Tensor:
    height, width = heat.shape[2:]
    values = heat.flatten(2)
    cells = torch.arange(height * width)
    rows, columns = cells // width, cells % width
    if point == "maximum":
        best = values.argmax(-1, keepdim=True)
        near = ((rows - best // width).abs() <= window) & ((columns - best % width).abs() <= window)
        values = values * near
    total = values.sum(-1, keepdim=True)
    shares = torch.where(total > 0, values / total, 1 / (height * width))
    grid = torch.stack([(columns + 0.5) / width, (rows + 0.5) / height], -1).double()
    return shares @ grid
