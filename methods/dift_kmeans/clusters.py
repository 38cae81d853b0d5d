"""Clusters of features, those of them that are good keypoints, and where they are in an image. No label is seen.

A feature is compared with others by its cosine, after the mean of the fit images' features is taken off. A background
is found everywhere, or somewhere else in each image; a part of an object is in one place of every image. Two numbers
tell them apart, both of them means over the fit images:

* ``spread``: the standard deviation, in image sides, of the place under the softmax of a centre's similarities;
* ``consistency``: how often the best match of a centre is closer to that centre than to every other one.
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
    """Centres (M, C) of unit length; ``consistency`` and ``spread`` (M,), ``distance`` (M, M) of their places."""

    centres: Tensor
    consistency: Tensor
    spread: Tensor
    distance: Tensor


def centred(features: Tensor, mean: Tensor) -> Tensor:
    """Features (B, C, h, w) without their mean (C,), of unit length."""
    return F.normalize(features - mean[:, None, None], dim=1)


def cluster(features: Tensor, count: int, vectors: int, iterations: int, seed: int) -> Tensor:
    """Centres (count, C) of unit length, by k-means over ``vectors`` places of each of the maps (N, C, h, w).

    Raises MethodError where there are fewer vectors than centres.
    """
    flat = features.flatten(2)
    places = [generator(seed, "places", image).permutation(flat.shape[2])[:vectors] for image in range(len(flat))]
    chosen = torch.cat([image[:, torch.from_numpy(some)] for image, some in zip(flat.cpu(), places, strict=True)], 1)
    if chosen.shape[1] < count:
        raise MethodError(
            f"dift_kmeans: {len(flat)} images give {chosen.shape[1]} features, expected at least the {count} clusters; "
            "lower dift_kmeans.clusters_per_keypoint or fit on more images"
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a cluster that lost all its features keeps its centre
        centres, _ = kmeans2(
            chosen.T.double().numpy(), count, iter=iterations, minit="++", seed=generator(seed, "k-means")
        )
    return F.normalize(torch.from_numpy(np.asarray(centres)).to(features), dim=1)


def candidates(features: Tensor, centres: Tensor, temperature: float) -> Candidates:
    """What the fit images' features (N, C, h, w), ``centred``, say of centres (M, C)."""
    found = [_measure(image, centres, temperature) for image in features]
    consistency, spread, distance = (torch.stack(values).mean(0) for values in zip(*found, strict=True))
    return Candidates(centres, consistency, spread, distance)


def _measure(feature: Tensor, centres: Tensor, temperature: float) -> tuple[Tensor, Tensor, Tensor]:
    """Whether matches go both ways (M,), spread (M,) and distances of places (M, M), in one image (C, h, w)."""
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
    """Centres (height * width, 2) of the cells of a map, (x, y) in [0, 1], row by row; dtype and device of ``like``."""
    y = (torch.arange(height, dtype=like.dtype, device=like.device) + 0.5) / height
    x = (torch.arange(width, dtype=like.dtype, device=like.device) + 0.5) / width
    return torch.cartesian_prod(y, x).flip(1)


def choose(found: Candidates, count: int, spread_weight: float, min_distance: float) -> Tensor:
    """Ids (count,) of the candidates with the largest ``consistency - spread_weight * spread``, the best first.

    One that lies closer than ``min_distance`` to a better one is passed over; where too few are left, the distance
    asked for is halved, and in the end not asked for.
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
    """Places (B, K, 2), (x, y) in [0, 1], where ``centred`` features (B, C, h, w) are most similar to centres (K, C).

    Of the cells at most ``window`` from the best one the place is the mean under the softmax of their similarities.
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
