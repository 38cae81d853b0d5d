"""Two views of each drawing: random crops and colours, and where the patches of one view lie in the other."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.pretrain.drawings import RandomSource

TURN = math.radians(30)  # largest rotation of a view
STRETCH = 0.15  # largest logarithm of the square root of a view's aspect ratio
NEAR = 0.5  # largest distance of two views' centres, in half sides of the larger view
GREY = 1 / math.sqrt(3)


@dataclass(frozen=True)
class Views:
    """Views of B drawings: ``pixels`` (B, 3, S, S) in [0, 1] and ``frames`` (B, 2, 3).

    A frame maps a place (x, y) in the view to its place in the drawing, both from -1 to 1 over the image.
    """

    pixels: Tensor
    frames: Tensor


def two_views(images: Tensor, size: int, smallest: float, random: RandomSource) -> tuple[Views, Views]:
    """Two views of ``size`` pixels of each image (B, H, W, 3) uint8.

    The side of a view is between ``smallest`` and 1 image sides; the second view lies near the first.
    """
    pixels = images.permute(0, 3, 1, 2).float().div(255)
    sides = [torch.exp(math.log(smallest) * random.uniform(len(images), 1)) for _ in range(2)]
    first = _between(random, len(images), 2) * (1 - sides[0])
    reach = NEAR * torch.maximum(*sides)
    second = first + _between(random, len(images), 2) * reach
    room = 1 - sides[1]
    centres = (first, torch.minimum(torch.maximum(second, -room), room))
    found = []
    for side, centre in zip(sides, centres, strict=True):
        frames = _frames(side[:, 0], centre, random)
        grid = F.affine_grid(frames, [len(images), 3, size, size], align_corners=False)
        crops = F.grid_sample(pixels, grid, padding_mode="reflection", align_corners=False)
        found.append(Views(recoloured(crops, random), frames))
    return found[0], found[1]


def _between(random: RandomSource, *shape: int) -> Tensor:
    """Uniform numbers in [-1, 1)."""
    return 2 * random.uniform(*shape) - 1


def _frames(side: Tensor, centre: Tensor, random: RandomSource) -> Tensor:
    """Frames (B, 2, 3) of views with sides (B,) and centres (B, 2), randomly turned and stretched."""
    turn, stretch = TURN * _between(random, len(side)), torch.exp(STRETCH * _between(random, len(side)))
    across, down = side * stretch, side / stretch
    linear = torch.stack([turn.cos() * across, -turn.sin() * down, turn.sin() * across, turn.cos() * down], 1)
    return torch.cat([linear.view(-1, 2, 2), centre[:, :, None]], 2)


def recoloured(pixels: Tensor, random: RandomSource) -> Tensor:
    """Images (B, 3, h, w) in [0, 1] with another hue, saturation, gamma, contrast and brightness, and with noise."""
    count = len(pixels)
    angle = 2 * math.pi * random.uniform(count)
    saturation = (1.8 * random.uniform(count) - 0.5).clamp_min(0)  # some views are grey
    changed = torch.einsum("bij,bjhw->bihw", colour_matrices(angle, saturation), pixels).clamp(0, 1)
    gamma = torch.exp(0.5 * _between(random, count, 1, 1, 1))
    changed = changed.clamp_min(1e-3) ** gamma
    contrast = 1 + 0.4 * _between(random, count, 1, 1, 1)
    changed = 0.5 + contrast * (changed - 0.5) + 0.2 * _between(random, count, 1, 1, 1)
    return (changed + 0.04 * random.uniform(count, 1, 1, 1) * random.normal(changed)).clamp(0, 1)


def colour_matrices(angle: Tensor, saturation: Tensor) -> Tensor:
    """Matrices (B, 3, 3) that turn colours by ``angle`` (B,) about the grey axis and scale their distance from it.

    The turn is Rodrigues' formula; greys stay as they are.
    """
    grey = torch.full((3, 3), GREY**2, device=angle.device)
    cross = GREY * torch.tensor([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]], device=angle.device)
    flat = torch.eye(3, device=angle.device) - grey
    turned = angle.cos()[:, None, None] * flat + angle.sin()[:, None, None] * cross
    return grey + saturation[:, None, None] * turned


def matched_places(source: Tensor, target: Tensor, cells: int) -> Tensor:
    """Places (B, cells, cells, 2) in the target views of the patch centres of the source views, (x, y) from -1 to 1.

    Both are frames (B, 2, 3). A place outside [-1, 1] is not in the target view.
    """
    grid = F.affine_grid(source, [len(source), 1, cells, cells], align_corners=False)
    inverse = torch.linalg.inv(target[:, :, :2])
    return torch.einsum("bij,bhwj->bhwi", inverse, grid - target[:, None, None, :, 2])
