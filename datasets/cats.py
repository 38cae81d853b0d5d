"""The CAT dataset: heads of cats with nine points (eyes, mouth, ears), from photographs of whole cats.

Layout, as the two official archives unpack, under ``<data root>/cats``: the folders ``CAT_00`` to ``CAT_06``, each with
images and, beside ``NAME.jpg``, ``NAME.jpg.cat``: the number of points, 9, then x and y of each in pixels.

The archives annotate no head boxes, so a head is cut out about its nine points: the square about their box, padded by
a quarter of its longer side on each side. Published crops were made otherwise and are not part of the archives.

The authors' own split is not published. If the two lists of names that Zhang et al. (CVPR 2018) use are beside the
folders, they are the split; a name in them is found by its number, such as 00000001_000, whatever its folder and
ending. Otherwise a fifth of the images, chosen by a hash of their names, is tested on.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from datasets.base import DatasetCard, DatasetError, Split
from datasets.photos import FILL, Crop
from datasets.reading.table import Table, TableDataset
from datasets.text import numbers, read_lines, refuse, refuse_entry

if TYPE_CHECKING:
    from numpy.typing import NDArray

POINTS = (
    *("left eye", "right eye", "mouth", "left ear, outer base", "left ear, tip", "left ear, inner base"),
    *("right ear, inner base", "right ear, tip", "right ear, outer base"),
)
FOLDERS = tuple(f"CAT_{number:02d}" for number in range(7))
LISTS: dict[Split, str] = {"fit": "cat_train_images.txt", "test": "cat_test_images.txt"}
FIFTH = 5  # one image in five is tested on
_NUMBER = re.compile(r"\d{8}_\d{3}")
_MISPLACED = "00000003_019"  # annotated without an image in the official archive; it is 00000003_015's


class Cats(TableDataset):
    """Annotated images of the seven folders, in the two halves of a split; an id is folder and file.

    The number of images was never published exactly: the card states an estimate until the split is read, then the
    number found. Every image is its own group.
    """

    def __init__(self, card: DatasetCard, root: Path | None = None) -> None:
        super().__init__(root)
        self.card = card

    @property
    def folder(self) -> Path:
        """The folder that holds those of the archives."""
        return Path(self.root or "") / "cats"

    def annotation_files(self, name: Split) -> Iterator[Path]:
        """The folders of the archives, whose annotations lie beside the images, and the lists if one is there."""
        yield from self.image_folders()
        if self._has_lists:
            yield from (self.folder / file for file in LISTS.values())

    def image_folders(self) -> Iterator[Path]:
        """The seven folders."""
        yield from (self.folder / name for name in FOLDERS)

    def path(self, image_id: str) -> Path:
        """The photo of a cat."""
        return self.folder / image_id

    def files(self, image_id: str) -> tuple[Path, ...]:
        """The photo and its annotation."""
        return self.path(image_id), self._annotated[image_id]

    def check_count(self, name: Split, ids: tuple[str, ...]) -> tuple[str, ...]:
        """Put the number of images found into the card; no images are an error as usual."""
        if ids:
            self.card = self.card.model_copy(update={"counts": self.card.counts | {name: len(ids)}})
        return super().check_count(name, ids)

    def read(self, name: Split) -> Table:
        """The images of a split: in the order of its list, else by name. Regress is fit."""
        if name == "regress":
            return self.table("fit")
        ids = self._listed(name) if self._has_lists else self._chosen(name)
        points = np.array([read_points(self._annotated[image_id]) for image_id in ids]).reshape(-1, len(POINTS), 2)
        squares = squares_about(points)
        landmarks = (points - squares[:, None, :2]) / squares[:, None, 2:]
        crops = tuple(Crop(left, top, side, side) for left, top, side in squares.astype(int).tolist())
        return Table(tuple(ids), landmarks, np.ones(points.shape[:2], dtype=bool), tuple(ids), crops=crops)

    @property
    def _has_lists(self) -> bool:
        return any((self.folder / file).exists() for file in LISTS.values())

    @cached_property
    def _annotated(self) -> dict[str, Path]:
        """The annotation of each image by id, sorted. The one that lies beside no image is given to its image."""
        found: dict[str, Path] = {}
        for folder in self.image_folders():
            names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
            for name in names:
                image = name.removesuffix(".cat")
                if image != name:
                    whole = image.replace(_MISPLACED, "00000003_015") if image not in names else image
                    if whole == image or f"{whole}.cat" not in names:
                        found[f"{folder.name}/{whole}"] = folder / name
        return dict(sorted(found.items()))

    def _chosen(self, name: Split) -> list[str]:
        """The images of a split without lists."""
        ranked = sorted(self._annotated, key=lambda image_id: hashlib.sha256(image_id.encode()).digest())
        held_out = set(ranked[: round(len(ranked) / FIFTH)])
        return [image_id for image_id in self._annotated if (image_id in held_out) == (name == "test")]

    def _listed(self, name: Split) -> list[str]:
        """The images of a list. Raises DatasetError for a name that is not annotated, and one that is listed before."""
        by_number = {_number(image_id): image_id for image_id in self._annotated}
        if len(by_number) < len(self._annotated):
            raise DatasetError(f"{self.folder}: two images have one number; unpack the archives again")
        seen: dict[str, str] = {}
        for split, file in LISTS.items():
            path = self.folder / file
            for line, text in enumerate(read_lines(path), start=1):
                if not text.strip():
                    continue
                image_id = by_number.get(_number(text))
                if image_id is None:
                    refuse(path, line, text.strip(), "the number of an annotated image, such as 00000001_000")
                if image_id in seen:
                    refuse(path, line, text.strip(), "an image that is in no list before")
                seen[image_id] = split
        return [image_id for image_id, split in seen.items() if split == name]


def _number(name: str) -> str:
    """The last number of a name that is like 00000001_000, '' without one."""
    return next(reversed(_NUMBER.findall(name)), "")


def read_points(path: Path) -> NDArray[np.float64]:
    """The points (9, 2) of an annotation, in pixels. Raises DatasetError for anything but '9 x1 y1 ... x9 y9'."""
    values = numbers(" ".join(read_lines(path)).split())
    if len(values) != 1 + 2 * len(POINTS) or values[0] != len(POINTS):
        got = f"{len(values)} numbers" if values else "no numbers"
        refuse_entry(path, "the file", got, f"{len(POINTS)} and x, y of {len(POINTS)} points")
    points = np.array(values[1:]).reshape(-1, 2)
    if (points.max(axis=0) - points.min(axis=0)).max() < 1:
        refuse_entry(path, "the file", "all points in one place", "the points of a head")
    return points


def squares_about(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Left, top and side, in whole pixels (N, 3), of squares about the box of points (N, 9, 2), padded by a quarter."""
    low, high = points.min(axis=1), points.max(axis=1)
    side = np.rint(1.5 * (high - low).max(axis=1, keepdims=True))
    return np.concatenate([np.rint((low + high - side) / 2), side], axis=1)


