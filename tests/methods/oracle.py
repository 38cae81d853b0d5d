"""Stable Keypoints written from the formulas: float64, one image, pixel by pixel. Shares no code with methods/.

Every map is a (R, R) tensor; a point is (row, column) in pixels.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import Tensor


class Oracle:
    """The tiny pipeline in float64, run to its end, with hooks on what enters ``to_q`` of some layers."""

    def __init__(
        self,
        folder: Path,
        layers: list[str],
        side: int,
        timestep: int,
        noise_level: tuple[float, float],
        upsample_queries: bool,
    ) -> None:
        self.unet = UNet2DConditionModel.from_pretrained(folder / "unet").double().eval()
        self.vae = AutoencoderKL.from_pretrained(folder / "vae").double().eval()
        self.layers = layers
        self.side = side
        self.timestep = timestep
        self.upsample_queries = upsample_queries
        self.noise_level = noise_level

    def latent(self, image: Tensor) -> Tensor:
        """Latent (C, h, w) of an image (3, S, S) in [0, 1]."""
        with torch.no_grad():
            mode = self.vae.encode(2 * image[None] - 1).latent_dist.mode()
        return mode[0] * self.vae.config.scaling_factor

    def maps(self, latent: Tensor, noise: Tensor, tokens: Tensor, null_tokens: Tensor | None = None) -> list[Tensor]:
        """Eq. 2 and 3: one map for each learned token."""
        context = tokens if null_tokens is None else torch.cat([null_tokens, tokens])
        noisy = self.noise_level[0] * latent + self.noise_level[1] * noise
        hidden = self._run(noisy, context)
        total = [torch.zeros(self.side, self.side, dtype=torch.float64) for _ in tokens]
        for name in self.layers:
            module = self.unet.get_submodule(name)
            native = math.isqrt(len(hidden[name]))
            grid = hidden[name].T.reshape(-1, native, native)
            if self.upsample_queries:
                grid = bicubic(grid, self.side)
            queries = torch.einsum("oc,chw->hwo", module.to_q.weight, grid)
            keys = context @ module.to_k.weight.T
            width = keys.shape[1] // module.heads
            pixels = []
            for query in queries.flatten(0, 1):
                mean = torch.zeros(len(context), dtype=torch.float64)
                for head in range(module.heads):
                    part = slice(head * width, (head + 1) * width)
                    weights = (keys[:, part] @ query[part] / math.sqrt(width)).exp()
                    mean = mean + weights / weights.sum() / module.heads
                pixels.append(mean)
            layer_maps = torch.stack(pixels, dim=1).reshape(-1, *queries.shape[:2])
            if not self.upsample_queries:
                layer_maps = bicubic(layer_maps, self.side)
            for index in range(len(tokens)):
                total[index] = total[index] + layer_maps[len(context) - len(tokens) + index] / len(self.layers)
        return total

    def _run(self, noisy: Tensor, context: Tensor) -> dict[str, Tensor]:
        seen: dict[str, Tensor] = {}
        hooks = [
            self.unet.get_submodule(f"{name}.to_q").register_forward_hook(
                lambda _, inputs, __, name=name: seen.__setitem__(name, inputs[0][0])
            )
            for name in self.layers
        ]
        self.unet(noisy[None], self.timestep, encoder_hidden_states=context[None])
        for hook in hooks:
            hook.remove()
        return seen


def bicubic(grid: Tensor, side: int) -> Tensor:
    """(C, h, h) to (C, side, side): Keys' kernel with a = -0.75 at pixel centres, edge pixels repeated."""

    def kernel(x: float, a: float = -0.75) -> float:
        x = abs(x)
        if x <= 1:
            return (a + 2) * x**3 - (a + 3) * x**2 + 1
        return a * (x**3 - 5 * x**2 + 8 * x - 4) if x < 2 else 0.0

    native = grid.shape[-1]
    weights = torch.zeros(side, native, dtype=torch.float64)
    for target in range(side):
        source = (target + 0.5) * native / side - 0.5
        for tap in range(math.floor(source) - 1, math.floor(source) + 3):
            weights[target, min(max(tap, 0), native - 1)] += kernel(source - tap)
    return torch.einsum("rh,chw,sw->crs", weights, grid, weights)


def argmax(image: Tensor) -> tuple[int, int]:
    """Eq. 7: the first largest pixel, row by row."""
    image = image.detach()
    best, place = -math.inf, (0, 0)
    for row in range(image.shape[0]):
        for column in range(image.shape[1]):
            if float(image[row, column]) > best:
                best, place = float(image[row, column]), (row, column)
    return place


