"""Pickled data frames as columns, and dictionaries of arrays; ``datasets.reading.pickles`` reads both.

Nothing is imported and nothing is called. Frames of pandas up to version 2 can be read, such as the Tai-Chi landmarks
of Siarohin et al., with any numpy, in pickle protocols 3 to 5. Pandas 3 stores text in Arrow arrays, which are refused.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from datasets import limits
from datasets.base import DatasetError
from datasets.reading.pickles import Call, Name, read_pickle

if TYPE_CHECKING:
    from numpy.typing import NDArray

Built = TypeVar("Built")

# Each admitted name, with the modules that have held it in versions of pandas and numpy.
_ADMITTED: dict[str, tuple[str, ...]] = {
    "DataFrame": ("pandas.core.frame", "pandas"),
    "BlockManager": ("pandas.core.internals", "pandas.core.internals.managers"),
    "_unpickle_block": ("pandas._libs.internals",),
    "_new_Index": ("pandas.core.indexes.base",),
    "Index": ("pandas.core.indexes.base", "pandas"),
    "Int64Index": ("pandas.core.indexes.numeric",),
    "RangeIndex": ("pandas.core.indexes.range", "pandas"),
    "slice": ("builtins",),
    "_reconstruct": ("numpy.core.multiarray", "numpy._core.multiarray"),
    "_frombuffer": ("numpy.core.numeric", "numpy._core.numeric"),
    "scalar": ("numpy.core.multiarray", "numpy._core.multiarray"),
    "ndarray": ("numpy",),
    "dtype": ("numpy",),
}


def read_frame(path: Path) -> dict[str, list[Any] | NDArray[Any]]:
    """The columns of a pickled data frame: (N,) arrays of numbers, lists of N strings, numbers, arrays or None.

    No code in the file is executed. Raises DatasetError if the file cannot be read, is no complete pickle of a frame,
    or has a name that is not admitted.
    """
    return _read(path, _columns, "a data frame of text, numbers and arrays as pandas before 3 pickles it")


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a pickled dictionary, by name; the same holds for it as for ``read_frame``."""

    def arrays(found: Any, most: int) -> dict[str, NDArray[Any]]:
        if not isinstance(found, dict):
            raise ValueError("holds something else than a dictionary")
        read = {name: _array(value, objects=False) for name, value in found.items()}
        if sum(array.size for array in read.values()) > most:
            raise ValueError("has more values than the file has bytes")
        return read

    return _read(path, arrays, "a dictionary of arrays of numbers by name")


def _read(path: Path, build: Callable[[Any, int], Built], expected: str) -> Built:
    """What ``build`` makes of the pickle's recorded calls and the file's size. Raises as ``read_frame`` does."""
    try:
        if reason := limits.excess(path.stat().st_size, limits.PICKLE_BYTES, "bytes"):
            raise DatasetError(f"{path}: {reason}")
        data = path.read_bytes()
    except OSError as error:
        raise DatasetError(f"cannot read {path}: {error.strerror or error}") from error
    try:
        return build(read_pickle(data, _ADMITTED), len(data))
    except (ValueError, OverflowError) as error:
        raise DatasetError(
            f"{path}: {' '.join(str(error).split())}; expected {expected} (nothing in the file was run); get the file "
            "again"
        ) from error


def _columns(frame: Any, most: int) -> dict[str, list[Any] | NDArray[Any]]:
    """The columns of a frame, in its order, from the recorded calls of the pickle, with at most ``most`` values."""
    match frame:
        case Call("DataFrame", (), {"_mgr": manager} | {"_data": manager}):
            names, blocks = _blocks(manager)
        case _:
            raise ValueError("holds something else than a data frame")
    columns: dict[str, list[Any] | NDArray[Any]] = {}
    for values, places in blocks:
        array, indices = _array(values), _places(places, len(names))
        most -= array.size
        if most < 0:
            raise ValueError("has more values than the file has bytes")
        if array.ndim != 2 or len(array) != len(indices):
            raise ValueError(f"has an array of shape {array.shape} for {len(indices)} columns")
        for row, index in zip(array, indices, strict=True):
            if names[index] in columns:
                raise ValueError(f"has column {names[index]!a:.80} twice")
            columns[names[index]] = list(row) if row.dtype.hasobject else row
    absent = [name for name in names if name not in columns]
    if absent:
        raise ValueError(f"has no values for column {absent[0]!a:.80}")
    if len({len(column) for column in columns.values()}) > 1:
        raise ValueError("has columns of different lengths")
    return {name: columns[name] for name in names}


