"""Photographs for methods: decoded, then cropped, then resized to a square."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from datasets import limits
from datasets.base import DatasetError
from datasets.text import one_line

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
FILL = (128, 128, 128)
MOST = 4  # largest side of a crop, in longer sides of the photo
RESAMPLING = (
    "converted to RGB, cropped, flipped where the crop says so, resized with Pillow's antialiased bilinear filter"
)
_WHOLE = "put a whole file in its place"
_SAVE = f"expected one of {', '.join(FORMATS)}; save it as PNG or JPEG"
# Files that are often named like an image: offset and value of their first bytes, and their kind.
_KINDS = (
    (4, b"ftypavi", "an AVIF image"),
    (4, b"ftyphe", "a HEIC image"),
    (4, b"ftypmif1", "a HEIC image"),
    (4, b"ftyp", "a video"),
    (4, b"jP  ", "a JPEG 2000 image"),
    (0, b"\xff\x4f\xff\x51", "a JPEG 2000 image"),
    (4, b"JXL ", "a JPEG XL image"),
    (0, b"\xff\x0a", "a JPEG XL image"),
    (0, b"%PDF", "a PDF document"),
    (0, b"%!PS", "a PostScript document"),
)


class Crop(NamedTuple):
    """A rectangle in whole pixels, which may leave the image, and whether its content is mirrored."""

    left: int
    top: int
    width: int
    height: int
    flip: bool = False

    def covers(self, size: tuple[int, int]) -> bool:
        """Whether it overlaps a photo of (width, height), and no side exceeds MOST times the photo's longer side."""
        width, height = (
            min(start + side, whole) - max(start, 0)
            for start, side, whole in zip((self.left, self.top), (self.width, self.height), size, strict=True)
        )
        return min(width, height) > 0 and max(self.width, self.height) <= MOST * max(size)


class Look(NamedTuple):
    """Header of an image file: (width, height) ``stored`` and turned ``upright``, and EXIF orientation (1 for none).

    ``several`` says whether the file has several images, of which the first is decoded.
    Pillow turns TIFF files itself, so that both sizes of a TIFF file are equal.
    """

    stored: tuple[int, int]
    upright: tuple[int, int]
    orientation: int
    several: bool


def read_photo(path: Path, upright: bool = False) -> Image.Image:
    """Decode an image file as RGB, transparent parts in the colour FILL; ``upright`` applies its EXIF orientation.

    Raises DatasetError if it is missing, cannot be decoded, has more pixels than ``limits.PIXELS``, or has more than 8
    bits a channel and would lose them.
    """
    from PIL import Image, ImageOps

    with _opened(path) as photo:
        if upright:
            ImageOps.exif_transpose(photo, in_place=True)
        if not photo.has_transparency_data:
            return photo.convert("RGB")
        photo.load()
        cut_out = photo if photo.mode == "RGBA" else photo.convert("RGBA")
        canvas = Image.new("RGB", cut_out.size, FILL)
        canvas.paste(cut_out, mask=cut_out)
        return canvas


def photo_size(path: Path) -> tuple[int, int]:
    """Width and height of an image file as stored, from its header. Raises DatasetError if that cannot be read."""
    with _opened(path) as photo:
        return photo.size


def look(path: Path) -> Look:
    """Read the header of an image file. Raises DatasetError if it is missing or cannot be decoded."""
    from PIL import Image
    from PIL.ExifTags import Base

    with _opened(path) as photo:
        # Pillow decodes all of a PNG to find tags behind its pixels.
        quick = photo.format == "PNG" and not _has_late_tags(path)
        orientation = (Image.Image.getexif(photo) if quick else photo.getexif()).get(Base.Orientation, 1)
        orientation = orientation if orientation in range(1, 9) else 1
        sideways = orientation > 4 and photo.format != "TIFF"
        several = photo.format != "MPO" and bool(getattr(photo, "is_animated", False))
        return Look(photo.size, photo.size[::-1] if sideways else photo.size, orientation, several)


