"""Shared code of the datasets made from CUB-200-2011: its parts, folder and text files, and the cropping of birds.

``datasets.nabirds`` reads the same text files, whose images are named by text in place of numbers there.

Layout, as the official archive unpacks, under ``<data root>/CUB_200_2011``: ``images/<class>/<name>.jpg``, and files
with one row per line that begins with an image's number: ``images.txt`` (name), ``train_test_split.txt`` (1 for train),
``bounding_boxes.txt`` (x, y, width, height in pixels) and ``parts/part_locs.txt`` (part, x, y, 1 if visible). Files are
joined by image number, in whatever order their lines are. A class's folder starts with its number. The archive of
segmentations, ``segmentations/<class>/<name>.png``, may be unpacked there or into the data root.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from datasets import limits
from datasets.base import SPLITS, Archive, DatasetCard, DatasetError
from datasets.photos import Crop, photo_size, read_photo
from datasets.reading.table import Table, TableDataset
from datasets.text import numbers, read_lines, refuse

if TYPE_CHECKING:
    from numpy.typing import NDArray

PARTS = (
    *("back", "beak", "belly", "breast", "crown", "forehead", "left eye", "left leg", "left wing"),
    *("nape", "right eye", "right leg", "right wing", "tail", "throat"),
)
LEFT_RIGHT_PAIRS = ((6, 10), (7, 11), (8, 12))
MIRRORED = [0, 1, 2, 3, 4, 5, 10, 11, 12, 9, 6, 7, 8, 13, 14]
TEXT_FILES = ("images.txt", "train_test_split.txt", "bounding_boxes.txt", "parts/part_locs.txt")

_TREE = """\
CUB_200_2011/
  images.txt  train_test_split.txt  bounding_boxes.txt
  parts/part_locs.txt
  images/001.Black_footed_Albatross/*.jpg  ...  images/200.Common_Yellowthroat/*.jpg"""


def bird_card(
    id: str,
    title: str,
    counts: tuple[int, int],
    preprocessing: str,
    digests: tuple[str, str] | None = None,
    **more: Any,
) -> DatasetCard:
    """Make the card of a dataset of birds, with counts and digests of fit (which is also regress) and test.

    ``more`` are further fields of the card; they replace those of the official archive.
    """
    usual: dict[str, Any] = {
        "landmark_names": PARTS,
        "protocols": ("birds",),
        "left_right_pairs": LEFT_RIGHT_PAIRS,
        "has_visibility": True,
        "has_boxes": True,
        "has_masks": True,
        "counts": dict(zip(SPLITS, (counts[0], *counts), strict=True)),
        "digests": dict(zip(SPLITS, (digests[0], *digests), strict=True)) if digests else {},
        "licence": "non-commercial research and education only; images belong to their photographers",
        "citation": "Wah, Branson, Welinder, Perona, Belongie: The Caltech-UCSD Birds-200-2011 Dataset. "
        "California Institute of Technology, CNS-TR-2011-001, 2011",
        "how_to_get": "get CUB_200_2011.tgz from https://data.caltech.edu/records/65de6-vp158 and unpack it into the "
        "data root (--data-root or KEYPOINTS_DATA_ROOT)",
        "tree": _TREE,
        "archive": Archive(
            url="https://data.caltech.edu/records/65de6-vp158/files/CUB_200_2011.tgz",
            sha256="0c685df5597a8b24909f6a7c9db6d11e008733779a671760afef78feb49bf081",
            folder="CUB_200_2011",
        ),
    }
    return DatasetCard(id=id, title=title, preprocessing=preprocessing, **(usual | more))


class BirdDataset(TableDataset):
    """Some classes of CUB-200-2011. An id is the image's path under ``images/``."""

    def __init__(self, card: DatasetCard, classes: Iterable[int], root: Path | None = None) -> None:
        super().__init__(root)
        self.card = card
        self.prefixes = tuple(f"{number:03d}." for number in classes)

    @property
    def folder(self) -> Path:
        """The folder that the official archive unpacks to."""
        return Path(self.root or "") / "CUB_200_2011"

    def image_folders(self) -> tuple[Path, ...]:
        """The folder of each class; for a missing one, its number and a star."""
        images = self.folder / "images"
        found = {path.name[:4]: path for path in images.glob("*")}
        return tuple(found.get(prefix, images / f"{prefix}*") for prefix in self.prefixes)

    def path(self, image_id: str) -> Path:
        """The photo of a bird."""
        return self.folder / "images" / image_id

    def masked(self) -> bool:
        """Whether there is a folder of segmentations."""
        return self.card.has_masks and self._segmentations().is_dir()

    def mask(self, image_id: str) -> NDArray[np.bool_]:
        """The pixels (side, side) of the bird's square that show it, before it is resized.

        These are the pixels that more than half of the annotators marked (above 127 of 255). Raises DatasetError if the
        segmentation is missing, broken, or not of the photo's size.
        """
        from PIL import Image

        table, row = self._locate(image_id)
        path = self._segmentations() / Path(image_id).with_suffix(".png")
        found, size = read_photo(path).getchannel(0), photo_size(self.path(image_id))
        if found.size != size:
            raise DatasetError(
                f"{path}: got {found.width} x {found.height} pixels, expected those of the photo, {size[0]} x "
                f"{size[1]}; unpack segmentations.tgz again"
            )
        crop = table.crops[row] if table.crops else Crop(0, 0, *size)
        canvas = Image.new("L", (crop.width, crop.height), 0)
        canvas.paste(found, (-crop.left, -crop.top))
        marked = np.asarray(canvas) > 127
        return marked[:, ::-1] if crop.flip else marked

    def _segmentations(self) -> Path:
        beside = self.folder / "segmentations"
        return beside if beside.is_dir() else Path(self.root or "") / "segmentations"

    def groups(self, ids: Iterable[str]) -> tuple[str, ...]:
        """The class of each image; the image itself if the set has one class."""
        return tuple(image_id if len(self.prefixes) == 1 else image_id.split("/")[0] for image_id in ids)


@dataclass(frozen=True)
class Birds:
    """N birds with P parts (15 of CUB), in pixels from the image's left and top edge.

    ``boxes`` (N, 4) are x, y, width and height; ``parts`` (N, P, 2) are x and y; ``visible`` is (N, P).
    """

    names: tuple[str, ...]
    boxes: NDArray[np.float64]
    parts: NDArray[np.float64]
    visible: NDArray[np.bool_]

    def where(self, chosen: NDArray[np.bool_]) -> Birds:
        """The birds that a mask (N,) chooses."""
        names = tuple(name for name, keep in zip(self.names, chosen.tolist(), strict=True) if keep)
        return Birds(names, self.boxes[chosen], self.parts[chosen], self.visible[chosen])


def read_image_list(path: Path, numbered: bool = True) -> dict[str, str]:
    """Read the names in ``images.txt`` by the images' numbers, in the order of the numbers.

    If the images are not ``numbered``, any text may stand in place of a number, and the order is that of the file.
    Raises DatasetError at the first line that is not a new number and a new name.
    """
    found: dict[str, str] = {}
    names: set[str] = set()
    kind = "a number" if numbered else "an id"
    for line, text in enumerate(read_lines(path), start=1):
        fields = text.split()
        if not fields:
            continue
        if len(fields) != 2 or (numbered and not (fields[0].isdecimal() and len(fields[0]) <= 18)):
            refuse(path, line, text, f"{kind} and a name")
        if fields[0] in found or fields[1] in names:
            refuse(path, line, text, f"{kind} and a name that no earlier line has")
        found[fields[0]] = fields[1]
        names.add(fields[1])
    return {number: found[number] for number in sorted(found, key=int)} if numbered else found


def read_birds(
    folder: Path, images: dict[str, str], parts: Sequence[int] = range(1, len(PARTS) + 1)
) -> tuple[Birds, NDArray[np.bool_]]:
    """Read the official annotations of ``images``, names by number; returns them and a mask (N,) of train images.

    ``parts`` are the numbers of the parts in ``part_locs.txt``, in the order in which they are returned.
    Raises DatasetError, naming file and line, for a malformed row and for an image without a row or with too many.
    """
    _, split, box, part = (folder / name for name in TEXT_FILES)
    train = _rows(split, images, 1, "2 numbers: image, then 1 for train or 0", lambda row: row[0] in (0, 1))
    boxes = _rows(
        box, images, 4, "5 numbers: image, x, y, width and height of 1 pixel or more", lambda row: min(row[2:]) >= 1
    )
    rows = _rows(
        part,
        images,
        4,
        f"5 numbers: image, part from {min(parts)} to {max(parts)}, x, y, then 1 for visible or 0",
        lambda row: row[0] in parts and row[3] in (0, 1),
        each=len(parts),
    )[:, np.argsort(np.argsort(parts))]
    birds = Birds(tuple(images.values()), boxes[:, 0], rows[..., 1:3], rows[..., 3] == 1)
    return birds, train[:, 0, 0] == 1


def cut_out(
    birds: Birds,
    groups: tuple[str, ...],
    squares: NDArray[np.float64],
    flip: NDArray[np.bool_] | None = None,
) -> Table:
    """Make the table of N birds cropped to squares (N, 3) of left, top and side, in whole pixels.

    Birds of CUB in the mask ``flip`` (N,) are mirrored, which swaps left and right parts. Rows of invisible parts are
    (0.5, 0.5).
    """
    corner, side = squares[:, :2], squares[:, 2:]
    boxes = np.concatenate([birds.boxes[:, :2] - corner, birds.boxes[:, 2:]], axis=1) / side
    landmarks, visible = (birds.parts - corner[:, None]) / side[:, None], birds.visible.copy()
    if flip is not None:
        boxes[flip, 0] = 1 - boxes[flip, 0] - boxes[flip, 2]
        landmarks[flip, :, 0] = 1 - landmarks[flip, :, 0]
        landmarks[flip], visible[flip] = landmarks[flip][:, MIRRORED], visible[flip][:, MIRRORED]
    landmarks[~visible] = 0.5
    mirrored = [False] * len(birds.names) if flip is None else flip.tolist()
    crops = tuple(
        Crop(left, top, side, side, mirror)
        for (left, top, side), mirror in zip(squares.astype(int).tolist(), mirrored, strict=True)
    )
    return Table(birds.names, landmarks, visible, groups, boxes, crops)


def _rows(
    path: Path,
    images: dict[str, str],
    columns: int,
    expected: str,
    valid: Callable[[list[float]], bool],
    each: int = 1,
) -> NDArray[np.float64]:
    """Read the numbers after each image's number, (images, each, columns), sorted by the first one for each image.

    Raises DatasetError for a row that is not valid, and for an image that does not have ``each`` different rows.
    """
    found: dict[str, dict[float, list[float]]] = {number: {} for number in images}
    for line, text in enumerate(read_lines(path, limits.BIRD_BYTES), start=1):
        number, *fields = text.split() or [""]
        if number not in found:
            continue
        row = numbers(fields)
        if len(row) != columns or not valid(row):
            refuse(path, line, text, expected)
        key = row[0] if each > 1 else 0
        if key in found[number]:
            refuse(path, line, text, f"no second row of its kind for image {number} ({images[number]})")
        found[number][key] = row
    if not any(found.values()):
        raise DatasetError(f"{path}: got no rows of the {len(images)} images, expected {expected}; unpack it again")
    for number, rows in found.items():
        if len(rows) != each:
            raise DatasetError(
                f"{path}: image {number} ({images[number]}) has {len(rows)} rows, expected {each}; unpack it again"
            )
    return np.array([[rows[key] for key in sorted(rows)] for rows in found.values()])
