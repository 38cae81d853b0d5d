"""Datasets whose annotations fit in memory, with a table for each split."""

from __future__ import annotations

import hashlib
import json
import os
from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING

import numpy as np

from datasets.base import SPLITS, Annotation, DatasetError, KeypointDataset, Split
from datasets.photos import FILL, MOST, RESAMPLING, Crop, read_photo, refuse_large, square

if TYPE_CHECKING:
    from numpy.typing import NDArray

FARTHEST = (-3, 4)  # range of coordinates of visible landmarks, in sides of the image
_READING = RLock()  # of the module, so that datasets can be pickled


@dataclass(frozen=True)
class Table:
    """N annotated images: ids, landmarks (N, L, 2), visible (N, L), groups; boxes (N, 4) and crops, if any.

    Coordinates are as in ``datasets.base``; those of invisible landmarks may have any finite value.
    """

    ids: tuple[str, ...]
    landmarks: NDArray[np.float64]
    visible: NDArray[np.bool_]
    groups: tuple[str, ...]
    boxes: NDArray[np.float64] | None = None
    crops: tuple[Crop, ...] | None = None

    @cached_property
    def rows(self) -> dict[str, int]:
        """Row of each id. Raises DatasetError for an id that is listed twice."""
        rows = {image_id: row for row, image_id in enumerate(self.ids)}
        if len(rows) < len(self.ids):
            twice = next(image_id for row, image_id in enumerate(self.ids) if rows[image_id] != row)
            raise DatasetError(f"image '{twice}' is listed twice, expected once")
        return rows


