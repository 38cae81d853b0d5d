"""Custom data: a file or folder named on the command line; its card is derived from its contents."""

from __future__ import annotations

import hashlib
import json
import os
import posixpath
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from datasets.base import SPLITS, Choices, DatasetCard, DatasetError, Split
from datasets.photos import Crop, Look, look, padded_square, square_about
from datasets.reading.checks import check_eyes, check_labels, size_of, within
from datasets.reading.image_files import FileHashes, is_upright
from datasets.reading.labels import Labels, LeftOut
from datasets.reading.landmark_names import find_eyes, left_right_pairs
from datasets.reading.splits import Sides, split_as_stated, split_images
from datasets.reading.table import Table, TableDataset
from datasets.text import one_line

if TYPE_CHECKING:
    from numpy.typing import NDArray

PADDING = 0.1  # of the box's side, added on each side
SEEN_WHOLE = "images, seen whole, each padded to a square; (0, 0) to (1, 1) are the corners of that square"
SEEN_BOXED = (
    f"objects, each seen in a square about its box, padded by {PADDING:.0%} of its sides on each side and kept within "
    "the image; (0, 0) to (1, 1) are the corners of that square"
)
EYES = ("strict/interocular", "strict/interocular_bias", "faces")  # the first two take visible landmarks alone
WHOLE = "images are seen whole, padded to a square; (0, 0) to (1, 1) are the corners of that square"
BOXED = (
    f"each object is seen in a square about its box, padded by {PADDING:.0%} of its sides on each side and kept within "
    "the image; (0, 0) to (1, 1) are the corners of that square"
)
PIXELS = (
    "images upright by their EXIF orientation, unless annotated as stored; transparent parts grey; whole pixels, half "
    "to even; coordinates count pixels from 0, so half a pixel is added"
)


@dataclass(frozen=True)
class Found:
    """Result of a reader: landmark names, labels, entries left out, and remarks.

    ``listed`` are the names of all images in the annotations, with those that are left out.
    """

    landmark_names: tuple[str, ...]
    labels: Labels
    left_out: LeftOut
    remarks: tuple[str, ...] = ()
    listed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Contents:
    """Custom data after all checks: the N labels that are used, and the rows of each split.

    ``eyes`` are the landmarks that the user named as such. Images of one of the ``groups`` are in one split only;
    ``looks`` has the headers of the images that exist.
    """

    landmark_names: tuple[str, ...]
    eyes: tuple[int, int] | None
    labels: Labels
    groups: tuple[str, ...]
    rows: dict[Split, Sequence[int]]
    looks: dict[Path, Look]
    remarks: tuple[str, ...]


