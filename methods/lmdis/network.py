"""The networks of LMDIS: three hourglasses that detect keypoints, describe them, and draw the image from both."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, leaky_relu, max_pool2d, pad

from methods.lmdis.losses import LEAST_SUM, moments
from methods.training.warps import centres

if TYPE_CHECKING:
    from collections.abc import Sequence

    from methods.lmdis.config import LMDISConfig

SLOPE = 0.2  # of the leaky ReLU for negative numbers; source: the released code


class Detected(NamedTuple):
    """Score maps (B, K + 1, H, W), and the means and deviations (B, K, 2) of all but the last, the background."""

    maps: Tensor
    points: Tensor
    deviations: Tensor


class Convolution(nn.Sequential):
    """A 3 x 3 convolution and a normalisation, and a leaky ReLU unless ``linear``.

    The normalisation is over the batch, or for each image over groups of eight channels; a linear one over all of them.
    """

    def __init__(self, taken: int, given: int, kind: str, linear: bool = False) -> None:
        groups = 1 if linear else max(1, given // 8)
        norm = nn.BatchNorm2d(given, eps=1e-3) if kind == "batch" else nn.GroupNorm(groups, given)
        super().__init__(nn.Conv2d(taken, given, 3, padding=1), norm)
        if not linear:
            self.append(nn.LeakyReLU(SLOPE))


class Hourglass(nn.Module):
    """Convolutions down to small maps and back, with skip connections between maps of the same size.

    ``levels`` has for each level the channels of its convolutions on the way down; the way up mirrors them. Each level
    but the last pools its maps to half of the side, and adds the next level's output to ``skips`` convolutions of its
    own. The last convolution gives ``given`` channels; if ``linear``, without an activation.
    """

    def __init__(
        self, taken: int, given: int, levels: Sequence[Sequence[int]], skips: int, kind: str, linear: bool = False
    ) -> None:
        super().__init__()
        widths = list(levels[0])
        last = widths[-1]
        self.down = nn.Sequential(*_chain([taken, *widths], kind))
        self.inner = Hourglass(last, last, levels[1:], skips, kind) if len(levels) > 1 else None
        self.skip = nn.Sequential(*_chain([last] * (skips + 1), kind)) if len(levels) > 1 else None
        self.up = nn.Sequential(*_chain(widths[::-1], kind), Convolution(widths[0], given, kind, linear))

    def forward(self, pixels: Tensor) -> Tensor:
        hidden = self.down(pixels)
        if self.inner is not None and self.skip is not None:
            hidden = self.skip(hidden) + interpolate(self.inner(max_pool2d(hidden, 2)), scale_factor=2)
        raised: Tensor = self.up(hidden)
        return raised


def _chain(widths: Sequence[int], kind: str) -> list[nn.Module]:
    return [Convolution(taken, given, kind) for taken, given in pairwise(widths)]


def _stem(width: int, halvings: int, kind: str) -> list[nn.Module]:
    """Convolutions to ``width`` channels, each of which is followed by a pooling to half of the side."""
    widths = [3, *[width] * halvings]
    return [layer for convolution in _chain(widths, kind) for layer in (convolution, nn.MaxPool2d(2))]


class PerKeypoint(nn.Module):
    """A linear map of its own for each of ``count`` keypoints: (B, count, taken) to (B, count, given)."""

    def __init__(self, count: int, taken: int, given: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(count, taken, given) / taken**0.5)
        self.bias = nn.Parameter(torch.zeros(count, given))

    def forward(self, rows: Tensor) -> Tensor:
        return torch.einsum("bkc,kcd->bkd", rows, self.weight) + self.bias


class Network(nn.Module):
    """Detects K keypoints, describes each and the background, and draws the image from keypoints and descriptors.

    ``taken`` counts the steps that ``methods.lmdis.method`` has taken; it is a part of the network, which saves it.
    """

    taken: Tensor

    def __init__(self, config: LMDISConfig, num_keypoints: int) -> None:
        super().__init__()
        self.side, self.padding, self.drawn = config.image_size, config.padding, config.image_size // 2**config.stem
        self.mode = "replicate" if config.outside == "border" else "reflect"
        self.sharpness, self.deviations = config.sharpness, config.decoded_deviations
        kind, most, halvings = config.normalisation, config.most_channels, config.stem
        thin, wide = config.detector_channels, config.feature_channels
        width = min(2 * wide, most)
        deep = [[min(times * wide, most)] for times in (4, 8, 16)]
        parts, scales = num_keypoints + 1, len(config.decoded_deviations)
        shapes = [[thin, thin], *[[min(2 * thin, most)] * 2] * 3]
        self.detector = nn.Sequential(
            *_stem(thin, halvings, kind),
            Hourglass(thin if halvings else 3, parts, shapes, config.skips, kind, linear=True),
        )
        self.features = nn.Sequential(
            *_stem(wide, halvings, kind),
            Hourglass(wide if halvings else 3, width, [[wide, width], *deep], config.skips - 1, kind),
        )
        self.describe = PerKeypoint(parts, width, config.descriptor_size)
        self.recall = PerKeypoint(parts, config.descriptor_size, width)
        shapes = [[width, width], *deep, deep[-1]]
        self.decoder = Hourglass(scales * (parts + width), 3, shapes, config.skips - 1, kind, linear=True)
        self.register_buffer("taken", torch.zeros((), dtype=torch.int64))

    @property
    def share(self) -> float:
        """The side of the image as a share of the padded image's."""
        return self.side / (self.side + 2 * self.padding)

    def padded(self, pixels: Tensor) -> Tensor:
        """Images (B, 3, H, W) continued by ``padding`` pixels beyond every border."""
        return pad(pixels, (self.padding,) * 4, mode=self.mode) if self.padding else pixels

    def detect(self, padded: Tensor) -> Detected:
        """Score maps of padded images, a softmax over keypoints and background in every cell, and their moments."""
        maps = (self.sharpness * self.detector(padded)).softmax(1)
        return Detected(maps, *moments(maps[:, :-1]))

    def draw(self, padded: Tensor, detected: Detected) -> Tensor:
        """Images (B, 3, h, w) in [0, 1] from keypoints and descriptors of padded images.

        They have no padding, and the resolution of the score maps.
        """
        described = self.describe(pooled(detected.maps, self.features(padded)))
        recalled = leaky_relu(self.recall(described), SLOPE)
        points = detected.points / self.share
        drawn = []
        for deviation in self.deviations:
            maps = decoded_maps(points, self.drawn, deviation)
            drawn += [maps, torch.einsum("bkc,bkhw->bchw", recalled, maps)]
        colours: Tensor = self.decoder(torch.cat(drawn, dim=1)).sigmoid()
        return colours


def pooled(maps: Tensor, features: Tensor) -> Tensor:
    """Means (B, M, C) of features (B, C, h, w), weighted by maps (B, M, h, w); 0 for a map that is 0 everywhere."""
    weights = maps.flatten(2)
    return weights @ features.flatten(2).transpose(1, 2) / weights.sum(2, keepdim=True).clamp(min=LEAST_SUM)


def decoded_maps(points: Tensor, side: int, deviation: float) -> Tensor:
    """Shares (B, K + 1, side, side) of K keypoints, and of a background behind them, in each cell; they sum to 1.

    The weight of a keypoint is the density of a Gaussian around it, per area of the image; that of the background is 1.
    ``points`` (B, K, 2) are in [-1, 1] of the image, ``deviation`` in sides of the image.
    """
    axis = centres(side, points.device).to(points)
    lines = torch.exp(-(((axis - points[..., None]) / 2) ** 2) / (2 * deviation**2)) / (
        deviation * (2 * torch.pi) ** 0.5
    )
    maps = lines[:, :, 1, :, None] * lines[:, :, 0, None, :]
    maps = torch.cat([maps, torch.ones_like(maps[:, :1])], dim=1)
    return maps / maps.sum(1, keepdim=True)
