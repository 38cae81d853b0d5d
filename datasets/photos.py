"""Photographs as methods see them: decoded, cropped, then resized to a square, in that order and no other."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from datasets.base import DatasetError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

FILL = (128, 128, 128)
RESAMPLING = (
    "converted to RGB, cropped, flipped where the crop says so, resized with Pillow's antialiased bilinear filter"
)


class Crop(NamedTuple):
    """A rectangle in whole pixels, which may leave the image, and whether its content is mirrored."""

    left: int
    top: int
    width: int
    height: int
    flip: bool = False


def read_photo(path: Path) -> Image.Image:
    """An image file as RGB, whatever its mode. Raises DatasetError where it is missing or cannot be decoded."""
    from PIL import Image

    try:
        with Image.open(path) as photo:
            return photo.convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DatasetError(f"cannot read image {path}: {error}; put a whole file in its place") from error


def square(
    photo: Image.Image, size: int, crop: Crop | None = None, fill: tuple[int, int, int] = FILL
) -> NDArray[np.uint8]:
    """The crop of a photo (all of it, where there is none) squashed to (size, size, 3) uint8.

    What lies outside the photo has the colour ``fill``.
    """
    from PIL import Image

    if crop is not None:
        canvas = Image.new("RGB", (crop.width, crop.height), fill)
        canvas.paste(photo, (-crop.left, -crop.top))
        photo = canvas.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if crop.flip else canvas
    return np.asarray(photo.resize((size, size), Image.Resampling.BILINEAR))


def padded_square(width: int, height: int) -> Crop:
    """The smallest square that holds a whole image of this size, the image in its middle."""
    side = max(width, height)
    return Crop((width - side) // 2, (height - side) // 2, side, side)
