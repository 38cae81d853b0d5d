"""Affine warps of images that depend on the image's id alone, for the error of equivariance.

A warp turns an image about its centre by up to ``ROTATION`` degrees either way, scales it by a factor between
``1 / SCALE`` and ``SCALE`` (uniform in the logarithm), and then shifts it by up to ``SHIFT`` of its side along x and
along y.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from hashlib import sha256

import numpy as np

from metrics.errors import Floats

ROTATION, SCALE, SHIFT = 30.0, 1.25, 0.1
_CENTRE = np.array([0.5, 0.5])


@dataclass(frozen=True)
class Warp:
    """A map of points (x, y) in image sides: ``matrix @ (point - centre) + centre + shift``, about the image's centre.

    ``matrix`` is (2, 2) and ``shift`` (2,), both float64.
    """

    matrix: Floats
    shift: Floats

    def apply(self, points: Floats) -> Floats:
        """Where points (..., 2) of the image lie in the warped image."""
        return (points - _CENTRE) @ self.matrix.T + _CENTRE + self.shift

    def invert(self, points: Floats) -> Floats:
        """Where points (..., 2) of the warped image lie in the image."""
        return (points - _CENTRE - self.shift) @ np.linalg.inv(self.matrix).T + _CENTRE


def warp_of(image_id: str) -> Warp:
    """The warp of an image: rotation, scale and shift are uniform numbers from the sha256 of its id."""
    digest = sha256(f"warp:{image_id}".encode()).digest()
    turn, growth, right, down = (
        2 * int.from_bytes(digest[start : start + 8], "big") / 2**64 - 1 for start in range(0, 32, 8)
    )
    angle, scale = math.radians(ROTATION * turn), SCALE**growth
    cosine, sine = scale * math.cos(angle), scale * math.sin(angle)
    return Warp(np.array([[cosine, -sine], [sine, cosine]]), SHIFT * np.array([right, down]))
