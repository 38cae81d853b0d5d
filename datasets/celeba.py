"""CelebA faces with five landmarks, aligned and in the wild, on MAFL's lists.

As in Stable Keypoints, MAFL's training list is for learning and regression, its testing list for testing. In the wild,
a face whose box covers less than 30 % of the original image is left out, as in SCOPS, AutoLink and Stable Keypoints; a
box of exactly 30 % stays.

Rows are found by file name in every file, so a file with the MAFL rows alone suffices. Landmarks are pixels divided by
the image's width and height, without a shift by half a pixel, as the published loaders have it. The whole image is
squashed to the square, so vertical errors weigh less than horizontal ones in a tall image.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cached_property, partial
from itertools import chain, compress, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from datasets.base import SPLITS, Annotation, DatasetCard, DatasetError, Split
from datasets.photos import photo_size
from datasets.reading.table import Table, TableDataset
from datasets.text import numbers_by_name, read_names, refuse

if TYPE_CHECKING:
    from numpy.typing import NDArray

LANDMARKS = ("lefteye", "righteye", "nose", "leftmouth", "rightmouth")
ALIGNED_SIZE = (178, 218)
LISTS: dict[Split, str] = {"fit": "training.txt", "test": "testing.txt"}
LANDMARK_COLUMNS = tuple(f"{name}_{axis}" for name in LANDMARKS for axis in "xy")
BOX_COLUMNS = ("x_1", "y_1", "width", "height")
STRETCH = 500  # image headers read by a thread at a time: one each would cost more than reading it
_GROUPS = "Groups are CelebA's persons where Anno/identity_CelebA.txt is there, else every image is its own."
_LISTS_FROM = (
    "MAFL's lists from https://github.com/zhzhanp/TCDCN-face-alignment, and put them into celeba/ in the data root "
    "(--data-root or KEYPOINTS_DATA_ROOT)"
)
_TREE = """celeba/
  MAFL/{training,testing}.txt
  Anno/%s
  Anno/identity_CelebA.txt (optional: persons, for intervals)
  Img/%s"""


class Celeba(TableDataset):
    """CelebA, aligned or in the wild; an id is the image's name in MAFL's lists, whatever format the images have.

    The group of an image is its person where ``Anno/identity_CelebA.txt`` is there, else the image itself. Groups are
    no part of the digest, which is the same with and without that file.
    """

    def __init__(self, card: DatasetCard, wild: bool, root: Path | None = None) -> None:
        super().__init__(root)
        self.card = card
        self.wild = wild
        self._sizes: dict[str, tuple[int, int]] = {}
        self._persons: dict[str, str] = {}

    @property
    def folder(self) -> Path:
        """The folder with the official folders ``Anno``, ``Img`` and ``MAFL``."""
        return Path(self.root or "") / "celeba"

    def annotation_files(self, name: Split) -> Iterator[Path]:
        """List and landmarks; in the wild also boxes and image sizes, for the filter; persons if that file exists."""
        yield self.folder / "MAFL" / LISTS.get(name, LISTS["fit"])
        yield self._landmark_file
        if self.wild:
            yield self._box_file
            yield self.size_file if self.size_file.exists() else self.images[0]
        if self.person_file.exists():
            yield self.person_file

    def image_folders(self) -> Iterator[Path]:
        """The one folder that images are taken from, PNG before JPEG."""
        yield self.images[0]

    def read(self, name: Split) -> Table:
        """The faces of a list in its order; regress is fit."""
        return self.table("fit") if name == "regress" else self.table_of(*self.read_faces(name))

    def table_of(self, names: tuple[str, ...], landmarks: NDArray[np.float64], sizes: NDArray[np.int_]) -> Table:
        """The table of faces with landmarks (N, L, 2) in pixels, and width and height (N, 2)."""
        self._sizes.update(zip(names, map(tuple, sizes.tolist()), strict=True))
        if self.person_file.exists():
            persons = numbers_by_name(self.person_file, names, 1)
            self._persons.update((name, f"person {number:.0f}") for name, (number,) in persons.items())
        return Table(names, landmarks / sizes[:, None], np.ones(landmarks.shape[:2], dtype=bool), names)

    def read_faces(self, name: Split) -> tuple[tuple[str, ...], NDArray[np.float64], NDArray[np.int_]]:
        """Names, landmarks (N, 5, 2) in pixels, and width and height (N, 2), of the faces of a list."""
        names = read_names(self.folder / "MAFL" / LISTS[name])
        landmarks = self.read_landmarks(names)
        if not self.wild:
            return names, landmarks, np.tile(ALIGNED_SIZE, (len(names), 1))
        sizes = self.read_sizes(names)
        large = self._large(names, sizes)
        return tuple(compress(names, large)), landmarks[large], sizes[large]

    def read_landmarks(self, names: Sequence[str]) -> NDArray[np.float64]:
        """The five landmarks (N, 5, 2) of faces, in pixels."""
        return _rows(self._landmark_file, names, LANDMARK_COLUMNS).reshape(-1, len(LANDMARKS), 2)

    def path(self, image_id: str) -> Path:
        """The image's file in the one folder that images are taken from."""
        folder, suffix = self.images
        return folder / (Path(image_id).stem + suffix)

    def annotation(self, image_id: str) -> Annotation:
        """The five landmarks, which may lie outside the image, and the person."""
        return replace(super().annotation(image_id), group=self._persons.get(image_id, image_id))

    def expected_size(self, image_id: str) -> tuple[int, int]:
        """The size that the image's landmarks are pixels of. Raises DatasetError for an unknown id."""
        self.annotation(image_id)  # reads its split
        return self._sizes[image_id]

    def read_sizes(self, names: Sequence[str]) -> NDArray[np.int_]:
        """Width and height, (N, 2), from the file of sizes where there is one, else from the images' headers."""
        if self.size_file.exists():
            rows = numbers_by_name(self.size_file, names, 2)
            sizes = np.array([rows[name] for name in names]).reshape(-1, 2)[:, ::-1]
            _refuse_below(1, self.size_file, names, sizes)
            return sizes.astype(int)
        stretches = [names[start : start + STRETCH] for start in range(0, len(names), STRETCH)]
        with ThreadPoolExecutor() as pool:
            found = pool.map(lambda stretch: [photo_size(self.path(name)) for name in stretch], stretches)
        return np.array([*chain.from_iterable(found)], dtype=int).reshape(-1, 2)

    def _large(self, names: Sequence[str], sizes: NDArray[np.int_]) -> NDArray[np.bool_]:
        """Which faces (N,) have a box of at least 30 % of the image: in whole numbers, so that 30 % is exact."""
        sides = _rows(self._box_file, names, BOX_COLUMNS)[:, 2:]
        _refuse_below(0, self._box_file, names, sides)
        return 10 * sides.prod(axis=1) >= 3 * sizes.prod(axis=1)

    @cached_property
    def images(self) -> tuple[Path, str]:
        """Folder and suffix of the images: the first folder with any. Archives often unpack to a nested folder."""
        names = ("img_celeba",) if self.wild else ("img_align_celeba_png", "img_align_celeba")
        folders = [self.folder / "Img" / place for name in names for place in (name, f"{name}/{name}")]
        for folder in folders:
            if folder.is_dir():
                with os.scandir(folder) as entries:
                    for entry in entries:
                        if entry.name.endswith((".png", ".jpg")):
                            return folder, entry.name[-4:]
        return folders[0], ".jpg" if self.wild else ".png"

    @property
    def _landmark_file(self) -> Path:
        name = "list_landmarks_celeba" if self.wild else "list_landmarks_align_celeba"
        path = self.folder / "Anno" / f"{name}.txt"
        parts = [] if self.wild or path.exists() else sorted(path.parent.glob(f"{name}.*.txt"))
        return parts[0] if len(parts) == 1 else path

    @property
    def _box_file(self) -> Path:
        return self.folder / "Anno/list_bbox_celeba.txt"

    @property
    def size_file(self) -> Path:
        """Height and width of each image in the wild; without it, headers of images are read."""
        return self.folder / "Anno/list_imsize_celeba.txt"

    @property
    def person_file(self) -> Path:
        """The person of each image; without it, every image is its own group."""
        return self.folder / "Anno/identity_CelebA.txt"


