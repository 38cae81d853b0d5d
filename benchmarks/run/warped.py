"""Warped copies of test images, whose keypoints say how equivariant a method is."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import TYPE_CHECKING

import numpy as np

from metrics.direct.warps import warp_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST = 256  # test images of a dataset that are warped
_MARK = "warped:"


def warped_ids(test: Sequence[str]) -> tuple[str, ...]:
    """The ids of the warped copies of at most ``MOST`` test images, in their order.

    The images are chosen by a hash of their ids. A copy has an id of its own, because to a method it is another image.
    """
    chosen = set(sorted(test, key=lambda image_id: sha256(f"chosen:{image_id}".encode()).digest())[:MOST])
    return tuple(f"{_MARK}{image_id}" for image_id in test if image_id in chosen)


def original_id(warped: str) -> str:
    """The id of the image that a warped copy was made from."""
    return warped.removeprefix(_MARK)


def warp_image(image: NDArray[np.uint8], image_id: str) -> NDArray[np.uint8]:
    """The image (size, size, 3) under the warp of its id, by bilinear interpolation between pixel centres.

    What the warp moves in from outside repeats the nearest pixel of the image's edge.
    """
    from scipy.ndimage import affine_transform

    size, warp = len(image), warp_of(image_id)
    # Rows come before columns here: the inverse map of (y, x), from pixel numbers to pixel numbers.
    inverse = np.linalg.inv(warp.matrix)[::-1, ::-1]
    first = warp.invert(np.array([0.5 / size, 0.5 / size]))[::-1] * size - 0.5
    planes = [
        affine_transform(plane, inverse, first, order=1, mode="nearest", output=np.float64)
        for plane in np.moveaxis(image, 2, 0).astype(np.float64)
    ]
    return np.rint(np.stack(planes, axis=2)).astype(np.uint8)
