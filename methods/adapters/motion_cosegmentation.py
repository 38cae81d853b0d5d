"""Pickled data frames of part centres, which the evaluation of Motion-supervised Co-Part Segmentation writes.

The released code of Siarohin et al. (ICPR 2020) writes ``landmarks/<dataset>_train_pred.pkl`` and
``<dataset>_test_pred.pkl`` with the columns ``file_name`` and ``value`` (K, 2) float32. A centre is the mean of a
part's map over the pixels of the frame, which are numbered from 0: pixel ``i`` is ``i``, and (x, y) runs from 0 to 255
for a side of 256.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from methods.adapters.base import FormatCard, ImportRequest, OutputError, OutputFormat, Outputs, Split
from methods.adapters.checks import check_points
from methods.adapters.conventions import check_range, to_unit
from methods.adapters.requests import read_frame

SIDE = 256
COLUMNS = ("file_name", "value")
_SPLITS: dict[str, Split] = {"_train_pred.pkl": "regress", "_test_pred.pkl": "test"}


class MotionCosegmentation(OutputFormat):
    """Data frames with one row per video frame, joined to images by file name."""

    card: ClassVar[FormatCard] = FormatCard(
        id="motion_cosegmentation",
        name="Motion-supervised Co-Part Segmentation",
        summary="pickled data frames of file names and keypoints (Siarohin et al. 2020)",
        systems=("siarohin2020",),
        files="landmarks/<dataset>_train_pred.pkl and <dataset>_test_pred.pkl, or the folder that holds them",
        order="xy",
        range="[0, 255], pixels of the 256 x 256 frame (--option side=N for another)",
        pixels="pixel i is i",
        code="https://github.com/AliaksandrSiarohin/motion-cosegmentation",
    )
    options: ClassVar[Mapping[str, str]] = {"side": "pixels of a frame's side (default: 256)"}

    def read(self, request: ImportRequest) -> list[Outputs]:
        """Read keypoints and file names. Raises OutputError for data frames of landmarks or with other columns."""
        side = _side(request.options.get("side", str(SIDE)))
        return [self._read(request, path, side) for path in _files(request.paths)]

    def _read(self, request: ImportRequest, path: Path, side: int) -> Outputs:
        columns = read_frame(request, path)
        missing = [name for name in COLUMNS if name not in columns]
        if missing:
            there = ", ".join(map(str, columns)) or "none"
            raise OutputError(f"{path}: no column '{missing[0]}', expected {' and '.join(COLUMNS)}; it has {there}")
        names = _names(path, columns["file_name"])
        keypoints = check_points(str(path), _stack(path, columns["value"]))
        if (keypoints == -1).all(axis=2).any():
            raise OutputError(f"{path}: has missing points (-1, -1), which only landmarks have; expected a *_pred.pkl")
        check_points(str(path), keypoints, request.num_keypoints)
        check_range(str(path), keypoints, 0.0, side - 1.0, f"pixels of a frame of {side}, as --option side=N says")
        split = request.split_of.get(path) or _split(path)
        return Outputs(path.name, to_unit(keypoints, "xy", 0.0, side, shift=0.5), split, names)


def _side(text: str) -> int:
    if not text.isdecimal() or int(text) < 2:
        raise OutputError(f"--option side={text}: expected the pixels of a frame's side, such as {SIDE}")
    return int(text)


def _files(paths: tuple[Path, ...]) -> list[Path]:
    """The data frames of predictions among the paths, and in those that are folders."""
    files: list[Path] = []
    for path in paths:
        found = sorted(path.glob("*_pred.pkl")) if path.is_dir() else [path]
        if not found:
            raise OutputError(
                f"{path}: holds no *_pred.pkl, expected <dataset>_train_pred.pkl and <dataset>_test_pred.pkl"
            )
        files += found
    return files


def _split(path: Path) -> Split | None:
    return next((split for ending, split in _SPLITS.items() if path.name.endswith(ending)), None)


def _names(path: Path, column: Any) -> tuple[str, ...]:
    for row, name in enumerate(column):
        if not isinstance(name, str) or not name:
            raise OutputError(f"{path}: row {row} has file_name {name!a:.60}, expected the name of a frame")
    return tuple(column)


def _stack(path: Path, column: Any) -> np.ndarray[Any, Any]:
    """The values of all rows as one array (N, K, 2)."""
    rows = [np.asarray(value) for value in column]
    for row, value in enumerate(rows):
        if value.dtype.kind not in "iuf" or value.shape != rows[0].shape:
            got = f"{value.dtype} of shape {value.shape}"
            raise OutputError(f"{path}: row {row} has a value of {got}, expected numbers of shape {rows[0].shape}")
    if not rows:
        raise OutputError(f"{path}: holds no rows, expected one per frame")
    return np.stack(rows)
