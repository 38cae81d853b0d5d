"""Heatmaps of landmarks: targets, losses and soft-argmax; and random warps of images with their landmarks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from methods.base import LabelledBatch
from methods.draws import affine, generator
from methods.supervised.config import SupervisedConfig
from methods.warps import inverse, warp


@dataclass(frozen=True)
class Landmarks:
    """Landmarks on a device: ``points`` (B, L, 2) float32, (x, y) in [0, 1], and ``visible`` (B, L) bool."""

    points: Tensor
    visible: Tensor

    @classmethod
    def of(cls, batch: LabelledBatch, device: torch.device) -> Landmarks:
        """The landmarks of a batch. A landmark that is NaN counts as invisible; invisible ones are set to 0.5."""
        points = torch.tensor(batch.landmarks)
        visible = torch.tensor(batch.visible) & points.isfinite().all(-1)
        points = torch.where(visible[..., None], points, 0.5)
        return cls(points.float().to(device), visible.to(device))


def centres(side: int, device: torch.device) -> Tensor:
    """Centres (side,) of the pixels of a row, in [0, 1]."""
    return (torch.arange(side, dtype=torch.float32, device=device) + 0.5) / side


def soft_argmax(heatmaps: Tensor) -> Tensor:
    """Expected position (B, L, 2), (x, y) in [0, 1], under the softmax of heatmaps (B, L, h, w)."""
    height, width = heatmaps.shape[-2:]
    shares = heatmaps.flatten(-2).softmax(-1).unflatten(-1, (height, width))
    x = (shares.sum(-2) * centres(width, heatmaps.device)).sum(-1)
    y = (shares.sum(-1) * centres(height, heatmaps.device)).sum(-1)
    return torch.stack([x, y], -1)


def gaussians(points: Tensor, side: int, sigma: float) -> Tensor:
    """Gaussians (B, L, side, side) with sum 1 around points (B, L, 2) in [0, 1]; ``sigma`` in pixels."""
    grid = centres(side, points.device)
    along = torch.softmax(-0.5 * ((grid - points[..., None]) * side / sigma) ** 2, -1)
    return along[:, :, 1, :, None] * along[:, :, 0, None, :]


def heatmap_losses(heatmaps: Tensor, landmarks: Landmarks, sigma: float) -> tuple[Tensor, Tensor]:
    """Cross-entropy to Gaussian targets, and distance between soft-argmax and landmark in image sides.

    Both are means over the visible landmarks of a batch, or 0 if none is visible. Source: Sun et al., ECCV 2018.
    """
    target = gaussians(landmarks.points, heatmaps.shape[-1], sigma).flatten(-2)
    entropy = -(target * heatmaps.flatten(-2).log_softmax(-1)).sum(-1)
    distance = ((soft_argmax(heatmaps) - landmarks.points).square().sum(-1) + 1e-12).sqrt()
    count = landmarks.visible.sum().clamp(min=1)
    return (entropy * landmarks.visible).sum() / count, (distance * landmarks.visible).sum() / count


def augmented(
    config: SupervisedConfig, ids: Sequence[str], pixels: Tensor, landmarks: Landmarks, draw: int
) -> tuple[Tensor, Landmarks]:
    """Change the colours of images at random, and warp images and landmarks.

    ``draw``, image id and row are the key of the random numbers. A landmark that leaves the image becomes invisible.
    """
    keys = [(draw, image_id, row) for row, image_id in enumerate(ids)]
    drawn = affine(
        [(*key, "affine") for key in keys], config.rotation_degrees, config.scale_range, "image", config.translation / 2
    )
    theta = torch.from_numpy(drawn).to(pixels)
    values = torch.tensor([generator(*key, "colour").uniform(-1, 1, 2).tolist() for key in keys]).to(pixels)
    contrast, brightness = (config.colour * values).T[:, :, None, None, None]
    warped = warp(pixels, theta) * (1 + contrast) + brightness / 2
    return warped.clamp(0, 1), moved(landmarks, theta)


def moved(landmarks: Landmarks, theta: Tensor) -> Landmarks:
    """Landmarks in images warped by ``theta`` (B, 2, 3), which maps output to input coordinates in [-1, 1]."""
    back = inverse(theta)
    points = ((2 * landmarks.points - 1) @ back[:, :, :2].mT + back[:, None, :, 2] + 1) / 2
    inside = ((points >= 0) & (points <= 1)).all(-1)
    return Landmarks(points, landmarks.visible & inside)
