"""Differentiable drawing of edges between keypoints."""

from __future__ import annotations

import torch
from torch import Tensor


def pairs(num_keypoints: int, device: torch.device | str = "cpu") -> Tensor:
    """Indices (2, E) of the two ends of every edge, E = K (K - 1) / 2, the smaller index first."""
    return torch.triu_indices(num_keypoints, num_keypoints, offset=1, device=device)


def pixel_grid(size: int, device: torch.device | str = "cpu", dtype: torch.dtype | None = None) -> Tensor:
    """Coordinates (size * size, 2) of pixel centres, (y, x), row by row: -1 for the first pixel, 1 for the last."""
    ticks = torch.linspace(-1, 1, size, device=device, dtype=dtype)
    return torch.cartesian_prod(ticks, ticks)


def draw_edges(keypoints: Tensor, weights: Tensor, size: int, thickness: float) -> Tensor:
    """Draw every pair of keypoints as a line, and keep the brightest line at each pixel: (B, 1, size, size).

    A pixel at distance d of the segment between keypoints i and j has the brightness w_ij exp(-d^2 / thickness).
    ``keypoints`` are (B, K, 2), (y, x) in [-1, 1]; ``weights`` (E,) positive, in the order of ``pairs``; ``thickness``
    is an area in those units. Source: section 3 of He et al. (2022).

    The brightest edge and the segment's nearest point are found without a gradient, and the value is then computed
    for that edge alone. The gradient is still exact: a maximum passes its gradient to the brightest edge, and the
    distance does not change, to first order, when the nearest point moves along the segment.
    """
    grid = pixel_grid(size, keypoints.device, keypoints.dtype)
    first, second = pairs(keypoints.shape[1], keypoints.device)
    start, end = keypoints[:, first], keypoints[:, second]
    with torch.no_grad():
        winner, along = _brightest(grid, start, end, weights, thickness)
    index = winner.unsqueeze(2).expand(-1, -1, 2)
    tail, head = start.gather(1, index), end.gather(1, index)
    nearest = tail + along.unsqueeze(2) * (head - tail)
    squared = (grid - nearest).square().sum(dim=2)
    brightness = weights[winner] * torch.exp(-squared / thickness)
    return brightness.view(len(keypoints), 1, size, size)


def _brightest(grid: Tensor, start: Tensor, end: Tensor, weights: Tensor, thickness: float) -> tuple[Tensor, Tensor]:
    """The brightest edge (B, P) at each of P places, and the position (B, P), in [0, 1], of its nearest point."""
    step = end - start
    length = step.square().sum(dim=2, keepdim=True).clamp_min(torch.finfo(step.dtype).eps)
    forward = step @ grid.T - (step * start).sum(dim=2, keepdim=True)  # (B, E, P): (grid - start) . step
    along = (forward / length).clamp_(0, 1)
    away = grid.square().sum(dim=1) - 2 * (start @ grid.T) + start.square().sum(dim=2, keepdim=True)
    squared = away.sub_(along * (forward.mul_(2).sub_(along * length)))
    brightness = weights.log().view(1, -1, 1) - squared.div_(thickness)
    winner = brightness.argmax(dim=1)
    return winner, along.gather(1, winner.unsqueeze(1)).squeeze(1)
