"""Which tokens count: the most local ones, those far apart, and those chosen most often."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from methods.stable_keypoints.losses import gaussian, peak

Ranking = Literal["paper", "official"]


@torch.no_grad()
def divergence(maps: Tensor, sigma: float, ranking: Ranking) -> Tensor:
    """KL (B, N) of each map (B, N, R, R) from the Gaussian at its maximum: small means local. Eq. 9.

    ``paper``: KL(g || m), both normalised to sum 1 after adding 1e-12 (so that 0 log 0 is 0); what bicubic
    upsampling of a map left below 0 counts as 0. ``official``: 1e-5 is added to both, and m is the softmax over
    pixels of the map, as in the released code.
    """
    epsilon = 1e-12 if ranking == "paper" else 1e-5
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


def furthest_points(points: NDArray[np.int64], count: int) -> list[int]:
    """Furthest point sampling: ``count`` positions of ``points`` (C, 2). Eq. 10.

    Starts with the furthest pair (the first in order where several are), then adds the point whose nearest
    chosen one is furthest, again the first of several. Squared integer distances make ties exact.
    """
    distances = ((points[:, None] - points[None]) ** 2).sum(-1)
    pairs = np.triu(distances, k=1) - np.tri(len(points), dtype=np.int64)
    chosen = [int(index) for index in np.unravel_index(pairs.argmax(), pairs.shape)][:count]
    nearest = distances[chosen].min(0)
    while len(chosen) < count:
        nearest[chosen] = -1
        chosen.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, distances[chosen[-1]])
    return chosen


def spread_out(maps: Tensor, candidates: Tensor, count: int) -> Tensor:
    """Ids (B, count) of the candidates (B, C) that furthest point sampling keeps by the maps' maxima."""
    if candidates.shape[1] <= count:
        return candidates
    points = peak(torch.take_along_dim(maps.detach(), candidates[:, :, None, None], dim=1)).cpu().numpy()
    kept = torch.tensor([furthest_points(image, count) for image in points], device=candidates.device)
    return candidates.gather(1, kept)


def most_frequent(ids: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """The ``count`` ids that occur most often, most frequent first (ties: lower id first)."""
    values, counts = np.unique(ids, return_counts=True)
    return values[np.lexsort((values, -counts))][:count]