class TableDataset(KeypointDataset):
    """A dataset that reads a ``Table`` for each split; the other methods of a dataset use it.

    A split is read when it is first used, so a split whose files are missing does not affect the others.
    """

    def __init__(self, root: Path | None = None) -> None:
        super().__init__(root)
        self._tables: dict[Split, Table] = {}

    @property
    @abstractmethod
    def folder(self) -> Path:
        """Where the dataset lies."""

    @abstractmethod
    def annotation_files(self, name: Split) -> Iterable[Path]:
        """The files that ``read`` reads for a split."""

    @abstractmethod
    def image_folders(self) -> Iterable[Path]:
        """The folders (or files) that hold the images."""

    @abstractmethod
    def read(self, name: Split) -> Table:
        """The table of a split whose files exist. Raises DatasetError naming file and line or key."""

    @abstractmethod
    def path(self, image_id: str) -> Path:
        """The file of an image."""

    def expected_size(self, image_id: str) -> tuple[int, int] | None:
        """Width and height that the file of an annotated image must have, None if any size is valid."""
        return None

    def is_upright(self, image_id: str) -> bool:
        """Whether the image is turned as its EXIF orientation says."""
        return False

    def available(self) -> tuple[bool, str]:
        """Whether the annotations of all splits can be read, and the first and last image of each is there."""
        found, message = self.present()
        if not found:
            return found, message
        try:
            ids = [image_id for name in SPLITS for image_id in (*self.split(name)[:1], *self.split(name)[-1:])]
            return self._found(map(self.path, ids))
        except DatasetError as error:
            return False, f"{self.card.id}: {str(error).removeprefix(f'{self.card.id}: ')}"

    def present(self) -> tuple[bool, str]:
        """Whether annotation files and folders of images exist; no file is read."""
        files = [path for name in SPLITS for path in self.annotation_files(name)] if self.root else []
        found, message = self._found([*files, *self.missing_images()] if self.root else [])
        return self.annotated() if found else (found, message)

    def missing_images(self) -> list[Path]:
        """The folders (or files) of images that are missing; an empty folder ends in a star."""
        folders = list(self.image_folders())
        return [path for path in folders if not path.exists()] + [path / "*" for path in folders if _is_empty(path)]

    def annotated(self) -> tuple[bool, str]:
        """Whether the annotations of the regress and test splits are there."""
        names: tuple[Split, ...] = ("regress", "test")
        return self._found([path for name in names for path in self.annotation_files(name)] if self.root else [])

    def split(self, name: Split) -> tuple[str, ...]:
        """Ids of a split in the order of its table."""
        return self.table(name).ids

    def table(self, name: Split) -> Table:
        """The table of a split, read once. Raises DatasetError if a file is missing or the count is wrong."""
        if name not in self._tables:
            with _READING:
                if name not in self._tables:
                    self._tables[name] = self._read(name)
        return self._tables[name]

    def annotation(self, image_id: str) -> Annotation:
        """The annotation of an image, searched in the splits whose files exist."""
        table, row = self._locate(image_id)
        box = None if table.boxes is None else table.boxes[row]
        return Annotation(table.landmarks[row], table.visible[row], table.groups[row], box)

    def image(self, image_id: str, size: int) -> NDArray[np.uint8]:
        """The image, cropped if its table has crops, and squashed to (size, size, 3) uint8 RGB.

        Raises DatasetError if its size is not the expected one, or if the crop misses the image or is far larger.
        """
        table, row = self._locate(image_id)
        path, expected = self.path(image_id), self.expected_size(image_id)
        photo = read_photo(path, self.is_upright(image_id))
        width, height = photo.size
        if expected not in (None, photo.size):
            wanted = "{} x {}".format(*expected)
            raise DatasetError(f"{path}: got {width} x {height} pixels, expected {wanted}; take the annotated image")
        crop = None if table.crops is None else table.crops[row]
        if crop is not None and not crop.covers(photo.size):
            raise DatasetError(
                f"{path}: got {crop} for image '{image_id}', expected one that meets its {width} x {height} pixels and "
                f"is at most {MOST} times as long; correct the box"
            )
        if crop is not None:
            refuse_large(path, crop.width, crop.height)
        return square(photo, size, crop)

    def files(self, image_id: str) -> tuple[Path, ...]:
        """The file of the image."""
        return (self.path(image_id),)

    def digest(self, name: Split) -> str:
        """sha256 over preprocessing and resampling and the table of the split."""
        table = self.table(name)
        plain = [self.card.preprocessing, RESAMPLING, FILL, table.ids, table.groups, table.crops]
        digest = hashlib.sha256(json.dumps(plain).encode())
        landmarks = np.where(table.visible[..., None], table.landmarks, 0.0)
        for array in (landmarks, table.visible, table.boxes):
            if array is not None:
                digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def _locate(self, image_id: str) -> tuple[Table, int]:
        """The table that holds an image, and its row; splits are read only as far as needed."""
        for name in (*self._tables, *(name for name in SPLITS if name not in self._tables)):
            if name not in self._tables and not self._found(self.annotation_files(name) if self.root else [])[0]:
                continue
            row = self.table(name).rows.get(image_id)
            if row is not None:
                return self.table(name), row
        raise DatasetError(f"{self.card.id}: no annotations for image '{image_id}' under {self.root}")

    def _read(self, name: Split) -> Table:
        found, message = self._found(self.annotation_files(name) if self.root else [])
        if not found:
            raise DatasetError(message)
        table = self.read(name)
        self.check_count(name, table.ids)
        self._check(table)
        return table

    def _check(self, table: Table) -> None:
        count, landmarks = len(table.ids), len(self.card.landmark_names)
        shapes = (len(table.groups), table.landmarks.shape, table.visible.shape)
        if shapes != (count, (count, landmarks, 2), (count, landmarks)) or len(table.rows) != count:
            raise DatasetError(f"{self.card.id}: got {count} ids, {shapes} groups, landmarks and visible")
        broken = ~np.isfinite(table.landmarks).all(axis=2) & table.visible
        if broken.any():
            row, landmark = np.argwhere(broken)[0].tolist()
            name = self.card.landmark_names[landmark]
            raise DatasetError(f"{self.card.id}: image '{table.ids[row]}' has no finite coordinates for '{name}'")
        low, high = FARTHEST
        far = ((table.landmarks < low) | (table.landmarks > high)).any(axis=2) & table.visible
        if far.any():
            row, landmark = np.argwhere(far)[0].tolist()
            name, (x, y) = self.card.landmark_names[landmark], table.landmarks[row, landmark].tolist()
            raise DatasetError(
                f"{self.card.id}: image '{table.ids[row]}' has '{name}' at ({x:g}, {y:g}) of its sides, expected {low} "
                f"to {high}; correct its annotation"
            )

    def _found(self, paths: Iterable[Path]) -> tuple[bool, str]:
        if self.root is None:
            return False, f"{self.card.id}: no data root is set; {self.card.how_to_get}"
        missing = list(dict.fromkeys(path for path in paths if not path.exists()))
        if not missing:
            return True, ""
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        return False, f"{self.card.id}: no {missing[0]}{more}; {self.card.how_to_get}"


def _is_empty(path: Path) -> bool:
    """Whether a path is a folder that is empty or cannot be listed."""
    if not path.is_dir():
        return False
    try:
        with os.scandir(path) as entries:
            return next(entries, None) is None
    except OSError:
        return True
