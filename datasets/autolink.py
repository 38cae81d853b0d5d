"""The HDF5 files of AutoLink: CelebA in the wild (``celeba_wild.h5``) and CUB-200-2011 (``cub.h5``), 128 x 128 pixels.

Each part of a file is ``<part>_img``, (N, 3, 128, 128) uint8, and its landmarks as (y, x): for faces
``<part>_landmark``, (N, 5, 2) in pixels from 0 to 128; for birds ``<part>_kp``, (N, 15, 2) in [0, 1], and
``<part>_vis``, (N, 15), 0 or 1. The files keep no names, so an id is part and row, ``mafl_test/00012``, and every
image is its own group. Images are read one at a time, never a whole part.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from datasets import limits
from datasets.base import DatasetCard, DatasetError, Split
from datasets.celeba import face_card
from datasets.photos import square
from datasets.reading.cub_files import bird_card
from datasets.reading.table import Table, TableDataset

if TYPE_CHECKING:
    from numpy.typing import NDArray

IMAGE = (3, 128, 128)
_ROOT = "the data root (--data-root or KEYPOINTS_DATA_ROOT)"
_OPENING = Lock()


class AutoLink(TableDataset):
    """A file under the data root: ``parts`` has the part of each split, and keys ending in ``suffix`` hold landmarks.

    ``side`` is the length of an image's side in the unit of the landmarks. The file is opened once in each process. The
    number of images of the splits in ``uncounted`` was never published: the card states an estimate until the split is
    read, then the number in the file.
    """

    def __init__(
        self,
        card: DatasetCard,
        file: str,
        parts: dict[Split, str],
        suffix: str,
        side: int,
        uncounted: tuple[Split, ...],
        root: Path | None = None,
    ) -> None:
        super().__init__(root)
        self.card = card
        self._path = Path(root or "") / file
        self._parts = parts
        self._suffix = suffix
        self._side = side
        self._uncounted = uncounted
        self._opened: dict[int, Any] = {}

    @property
    def folder(self) -> Path:
        """The data root."""
        return self._path.parent

    def annotation_files(self, name: Split) -> Iterator[Path]:
        """The file."""
        yield self._path

    def image_folders(self) -> Iterator[Path]:
        """The file."""
        yield self._path

    def path(self, image_id: str) -> Path:
        """The HDF5 file, which holds all images."""
        return self._path

    def read(self, name: Split) -> Table:
        """Read a part's landmarks as (x, y) in [0, 1]. Those of the fit images may be absent: nothing uses them."""
        part, count = self._parts[name], len(self.card.landmark_names)
        images, key = f"{part}_img", f"{part}_{self._suffix}"
        rows = len(self._array(images, IMAGE, np.uint8))
        if reason := limits.excess(16 * rows * count, limits.BYTES, "bytes of landmarks in memory"):
            raise DatasetError(f"{self._path}, key '{images}': {reason}")
        landmarks, visible = np.zeros((rows, count, 2)), np.zeros((rows, count), dtype=bool)
        if name != "fit" or self._look(key) is not None:
            landmarks = self._values(key, (count, 2), np.floating).astype(float)[..., ::-1] / self._side
            visible = self._visible(f"{part}_vis", count) if self.card.has_visibility else np.ones_like(visible)
            if not len(landmarks) == len(visible) == rows:
                got = f"{rows} images, {len(landmarks)} landmarks and {len(visible)} rows of visibility"
                raise self._error(key, f"{got} in this part", "one of each for an image")
            seen = landmarks[visible]
            if len(seen) and not 0.1 < np.ptp(seen) < 10:  # in another unit, or not finite
                got = f"coordinates from {seen.min() * self._side:g} to {seen.max() * self._side:g}"
                raise self._error(key, got, f"(y, x) in an image of side {self._side}")
        ids = tuple(f"{part}/{row:05d}" for row in range(rows))
        return Table(ids, landmarks, visible, ids)

    def check_count(self, name: Split, ids: tuple[str, ...]) -> tuple[str, ...]:
        """Check the count as usual; an uncounted split sets the count of the card instead."""
        if name in self._uncounted and ids:
            self.card = self.card.model_copy(update={"counts": self.card.counts | {name: len(ids)}})
        return super().check_count(name, ids)

    def image(self, image_id: str, size: int) -> NDArray[np.uint8]:
        """The image resized from 128 x 128 to (size, size, 3) uint8 RGB."""
        from PIL import Image

        self.annotation(image_id)  # refuses an unknown id
        part, _, row = image_id.rpartition("/")
        pixels = self._values(f"{part}_img", IMAGE, np.uint8, int(row))
        return square(Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0))), size)

    def _visible(self, key: str, count: int) -> NDArray[np.bool_]:
        values = self._values(key, (count,), np.integer)
        if values.size and values.max() > 1:
            raise self._error(key, f"the value {values.max()}", "0 or 1")
        return values == 1

    def _values(self, key: str, shape: tuple[int, ...], kind: type, row: int | None = None) -> NDArray[Any]:
        """All rows of a key, or one."""
        array = self._array(key, shape, kind)
        reason = "" if row is not None else limits.excess(8 * array.size, limits.BYTES, "bytes in memory")
        if reason:
            raise DatasetError(f"{self._path}, key '{key}': {reason}")
        try:
            return np.asarray(array[()] if row is None else array[row])
        except Exception as error:  # h5py raises many types for a broken file
            raise self._error(key, f"unreadable data ({error})", "an undamaged file") from error

    def _keys(self) -> str:
        try:
            return ", ".join(self._file()) or "nothing"
        except Exception:  # h5py raises many types for a broken file
            return "unreadable keys"

    def _look(self, key: str) -> Any:
        """The object of a key, or None."""
        file = self._file()
        try:
            return file.get(key)
        except Exception as error:  # h5py raises many types for a broken file
            raise self._error(key, f"unreadable data ({error})", "an undamaged file") from error

    def _array(self, key: str, shape: tuple[int, ...], kind: type) -> Any:
        """The array of a key, not read yet. Raises DatasetError unless its shape is (N, *shape) and its type fits."""
        expected = f"an array (N, {', '.join(map(str, shape))}) of type {kind.__name__}"
        array = self._look(key)
        if array is None:
            raise self._error(key, f"only {self._keys()}", expected)
        if not hasattr(array, "dtype"):
            raise self._error(key, "a group", expected)
        if array.shape[1:] != shape or not np.issubdtype(array.dtype, kind):
            raise self._error(key, f"{array.shape} of type {array.dtype}", expected)
        return array

    def _file(self) -> Any:
        """The file, opened by this process: a file opened before a fork would share its read position."""
        import h5py

        with _OPENING:
            process = os.getpid()
            if process not in self._opened:
                try:
                    file = h5py.File(self._path, "r")
                    of_ganseg = "train_seg" in file and "train_kp" not in file
                except Exception as error:  # h5py raises many types for a broken file
                    raise DatasetError(f"cannot read {self._path}: {error}; get or make the file again") from error
                if of_ganseg:
                    raise DatasetError(
                        f"{self._path} is GANSeg's file of the same name, with key 'train_seg' and without keypoints, "
                        f"expected AutoLink's; {self.card.how_to_get}"
                    )
                self._opened[process] = file
            return self._opened[process]

    def _error(self, key: str, got: str, expected: str) -> DatasetError:
        return DatasetError(f"{self._path}, key '{key}': got {got}, expected {expected}; {self.card.how_to_get}")


