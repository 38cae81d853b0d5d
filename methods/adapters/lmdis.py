"""Keypoints of Unsupervised Discovery of Object Landmarks as Structural Representations (Zhang et al., CVPR 2018).

Its test writes ``<model>/test.train/`` and ``<model>/test.test/`` with ``posterior_param.mat``, or for large sets
``posterior_param_%06d.mat`` in pieces, numbered by the images done so far, which a MATLAB script merges. The adapter
reads either. The keypoints are ``encoded.structure_param`` (N, K, 2): (y, x) in [0, 1], means over cells whose
coordinates are ``(i + 0.5) / n``. The system sees the central 0.8 of the squashed image (80 of 100 pixels).

Rows are in the order of the data module's list (MAFL's, for celeba_aligned). If its files of landmarks (``gt`` in
pixels, ``hw``) are given too, images are found by these landmarks instead.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from methods.adapters.arrays import reading
from methods.adapters.base import MOVED, FormatCard, ImportRequest, OutputError, OutputFormat, Outputs, Split
from methods.adapters.checks import check_count, check_points
from methods.adapters.conventions import check_range, from_middle, to_unit
from methods.adapters.matlab import check_matlab
from methods.adapters.requests import CENTRAL, number, split_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

MERGED = "posterior_param.mat"
NUMBERED = re.compile(r"posterior_param_(\d{6,})\.mat")
MIDDLE = 0.8


class Lmdis(OutputFormat):
    """A folder (or its files) per split, and optionally the landmarks of its rows."""

    card: ClassVar[FormatCard] = FormatCard(
        id="lmdis",
        name="lmdis-rep",
        summary="posterior_param.mat, whole or in numbered pieces (Zhang et al. 2018)",
        systems=("zhang2018",),
        files=f"the folders test.train and test.test with {MERGED} or its pieces; landmarks (.mat with gt, hw) if any",
        order="yx",
        range="[0, 1] of the central 0.8 of the image (--option crop=1 for the whole image)",
        pixels="pixel i of n is (i + 0.5) / n",
        remark=MOVED,
        code="https://github.com/YutingZhang/lmdis-rep",
    )
    options: ClassVar[Mapping[str, str]] = {"crop": f"{CENTRAL}; default {MIDDLE:g}"}

    def read(self, request: ImportRequest) -> list[Outputs]:
        """Read keypoints of each split. Raises OutputError for missing pieces, and for another unit or order."""
        truths = {path: arrays for path in request.paths if path.is_file() and (arrays := _landmarks(path)) is not None}
        by_split = {split_of(request, path): (path, arrays) for path, arrays in truths.items()}
        if len(by_split) < len(truths):
            raise OutputError(f"{', '.join(map(str, truths))}: expected landmarks of each split once; write SPLIT:FILE")
        crop = number(request, "crop", MIDDLE, 0.1, 1)
        groups = _groups([path for path in request.paths if path not in truths])
        if not groups:
            raise OutputError(f"no {MERGED} among {', '.join(map(str, request.paths))}; name the folder that holds it")
        return [self._read(request, files, by_split, crop) for files in groups]

    def _read(
        self,
        request: ImportRequest,
        files: list[Path],
        truths: Mapping[Split | None, tuple[Path, NDArray[np.float64]]],
        crop: float,
    ) -> Outputs:
        source = str(files[0] if len(files) == 1 else files[0].parent / "posterior_param_*.mat")
        pieces = [check_points(str(path), _keypoints(path), request.num_keypoints) for path in files]
        values = np.concatenate(pieces)
        check_range(source, values, 0.0, 1.0, self.card.range)
        split = split_of(request, files[0])
        gap = _gap(files, pieces)
        if gap and (split is None or len(request.splits[split].ids) != len(values)):
            raise OutputError(gap)
        notes = (gap,) if gap else ()
        name = f"{files[0].parent.name}/{Path(source).name}"
        keypoints = from_middle(to_unit(values, "yx"), crop)
        if split not in truths:
            return Outputs(name, keypoints, split, notes=notes)
        path, landmarks = truths[split]
        check_count(str(path), len(landmarks), len(values), f"the rows of {source}")
        visible = np.ones(landmarks.shape[:2], dtype=bool)
        return Outputs(name, keypoints, split, None, from_middle(landmarks, crop), visible, notes)


def _groups(paths: list[Path]) -> list[list[Path]]:
    """The files of each set of images: the merged file, or the pieces in the order of their numbers."""
    groups: dict[Path, list[Path]] = {}
    for path in paths:
        if not path.exists():
            raise OutputError(f"no file or folder {path}")
        below = [file for folder in sorted(path.glob("test.*")) for file in _in_folder(folder)]
        for file in [path] if path.is_file() else _in_folder(path) or below:
            groups.setdefault(file.parent if NUMBERED.fullmatch(file.name) else file, []).append(file)
    return [sorted(set(files), key=_number) for files in groups.values()]


def _in_folder(folder: Path) -> list[Path]:
    if (folder / MERGED).is_file():
        return [folder / MERGED]
    return [path for path in folder.iterdir() if NUMBERED.fullmatch(path.name)] if folder.is_dir() else []


def _number(path: Path) -> int:
    found = NUMBERED.fullmatch(path.name)
    return int(found[1]) if found else 0


def _gap(files: list[Path], pieces: list[NDArray[np.float64]]) -> str | None:
    """An error message if a piece's number is not the number of rows up to and with it, else None."""
    done = 0
    for path, piece in zip(files, pieces, strict=True):
        done += len(piece)
        if _number(path) not in (0, done):
            return f"{path}: pieces up to it have {done:,} rows, its number says {_number(path):,}; is one missing?"
    return None


def _keypoints(path: Path) -> NDArray[Any]:
    """``encoded.structure_param`` as it is in the file."""
    encoded = _load(path, "encoded")
    fields = encoded.dtype.names or () if isinstance(encoded, np.ndarray) else ()
    if "structure_param" not in fields or encoded.size != 1:
        held = f"encoded with {', '.join(fields)}" if fields else "no structure 'encoded'"
        raise OutputError(f"{path}: has {held}, expected encoded.structure_param")
    return np.asarray(encoded["structure_param"].item())


def _landmarks(path: Path) -> NDArray[np.float64] | None:
    """Landmarks (N, L, 2) as (x, y) in [0, 1] of the crop, None if the file does not hold landmarks."""
    pixels, sizes = _load(path, "gt"), _load(path, "hw")
    if pixels is None or sizes is None:
        return None
    landmarks, sizes = check_points(f"{path}:gt", np.asarray(pixels)), np.asarray(sizes)
    if sizes.dtype.kind not in "iuf" or sizes.shape != (len(landmarks), 2) or not (sizes > 0).all():
        raise OutputError(f"{path}: got hw of shape {sizes.shape}, expected heights and widths ({len(landmarks)}, 2)")
    return np.ascontiguousarray((landmarks / sizes[:, None])[..., ::-1])


def _load(path: Path, name: str) -> Any:
    """Read a variable of a MATLAB file, None if it has none of that name."""
    from scipy.io import loadmat

    with reading(path, "a MATLAB file", "save it again"):
        check_matlab(path, name)
        return loadmat(path, variable_names=[name]).get(name)