class CustomDataset(TableDataset):
    """Data at a path that the user names. The constructor reads nothing; the card is made when it is first used.

    ``available`` reports missing data; broken data raises DatasetError when it is first read.
    """

    prefix: ClassVar[str]
    what: ClassVar[str]
    are_videos: ClassVar[bool] = False  # whether the folders of images are videos

    def __init__(self, path: str | Path) -> None:
        self.source = Path(os.path.abspath(Path(path).expanduser()))  # noqa: PTH100  (links keep their neighbours)
        super().__init__(self.source)
        self._hashes = FileHashes()

    @abstractmethod
    def find(self) -> Found:
        """Read all labels, and no image. Raises DatasetError naming file and line or key."""

    @cached_property
    def contents(self) -> Contents:
        """All usable labels, and the splits; only the headers of images are read."""
        if not self.source.exists():
            raise DatasetError(f"{self.prefix}: no {self.source}; expected {self.what}")
        found = self.find()
        try:
            "".join(found.labels.ids).encode()
        except UnicodeEncodeError as error:
            raise DatasetError(f"{self.source}: an image's name is no UTF-8 ({error}); rename it") from error
        labels, looks, remarks = check_labels(self.source, found.landmark_names, found.labels, found.left_out, frame_of)
        labels, sides = _only_split(labels, self.splits(labels, found.listed))
        eyes = find_eyes(self.source, found.landmark_names, self.choices.interocular)
        scale = (
            [f"% IOD is percent of the distance between {' and '.join(found.landmark_names[eye] for eye in eyes)}"]
            if eyes
            else []
        )
        frame = f"{len(labels.ids)} {SEEN_WHOLE if labels.boxes is None else SEEN_BOXED}"
        remarks = tuple(map(one_line, (frame, *scale, *found.remarks, *remarks, *sides.remarks)))
        if eyes:
            check_eyes(self.source, labels.only(list(sides.rows["test"])), eyes)
        return Contents(found.landmark_names, eyes, labels, sides.groups, sides.rows, looks, remarks)

    def choose(self, choices: Choices) -> None:
        """Set the user's choices, before anything is read."""
        self.choices = choices

    def splits(self, labels: Labels, listed: Sequence[str]) -> Sides:
        """The splits of the file that the user chose, else those that the names of the images give."""
        names, hashes = tuple(name.replace("\\", "/") for name in labels.names), self._hashes
        if self.choices.split is None:
            return split_images(self.source, names, labels.files, hashes, labels.videos, self.are_videos)
        listed = [name.replace("\\", "/") for name in listed]
        videos = labels.videos or (tuple(map(posixpath.dirname, names)) if self.are_videos else ())
        return split_as_stated(self.choices.split, names, labels.ids, listed, labels.files, hashes, videos)

    @cached_property
    def card(self) -> DatasetCard:  # type: ignore[override]
        """The card, derived from the contents."""
        contents = self.contents
        counts = {name: len(contents.rows[name]) for name in SPLITS}
        names, boxed = contents.landmark_names, contents.labels.boxes is not None
        return DatasetCard(
            id=f"{self.prefix}:{self.source}",
            title=f"{self.source.name}, {self.what}",
            landmark_names=names,
            protocols=self._protocols(),
            left_right_pairs=left_right_pairs(names),
            interocular=contents.eyes,
            has_visibility=bool(names),
            has_boxes=boxed,
            counts=counts,
            licence="your own data",
            citation="your own data",
            how_to_get=f"it is your own: {self.source}",
            preprocessing=f"{BOXED if boxed else WHOLE}; {PIXELS}",
            remarks=contents.remarks,
        )

    def _protocols(self) -> tuple[str, ...]:
        """Protocols in distances of the eyes, if these are known; most of them need every landmark to be visible."""
        contents = self.contents
        if contents.eyes is None:
            return ()
        scored = [*contents.rows["regress"], *contents.rows["test"]]
        return (*(EYES if contents.labels.visible[scored].all() else EYES[:2]), "general")

    @property
    def folder(self) -> Path:
        """The path that was named."""
        return self.source

    def annotation_files(self, name: Split) -> Iterable[Path]:
        """The path that was named."""
        return (self.source,)

    def image_folders(self) -> Iterable[Path]:
        """The folders that images lie in."""
        return dict.fromkeys(path.parent for path in self.contents.labels.files)

    def available(self) -> tuple[bool, str]:
        """Whether the path and every image exist. Raises DatasetError for broken data."""
        if not self.source.exists():
            return False, f"{self.prefix}: no {self.source}; expected {self.what}"
        labels = self.contents.labels
        absent = {path: row for row, path in enumerate(labels.files) if path not in self.contents.looks}
        if not absent:
            return True, ""
        path, row = next(iter(absent.items()))
        return False, one_line(
            f"{self.prefix}: {len(absent)} of {len(set(labels.files))} images are not there, first {path}, named in "
            f"{labels.places[row]}; {self.how_to_find(labels.names[row])}"
        )

    def how_to_find(self, name: str) -> str:
        """Advice for a missing image of this name."""
        return "put it back, or take its entry out"

    def annotated(self) -> tuple[bool, str]:
        """Whether the path exists and, unless the annotations state all sizes, every image."""
        if self.source.exists() and None not in self.contents.labels.stated:
            return True, ""
        return self.available()

    def read(self, name: Split) -> Table:
        """The rows of a split. Raises DatasetError naming an image whose size cannot be read."""
        contents, rows = self.contents, list(self.contents.rows[name])
        labels = contents.labels.only(rows)
        crops = tuple(
            frame_of(labels, row, None if labels.stated[row] else contents.looks.get(path) or look(path))
            for row, path in enumerate(labels.files)
        )
        landmarks, boxes = within(labels, crops)
        return Table(labels.ids, landmarks, labels.visible, tuple(contents.groups[row] for row in rows), boxes, crops)

    def seen(self, name: Split) -> NDArray[np.float64]:
        """The place (N, 4) of each image of a split in its photograph, in widths and heights of the photograph."""
        places = [(crop.left, crop.top, crop.width, crop.height) for crop in self.table(name).crops or ()]
        return np.array(places, dtype=np.float64).reshape(-1, 4) / np.tile(self.photo_sizes(name), 2)

    def photo_sizes(self, name: Split) -> NDArray[np.float64]:
        """The width and height (N, 2) of the photograph of each image of a split."""
        contents = self.contents
        sizes = [size_of(contents.labels, row, contents.looks) for row in contents.rows[name]]
        return np.array(sizes, dtype=np.float64).reshape(-1, 2)

    def path(self, image_id: str) -> Path:
        """The file of an image. Raises DatasetError for an unknown id."""
        return self.contents.labels.files[self._row(image_id)]

    def expected_size(self, image_id: str) -> tuple[int, int] | None:
        """Width and height that the annotations state, or None."""
        return self.contents.labels.stated[self._row(image_id)]

    def is_upright(self, image_id: str) -> bool:
        """Whether the image is turned by its EXIF orientation; it is not if the stored pixels were annotated."""
        row = self._row(image_id)
        return is_upright(self.contents.labels.stated[row], self.contents.looks.get(self.contents.labels.files[row]))

    def digest(self, name: Split) -> str:
        """sha256 over the table of the split, the contents of its images, which of them are turned, and the eyes."""
        ids, eyes = self.split(name), self.contents.eyes
        hashes = self._hashes(tuple(map(self.path, ids)))
        plain: list[Any] = [super().digest(name), hashes, [self.is_upright(image_id) for image_id in ids]]
        plain += [sorted(eyes)] if eyes and name != "fit" else []
        return hashlib.sha256(json.dumps(plain).encode()).hexdigest()

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {image_id: row for row, image_id in enumerate(self.contents.labels.ids)}

    def _row(self, image_id: str) -> int:
        if image_id not in self._rows:
            raise DatasetError(f"{self.card.id}: no image '{image_id}'")
        return self._rows[image_id]


def frame_of(labels: Labels, row: int, header: Look | None) -> Crop:
    """The crop of a row's image, whose size is stated or in its header: a square about its box, or the whole image."""
    size = labels.stated[row] or header.upright  # type: ignore[union-attr]
    return padded_square(*size) if labels.boxes is None else square_about(labels.boxes[row], size, PADDING)


def _only_split(labels: Labels, sides: Sides) -> tuple[Labels, Sides]:
    """The labels that are in a split, and their sides."""
    used = sorted({row for rows in sides.rows.values() for row in rows})
    if len(used) == len(labels.ids):
        return labels, sides
    place = {row: number for number, row in enumerate(used)}
    rows: dict[Split, Sequence[int]] = {split: [place[row] for row in found] for split, found in sides.rows.items()}
    return labels.only(used), Sides(tuple(sides.groups[row] for row in used), rows, sides.remarks)
