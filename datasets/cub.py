"""CUB-200-2011 birds: the official layout, the official split, one deterministic square crop an image.

Layout (as unpacked), all under ``<data root>/CUB_200_2011``: ``images/<class>/<name>.jpg``, ``images.txt``,
``train_test_split.txt``, ``bounding_boxes.txt`` and ``parts/part_locs.txt``. A class's folder starts with its number.

Crop (the loader that Stable Keypoints released, without its random jitter and flip): the box (x, y, w, h) grows by
5 % of w (h) on each side, then the short side grows about the centre to a square; side, left and top are rounded to
whole pixels, half to even.
What lies outside the image is mid-grey: the published loader fills with 1 of 255, an almost black border that it
meant to be white. The square is resized bilinearly (antialiased) to the size asked for.

Landmarks: part coordinates count pixels from 1, as the published loader reads them, so x is the pixel whose centre
is ``x - 0.5`` from the image's left edge, and ``(x - 0.5 - left) / side`` in the crop. Box corners are taken as
they stand, as distances from the image's edges (some are 0, so they cannot count from 1).
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from datasets.base import Annotation, DatasetCard, DatasetError, KeypointDataset, Split

if TYPE_CHECKING:
    from numpy.typing import NDArray

PARTS = (
    *("back", "beak", "belly", "breast", "crown", "forehead", "left eye", "left leg", "left wing"),
    *("nape", "right eye", "right leg", "right wing", "tail", "throat"),
)
PADDING_PERCENT = 5
FILL = (128, 128, 128)
_FILES = ("images.txt", "train_test_split.txt", "bounding_boxes.txt", "parts/part_locs.txt")


def _card(id: str, title: str, fit: int, test: int) -> DatasetCard:
    return DatasetCard(
        id=id,
        title=title,
        landmark_names=PARTS,
        left_right_pairs=((6, 10), (7, 11), (8, 12)),
        has_visibility=True,
        counts={"fit": fit, "regress": fit, "test": test},
        licence="non-commercial research and education only; images belong to their photographers",
        citation="Wah, Branson, Welinder, Perona, Belongie: The Caltech-UCSD Birds-200-2011 Dataset. "
        "California Institute of Technology, CNS-TR-2011-001, 2011",
        how_to_get="get CUB_200_2011.tgz from https://data.caltech.edu/records/65de6-vp158 and unpack it into the data "
        "root (--data-root or KEYPOINTS_DATA_ROOT)",
        preprocessing=f"box padded by {PADDING_PERCENT} % of its sides, squared about its centre, whole pixels half to "
        f"even, fill {FILL[0]}, Pillow bilinear; parts count pixels from 1",
    )


@dataclass(frozen=True)
class _Bird:
    """One image: its crop in whole pixels (left, top, side), its annotation, and the official split it is in."""

    crop: tuple[int, int, int]
    annotation: Annotation
    is_train: bool


class Cub(KeypointDataset):
    """Some classes of CUB-200-2011: fit and regress are the official train images, test the official test images.

    An id is the image's path under ``images/``; the group is the image itself where the set holds
    one class, else its class. A malformed file, an image without a row or with too many, and a count that differs
    from the card are DatasetErrors.
    """

    def __init__(self, card: DatasetCard, classes: range, root: Path | None = None) -> None:
        super().__init__(root)
        self.card = card
        self._prefixes = tuple(f"{number:03d}." for number in classes)

    def available(self) -> tuple[bool, str]:
        """Whether the official files and the folder of every class are under the data root."""
        if self.root is None:
            return False, f"{self.card.id}: no data root is set; {self.card.how_to_get}"
        present = {path.name[:4] for path in (self._folder / "images").glob("*")}
        missing = [name for name in _FILES if not (self._folder / name).is_file()]
        missing += [f"images/{prefix}*" for prefix in self._prefixes if prefix not in present]
        if not missing:
            return True, ""
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        return False, f"{self.card.id}: no {missing[0]}{more} in {self._folder}; {self.card.how_to_get}"

    def split(self, name: Split) -> tuple[str, ...]:
        """Ids in the order of ``images.txt``'s numbers."""
        ids = tuple(id for id, bird in self._birds.items() if bird.is_train == (name != "test"))
        return self.check_count(name, ids)

    def image(self, image_id: str, size: int) -> NDArray[np.uint8]:
        """The bird's square crop, (size, size, 3) uint8 RGB."""
        from PIL import Image

        left, top, side = self._bird(image_id).crop
        path = self._folder / "images" / image_id
        try:
            with Image.open(path) as photo:
                pixels = photo.convert("RGB")
        except (OSError, SyntaxError) as error:
            raise DatasetError(f"{self.card.id}: cannot read image {path}: {error}; unpack it again") from error
        square = Image.new("RGB", (side, side), FILL)
        square.paste(pixels, (-left, -top))
        return np.asarray(square.resize((size, size), Image.Resampling.BILINEAR))

    def annotation(self, image_id: str) -> Annotation:
        """The 15 parts in the crop's frame; rows of invisible parts are (0.5, 0.5)."""
        return self._bird(image_id).annotation

    def digest(self, name: Split) -> str:
        """sha256 over preprocessing and, for each image, its id, crop, landmarks, visibility and group."""
        rows = []
        for id in self.split(name):
            bird, annotation = self._birds[id], self._birds[id].annotation
            rows.append([id, bird.crop, annotation.landmarks.tolist(), annotation.visible.tolist(), annotation.group])
        return hashlib.sha256(json.dumps([self.card.preprocessing, rows]).encode()).hexdigest()

    @property
    def _folder(self) -> Path:
        return Path(self.root or "") / "CUB_200_2011"

    def _bird(self, image_id: str) -> _Bird:
        if image_id not in self._birds:
            raise DatasetError(f"{self.card.id}: no annotations for image '{image_id}' in {self._folder}")
        return self._birds[image_id]

    @cached_property
    def _birds(self) -> dict[str, _Bird]:
        found, message = self.available()
        if not found:
            raise DatasetError(message)
        listed = sorted(_names(self._folder / "images.txt").items())
        names = {number: name for number, name in listed if name.startswith(self._prefixes)}
        split = _rows(self._folder / "train_test_split.txt", 2, names)
        boxes = _rows(self._folder / "bounding_boxes.txt", 5, names)
        parts = _rows(self._folder / "parts/part_locs.txt", 5, names, each=len(PARTS))
        birds = {}
        for index, (number, name) in enumerate(names.items()):
            crop = _crop(boxes[index, 0])
            if crop[2] < 1 or (parts[index, :, 0] != np.arange(1, len(PARTS) + 1)).any():
                raise DatasetError(f"{self._folder}: image {number} ({name}) has an empty box or a part number twice")
            group = name if len(self._prefixes) == 1 else name.split("/")[0]
            birds[name] = _Bird(crop, _annotation(parts[index], crop, group), bool(split[index, 0, 0]))
        return birds