def _blocks(manager: Any) -> tuple[list[str], list[tuple[Any, Any]]]:
    """Column names, and blocks: arrays of several columns, each with the columns' positions."""
    blocks: list[tuple[Any, Any]] = []
    match manager:
        case Call("BlockManager", (), (_, _, _, {"0.14.1": {"axes": [columns, _], "blocks": [*entries]}})):
            for entry in entries:
                match entry:
                    case {"values": values, "mgr_locs": places}:
                        blocks.append((values, places))
        case Call("BlockManager", ([*entries], [columns, _]), None):
            for entry in entries:
                match entry:
                    case Call("_unpickle_block", (values, places, 2), None):
                        blocks.append((values, places))
        case _:
            raise ValueError("has a block manager of an unknown kind")
    match columns:
        case Call("_new_Index", (Name("Index"), {"data": data}), None):
            names = _array(data).tolist()
        case _:
            names = []
    if not names or not all(isinstance(name, str) for name in names):
        raise ValueError("has columns without names")
    return names, blocks


def _places(places: Any, count: int) -> list[int]:
    """The column index (below ``count``) of each row of a block's array."""
    match places:
        case Call("slice", (int(start), int(stop), int(step)), None) if step:
            return list(range(count)[start:stop:step])
    array = _array(places)
    if array.ndim != 1 or array.dtype.kind != "i" or not all(0 <= index < count for index in array):
        raise ValueError(f"puts columns elsewhere than into the {count} places there are")
    return [int(index) for index in array]


def _array(value: Any, objects: bool = True) -> NDArray[Any]:
    """An array of numbers, or of objects where these are allowed, from its bytes or list."""
    match value:
        case Call("_reconstruct", (Name("ndarray"), (0,), b"b"), (_, shape, dtype, bool(fortran), data)):
            order = "F" if fortran else "C"
        case Call("_frombuffer", (data, dtype, shape, "C" | "F" as order), None):
            pass
        case _:
            raise ValueError("has something else in the place of an array")
    if not isinstance(shape, tuple) or len(shape) > 4 or not all(type(side) is int and side >= 0 for side in shape):
        raise ValueError("has an array whose shape is not a few whole numbers")
    kind = _dtype(dtype)
    if not kind.hasobject and isinstance(data, (bytes, bytearray)):
        flat: NDArray[Any] = np.frombuffer(data, kind)
    elif kind.hasobject and objects and isinstance(data, list):
        flat = np.empty(len(data), dtype=object)
        for index, item in enumerate(data):
            flat[index] = _cell(item)
    else:
        raise ValueError(f"has an array of {kind} made of a {type(data).__name__}")
    if math.prod(shape) != len(flat):
        raise ValueError(f"has {len(flat)} values in an array of shape {shape}")
    return flat.reshape(shape, order="F" if order == "F" else "C")


def _cell(item: Any) -> Any:
    """One element of an array of objects: text, a number, None, or an array of numbers."""
    match item:
        case None | str() | int() | float():
            return item
        case Call("scalar", (dtype, bytes(data)), None) if not (kind := _dtype(dtype)).hasobject:
            return np.frombuffer(data, kind, count=1)[0]
    return _array(item, objects=False)


def _dtype(value: Any) -> np.dtype[Any]:
    match value:
        case Call("dtype", (str(code), _, _), (_, "<" | ">" | "|" as order, None, None, None, _, _, _)):
            if code in ("O", "O8"):
                return np.dtype(object)
            if re.fullmatch("b1|[iu][1248]|f[248]", code):
                return np.dtype(order + code)
    raise ValueError("has an array of neither numbers nor objects")
