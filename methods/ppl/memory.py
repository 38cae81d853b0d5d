"""The memory of poses: a vector-quantised autoencoder of keypoints, and the template that it holds."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

DECODER_WIDTH = 32
HIDDEN = 64
SMOOTHING = 1e-5


class Recalled(NamedTuple):
    """Poses (B, K, 2) as the memory returns them, and the commitment loss of their tokens."""

    poses: Tensor
    commitment: Tensor


def _perceptron(width: int, hidden: int) -> nn.Module:
    return nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))


class Mixer(nn.Module):
    """A layer of the MLP-Mixer (Tolstikhin et al. 2021) over (B, rows, width): first across rows, then within each."""

    def __init__(self, rows: int, width: int, hidden: int) -> None:
        super().__init__()
        self.before_rows, self.before_row = nn.LayerNorm(width), nn.LayerNorm(width)
        self.across, self.within = _perceptron(rows, HIDDEN), _perceptron(width, hidden)

    def forward(self, hidden: Tensor) -> Tensor:
        hidden = hidden + self.across(self.before_rows(hidden).mT).mT
        result: Tensor = hidden + self.within(self.before_row(hidden))
        return result


class Encoder(nn.Module):
    """Poses (B, K, 2) to tokens (B, T, width)."""

    def __init__(self, num_keypoints: int, tokens: int, width: int, layers: int) -> None:
        super().__init__()
        mixers = (Mixer(num_keypoints, width, width) for _ in range(layers))
        self.rows = nn.Sequential(nn.Linear(2, width), *mixers, nn.LayerNorm(width))
        self.tokens = nn.Linear(num_keypoints, tokens)
        self.last = nn.Linear(width, width)

    def forward(self, poses: Tensor) -> Tensor:
        result: Tensor = self.last(self.tokens(self.rows(poses).mT).mT)
        return result


class Decoder(nn.Module):
    """Tokens (B, T, width) to poses (B, K, 2)."""

    def __init__(self, num_keypoints: int, tokens: int, width: int) -> None:
        super().__init__()
        self.keypoints = nn.Linear(tokens, num_keypoints)
        self.rows = nn.Sequential(
            nn.Linear(width, DECODER_WIDTH),
            Mixer(num_keypoints, DECODER_WIDTH, HIDDEN),
            nn.LayerNorm(DECODER_WIDTH),
            nn.Linear(DECODER_WIDTH, 2),
        )

    def forward(self, tokens: Tensor) -> Tensor:
        result: Tensor = self.rows(self.keypoints(tokens.mT).mT)
        return result


class Memory(nn.Module):
    """Replaces each token of a pose by the nearest of its entries, and decodes them.

    In training the entries follow the tokens that chose them, as quotients of two exponential moving averages
    (van den Oord et al. 2017, appendix A.1). Each count starts at 1, and not at 0 as in the released code, where an
    entry that nothing has chosen is 1e5 times too long in the first steps.
    """

    entries: Tensor
    sums: Tensor
    counts: Tensor

    def __init__(self, num_keypoints: int, tokens: int, entries: int, width: int, layers: int, decay: float) -> None:
        super().__init__()
        self.decay = decay
        self.encoder = Encoder(num_keypoints, tokens, width, layers)
        self.decoder = Decoder(num_keypoints, tokens, width)
        self.register_buffer("entries", torch.randn(tokens, entries, width))
        self.register_buffer("sums", self.entries.clone())
        self.register_buffer("counts", torch.ones(tokens, entries))

    def template(self) -> Tensor:
        """The pose (K, 2) that the mean of the entries of every token decodes to, without a gradient."""
        with torch.no_grad():
            pose: Tensor = self.decoder(self.entries.mean(dim=1).unsqueeze(0))[0]
        return pose

    def forward(self, poses: Tensor) -> Recalled:
        """What the memory makes of poses (B, K, 2), by its entries as they are; in training these then move."""
        tokens = self.encoder(poses)
        with torch.no_grad():
            chosen = torch.cdist(tokens.transpose(0, 1), self.entries).argmin(dim=2).T  # (B, T)
            nearest = self.entries[torch.arange(chosen.shape[1], device=chosen.device), chosen]
            if self.training:
                self.follow(tokens, chosen)
        commitment = (tokens - nearest).square().mean()
        straight = tokens + (nearest - tokens).detach()
        return Recalled(self.decoder(straight), commitment)

    def follow(self, tokens: Tensor, chosen: Tensor) -> None:
        """Move the entries towards the ``tokens`` (B, T, width) that have ``chosen`` (B, T) them."""
        size = self.counts.shape[1]
        votes = nn.functional.one_hot(chosen, size).to(tokens)
        counts = self.decay * self.counts + (1 - self.decay) * votes.sum(dim=0)
        total = counts.sum(dim=1, keepdim=True)
        self.counts.copy_((counts + SMOOTHING) / (total + size * SMOOTHING) * total)
        self.sums.mul_(self.decay).add_((1 - self.decay) * torch.einsum("bte,btw->tew", votes, tokens))
        self.entries.copy_(self.sums / self.counts.unsqueeze(2))