def _crop(box: NDArray[np.float64]) -> tuple[int, int, int]:
    """Left, top and side, whole pixels, of the padded square about a box (x, y, w, h)."""
    x, y, width, height = box.tolist()
    side = round(max(width, height) * (100 + 2 * PADDING_PERCENT) / 100)  # whole numbers first: ties stay exact
    return round(x + width / 2 - side / 2), round(y + height / 2 - side / 2), side


def _annotation(parts: NDArray[np.float64], crop: tuple[int, int, int], group: str) -> Annotation:
    """Landmarks (15, 2) in the crop's frame from rows (part, x, y, visible)."""
    left, top, side = crop
    visible = parts[:, 3] == 1
    landmarks = (parts[:, 1:3] - 0.5 - (left, top)) / side
    landmarks[~visible] = 0.5
    return Annotation(landmarks, visible, group)


def _names(path: Path) -> dict[int, str]:
    """The names in a file of lines 'number name'. Raises DatasetError at the first other line."""
    names = {}
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        fields = line.split()
        if len(fields) != 2 or not fields[0].isdecimal():
            raise DatasetError(f"{path}, line {number}: got '{line}', expected a number and a name; unpack it again")
        names[int(fields[0])] = fields[1]
    return names


def _rows(path: Path, columns: int, names: dict[int, str], each: int = 1) -> NDArray[np.float64]:
    """The rows of the images in ``names``, (images, each, columns - 1) without the image number, in order.

    Raises DatasetError for a malformed line, and for an image that does not have ``each`` rows.
    """
    table = _table(path, columns)
    table = table[np.isin(table[:, 0], list(names))]
    table = table[np.lexsort((table[:, 1], table[:, 0]))]
    numbers, counts = np.unique(table[:, 0], return_counts=True)
    found = dict(zip(numbers.tolist(), counts.tolist(), strict=True))
    for number, name in names.items():
        if found.get(number, 0) != each:
            raise DatasetError(f"{path}: image {number} ({name}) has {found.get(number, 0)} rows, expected {each}")
    return table[:, 1:].reshape(len(names), each, columns - 1)


def _table(path: Path, columns: int) -> NDArray[np.float64]:
    """All rows of a file of finite numbers. Raises DatasetError naming the first bad line."""
    try:
        with warnings.catch_warnings(action="error", category=UserWarning):  # what NumPy says of an empty file
            table = np.loadtxt(path, comments=None, ndmin=2)
        if table.shape[1] == columns and np.isfinite(table).all():
            return table
    except (ValueError, UserWarning):
        pass  # the line is looked for below
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        if line.strip() and not _is_row(line.split(), columns):
            raise DatasetError(f"{path}, line {number}: got '{line}', expected {columns} numbers; unpack it again")
    raise DatasetError(f"{path}: got no rows, expected rows of {columns} numbers; unpack it again")


def _is_row(fields: Sequence[str], columns: int) -> bool:
    try:
        return len(fields) == columns and bool(np.isfinite([float(field) for field in fields]).all())
    except ValueError:
        return False


CUB_001 = partial(Cub, _card("cub_001", "CUB-200-2011 class 001, black-footed albatross", 30, 30), range(1, 2))
CUB_002 = partial(Cub, _card("cub_002", "CUB-200-2011 class 002, Laysan albatross", 30, 30), range(2, 3))
CUB_003 = partial(Cub, _card("cub_003", "CUB-200-2011 class 003, sooty albatross", 30, 28), range(3, 4))
CUB_ALL = partial(Cub, _card("cub_all", "CUB-200-2011, all 200 classes", 5994, 5794), range(1, 201))