def gaussian(point: tuple[int, int], side: int, sigma: float) -> Tensor:
    """Eq. 8: the Gaussian at a point."""
    target = torch.zeros(side, side, dtype=torch.float64)
    for row in range(side):
        for column in range(side):
            distance = (row - point[0]) ** 2 + (column - point[1]) ** 2
            target[row, column] = math.exp(-distance / (2 * sigma**2))
    return target


def divergence(image: Tensor, sigma: float, ranking: str) -> float:
    """KL of the Gaussian and the map, as in the paper's text or as in the released code."""
    target = gaussian(argmax(image), len(image), sigma).flatten()
    values = image.detach().flatten()
    if ranking == "official":
        target, values = target + 1e-5, torch.exp(values + 1e-5)
    else:
        target, values = target + 1e-12, values.clamp(min=0) + 1e-12
    target, values = target / target.sum(), values / values.sum()
    return sum(float(g) * (math.log(float(g)) - math.log(float(m))) for g, m in zip(target, values, strict=True))


def most_local(maps: list[Tensor], count: int, sigma: float, ranking: str) -> list[int]:
    """Eq. 9: ids of the tokens with the smallest divergence."""
    scores = [divergence(image, sigma, ranking) for image in maps]
    return sorted(range(len(maps)), key=lambda index: (scores[index], index))[:count]


def furthest(maps: list[Tensor], count: int, candidates: list[int]) -> list[int]:
    """Eq. 10 starting with the furthest pair."""
    points = {token: argmax(maps[token]) for token in candidates}
    best, chosen = -1.0, []
    for position, first in enumerate(candidates):
        for second in candidates[position + 1 :]:
            if math.dist(points[first], points[second]) > best:
                best, chosen = math.dist(points[first], points[second]), [first, second]
    while len(chosen) < count:
        best, winner = -1.0, -1
        for token in candidates:
            nearest = min(math.dist(points[token], points[other]) for other in chosen)
            if token not in chosen and nearest > best:
                best, winner = nearest, token
        chosen.append(winner)
    return chosen


def warp(images: Tensor, theta: np.ndarray) -> Tensor:
    """Images (C, S, S) warped by theta (2, 3): bilinear, zeros outside."""
    side = images.shape[-1]
    rows = []
    for row in range(side):
        for column in range(side):
            x, y = theta @ [(2 * column + 1) / side - 1, (2 * row + 1) / side - 1, 1]
            across, down = ((x + 1) * side - 1) / 2, ((y + 1) * side - 1) / 2
            value = torch.zeros(len(images), dtype=torch.float64)
            for r in (math.floor(down), math.floor(down) + 1):
                for c in (math.floor(across), math.floor(across) + 1):
                    if 0 <= r < side and 0 <= c < side:
                        value = value + images[:, r, c] * (1 - abs(down - r)) * (1 - abs(across - c))
            rows.append(value)
    return torch.stack(rows, dim=1).reshape(len(images), side, side)


def inverse(theta: np.ndarray) -> np.ndarray:
    """The theta (2, 3) of the inverse."""
    return np.linalg.inv(np.vstack([theta, [0, 0, 1]]))[:2]


def bilinear(image: Tensor, side: int) -> Tensor:
    """A map (R, R) at ``side`` pixels: linear between pixel centres, edge pixels repeated."""
    native = len(image)
    weights = torch.zeros(side, native, dtype=torch.float64)
    for target in range(side):
        source = max((target + 0.5) * native / side - 0.5, 0.0)
        low = min(math.floor(source), native - 1)
        weights[target, low] += 1 - (source - low)
        weights[target, min(low + 1, native - 1)] += source - low
    return weights @ image @ weights.T


def keypoints(views: list[list[Tensor]], thetas: list[np.ndarray], side: int) -> list[tuple[float, float]]:
    """Eq. 11 and the maxima of the averages, (x, y) in [0, 1]; ``views`` holds the K maps of each view."""
    total = torch.zeros(len(views[0]), side, side, dtype=torch.float64)
    count = torch.zeros(side, side, dtype=torch.float64)
    for maps, theta in zip(views, thetas, strict=True):
        total += warp(torch.stack([bilinear(image, side) for image in maps]), inverse(theta))
        count += warp(torch.ones(1, side, side, dtype=torch.float64), inverse(theta))[0]
    found = []
    for image in total:
        row, column = argmax(torch.where(count > 0, image / count.clamp(min=1e-300), torch.zeros_like(image)))
        found.append(((column + 0.5) / side, (row + 0.5) / side))
    return found
