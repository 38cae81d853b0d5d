"""CUB-200-2011 on the cleaned lists of CMR (Kanazawa et al., ECCV 2018), which Stable Keypoints fits and tests on.

Layout: the official ``images/``, and ``cachedir/cub/data/{train,test}_cub_cleaned.mat`` beside it. Each file holds a
struct array ``images``, of whose fields ``rel_path``, ``bbox`` (x1, y1, x2, y2, corner pixels counted from 1, both
inside the box) and ``parts`` (3, 15: x and y counted from 1, visible) are used. The masks are decoded with them, so
reading the train file takes about a gigabyte for a few seconds.

Crop (as in the loader that Stable Keypoints released, without its random jitter and flip): each side of the box moves
out by 5 % of its extent x2 - x1 + 1 (y2 - y1 + 1) and to a whole pixel, half to even; then the short extent grows about
the centre to a square. What lies outside the image is mid-grey, as in ``datasets.cub``.

Landmarks: (x, y) is the pixel whose centre is ``(x - 0.5, y - 0.5)`` from the image's corner, as in ``datasets.cub``.
"""

from __future__ import annotations

import re
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from datasets.base import DatasetCard, DatasetError, Split
from datasets.cub import BORDER, HALF_PIXEL
from datasets.photos import FILL
from datasets.reading.cub_files import PARTS, BirdDataset, Birds, bird_card, cut_out
from datasets.reading.matlab import check_matlab
from datasets.reading.table import Table
from datasets.text import refuse_entry

if TYPE_CHECKING:
    from numpy.typing import NDArray

PADDING_PERCENT = 5
_FOLDER = "cachedir/cub/data"
FIELDS = ("rel_path", "bbox", "parts")
_CORNERS = ("x1", "y1", "x2", "y2")


class CubCmr(BirdDataset):
    """Some classes of CUB-200-2011: fit and regress are CMR's train images, test is CMR's test half of the others.

    The group of an image is its class, or the image itself if the set has one class.
    """

    def annotation_files(self, name: Split) -> tuple[Path, ...]:
        """CMR's file of a split."""
        return (self.folder / _FOLDER / f"{'test' if name == 'test' else 'train'}_cub_cleaned.mat",)

    def read(self, name: Split) -> Table:
        """A split in the order of CMR's file."""
        if name == "regress":
            return self.table("fit")
        (path,) = self.annotation_files(name)
        ids, corners, parts = _read_birds(path, self.prefixes)
        boxes = np.concatenate([corners[:, :2] - 1, corners[:, 2:] - corners[:, :2] + 1], axis=1)
        birds = Birds(ids, boxes, np.moveaxis(parts[:, :2], 1, 2) - 0.5, parts[:, 2] > 0)
        return cut_out(birds, self.groups(ids), padded_squares(corners))