def _rows(path: Path, names: Sequence[str], columns: tuple[str, ...]) -> NDArray[np.float64]:
    """The numbers of these names, (N, columns). Raises DatasetError unless line 2 has the columns' names, in order."""
    rows = numbers_by_name(path, names, len(columns))
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        heading = (*islice(file, 2), "", "")[1]
    if tuple(field for field in heading.split() if field != "image_id") != columns:
        refuse(path, 2, heading.strip(), f"the columns {' '.join(columns)}")
    return np.array([rows[name] for name in names]).reshape(-1, len(columns))


def _refuse_below(least: int, path: Path, names: Sequence[str], sides: NDArray[np.float64]) -> None:
    """Raise DatasetError for an image of which a side, (N, 2), is less than ``least`` pixels."""
    small = np.flatnonzero((sides < least).any(axis=1))
    if len(small):
        width, height = sides[small[0]]
        raise DatasetError(
            f"{path}: {names[small[0]]} is {width:g} wide and {height:g} high, expected {least} or more pixels; "
            "get the file again"
        )


def face_card(id: str, title: str, counts: tuple[int, int, int], **more: Any) -> DatasetCard:
    """The card of faces of CelebA on MAFL's lists, with the counts of fit, regress and test."""
    return DatasetCard(
        id=id,
        title=title,
        landmark_names=LANDMARKS,
        protocols=("faces",),
        left_right_pairs=((0, 1), (3, 4)),
        interocular=(0, 1),
        counts=dict(zip(SPLITS, counts, strict=True)),
        licence="non-commercial research only, no redistribution; images belong to their owners",
        citation="Liu, Luo, Wang, Tang: Deep Learning Face Attributes in the Wild. ICCV 2015. MAFL: Zhang, Luo, Loy, "
        "Tang: Facial Landmark Detection by Deep Multi-task Learning. ECCV 2014",
        **more,
    )


