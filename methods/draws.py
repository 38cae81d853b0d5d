"""Random draws keyed by what they are for, never by the order in which they happen."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Key = tuple[str | int, ...]


def generator(*key: str | int) -> np.random.Generator:
    """A generator that depends on the key alone, such as (seed, purpose, image id, number of the draw)."""
    digest = hashlib.sha256("\0".join(map(str, key)).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "little"))


def image_order(seed: int, purpose: str, number_of_images: int, draws: int) -> NDArray[np.int64]:
    """Indices of images for ``draws`` draws: one permutation after another, each image once in each."""
    epochs = -(-draws // number_of_images)
    order = [generator(seed, purpose, "epoch", epoch).permutation(number_of_images) for epoch in range(epochs)]
    return np.concatenate([np.empty(0, dtype=np.int64), *order])[:draws]


def noise(keys: Sequence[Key], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Standard normal noise (B, *shape), one generator a key."""
    return np.stack([generator(*key).standard_normal(shape, dtype=np.float32) for key in keys])


def affine(
    keys: Sequence[Key],
    rotation_degrees: float,
    scale_range: tuple[float, float],
    scale_of: str,
    translation: float,
) -> NDArray[np.float64]:
    """Affine maps theta (B, 2, 3) from output to input coordinates in [-1, 1], one generator a key.

    ``theta = [[s cos a, s sin a, tx], [-s sin a, s cos a, ty]]`` with a in +-``rotation_degrees``, s the side
    of the window seen and tx, ty in +-2 ``translation`` (the frame is 2 wide); ``scale_range`` is that of s
    (``scale_of='window'``) or of 1 / s (``'image'``). Source: Eq. 5 of the paper
    and the released code.
    """
    uniform = np.stack([generator(*key).random(4) for key in keys])
    angle = np.deg2rad(rotation_degrees * (2 * uniform[:, 0] - 1))
    scale = scale_range[0] + (scale_range[1] - scale_range[0]) * uniform[:, 1]
    window = scale if scale_of == "window" else 1 / scale
    shift = 2 * translation * (2 * uniform[:, 2:] - 1)
    cosine, sine = window * np.cos(angle), window * np.sin(angle)
    return np.stack([cosine, sine, shift[:, 0], -sine, cosine, shift[:, 1]], axis=1).reshape(-1, 2, 3)
