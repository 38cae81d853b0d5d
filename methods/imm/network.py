"""The networks of IMM: the encoders of pose and appearance, the Gaussian bottleneck, and the decoder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from methods.training.features import BalancedLoss
from methods.training.warps import centres

if TYPE_CHECKING:
    from methods.imm.config import IMMConfig


def marginal_means(heatmaps: Tensor) -> Tensor:
    """Points (B, K, 2), (x, y) in [-1, 1], of heatmaps (B, K, h, w).

    The heatmap is averaged along one axis, and the coordinate is the mean under a softmax over the other. Source: the
    released code.
    """
    over_y, over_x = heatmaps.mean(3).softmax(2), heatmaps.mean(2).softmax(2)
    x = (over_x * centres(heatmaps.shape[3], heatmaps.device)).sum(2)
    y = (over_y * centres(heatmaps.shape[2], heatmaps.device)).sum(2)
    return torch.stack([x, y], dim=2)


def plane_means(heatmaps: Tensor) -> Tensor:
    """As ``marginal_means``, but with one softmax over the plane. Source: the paper's text, section 3.1."""
    shares = heatmaps.flatten(2).softmax(2).view_as(heatmaps)
    x = (shares.sum(2) * centres(heatmaps.shape[3], heatmaps.device)).sum(2)
    y = (shares.sum(3) * centres(heatmaps.shape[2], heatmaps.device)).sum(2)
    return torch.stack([x, y], dim=2)


def gaussian_maps(points: Tensor, side: int, sigma: float) -> Tensor:
    """Gaussians (B, K, side, side) of height 1 around points (B, K, 2); ``sigma`` in units of half the image."""
    axis = centres(side, points.device)
    lines = torch.exp(-((axis - points[..., None]) ** 2) / (2 * sigma**2))
    return lines[:, :, 1, :, None] * lines[:, :, 0, None, :]


def normalisation(kind: str, channels: int) -> nn.Module:
    """Batch normalisation, or group normalisation over eight channels, which is the same in ``fit`` and ``predict``.

    Epsilon and the averages' decay of 0.99 are those of the released code: the defaults of tf.layers.
    """
    if kind == "batch":
        return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)
    return nn.GroupNorm(max(1, channels // 8), channels)


def convolution(taken: int, given: int, kind: str, size: int = 3, stride: int = 1) -> nn.Sequential:
    """Convolution, normalisation and ReLU."""
    convolve = nn.Conv2d(taken, given, size, stride, padding=size // 2)
    return nn.Sequential(convolve, normalisation(kind, given), nn.ReLU())


def encoder(config: IMMConfig) -> nn.Sequential:
    """Blocks of two convolutions down to ``map_size``; each block halves the side and doubles the channels."""
    channels, side = config.channels, config.image_size
    layers = [convolution(3, channels, config.normalisation, 7), convolution(channels, channels, config.normalisation)]
    while side > config.map_size:
        layers.append(convolution(channels, 2 * channels, config.normalisation, stride=2))
        channels, side = 2 * channels, side // 2
        layers.append(convolution(channels, channels, config.normalisation))
    return nn.Sequential(*layers)


def encoded_channels(config: IMMConfig) -> int:
    """Number of channels of an encoder's output."""
    return config.channels * config.image_size // config.map_size


class Decoder(nn.Module):
    """Blocks of convolutions up to the image's side; each block doubles the side and halves the channels.

    A block has two convolutions; the last block has one, followed by the convolution to colours. That makes 8 at the
    paper's size. Source: the released code.
    """

    def __init__(self, taken: int, config: IMMConfig) -> None:
        super().__init__()
        given, side = config.decoder_channels, config.map_size
        blocks = []
        while side < config.image_size:
            blocks.append(
                nn.Sequential(
                    convolution(taken, given, config.normalisation), convolution(given, given, config.normalisation)
                )
            )
            taken, given, side = given, max(given // 2, config.least_channels), 2 * side
        blocks.append(nn.Sequential(convolution(taken, given, config.normalisation)))
        self.blocks = nn.ModuleList(blocks)
        self.colours = nn.Conv2d(given, 3, 3, padding=1)

    def forward(self, hidden: Tensor) -> Tensor:
        for number, block in enumerate(self.blocks):
            if number:
                hidden = interpolate(hidden, scale_factor=2, mode="bilinear", align_corners=False)
            hidden = block(hidden)
        colours: Tensor = self.colours(hidden)
        return colours


class Network(nn.Module):
    """Reconstructs the target from the appearance of the source and the K points of the target.

    ``balanced`` is the reconstruction loss over ``layers`` layers; it is a part of the network, which saves its moving
    averages.
    """

    def __init__(self, config: IMMConfig, num_keypoints: int, layers: int) -> None:
        super().__init__()
        self.map_size, self.sigma, self.sharpness = config.map_size, config.sigma, config.sharpness
        self.means = marginal_means if config.softmax == "marginal" else plane_means
        width = encoded_channels(config)
        self.pose = nn.Sequential(encoder(config), nn.Conv2d(width, num_keypoints, 1))
        self.appearance = encoder(config)
        self.decoder = Decoder(width + num_keypoints, config)
        self.balanced = BalancedLoss(layers, config.average_decay)

    def points(self, pixels: Tensor) -> Tensor:
        """Points (B, K, 2), (x, y) in [-1, 1], of images (B, 3, H, W)."""
        return self.means(self.sharpness * self.pose(pixels))

    def forward(self, source: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """The reconstructed target (B, 3, H, W) and its points (B, K, 2)."""
        points = self.points(target)
        maps = gaussian_maps(points, self.map_size, self.sigma)
        drawn: Tensor = self.decoder(torch.cat([self.appearance(source), maps], dim=1))
        return drawn, points


def begin_truncated(network: nn.Module, deviation: float) -> None:
    """Initialise the weights of all convolutions from a Gaussian truncated at two deviations, and biases with 0.

    Truncation leaves 0.88 of the deviation. Source: the released code.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.trunc_normal_(module.weight, std=deviation, a=-2 * deviation, b=2 * deviation)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
