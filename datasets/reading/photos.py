"""Photographs as methods see them: decoded, cropped, then resized to a square, in that order and no other."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from datasets.base import DatasetError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
FILL = (128, 128, 128)
MOST = 4  # times a photo's longer side: what a crop of it may measure
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

    def covers(self, size: tuple[int, int]) -> bool:
        """Whether any of a photo of (width, height) is in it, and neither side is above MOST times the longer one."""
        width, height = (
            min(start + side, whole) - max(start, 0)
            for start, side, whole in zip((self.left, self.top), (self.width, self.height), size, strict=True)
        )
        return min(width, height) > 0 and max(self.width, self.height) <= MOST * max(size)


def read_photo(path: Path, upright: bool = False) -> Image.Image:
    """An image file as RGB; where it is to be ``upright``, turned as its EXIF orientation says.

    Raises DatasetError where it is missing, cannot be decoded, or has more than 8 bits a channel and would lose them.
    """
    from PIL import ImageOps

    with _opened(path) as photo:
        if photo.mode.startswith(("I", "F")):
            raise DatasetError(
                f"{path}: got pixels of mode {photo.mode}, expected 8 bits a channel; save it with 8 bits"
            )
        return (ImageOps.exif_transpose(photo) if upright else photo).convert("RGB")


def photo_size(path: Path, upright: bool = False) -> tuple[int, int]:
    """Width and height of an image as ``read_photo`` gives it, from its header unless it has to be turned.

    Raises DatasetError where it is missing or cannot be decoded.
    """
    from PIL import ImageOps
    from PIL.ExifTags import Base

    with _opened(path) as photo:
        turned = upright and photo.getexif().get(Base.Orientation, 1) != 1
        return (ImageOps.exif_transpose(photo) if turned else photo).size


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """An image file of one of FORMATS, which need no other program. Whatever goes wrong with it is a DatasetError."""
    from PIL import Image

    try:
        with Image.open(path, formats=FORMATS) as photo:
            yield photo
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError) as error:
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
