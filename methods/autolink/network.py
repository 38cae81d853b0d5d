"""The keypoint detector, and the painter that restores a masked image from the keypoints' edges."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from methods.autolink.edges import draw_edges, pairs, pixel_grid

SLOPE = 0.2


def _activation() -> nn.Module:
    return nn.LeakyReLU(SLOPE, inplace=True)


def _convolution(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1)


class Residual(nn.Module):
    """A residual block that halves the size: two convolutions, and one in the shortcut."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.shortcut = nn.Sequential(_convolution(inputs, outputs), nn.AvgPool2d(2), nn.BatchNorm2d(outputs))
        self.path = nn.Sequential(
            _convolution(inputs, outputs),
            nn.AvgPool2d(2),
            nn.BatchNorm2d(outputs),
            _activation(),
            _convolution(outputs, outputs),
            nn.BatchNorm2d(outputs),
        )
        self.activation = _activation()

    def forward(self, hidden: Tensor) -> Tensor:
        result: Tensor = self.activation(self.path(hidden) + self.shortcut(hidden))
        return result


class Enlarge(nn.Module):
    """Bilinear upsampling to twice the size, then one convolution."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.path = nn.Sequential(_upsample(), _convolution(inputs, outputs), nn.BatchNorm2d(outputs), _activation())

    def forward(self, hidden: Tensor) -> Tensor:
        result: Tensor = self.path(hidden)
        return result


def _upsample() -> nn.Module:
    return nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)


class Detector(nn.Module):
    """Finds K keypoints, the centres of mass of K softmax maps with a quarter of the image's side.

    Residual blocks halve the image ``levels`` times; the first has ``width`` channels and each further one twice as
    many. Upsampling then leads back to a quarter of the image's side. With ``reach`` above 0, each map is multiplied by
    a Gaussian of this standard deviation around a fixed place of its own (``places``). The paper has no such Gaussian:
    there all keypoints start in the middle.
    """

    places: Tensor

    def __init__(self, num_keypoints: int, width: int, levels: int = 4, reach: float = 0.0) -> None:
        super().__init__()
        self.reach = reach
        self.register_buffer("places", spiral(num_keypoints), persistent=False)
        widths = [3, *(width * 2**level for level in range(levels))]
        self.stages = nn.Sequential(
            *(Residual(inputs, outputs) for inputs, outputs in pairwise(widths)),
            *(Enlarge(inputs, outputs) for inputs, outputs in pairwise(widths[:1:-1])),
            _convolution(2 * width, num_keypoints),
        )

    def forward(self, pixels: Tensor) -> Tensor:
        """Keypoints (B, K, 2), (y, x) in [-1, 1], of images (B, 3, H, H) in [-1, 1]."""
        maps = self.stages(pixels)
        grid = pixel_grid(maps.shape[-1], maps.device, maps.dtype)
        scores = maps.flatten(2)
        if self.reach:
            scores = scores - torch.cdist(self.places, grid).square() / (2 * self.reach**2)
        return scores.softmax(dim=2) @ grid


def spiral(num_keypoints: int) -> Tensor:
    """Places (K, 2), (y, x) in [-1, 1], spread evenly over a disc of radius 0.7 around the middle: Vogel's spiral."""
    number = torch.arange(num_keypoints)
    radius = 0.7 * ((number + 0.5) / num_keypoints).sqrt()
    angle = number * math.pi * (3 - math.sqrt(5))
    return torch.stack([radius * angle.sin(), radius * angle.cos()], dim=1)


def _pair(inputs: int, outputs: int, *last: nn.Module) -> list[nn.Module]:
    return [
        _convolution(inputs, outputs),
        nn.BatchNorm2d(outputs),
        _activation(),
        _convolution(outputs, outputs),
        nn.BatchNorm2d(outputs),
        *last,
    ]


class Painter(nn.Module):
    """A U-Net of four levels that restores an image from a masked one and the drawing of the edges."""

    def __init__(self, width: int) -> None:
        super().__init__()
        widths = [width, 2 * width, 4 * width, 8 * width, 8 * width]
        self.entry = nn.Sequential(_convolution(4, width), _activation())
        self.down = nn.ModuleList(
            nn.Sequential(*_pair(inputs, outputs, nn.AvgPool2d(2), _activation()))
            for inputs, outputs in pairwise(widths)
        )
        ups = [(8, 8), (16, 4), (8, 2), (4, 1)]
        self.up = nn.ModuleList(
            nn.Sequential(_upsample(), *_pair(inputs * width, outputs * width, _activation()))
            for inputs, outputs in ups
        )
        self.last = _convolution(2 * width, 3)
        self.image_scale = nn.Parameter(torch.tensor(1.0))

    def forward(self, masked: Tensor, edges: Tensor) -> Tensor:
        """An image (B, 3, H, H), about [-1, 1], from a masked one and the edges (B, 1, H, H)."""
        levels = [self.entry(torch.cat([masked * self.image_scale, edges], dim=1))]
        for stage in self.down:
            levels.append(stage(levels[-1]))
        hidden = levels.pop()
        for stage in self.up:
            hidden = torch.cat([stage(hidden), levels.pop()], dim=1)
        result: Tensor = self.last(hidden)
        return result


class Network(nn.Module):
    """Detector, edge weights and painter.

    An edge's weight is softplus(``edge_rate`` s) of its parameter s, which starts near ``edge_start`` /
    ``edge_rate``: with Adam, ``edge_rate`` s then changes ``edge_rate`` times as fast as any other parameter.
    """

    def __init__(self, detector: Detector, num_keypoints: int, width: int, edge_rate: float, edge_start: float) -> None:
        super().__init__()
        self.edge_rate = edge_rate
        self.detector = detector
        self.painter = Painter(width)
        edges = pairs(num_keypoints).shape[1]
        self.edge_scores = nn.Parameter((0.1 * torch.randn(edges) + edge_start) / edge_rate)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, a=SLOPE)
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]

    @property
    def edge_weights(self) -> Tensor:
        """Weights (E,) of the edges, positive, in the order of ``edges.pairs``."""
        return softplus(self.edge_rate * self.edge_scores)

    def forward(self, pixels: Tensor, masked: Tensor, thickness: float) -> Tensor:
        """The restored image (B, 3, S, S), from the edges found in ``pixels`` and the ``masked`` image (B, 3, S, S).

        All images are in [-1, 1].
        """
        edges = draw_edges(self.detector(pixels), self.edge_weights, masked.shape[-1], thickness)
        painted: Tensor = self.painter(masked, edges)
        return painted