_FIT_DIGEST = "3ebe34e5837c119385dd1020dc0f7a2021c2a794d3988ce2aadba4f3588508e4"
ALIGNED = partial(
    Celeba,
    face_card(
        "celeba_aligned",
        "CelebA, aligned faces",
        (19000, 19000, 1000),
        how_to_get="get Anno and img_align_celeba_png (or img_align_celeba) from "
        f"https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html and {_LISTS_FROM}",
        preprocessing="the whole 178 x 218 image squashed; landmarks are x / 178 and y / 218, without a shift",
        tree=_TREE
        % (
            "list_landmarks_align_celeba.txt (or one list_landmarks_align_celeba.<any>.txt with MAFL's rows)",
            "img_align_celeba_png/000001.png ... (or img_align_celeba/000001.jpg ...)",
        ),
        digests={
            "fit": _FIT_DIGEST,
            "regress": _FIT_DIGEST,
            "test": "1a079cee7797dfc85fec21d9067a733bf7bba727188c2c9e43358289f9a50c55",
        },
        remarks=(
            _GROUPS,
            "Errors are measured in the squashed square, as published: y counts 178/218 of what it does in the image.",
            "PNG and JPEG images differ by compression; the published loader of Stable Keypoints reads PNG.",
            "Stable Keypoints learns on MAFL's 19,000 images; Zhang et al. and others learn on all of CelebA's "
            "training images but MAFL's test images, and IMM regresses on 17,100 of MAFL's.",
            "1,729 of MAFL's training images are in CelebA's own test split.",
        ),
    ),
    False,
)
WILD = partial(
    Celeba,
    face_card(
        "celeba_wild",
        "CelebA in the wild, faces of at least 30 % of the image",
        (5379, 5379, 283),
        how_to_get="get Anno and img_celeba from https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html, or, to score "
        "without the images, Anno and list_imsize_celeba.txt of https://github.com/xingzhehe/GANSeg "
        f"(data/celeba_wild_raw), and {_LISTS_FROM}",
        preprocessing="the whole image squashed; landmarks are x / width and y / height, without a shift; faces whose "
        "box covers less than 30 % of the original image are left out",
        tree=_TREE
        % (
            "{list_landmarks_celeba,list_bbox_celeba}.txt\n  Anno/list_imsize_celeba.txt (name, height, width; "
            "optional: without it every image's header is read)",
            "img_celeba/000001.jpg ...",
        ),
        remarks=(
            _GROUPS,
            "Each image is squashed by its own shape, so one landmark error has another length in each image.",
            "Stable Keypoints learns on the 5,379 images it regresses on; SCOPS, GANSeg and AutoLink learn on 45,609 "
            "of CelebA's training images.",
        ),
    ),
    True,
)