def _birds(
    id: str, title: str, part: str, count: int, remarks: tuple[str, ...] = (), uncounted: tuple[Split, ...] = ()
) -> partial[AutoLink]:
    card = bird_card(
        id,
        title,
        counts=(5964, count),
        has_boxes=False,
        has_masks=False,
        archive=None,
        how_to_get="make cub.h5 with AutoLink's datasets/preprocess/cub_preprocess.py, from CUB-200-2011 and CMR's "
        f"cachedir, and put it into {_ROOT}",
        preprocessing="AutoLink's: image cut to multiples of 16, square about the box cut where it leaves the image, "
        "squashed to 128 x 128; parts as in CUB's files, without a shift",
        tree="cub.h5 (keys <part>_{img,kp,vis} of train, val, test, test001, test002, test003)",
        remarks=(
            "The crops are not flipped, so no bird is made to face left; a box that leaves the image is squashed.",
            "Stable Keypoints' cub_aligned loader reads this file, which is not the aligned benchmark of Lorenz et al.",
            "CMR's val and test lists, of which the file is made, share one image.",
            *remarks,
        ),
    )
    return partial(AutoLink, card, "cub.h5", {"fit": "train", "regress": "train", "test": part}, "kp", 1, uncounted)


_ONE_CLASS = (
    "The file does not say which train images are of which class, so fit and regress are those of all classes; "
    "AutoLink learned on a file of the three classes, cub_three.h5, that no public script makes.",
    "These test images are those of CMR's val and test lists together, so the image that both have can be there twice.",
    "AutoLink's script shifts these landmarks twice by the border it cuts, 0 to 7 pixels of the original image.",
    "How many test images the file has is not published: what it holds counts; the official split has 30, 30 and 28.",
)

CELEBA_WILD = partial(
    AutoLink,
    face_card(
        "celeba_wild_autolink",
        "CelebA in the wild, from AutoLink's file",
        (45609, 5379, 283),
        how_to_get="make celeba_wild.h5 with datasets/celeba_wild_preprocess.py of "
        f"https://github.com/xingzhehe/GANSeg and put it into {_ROOT}",
        preprocessing="the whole image squashed to 128 x 128; landmarks are x / width and y / height, without a "
        "shift; faces whose box covers less than 30 % of the original image are left out",
        tree="celeba_wild.h5 (keys <part>_{img,landmark} of train, mafl_train, mafl_test)",
        remarks=(
            "AutoLink counted 45,609 images to learn from; what the file holds counts here.",
            "AutoLink's own script takes height for width since January 2023, which puts the landmarks of all images "
            "that are not square in the wrong place, some beyond 128; GANSeg's makes the same file rightly.",
            "The images to learn from are CelebA's, not MAFL's alone: on the lists of the same faces that MPAE ships "
            "(celeba_wild_lists), 4,394 of the 45,609 are MAFL training faces and none is a MAFL test face.",
            "Images are no larger than 128 x 128: a method that wants more sees them enlarged.",
        ),
    ),
    "celeba_wild.h5",
    {"fit": "train", "regress": "mafl_train", "test": "mafl_test"},
    "landmark",
    128,
    ("fit",),
)
CUB_001 = _birds("cub_001_autolink", "CUB class 001, from AutoLink's file", "test001", 30, _ONE_CLASS, ("test",))
CUB_002 = _birds("cub_002_autolink", "CUB class 002, from AutoLink's file", "test002", 30, _ONE_CLASS, ("test",))
CUB_003 = _birds("cub_003_autolink", "CUB class 003, from AutoLink's file", "test003", 28, _ONE_CLASS, ("test",))
CUB_ALL = _birds("cub_all_autolink", "CUB, all classes, from AutoLink's file", "test", 2874)
