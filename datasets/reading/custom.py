"""A user's own data: a file or folder named on the command line, whose card is written from what is found there."""

from __future__ import annotations

import hashlib
import json
import os
import re
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import ClassVar, NoReturn

from datasets.base import SPLITS, DatasetCard, DatasetError, Split
from datasets.reading.table import Table, TableDataset

FIFTH = 5  # one group in five is tested on
_LEFT = re.compile(r"^left|left$|^l(?=[ _.-])|(?<=[ _.-])l$")


@dataclass(frozen=True)
class Contents:
    """What own data holds: the landmarks' names, all N images as one table, and the rows (of N) of each split.

    ``files`` are where the images lie, one a row; ``remarks`` what a user of the numbers has to know; ``sizes`` the
    (width, height) that the annotations state, by image id.
    """

    landmark_names: tuple[str, ...]
    table: Table
    files: tuple[Path, ...]
    rows: dict[Split, Sequence[int]]
    remarks: tuple[str, ...] = ()
    sizes: dict[str, tuple[int, int]] = field(default_factory=dict)


class OwnDataset(TableDataset):
    """Data at a path of the user's. Constructing reads nothing; the card is written when it is first asked for.

    Missing data is what ``available`` says; broken data is a DatasetError wherever it is first read.
    """

    prefix: ClassVar[str]
    what: ClassVar[str]
    preprocessing: ClassVar[str]
    has_boxes: ClassVar[bool] = False
    upright: ClassVar[bool] = True

    def __init__(self, path: str | Path) -> None:
        self.source = Path(os.path.abspath(Path(path).expanduser()))  # noqa: PTH100  (links keep their neighbours)
        super().__init__(self.source)

    @abstractmethod
    def load(self) -> Contents:
        """Read everything but the images. Raises DatasetError naming file and line or key."""

    @cached_property
    def contents(self) -> Contents:
        """Everything but the images, read once."""
        if not self.source.exists():
            raise DatasetError(self._missing(self.source))
        contents = self.load()
        try:
            "".join(contents.table.ids).encode()
        except UnicodeEncodeError as error:
            raise DatasetError(f"{self.source}: an image's name is no UTF-8 ({error}); rename it") from error
        return contents

    @cached_property
    def card(self) -> DatasetCard:  # type: ignore[override]
        """The card, written from what is there."""
        contents = self.contents
        counts = {name: len(contents.rows[name]) for name in SPLITS}
        names = contents.landmark_names
        return DatasetCard(
            id=f"{self.prefix}:{self.source}",
            title=f"{self.source.name}, {self.what}",
            landmark_names=names,
            left_right_pairs=left_right_pairs(names),
            has_visibility=bool(names),
            has_boxes=self.has_boxes,
            counts=counts,
            licence="your own data",
            citation="your own data",
            how_to_get=f"it is your own: {self.source}",
            preprocessing=self.preprocessing,
            remarks=contents.remarks,
        )

    @property
    def folder(self) -> Path:
        """The path that was named."""
        return self.source

    def annotation_files(self, name: Split) -> Iterable[Path]:
        """All that is read is read through the path that was named."""
        return (self.source,)

    def image_folders(self) -> Iterable[Path]:
        """The folders that images lie in."""
        return dict.fromkeys(path.parent for path in self.contents.files)

    def available(self) -> tuple[bool, str]:
        """Whether the path is there, and every image. Raises DatasetError where what is there is broken."""
        if not self.source.exists():
            return False, self._missing(self.source)
        absent = [path for path in dict.fromkeys(self.contents.files) if not path.is_file()]
        return not absent, self._missing(*absent)

    def annotated(self) -> tuple[bool, str]:
        """Whether the path is there."""
        return self.source.exists(), "" if self.source.exists() else self._missing(self.source)

    def read(self, name: Split) -> Table:
        """The rows of a split."""
        table, rows = self.contents.table, list(self.contents.rows[name])
        return Table(
            tuple(table.ids[row] for row in rows),
            table.landmarks[rows],
            table.visible[rows],
            tuple(table.groups[row] for row in rows),
            None if table.boxes is None else table.boxes[rows],
            None if table.crops is None else tuple(table.crops[row] for row in rows),
        )

    def path(self, image_id: str) -> Path:
        """The file of an image. Raises DatasetError for one that is not there."""
        row = self.contents.table.rows.get(image_id)
        if row is None:
            raise DatasetError(f"{self.card.id}: no image '{image_id}'")
        return self.contents.files[row]

    def expected_size(self, image_id: str) -> tuple[int, int] | None:
        """Width and height that the annotations state, None where they do not."""
        return self.contents.sizes.get(image_id)

    def digest(self, name: Split) -> str:
        """sha256 over the table of the split and what tells a changed image file: its size and date."""
        paths = dict.fromkeys(map(self.path, self.split(name)))
        stats = [path.stat() if path.is_file() else None for path in paths]
        plain = [super().digest(name), [stat and (stat.st_size, stat.st_mtime_ns) for stat in stats]]
        return hashlib.sha256(json.dumps(plain).encode()).hexdigest()

    def _missing(self, *paths: Path) -> str:
        if not paths:
            return ""
        more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
        return f"{self.prefix}: no {paths[0]}{more}; expected {self.what}"


def split_by(source: Path, groups: Sequence[str], at_least: int = 1) -> dict[Split, Sequence[int]]:
    """Rows of each split: a fifth of the groups, but ``at_least`` so many, are tested on, the rest are learned from.

    Groups are chosen by the sha256 of their names, so neither their order nor what they hold matters. Raises
    DatasetError where nothing would be left to learn from.
    """
    names = sorted(set(groups), key=lambda group: hashlib.sha256(group.encode(errors="replace")).digest())
    count = max(at_least, round(len(names) / FIFTH))
    if count >= len(names):
        raise DatasetError(f"{source}: only {names[0]} is annotated, expected {count + 1} images to learn and to test")
    held_out = set(names[:count])
    learned = [row for row, group in enumerate(groups) if group not in held_out]
    return {"fit": learned, "regress": learned, "test": [row for row, group in enumerate(groups) if group in held_out]}


def left_right_pairs(names: Sequence[str]) -> tuple[tuple[int, int], ...]:
    """Index pairs of landmarks whose names differ at one end alone, by left and right or by l and r."""
    index = {name.lower(): number for number, name in enumerate(names)}
    left_of: dict[int, int] = {}
    for left, name in enumerate(names):
        right = index.get(_LEFT.sub(_right, name.lower(), count=1))
        if right is not None and right != left:
            left_of[right] = left
    return tuple((left, right) for right, left in left_of.items())


def _right(found: re.Match[str]) -> str:
    return "right" if found[0] == "left" else "r"


def distinct_names(path: Path, where: str, names: Sequence[str]) -> tuple[str, ...]:
    """Landmarks' names. Raises DatasetError where there is none, one is blank or one comes twice."""
    if not names or not all(name.strip() for name in names):
        refuse_entry(path, where, names, "the keypoints' names")
    twice = next((name for name in names if list(names).count(name) > 1), None)
    if twice is not None:
        refuse_entry(path, where, twice, "each name once")
    return tuple(names)


def refuse_entry(path: Path, where: str, got: object, expected: str) -> NoReturn:
    """Raise the DatasetError of a bad entry of a file, in one line."""
    text = " ".join(str(got).split())
    shown = text if len(text) <= 80 else text[:77] + "..."
    raise DatasetError(f"{path}, {where}: got {shown or 'nothing'}, expected {expected}")
