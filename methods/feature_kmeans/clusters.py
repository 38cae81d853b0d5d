"""Cluster features, choose the clusters that make good keypoints, and locate them in an image. No label is used.

Features are compared by their cosine, after the mean over the fit images is subtracted. A cluster of background matches
many places of an image, or a different place in each image; a cluster of an object's part matches one place in every
image. Two numbers, both means over the fit images, tell them apart:

* ``spread``: the standard deviation, in image sides, of the position under the softmax of a centre's similarities;
* ``consistency``: how often the best match of a centre is more similar to it than to any other centre.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from scipy.cluster.vq import kmeans2
from torch import Tensor

from methods.base import MethodError
from methods.draws import generator


@dataclass(frozen=True)
class Candidates:
    """Centres (M, C) of unit length, their ``consistency`` and ``spread`` (M,), and their ``distance`` (M, M)."""

    centres: Tensor
    consistency: Tensor
    spread: Tensor
    distance: Tensor


def centred(features: Tensor, mean: Tensor) -> Tensor:
    """Features (B, C, h, w) minus their mean (C,), scaled to unit length."""
    return F.normalize(features - mean[:, None, None], dim=1)


def cluster(features: Tensor, count: int, vectors: int, iterations: int, seed: int, method: str) -> Tensor:
    """Centres (count, C) of unit length, by k-means over ``vectors`` positions of each of the maps (N, C, h, w).

    Raises MethodError, in the name of ``method``, where there are fewer vectors than centres.
    """
    flat = features.flatten(2)
    places = [generator(seed, "places", image).permutation(flat.shape[2])[:vectors] for image in range(len(flat))]
    chosen = torch.cat([image[:, torch.from_numpy(some)] for image, some in zip(flat.cpu(), places, strict=True)], 1)
    if chosen.shape[1] < count:
        raise MethodError(
            f"{method}: {len(flat)} images give {chosen.shape[1]} features, expected at least the {count} clusters; "
            f"lower {method}.clusters_per_keypoint or fit on more images"
        )
    with warnings.catch_warnings(), np.errstate(invalid="ignore"):  # features that are all alike
        warnings.simplefilter("ignore", UserWarning)  # a cluster that lost all its features keeps its centre
        centres, _ = kmeans2(
            chosen.T.double().numpy(), count, iter=iterations, minit="++", seed=generator(seed, "k-means")
        )
    return F.normalize(torch.from_numpy(np.asarray(centres)).to(features), dim=1)


def candidates(features: Tensor, centres: Tensor, temperature: float) -> Candidates:
    """Measure centres (M, C) in the ``centred`` features (N, C, h, w) of the fit images."""
    found = [_measure(image, centres, temperature) for image in features]
    consistency, spread, distance = (torch.stack(values).mean(0) for values in zip(*found, strict=True))
    return Candidates(centres, consistency, spread, distance)


def _measure(feature: Tensor, centres: Tensor, temperature: float) -> tuple[Tensor, Tensor, Tensor]:
    """Whether each match is mutual (M,), spread (M,) and distances of positions (M, M), in one image (C, h, w)."""
    similarity = torch.einsum("chw,mc->mhw", feature, centres)
    best = similarity.flatten(1).argmax(1)
    mutual = (centres @ feature.flatten(1)[:, best]).argmax(0) == torch.arange(len(centres), device=centres.device)
    height, width = similarity.shape[1:]
    grid = places(height, width, similarity)
    shares = (similarity.flatten(1) / temperature).softmax(1)
    mean = shares @ grid
    variance = (shares * (grid - mean[:, None]).square().sum(-1)).sum(1)
    place = grid[best]
    return mutual.to(centres.dtype), variance.sqrt(), (place[:, None] - place).norm(dim=-1)


def places(height: int, width: int, like: Tensor) -> Tensor:
    """Centres (height * width, 2) of a map's cells, (x, y) in [0, 1], row by row, with dtype and device of ``like``."""
    y = (torch.arange(height, dtype=like.dtype, device=like.device) + 0.5) / height
    x = (torch.arange(width, dtype=like.dtype, device=like.device) + 0.5) / width
    return torch.cartesian_prod(y, x).flip(1)


def choose(found: Candidates, count: int, spread_weight: float, min_distance: float) -> Tensor:
    """Ids (count,) of the candidates with the largest ``consistency - spread_weight * spread``, best first.

    A candidate closer than ``min_distance`` to a better one is passed over. Where too few remain, the minimum distance
    is halved, halved again, and then dropped.
    """
    score = found.consistency - spread_weight * found.spread
    order = score.argsort(descending=True, stable=True).tolist()
    chosen: list[int] = []
    for share in (1.0, 0.5, 0.25, 0.0):
        for candidate in order:
            apart = all(float(found.distance[candidate, other]) >= share * min_distance for other in chosen)
            if len(chosen) < count and candidate not in chosen and apart:
                chosen.append(candidate)
    return torch.tensor(chosen, device=score.device)


def locate(features: Tensor, centres: Tensor, temperature: float, window: int) -> Tensor:
    """Positions (B, K, 2), (x, y) in [0, 1], of the ``centred`` features (B, C, h, w) most similar to centres (K, C).

    A position is the mean over the cells at most ``window`` from the best one, under the softmax of similarities.
    """
    similarity = torch.einsum("bchw,kc->bkhw", features, centres)
    height, width = similarity.shape[2:]
    values = similarity.flatten(2)
    best = values.argmax(-1, keepdim=True)
    cells = torch.arange(height * width, device=values.device)
    rows, columns = cells // width, cells % width
    near = ((rows - best // width).abs() <= window) & ((columns - best % width).abs() <= window)
    shares = (values / temperature).masked_fill(~near, -torch.inf).softmax(-1)
    return shares @ places(height, width, values)
