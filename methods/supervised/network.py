"""The network of the heatmap regressor: an hourglass with skip connections."""

from __future__ import annotations

from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn


class HeatmapNetwork(nn.Module):
    """Images (B, 3, H, W) in [0, 1] to heatmaps (B, L, H / s, W / s) before the softmax; s is ``stem_stride``.

    The image is halved ``levels`` times and doubled as often, with skip connections; channels double from ``width`` up
    to ``max_width``. Group normalisation makes an image's heatmaps independent of its batch.
    """

    def __init__(self, num_heatmaps: int, width: int, max_width: int, levels: int, stem_stride: int, groups: int):
        super().__init__()
        widths = [min(width * 2**level, max_width) for level in range(levels + 1)]
        self.stem = _layer(3, width, groups, stem_stride)
        self.down = nn.ModuleList(
            nn.Sequential(_layer(before, after, groups, 2), _layer(after, after, groups))
            for before, after in pairwise(widths)
        )
        self.up = nn.ModuleList(
            nn.Sequential(nn.Conv2d(after, before, 1), nn.Upsample(scale_factor=2, mode="bilinear"))
            for before, after in pairwise(widths)
        )
        self.across = nn.ModuleList(_layer(before, before, groups) for before in widths[:-1])
        self.head = nn.Conv2d(width, num_heatmaps, 1)

    def forward(self, pixels: Tensor) -> Tensor:
        """Heatmaps (B, L, H / s, W / s)."""
        features = [self.stem(2 * pixels - 1)]
        for down in self.down:
            features.append(down(features[-1]))
        found = features.pop()
        for up, across in zip(reversed(self.up), reversed(self.across), strict=True):
            found = across(F.relu(up(found) + features.pop()))
        heatmaps: Tensor = self.head(found)
        return heatmaps


def _layer(before: int, after: int, groups: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.GroupNorm(groups, after), nn.ReLU(inplace=True)
    )