def refuse_large(path: Path, width: int, height: int) -> None:
    """Raise DatasetError for an image, or a square that it is padded to, of more pixels than ``limits.PIXELS``."""
    if limits.excess(width * height, limits.PIXELS, "pixels"):
        most = limits.PIXELS * limits.factor() / 1e6
        raise DatasetError(
            f"cannot read image {path}: got {width} x {height} pixels, expected at most {most:.0f} million with what "
            "it is padded to; make it smaller, with its annotations, or set "
            f"{limits.VARIABLE}={math.ceil(width * height / limits.PIXELS)}"
        )


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """Open an image file of one of FORMATS, which need no other program. Any failure is a DatasetError."""
    from PIL import Image, UnidentifiedImageError

    Image.MAX_IMAGE_PIXELS = None  # Pillow's own limit warns at one number and raises at another
    try:
        with Image.open(path, formats=FORMATS) as photo:
            refuse_large(path, *photo.size)
            if photo.mode.startswith(("I", "F")):
                raise DatasetError(
                    f"{path}: got pixels of mode {photo.mode}, expected 8 bits a channel; save it with 8 bits"
                )
            yield photo
    except UnidentifiedImageError as error:
        raise DatasetError(one_line(f"cannot read image {path}: {_no_image(path)}")) from error
    except FileNotFoundError as error:
        raise DatasetError(one_line(f"cannot read image {path}: {error.strerror}; put it back")) from error
    except MemoryError as error:
        raise DatasetError(
            one_line(f"cannot read image {path}: it asks for more memory than there is; {_WHOLE}")
        ) from error
    except (OSError, SyntaxError, ValueError, EOFError, struct.error) as error:
        reason = isinstance(error, OSError) and error.strerror
        raise DatasetError(one_line(f"cannot read image {path}: {reason or f'{error}; {_WHOLE}'}")) from error


def _no_image(path: Path) -> str:
    """The kind of a file that Pillow cannot read, by its first bytes, and advice."""
    with path.open("rb") as file:
        head = file.read(64)
    if not head:
        return f"it is empty; {_WHOLE}"
    if head.startswith(b"version https://git-lfs"):
        return "it is a pointer of Git LFS; fetch the file itself with git lfs pull"
    kind = next((kind for start, magic, kind in _KINDS if head[start:].startswith(magic)), "")
    return f"it is {kind}, {_SAVE}" if kind else f"it is no image, {_SAVE}, or {_WHOLE}"


def _has_late_tags(path: Path) -> bool:
    """Whether a PNG has text or EXIF data behind its pixels."""
    with path.open("rb") as file:
        file.seek(8)
        pixels = False
        while len(header := file.read(8)) == 8:
            length, kind = struct.unpack(">I4s", header)
            if pixels and kind in (b"eXIf", b"tEXt", b"zTXt", b"iTXt"):
                return True
            pixels |= kind == b"IDAT"
            file.seek(length + 4, 1)
    return False


def square(photo: Image.Image, size: int, crop: Crop | None = None) -> NDArray[np.uint8]:
    """The crop of a photo (the whole photo if ``crop`` is None) squashed to (size, size, 3) uint8.

    What lies outside the photo has the colour ``FILL``.
    """
    from PIL import Image

    if crop is not None:
        canvas = Image.new("RGB", (crop.width, crop.height), FILL)
        canvas.paste(photo, (-crop.left, -crop.top))
        photo = canvas.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if crop.flip else canvas
    return np.asarray(photo.resize((size, size), Image.Resampling.BILINEAR))


def padded_square(width: int, height: int) -> Crop:
    """The smallest square around a whole image of this size, with the image in its middle."""
    side = max(width, height)
    return Crop((width - side) // 2, (height - side) // 2, side, side)


def square_about(box: NDArray[np.float64], size: tuple[int, int], padding: float) -> Crop:
    """The square about a box (x, y, width, height), padded by a share of its size on each side, within the image.

    The padded box is cut to the image of ``size``; the square's side is its longer side in whole pixels; the square is
    moved into the image if it fits. The box of a whole image gives its ``padded_square``.
    """
    x, y, width, height = box.tolist()
    spans = []
    for low, length, whole in ((x, width, size[0]), (y, height, size[1])):
        spans.append((max(low - padding * length, 0.0), min(low + (1 + padding) * length, float(whole))))
    side = max(1, *(round(high - low) for low, high in spans))
    left, top = (
        (whole - side) // 2 if side >= whole else min(max(round((low + high - side) / 2), 0), whole - side)
        for (low, high), whole in zip(spans, size, strict=True)
    )
    return Crop(left, top, side, side)
