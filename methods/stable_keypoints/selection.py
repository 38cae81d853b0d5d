"""Selection of tokens: the most local ones, those far apart, and those kept most often."""

from __future__ import annotations

from functools import partial
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from methods.stable_keypoints import fused_maps
from methods.stable_keypoints.losses import gaussian, peak

Ranking = Literal["paper", "official"]


@torch.no_grad()
def divergence(maps: Tensor, sigma: float, ranking: Ranking) -> Tensor:
    """KL divergence (B, N) of each map (B, N, R, R) from the Gaussian at its maximum: small means local. Eq. 9.

    ``paper``: KL(g || m), both normalised to sum 1 after adding 1e-12 (so that 0 log 0 is 0); negative values, which
    bicubic upsampling of a map can give, count as 0. ``official``: 1e-5 is added to both, and m is the softmax of the
    map over its pixels, as in the released code.
    """
    epsilon = 1e-12 if ranking == "paper" else 1e-5
    if fused_maps.possible(maps):
        plain = partial(_divergence, maps, sigma, ranking, epsilon)
        return fused_maps.divergence(maps, sigma, epsilon, ranking == "official", plain)
    return _divergence(maps, sigma, ranking, epsilon)


def _divergence(maps: Tensor, sigma: float, ranking: Ranking, epsilon: float) -> Tensor:
    target = gaussian(peak(maps), maps.shape[-1], sigma, maps.dtype).flatten(-2) + epsilon
    target /= target.sum(-1, keepdim=True)
    if ranking == "paper":
        values = maps.flatten(-2).clamp(min=0) + epsilon
        log_map = (values / values.sum(-1, keepdim=True)).log()
    else:
        log_map = (maps.flatten(-2) + epsilon).log_softmax(-1)
    return (target * (target.log() - log_map)).sum(-1)


def most_local(maps: Tensor, count: int, sigma: float, ranking: Ranking) -> Tensor:
    """Ids (B, count) of the tokens with the smallest divergence, in that order (ties: lower id first)."""
    return divergence(maps, sigma, ranking).argsort(dim=-1, stable=True)[:, :count]


def furthest_points(points: Tensor, count: int) -> Tensor:
    """Furthest point sampling: indices (B, count) into ``points`` (B, C, 2) int64. Eq. 10.

    Starts with the pair furthest apart, then adds the point that is furthest from its nearest chosen point; of equals
    the first. Squared integer distances make ties exact. Nothing leaves the device.
    """
    size = points.shape[1]
    distances = (points[:, :, None] - points[:, None]).square().sum(-1)
    upper = torch.ones(size, size, dtype=torch.bool, device=points.device).triu(1)
    widest = distances.masked_fill(~upper, -1).flatten(1).argmax(1)
    chosen = [widest // size, widest % size][:count]
    nearest = distances.amax(1)  # from each point to its nearest chosen point; this is an upper bound
    for number in range(count):
        if number >= len(chosen):
            chosen.append(nearest.argmax(1))
        place = chosen[number][:, None]
        towards = distances.gather(1, place[:, :, None].expand(-1, -1, size))[:, 0]
        nearest = torch.minimum(nearest, towards).scatter(1, place, -1)
    return torch.stack(chosen, dim=1)


def spread_out(maps: Tensor, candidates: Tensor, count: int) -> Tensor:
    """Ids (B, count) of the candidates (B, C) that furthest point sampling keeps by the maxima of maps (B, N, R, R)."""
    if candidates.shape[1] <= count:
        return candidates
    points = peak(torch.take_along_dim(maps.detach(), candidates[:, :, None, None], dim=1))
    return candidates.gather(1, furthest_points(points, count))


def most_frequent(ids: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """The ``count`` most frequent ids, most frequent first (ties: lower id first)."""
    values, counts = np.unique(ids, return_counts=True)
    return values[np.lexsort((values, -counts))][:count]
