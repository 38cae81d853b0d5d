"""AutoLink's network, with a memory of poses and a template that is moved to each image."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from methods.autolink.edges import draw_edges
from methods.autolink.network import Detector, Network
from methods.ppl.memory import Memory

EMBEDDED = 256


class Painted(NamedTuple):
    """Restored images (B, 3, S, S), the keypoints (B, K, 2) drawn in them, and what the memory makes of these."""

    images: Tensor
    keypoints: Tensor
    recalled: Tensor
    commitment: Tensor


class PriorNetwork(Network):
    """Detector, edge weights and painter of AutoLink, a memory, and a map from template to image.

    The keypoint k of an image is A_k (t_k, 1) + d_k: t_k that of the template, d_k what the detector finds, and A_k
    (2, 3) an affine map that a small network computes from t_k and d_k.
    """

    def __init__(
        self,
        detector: Detector,
        memory: Memory,
        num_keypoints: int,
        width: int,
        edge_rate: float,
        edge_start: float,
    ) -> None:
        super().__init__(detector, num_keypoints, width, edge_rate, edge_start)
        self.memory = memory
        self.affine = nn.Sequential(
            nn.Linear(4, EMBEDDED), nn.LayerNorm(EMBEDDED), nn.Linear(EMBEDDED, 64), nn.ReLU(), nn.Linear(64, 6)
        )

    def keypoints(self, pixels: Tensor) -> Tensor:
        """Keypoints (B, K, 2), (y, x) with the image in [-1, 1], of images (B, 3, H, H) in [-1, 1]."""
        found = self.detector(pixels)
        template = self.memory.template().expand_as(found)
        maps = self.affine(torch.cat([found, template], dim=2)).unflatten(2, (2, 3))
        moved: Tensor = (maps[..., :2] @ template.unsqueeze(3)).squeeze(3) + maps[..., 2] + found
        return moved

    def restore(self, pixels: Tensor, masked: Tensor, thickness: float) -> Painted:
        """Restore the ``masked`` images (B, 3, S, S) from edges found in ``pixels``; the memory passes no gradient."""
        points = self.keypoints(pixels)
        images = self.painter(masked, draw_edges(points, self.edge_weights, masked.shape[-1], thickness))
        recalled = self.memory(points.detach())
        return Painted(images, points, recalled.poses, recalled.commitment)


def outside(keypoints: Tensor) -> Tensor:
    """The boundary loss: the absolute values above 1 of coordinates, summed over keypoints, averaged over the rest."""
    size = keypoints.abs()
    return torch.where(size > 1, size, 0).sum(dim=1).mean()
