"""MTFL: faces with five landmarks; tested on its crops of AFLW, which the literature calls AFLW-M.

Layout, as ``MTFL.zip`` unpacks, under ``<data root>/mtfl``: ``training.txt`` (10,000 faces of LFW and the web),
``testing.txt`` (2,995 faces of AFLW), and the folders of images that they name. A line is the image's path, x of the
five points, y of the five points, and four attributes (gender, smile, glasses, pose). Lines may begin with a blank,
and paths may have Windows separators.

The test images are 150 x 150 crops of faces and are seen whole. Most training images show the face much smaller. They
are cut to a square about the five points, in which the face is as large as in the median test image, so that the
regression is fitted on faces of the size that it is tested on. The annotations alone tell these squares.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from datasets.base import DatasetCard, Split
from datasets.celeba import LANDMARKS
from datasets.photos import FILL, Crop
from datasets.reading.table import Table, TableDataset
from datasets.text import numbers, read_lines, refuse

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIDE = 150
LOOSENESS = 2.87  # side of a square in longer sides of the points' box: the median over the test images
LISTS: dict[Split, str] = {"fit": "training.txt", "test": "testing.txt"}
COLUMNS = 15


class Mtfl(TableDataset):
    """MTFL's training list, to learn on and to regress on, and its testing list.

    An id is the image's path with forward slashes. The group of a test image is the photograph of AFLW that it was cut
    from, of which there are 2,863; that of a training image is the image.
    """

    def __init__(self, card: DatasetCard, root: Path | None = None) -> None:
        super().__init__(root)
        self.card = card

    @property
    def folder(self) -> Path:
        """The folder of lists and images."""
        return Path(self.root or "") / "mtfl"

    def annotation_files(self, name: Split) -> Iterator[Path]:
        """The list of a split."""
        yield self.folder / LISTS.get(name, LISTS["fit"])

    def image_folders(self) -> Iterator[Path]:
        """The folders that the lists name."""
        yield from (self.folder / name for name in ("lfw_5590", "net_7876", "AFLW"))

    def path(self, image_id: str) -> Path:
        """The image's file."""
        return self.folder / image_id

    def expected_size(self, image_id: str) -> tuple[int, int] | None:
        """The size of the crops of AFLW; training images have any size."""
        return (SIDE, SIDE) if image_id in self.table("test").rows else None

    def read(self, name: Split) -> Table:
        """The faces of a list in its order; regress is fit."""
        if name == "regress":
            return self.table("fit")
        ids, points = read_list(self.folder / LISTS[name])
        visible = np.ones(points.shape[:2], dtype=bool)
        if name == "test":
            photographs = tuple(re.sub(r"^.*/\d+-", "", image_id) for image_id in ids)
            return Table(ids, points / SIDE, visible, photographs)
        squares = squares_about(points)
        landmarks = (points - squares[:, None, :2]) / squares[:, None, 2:]
        crops = tuple(Crop(left, top, side, side) for left, top, side in squares.astype(int).tolist())
        return Table(ids, landmarks, visible, ids, crops=crops)


def read_list(path: Path) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """Ids and points (N, 5, 2) of a list. Raises DatasetError, naming the line, for any other line or a second one."""
    found: dict[str, list[float]] = {}
    for line, text in enumerate(read_lines(path), start=1):
        name, *fields = text.split() or [""]
        if not name:
            continue
        row = numbers(fields)
        if len(row) != COLUMNS - 1:
            refuse(path, line, text.strip(), "a path, x of five points, y of five points and four attributes")
        image_id = name.replace("\\", "/")
        if image_id in found:
            refuse(path, line, text.strip(), "an image that no earlier line has")
        found[image_id] = row[:10]
    return tuple(found), np.reshape([*found.values()], (-1, 2, 5)).transpose(0, 2, 1)


def squares_about(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Left, top and side, in whole pixels (N, 3), of squares of LOOSENESS about the box of points (N, 5, 2)."""
    low, high = points.min(axis=1), points.max(axis=1)
    side = np.maximum(np.rint(LOOSENESS * (high - low).max(axis=1, keepdims=True)), 1)
    return np.concatenate([np.rint((low + high - side) / 2), side], axis=1)


_FIT_DIGEST = "3b9d817c99f63057334d600819e554024120b3aeda630d6fd2c6515869a7c2ea"
AFLW_MTFL = partial(
    Mtfl,
    DatasetCard(
        id="aflw_mtfl",
        title="MTFL, tested on its crops of AFLW (AFLW-M)",
        landmark_names=LANDMARKS,
        protocols=("faces",),
        left_right_pairs=((0, 1), (3, 4)),
        interocular=(0, 1),
        counts={"fit": 10000, "regress": 10000, "test": 2995},
        licence="research only, no redistribution; images belong to their owners",
        citation="Zhang, Luo, Loy, Tang: Facial Landmark Detection by Deep Multi-task Learning. ECCV 2014. AFLW: "
        "Koestinger, Wohlhart, Roth, Bischof: Annotated Facial Landmarks in the Wild. ICCV Workshops 2011",
        how_to_get="unpack MTFL.zip of https://mmlab.ie.cuhk.edu.hk/projects/TCDCN.html into mtfl/ in the data root "
        "(--data-root or KEYPOINTS_DATA_ROOT); to score, its two lists suffice",
        preprocessing=f"test: the whole {SIDE} x {SIDE} image, landmarks are pixels / {SIDE}, without a shift; fit and "
        f"regress: a square about the five points, {LOOSENESS} times the longer side of their box, whole pixels half "
        f"to even, fill {FILL[0]}",
        tree="mtfl/\n  training.txt  testing.txt\n  lfw_5590/*.jpg  net_7876/*.jpg\n  AFLW/0001-image20056.jpg ...",
        digests={
            "fit": _FIT_DIGEST,
            "regress": _FIT_DIGEST,
            "test": "2939ed18bc9e783c2d62222f8095ded79b9b075feac1d1aa5fb98cf1ea574541",
        },
        remarks=(
            "Two partitions of AFLW have nearly the same counts and are not comparable: this one (2,995 test images) "
            "and the recropped one of Zhang et al. 2018 (aflw_recrops, 2,991). DVE reports 7.53 on the test images "
            "here, and 6.54 on those there.",
            "The training list of MTFL has no image of AFLW: 4,151 are of LFW and 5,849 of the web. Papers that report "
            "AFLW-M (Thewlis et al., DVE) learn and regress on 10,122 other crops of AFLW, so their numbers are of "
            "another training set.",
            "The test images are of 2,863 photographs: 132 show a further face of a photograph that is listed before. "
            "Groups are photographs, for intervals.",
            "DVE takes one pixel off the coordinates, which it believes to count from 1; here they are used unchanged.",
            "Left and right are those of the image, as in CelebA. Papers take K = 10, 30 and 50.",
        ),
    ),
)
