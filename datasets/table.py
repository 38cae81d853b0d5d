"""Datasets whose annotations fit in memory: a table for each split, and one way of using it."""

from __future__ import annotations

import hashlib
import json
from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from datasets.base import SPLITS, Annotation, DatasetError, KeypointDataset, Split
from datasets.photos import FILL, RESAMPLING, Crop, read_photo, square

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Table:
    """N annotated images: ids, landmarks (N, L, 2), visible (N, L), groups; boxes (N, 4) where there are any.

    Coordinates are those of the contract (``datasets.base``); what is not visible may hold anything finite.
    """

    ids: tuple[str, ...]
    landmarks: NDArray[np.float64]
    visible: NDArray[np.bool_]
    groups: tuple[str, ...]
    boxes: NDArray[np.float64] | None = None
    crops: tuple[Crop, ...] | None = None

    @cached_property
    def rows(self) -> dict[str, int]:
        """Row of each id. Raises DatasetError for an id that is there twice."""
        rows = {image_id: row for row, image_id in enumerate(self.ids)}
        if len(rows) < len(self.ids):
            twice = next(image_id for row, image_id in enumerate(self.ids) if rows[image_id] != row)
            raise DatasetError(f"image '{twice}' is listed twice, expected once")
        return rows


class TableDataset(KeypointDataset):
    """A dataset that gives a ``Table`` for each split; the rest of the contract follows from it.

    A split is read when it is first asked for, so one whose files are absent does not stand in the way of another.
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
        """The table of a split, whose files are there. Raises DatasetError naming file and line or key."""

    @abstractmethod
    def path(self, image_id: str) -> Path:
        """The file of an image."""

    def available(self) -> tuple[bool, str]:
        """Whether the annotations of all splits and the images are there."""
        files = [path for name in SPLITS for path in self.annotation_files(name)] if self.root else []
        return self._found([*files, *self.image_folders()] if self.root else [])

    def annotated(self) -> tuple[bool, str]:
        """Whether the annotations of the regress and test splits are there."""
        names: tuple[Split, ...] = ("regress", "test")
        return self._found([path for name in names for path in self.annotation_files(name)] if self.root else [])

    def split(self, name: Split) -> tuple[str, ...]:
        """Ids of a split in the order of its table."""
        return self.table(name).ids

    def table(self, name: Split) -> Table:
        """The table of a split, read once. Raises DatasetError where a file is missing or another count is expected."""
        if name not in self._tables:
            found, message = self._found(self.annotation_files(name) if self.root else [])
            if not found:
                raise DatasetError(message)
            table = self.read(name)
            self.check_count(name, table.ids)
            self._check(table)
            self._tables[name] = table
        return self._tables[name]

    def annotation(self, image_id: str) -> Annotation:
        """Landmarks of an image, looked for in the splits that can be read."""
        table, row = self._locate(image_id)
        box = None if table.boxes is None else table.boxes[row]
        return Annotation(table.landmarks[row], table.visible[row], table.groups[row], box)

    def image(self, image_id: str, size: int) -> NDArray[np.uint8]:
        """The image, cropped where its table says so and squashed to a square, (size, size, 3) uint8 RGB."""
        table, row = self._locate(image_id)
        crop = None if table.crops is None else table.crops[row]
        return square(read_photo(self.path(image_id)), size, crop)

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

    def _found(self, paths: Iterable[Path]) -> tuple[bool, str]:
        if self.root is None:
            return False, f"{self.card.id}: no data root is set; {self.card.how_to_get}"
        missing = list(dict.fromkeys(path for path in paths if not path.exists()))
        if not missing:
            return True, ""
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        return False, f"{self.card.id}: no {missing[0]}{more}; {self.card.how_to_get}"