def _counts(images: int) -> dict[Split, int]:
    test = round(images / FIFTH)
    return {"fit": images - test, "regress": images - test, "test": test}


CATS = partial(
    Cats,
    DatasetCard(
        id="cats",
        title="CAT dataset, heads of cats",
        landmark_names=POINTS,
        protocols=("faces",),
        left_right_pairs=((0, 1), (3, 8), (4, 7), (5, 6)),
        interocular=(0, 1),
        counts=_counts(9997),
        licence="research; the archives state no licence, and the images belong to their photographers",
        citation="Zhang, Sun, Tang: Cat Head Detection - How to Effectively Exploit Shape and Texture Features. ECCV "
        "2008",
        how_to_get="unpack CAT_DATASET_01.zip and CAT_DATASET_02.zip of https://archive.org/details/CAT_DATASET into "
        "cats/ in the data root (--data-root or KEYPOINTS_DATA_ROOT); for the split of Zhang et al. put "
        "cat_train_images.txt and cat_test_images.txt of https://github.com/YutingZhang/lmdis-rep there too",
        preprocessing=f"a square about the nine points, 1.5 times the longer side of their box, whole pixels half to "
        f"even, fill {FILL[0]}, Pillow bilinear; points are pixels, without a shift",
        tree="cats/\n"
        "  CAT_00/00000001_000.jpg  CAT_00/00000001_000.jpg.cat  ...  CAT_06/*.jpg.cat\n"
        "  cat_train_images.txt  cat_test_images.txt (optional: the split of Zhang et al.)",
        remarks=(
            "The paper says 10,000 images; what the folders hold counts here. The authors divided them at random into "
            "5,000, 2,000 and 3,000 and published no list.",
            "Zhang et al. (K = 10 and 20), and those who follow them, crop the heads themselves and leave the tips of "
            "the ears out: seven landmarks. All nine count here, so numbers are not comparable with theirs.",
            "Heads are cut out about the annotated points, also for testing, so a head's place and size are known.",
            "The archive has 00000003_019.jpg.cat in place of 00000003_015.jpg.cat; it is read as that image's.",
            "Left and right are those of the image; the three points of an ear run from left to right.",
        ),
    ),
)
