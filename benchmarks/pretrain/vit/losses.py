"""The losses of self-distillation: cross-entropy between a student's scores and a teacher's balanced assignments."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Head(nn.Module):
    """Scores (N, prototypes) of features (N, width): cosines with prototypes after a small network.

    Its outputs are standardised over the N, so that they are different from the first update on. Source: Caron et al.,
    DINO, ICCV 2021; as in iBOT (Zhou et al., ICLR 2022), images and patches share one head.
    """

    def __init__(self, width: int, hidden: int, bottleneck: int, prototypes: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, hidden), nn.GELU(), nn.Linear(hidden, bottleneck)
        )
        self.prototypes = nn.Parameter(torch.randn(prototypes, bottleneck))

    def forward(self, features: Tensor) -> Tensor:
        found = F.batch_norm(self.layers(features), None, None, training=True)
        return F.normalize(found, dim=-1) @ F.normalize(self.prototypes, dim=-1).T


@torch.no_grad()
def balanced(scores: Tensor, temperature: float, rounds: int = 3) -> Tensor:
    """Assignments (N, K) of scores (N, K) that use all prototypes equally: rows sum to 1, columns nearly to N / K.

    Source: the Sinkhorn-Knopp iterations of Caron et al., SwAV, NeurIPS 2020.
    """
    shares = ((scores - scores.max()) / temperature).float().exp()
    for _ in range(rounds):
        shares = shares / shares.sum(0, keepdim=True).clamp_min(1e-12)
        shares = shares / shares.sum(1, keepdim=True).clamp_min(1e-12)
    return shares


def cross_entropy(scores: Tensor, targets: Tensor, temperature: float, weights: Tensor) -> Tensor:
    """Mean cross-entropy of scores (N, K) to assignments (N, K), weighted by ``weights`` (N,); 0 if these are all 0."""
    losses = -(targets * F.log_softmax(scores.float() / temperature, dim=-1)).sum(-1)
    return (losses * weights).sum() / weights.sum().clamp_min(1e-6)


def sampled(assignments: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
    """Assignments (B, h, w, K) at places (B, n, n, 2), (x, y) from -1 to 1: (B * n * n, K), bilinear.

    The second value, (B * n * n,), is 1 for places inside the view, which ends at -1 and 1, and else 0.
    """
    found = F.grid_sample(assignments.permute(0, 3, 1, 2), places, padding_mode="border", align_corners=False)
    inside = (places.abs() <= 1).all(-1)
    return found.permute(0, 2, 3, 1).flatten(0, 2), inside.flatten().to(assignments.dtype)
