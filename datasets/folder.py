"""Own images without landmarks: keypoints are discovered on all of them and found in all of them, nothing is scored.

All images below the folder count, in the order of their paths; hidden files and folders do not. A whole image is
turned upright as its EXIF orientation says and padded to a square.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from datasets.base import DatasetError
from datasets.reading.custom import Contents, OwnDataset
from datasets.reading.photos import padded_square, read_photo, square
from datasets.reading.table import Table

if TYPE_CHECKING:
    from numpy.typing import NDArray

SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".webp")


class Folder(OwnDataset):
    """The images below a folder, an id being the path from there. Every image is in fit and in test."""

    prefix: ClassVar[str] = "folder"
    what: ClassVar[str] = f"a folder of images ({', '.join(SUFFIXES)}, any depth)"
    preprocessing: ClassVar[str] = (
        "whole image, upright by its EXIF orientation, padded to a square, the image in its middle"
    )

    def load(self) -> Contents:
        """List the images. Raises DatasetError for a folder without any."""
        if not self.source.is_dir():
            raise DatasetError(f"{self.source} is a file, expected {self.what}")
        paths = {path.relative_to(self.source).as_posix(): path for path in self.source.rglob("*")}
        ids = sorted(
            name
            for name, path in paths.items()
            if path.suffix.lower() in SUFFIXES and not name.startswith(".") and "/." not in name and path.is_file()
        )
        if not ids:
            raise DatasetError(f"no image in {self.source}, expected {self.what}")
        everything = range(len(ids))
        return Contents(
            landmark_names=(),
            table=Table(tuple(ids), np.zeros((len(ids), 0, 2)), np.zeros((len(ids), 0), dtype=bool), tuple(ids)),
            files=tuple(paths[name] for name in ids),
            rows={"fit": everything, "regress": (), "test": everything},
        )

    def image(self, image_id: str, size: int) -> NDArray[np.uint8]:
        """The padded image, (size, size, 3) uint8 RGB."""
        photo = read_photo(self.path(image_id), self.upright)
        return square(photo, size, padded_square(*photo.size))


def open_folder(path: str) -> Folder:
    """The dataset of a folder of images; nothing is read yet."""
    return Folder(path)