def padded_squares(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """Left, top and side, whole pixels (N, 3), of the padded squares about corner pixels (N, 4) counted from 1."""
    first, last = corners[:, :2] - 1, corners[:, 2:] - 1
    padding = PADDING_PERCENT * (last - first + 1) / 100
    first, last = np.rint(first - padding), np.rint(last + padding)
    extent = last - first + 1
    side = extent.max(axis=1, keepdims=True)
    return np.concatenate([first - np.rint((side - extent) / 2), side], axis=1)


def _read_birds(
    path: Path, prefixes: tuple[str, ...]
) -> tuple[tuple[str, ...], NDArray[np.float64], NDArray[np.float64]]:
    """Ids, corners (N, 4) and parts (N, 3, 15) of the images of some classes, in the file's order.

    Raises DatasetError, naming the element of ``images``, for one that is malformed or listed twice.
    """
    elements: dict[str, str] = {}
    corners, parts = [], []
    try:
        state = path.stat()
    except OSError as error:
        raise DatasetError(f"cannot read {path}: {error.strerror or error}") from error
    for index, (name, box, values) in enumerate(_read_structs(path, state.st_size, state.st_mtime_ns), start=1):
        element, image_id = f"images({index})", str(name)
        if not re.fullmatch(r"\d{3}\.[^/]+/[^/]+", image_id):
            _refuse(path, f"{element}.rel_path", image_id, "class folder/file name")
        if not image_id.startswith(prefixes):
            continue
        if image_id in elements:
            _refuse(path, f"{element}.rel_path", image_id, f"an image other than that of {elements[image_id]}")
        elements[image_id] = element
        corners.append(_corners(path, f"{element}.bbox", box))
        parts.append(_parts(path, f"{element}.parts", values))
    return tuple(elements), np.reshape(corners, (-1, 4)), np.reshape(parts, (-1, 3, len(PARTS)))


@lru_cache(maxsize=2)
def _read_structs(path: Path, size: int, changed: int) -> list[tuple[Any, ...]]:
    """FIELDS of each element of the struct array ``images`` of a MATLAB file of this size and time of change.

    The result is cached, so that the datasets of one class and of all classes share it.
    """
    from scipy.io import loadmat

    try:
        check_matlab(path, "images")
        content = loadmat(path, squeeze_me=True, variable_names=["images"])
    except NotImplementedError as error:  # SciPy raises it for MATLAB 7.3, which is HDF5
        raise DatasetError(f"{path}: a MATLAB 7.3 file, expected version 5 to 7; save it again with -v7") from error
    except Exception as error:  # the reader has no error of its own for a broken file
        reason = " ".join(str(error).split())
        raise DatasetError(f"{path}: cannot be read as a MATLAB file: {reason}; get it again") from error
    if "images" not in content:
        raise DatasetError(f"{path}: no variable 'images', expected CMR's struct array; get the file again")
    structs = np.atleast_1d(content["images"])
    absent = [field for field in FIELDS if field not in (structs.dtype.names or ())]
    if absent:
        found = ", ".join(structs.dtype.names or ()) or "no fields"
        raise DatasetError(f"{path}: 'images' has no field '{absent[0]}', found {found}; get the file again")
    return [tuple(struct[field] for field in FIELDS) for struct in structs]


def _corners(path: Path, key: str, box: Any) -> list[float]:
    try:
        corners = [float(box[name]) for name in _CORNERS]
    except (TypeError, ValueError, IndexError):
        _refuse(path, key, box, f"numbers {', '.join(_CORNERS)}")
    if not np.isfinite(corners).all() or corners[2] < corners[0] or corners[3] < corners[1]:
        _refuse(path, key, corners, "x1 <= x2 and y1 <= y2, in pixels")
    return corners


def _parts(path: Path, key: str, value: Any) -> NDArray[np.float64]:
    try:
        parts = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        _refuse(path, key, value, "numbers")
    if parts.shape != (3, len(PARTS)):
        _refuse(path, key, f"shape {parts.shape}", f"shape (3, {len(PARTS)}): x, y and visible")
    if not np.isfinite(parts).all():
        _refuse(path, key, parts, "finite numbers")
    return parts


def _refuse(path: Path, key: str, got: object, expected: str) -> NoReturn:
    refuse_entry(path, key, f"'{' '.join(str(got).split()):.80}'", expected)


def _card(id: str, title: str, counts: tuple[int, int]) -> DatasetCard:
    return bird_card(
        id,
        f"{title}, cleaned lists of CMR",
        counts,
        f"box padded by {PADDING_PERCENT} % of its sides to whole pixels half to even, then squared about its centre, "
        f"fill {FILL[0]}, Pillow bilinear; box and parts count pixels from 1",
        citation="Kanazawa, Tulsiani, Efros, Malik: Learning Category-Specific Mesh Reconstruction from Image "
        "Collections. ECCV 2018; on Wah, Branson, Welinder, Perona, Belongie: The Caltech-UCSD Birds-200-2011 Dataset. "
        "California Institute of Technology, CNS-TR-2011-001, 2011",
        how_to_get="get CUB_200_2011.tgz from https://data.caltech.edu/records/65de6-vp158, unpack it into the data "
        "root (--data-root or KEYPOINTS_DATA_ROOT), and unpack "
        "https://people.eecs.berkeley.edu/~kanazawa/cachedir/cmr/cachedir.tar.gz in CUB_200_2011",
        tree="CUB_200_2011/\n"
        f"  {_FOLDER}/train_cub_cleaned.mat  {_FOLDER}/test_cub_cleaned.mat\n"
        "  images/001.Black_footed_Albatross/*.jpg  ...  images/200.Common_Yellowthroat/*.jpg",
        archive=None,
        remarks=(
            BORDER,
            HALF_PIXEL,
            "Stable Keypoints' loader moves the edges of a train image's box at random and mirrors half of the images, "
            "also where it fits the regressor; one fixed crop is taken here",
            "Stable Keypoints' loader resizes with OpenCV's bilinear filter and truncates to whole values; Pillow's "
            "antialiased filter is used here, 0.46 of 255 away on average and 5 at most within the photograph",
            "CMR's train images look like the official ones that show 7 parts or more: those are 29, 30 and 30 in "
            "classes 001 to 003, and 5965 in all, one more than CMR lists",
            "CMR's test images are a random half of the official ones, cleaned; the other half, val, shares one image "
            "with them and is not used",
        ),
    )


CUB_001 = partial(CubCmr, _card("cub_001_cmr", "CUB-200-2011 class 001", (29, 17)), range(1, 2))
CUB_002 = partial(CubCmr, _card("cub_002_cmr", "CUB-200-2011 class 002", (30, 14)), range(2, 3))
CUB_003 = partial(CubCmr, _card("cub_003_cmr", "CUB-200-2011 class 003", (30, 15)), range(3, 4))
CUB_ALL = partial(CubCmr, _card("cub_all_cmr", "CUB-200-2011, all 200 classes", (5964, 2874)), range(1, 201))
