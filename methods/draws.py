"""Random draws that depend on a key (such as seed, purpose and image id), never on the order of the draws."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Key = tuple[str | int, ...]


def generator(*key: str | int) -> np.random.Generator:
    """A generator that depends only on the key, such as (seed, purpose, image id, number of the draw)."""
    digest = hashlib.sha256("\0".join(map(str, key)).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "little"))


def image_order(seed: int, purpose: str, number_of_images: int, draws: int) -> NDArray[np.int64]:
    """Indices (draws,) of images: one random permutation of all images after another."""
    epochs = -(-draws // number_of_images)
    order = [generator(seed, purpose, "epoch", epoch).permutation(number_of_images) for epoch in range(epochs)]
    return np.concatenate([np.empty(0, dtype=np.int64), *order])[:draws]


def noise(keys: Sequence[Key], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Standard normal noise (B, *shape), one generator for each key."""
    return np.stack([generator(*key).standard_normal(shape, dtype=np.float32) for key in keys])


def affine(
    keys: Sequence[Key],
    rotation_degrees: float,
    scale_range: tuple[float, float],
    scale_of: str,
    translation: float,
) -> NDArray[np.float64]:
    """Affine maps theta (B, 2, 3) from output to input coordinates in [-1, 1], one generator for each key.

    ``theta = [[s cos a, s sin a, tx], [-s sin a, s cos a, ty]]`` with a in +-``rotation_degrees``, s the side of the
    visible window, and tx, ty in +-2 ``translation`` (the frame is 2 wide). ``scale_range`` is the range of s
    (``scale_of='window'``) or of 1 / s (``'image'``). Source: Eq. 5 of Stable Keypoints and its released code.
    """
    uniform = np.stack([generator(*key).random(4) for key in keys])
    angle = np.deg2rad(rotation_degrees * (2 * uniform[:, 0] - 1))
    scale = scale_range[0] + (scale_range[1] - scale_range[0]) * uniform[:, 1]
    window = scale if scale_of == "window" else 1 / scale
    shift = 2 * translation * (2 * uniform[:, 2:] - 1)
    cosine, sine = window * np.cos(angle), window * np.sin(angle)
    return np.stack([cosine, sine, shift[:, 0], -sine, cosine, shift[:, 1]], axis=1).reshape(-1, 2, 3)
