"""The landmark detector of Thewlis et al.: a shallow convolutional network with one score map per landmark."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

if TYPE_CHECKING:
    from methods.thewlis.config import ThewlisConfig

SIZES = (5, 5, 5, 3, 3)
STRIDE = 2  # of the pooling after the first convolution


def block(taken: int, given: int, size: int, dilation: int, config: ThewlisConfig) -> nn.Sequential:
    """Convolution that keeps the side, normalisation and ReLU."""
    padding = dilation * (size // 2)
    convolve = nn.Conv2d(taken, given, size, padding=padding, dilation=dilation, padding_mode=config.padding)
    norm = nn.BatchNorm2d(given) if config.normalisation == "batch" else nn.GroupNorm(max(1, given // 8), given)
    return nn.Sequential(convolve, norm, nn.ReLU())


class Detector(nn.Module):
    """Score maps (B, K, H / 2, W / 2) of images (B, 3, H, W) with values in [0, 1].

    Five convolutions, a pooling of stride 2 after the first, and a convolution of 1 x 1 that gives the scores. Their
    sizes are those of the small network in the code of Thewlis et al., ICCV 2019.
    """

    def __init__(self, config: ThewlisConfig, num_keypoints: int) -> None:
        super().__init__()
        taken, layers = 3, []
        for given, size, dilation in zip(config.channels, SIZES, config.dilations, strict=True):
            layers.append(block(taken, given, size, dilation, config))
            taken = given
        layers.insert(1, nn.Sequential(nn.MaxPool2d(STRIDE)))
        self.layers = nn.Sequential(*layers, nn.Conv2d(taken, num_keypoints, 1))

    def forward(self, pixels: Tensor) -> Tensor:
        scores: Tensor = self.layers(2 * pixels - 1)
        return scores
