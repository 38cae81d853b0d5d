"""AFLW as Zhang et al. (CVPR 2018) cropped it again, with five landmarks; DVE calls it AFLW-R.

Layout, as the archives of Zhang et al. and of DVE unpack, under ``<data root>/aflw_release-2``: for both splits
``aflw_{train,test}_images.txt``, one image a line, and ``aflw_{train,test}_keypoints.mat`` with ``gt`` (N, 5, 2), the
points as (y, x) in pixels, and ``hw`` (N, 2), height and width; the images lie in ``output/``. The images are squashed
to a square, as in DVE.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from datasets.base import DatasetCard, DatasetError, Split
from datasets.celeba import LANDMARKS
from datasets.reading.matlab import check_matlab
from datasets.reading.table import Table, TableDataset
from datasets.text import one_line, read_lines, refuse, refuse_entry

if TYPE_CHECKING:
    from numpy.typing import NDArray

AGAIN = "#"  # before the number of a further line of one image


class AflwRecrops(TableDataset):
    """The train list, to learn on and to regress on, and the test list.

    An id is the image's path under ``output/``. A further line of the same image gets a number, such as a.jpg#2. The
    group of all lines of an image is the image.
    """

    def __init__(self, card: DatasetCard, root: Path | None = None) -> None:
        super().__init__(root)
        self.card = card
        self._sizes: dict[str, tuple[int, int]] = {}

    @property
    def folder(self) -> Path:
        """The folder of lists and images."""
        return Path(self.root or "") / "aflw_release-2"

    def annotation_files(self, name: Split) -> Iterator[Path]:
        """List and landmarks of a split."""
        part = "test" if name == "test" else "train"
        yield self.folder / f"aflw_{part}_images.txt"
        yield self.folder / f"aflw_{part}_keypoints.mat"

    def image_folders(self) -> Iterator[Path]:
        """The one folder that holds all images."""
        yield self.folder / "output"

    def path(self, image_id: str) -> Path:
        """The image's file."""
        return self.folder / "output" / image_id.partition(AGAIN)[0]

    def expected_size(self, image_id: str) -> tuple[int, int]:
        """Width and height that the landmarks count pixels of. Raises DatasetError for an unknown id."""
        self.annotation(image_id)  # reads its split
        return self._sizes[image_id]

    def read(self, name: Split) -> Table:
        """The faces of a list in its order; regress is fit."""
        if name == "regress":
            return self.table("fit")
        listed, annotated = self.annotation_files(name)
        names = _read_names(listed)
        points, sizes = _read_points(annotated, len(names))
        seen: Counter[str] = Counter()
        ids = []
        for image in names:
            seen[image] += 1
            ids.append(image if seen[image] == 1 else f"{image}{AGAIN}{seen[image]}")
        self._sizes.update(zip(ids, map(tuple, sizes.astype(int).tolist()), strict=True))
        return Table(tuple(ids), points / sizes[:, None], np.ones(points.shape[:2], dtype=bool), names)


def _read_names(path: Path) -> tuple[str, ...]:
    """The image of each line, which may stand there several times."""
    names = []
    for line, text in enumerate(read_lines(path), start=1):
        if len(text.split()) > 1 or AGAIN in text:
            refuse(path, line, text, "the path of one image")
        names += text.split()
    return tuple(name.replace("\\", "/") for name in names)


def _read_points(path: Path, count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points (N, 5, 2) as (x, y) in pixels, and widths and heights (N, 2).

    Raises DatasetError, naming the variable, for a file that is not of ``count`` faces.
    """
    from scipy.io import loadmat

    found = []
    for variable, shape in (("gt", (count, len(LANDMARKS), 2)), ("hw", (count, 2))):
        try:
            check_matlab(path, variable)
            array = loadmat(path, appendmat=False, variable_names=[variable]).get(variable)
        except Exception as error:  # scipy's parser raises all kinds for broken files
            reason = one_line(str(error)) or type(error).__name__
            raise DatasetError(f"cannot read {path}: {reason}; unpack it again") from error
        kind = getattr(getattr(array, "dtype", None), "kind", "")
        if array is None or array.shape != shape or kind not in "fiu" or not np.isfinite(array).all():
            got = "nothing" if array is None else f"{getattr(array, 'dtype', '')} {getattr(array, 'shape', '')}"
            refuse_entry(path, f"variable '{variable}'", got, f"finite numbers of shape {shape}, a row for each image")
        found.append(array[..., ::-1].astype(np.float64))
    points, sizes = found
    if count and sizes.min() < 1:
        row = int(sizes.min(axis=1).argmin()) + 1
        refuse_entry(path, f"row {row} of 'hw'", f"{sizes[row - 1].tolist()}", "a height and a width of 1 or more")
    return points, sizes


AFLW_RECROPS = partial(
    AflwRecrops,
    DatasetCard(
        id="aflw_recrops",
        title="AFLW, cropped again by Zhang et al. (AFLW-R)",
        landmark_names=LANDMARKS,
        protocols=("faces",),
        left_right_pairs=((0, 1), (3, 4)),
        interocular=(0, 1),
        counts={"fit": 10122, "regress": 10122, "test": 2991},
        licence="research only, AFLW's agreement; images belong to their owners",
        citation="Koestinger, Wohlhart, Roth, Bischof: Annotated Facial Landmarks in the Wild. ICCV Workshops 2011; "
        "crops: Zhang, Guo, Jin, Luo, He, Lee: Unsupervised Discovery of Object Landmarks as Structural "
        "Representations. CVPR 2018",
        how_to_get="get AFLW's agreement from TU Graz, then the recropped archive that https://github.com/jamt9000/DVE "
        "(misc/datasets/aflw-recrop) or https://github.com/YutingZhang/lmdis-rep links, and put its folder "
        "aflw_release-2 into the data root (--data-root or KEYPOINTS_DATA_ROOT)",
        preprocessing="the whole image squashed; landmarks are x / width and y / height, without a shift",
        tree="aflw_release-2/\n"
        "  aflw_{train,test}_images.txt  aflw_{train,test}_keypoints.mat (gt: y, x in pixels; hw: height, width)\n"
        "  output/*.jpg",
        remarks=(
            "Two partitions of AFLW have nearly the same counts and are not comparable: this one (2,991 test images) "
            "and that of MTFL (aflw_mtfl, 2,995). DVE reports 6.54 here and 7.53 there, and its own README gives the "
            "counts of one for the other.",
            "132 of the test entries are duplicates of others; they count as published, and an image that is listed "
            "again gets a number after its name. Groups are images, for intervals.",
            "Zhang et al. made the crops so that the face lies about where it lies in CelebA's aligned images.",
            "DVE fine-tunes on the train images, without landmarks, before it regresses.",
            "Left and right are those of the image, as in CelebA. Papers take K = 10 and 30.",
        ),
    ),
)
