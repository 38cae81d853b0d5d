"""Readers of DeepLabCut's csv and h5 tables without pandas, so that nothing in a file is executed."""

from __future__ import annotations

import io
import math
import pickle
import pickletools
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from methods import limits
from methods.adapters.base import OutputError, first_line
from methods.adapters.tables import csv_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

HEADING = ("scorer", "bodyparts", "coords")
PREDICTED, LABELLED = ("x", "y", "likelihood"), ("x", "y")
Column = tuple[str, ...]
_OF_TEXTS = {  # the instructions of a pickle that make lists and tuples of text
    *("PROTO", "FRAME", "STOP", "MARK", "MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT", "GET", "BINGET", "LONG_BINGET"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
    *("EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "EMPTY_LIST", "LIST", "APPEND", "APPENDS"),
}


@dataclass(frozen=True)
class DlcTable:
    """Points (N, K, 2) of each bodypart in pixels, with NaN for missing ones, and the names of N frames.

    ``likelihoods`` (N, K) are NaN in a table of labels.
    ``names`` is None for frames numbered from 0; ``predicted`` is true for a table with likelihoods.
    """

    path: Path
    scorer: str
    bodyparts: tuple[str, ...]
    names: tuple[str, ...] | None
    points: NDArray[np.float64]
    likelihoods: NDArray[np.float64]
    predicted: bool


def read_table(path: Path) -> DlcTable:
    """Read a table for one animal. Raises OutputError for a broken file, another heading, or several animals."""
    suffix = path.suffix.lower()
    if suffix not in (".csv", ".h5", ".hdf5"):
        raise OutputError(f"{path}: expected a table of DeepLabCut, .csv or .h5")
    if not path.is_file():
        raise OutputError(f"no file {path}")
    columns, index, values = _csv(path) if suffix == ".csv" else _h5(path)
    return _table(path, columns, index, values)


def _table(path: Path, columns: list[Column], index: list[str], values: NDArray[np.float64]) -> DlcTable:
    if columns and all(len(column) == 4 for column in columns):
        columns, values = _one_animal(path, columns, values)
    if not columns or any(len(column) != 3 for column in columns):
        raise OutputError(f"{path}: its columns are not named by {', '.join(HEADING)}, as DeepLabCut's are")
    predicted = any(column[2] == "likelihood" for column in columns)
    axes = PREDICTED if predicted else LABELLED
    scorers = sorted({column[0] for column in columns})
    parts = tuple(column[1] for column in columns[:: len(axes)])
    if [column[1:] for column in columns] != [(part, axis) for part in parts for axis in axes]:
        found = ", ".join(column[2] for column in columns[:6])
        raise OutputError(f"{path}: its coords are {found}, expected {', '.join(axes)} of each bodypart in turn")
    if len(scorers) > 1 or len(set(parts)) < len(parts):
        raise OutputError(f"{path}: has several scorers, or a bodypart twice: {', '.join((*scorers, *parts))}")
    if not len(values):
        raise OutputError(f"{path}: holds no frames")
    if values.shape != (len(index), len(columns)):
        shape = (len(index), len(columns))
        raise OutputError(
            f"{path}: has values of shape {values.shape}, expected {shape}, as named by its rows and columns"
        )
    numbers = values.reshape(len(values), len(parts), len(axes))
    likelihoods = numbers[..., 2] if predicted else np.full(numbers.shape[:2], np.nan)
    return DlcTable(path, scorers[0], parts, _names(path, index), numbers[..., :2], likelihoods, predicted)


def _one_animal(
    path: Path, columns: list[Column], values: NDArray[np.float64]
) -> tuple[list[Column], NDArray[np.float64]]:
    """The columns (scorer, bodypart, coord) and values of the one animal. Raises OutputError if several have values."""
    found = {column[1] for place, column in enumerate(columns) if np.isfinite(values[:, place]).any()}
    animals = sorted(found or {columns[0][1]})
    if len(animals) > 1:
        raise OutputError(
            f"{path}: holds {len(animals)} individuals ({', '.join(animals)[:80]}), expected a project of one animal"
        )
    places = [place for place, column in enumerate(columns) if column[1] == animals[0]]
    return [(columns[place][0], *columns[place][2:]) for place in places], values[:, places]


def _names(path: Path, index: list[str]) -> tuple[str, ...] | None:
    """The names of the rows, None for the numbers of all frames."""
    if not all(name.isdecimal() for name in index):
        return tuple(name.replace("\\", "/") for name in index)
    if any(len(name) > 18 for name in index) or [int(name) for name in index] != list(range(len(index))):
        raise OutputError(f"{path}: frames are numbered {index[0]} to {index[-1]} with gaps, expected all from 0")
    return None


def _csv(path: Path) -> tuple[list[Column], list[str], NDArray[np.float64]]:
    """Read the columns, the names of the rows, and values (N, columns)."""
    rows = ((line, row) for line, row in csv_rows(path) if row)
    try:
        top = [row for _, row in islice(rows, 3)]
    except OSError as error:
        raise OutputError(f"cannot read {path}: {first_line(error)}") from error
    wanted = (HEADING[0], "individuals", *HEADING[1:]) if [row[0] for row in top[1:2]] == ["individuals"] else HEADING
    top += [row for _, row in islice(rows, len(wanted) - len(top))] if len(top) == 3 else []
    if tuple(row[0] for row in top) != wanted:
        found = ", ".join(row[0] for row in top)[:80]
        raise OutputError(f"{path}: its first lines begin with {found!a}, expected {', '.join(wanted)}")
    first = next((column for column, axis in enumerate(top[-1]) if axis == "x"), len(top[-1]))
    if len(set(map(len, top))) > 1:
        raise OutputError(f"{path}: its first lines have {', '.join(str(len(row)) for row in top)} columns")
    columns: list[Column] = list(zip(*(row[first:] for row in top), strict=True))
    _refuse(path, limits.excess(len(columns), limits.COLUMNS, "columns"))
    index: list[str] = []
    values: list[NDArray[np.float64]] = []
    for line, row in rows:
        if len(row) != len(top[0]):
            raise OutputError(f"{path}, line {line}: got {len(row)} columns, expected {len(top[0])}")
        index.append("/".join(part for part in row[:first] if part))
        values.append(np.array([_value(path, line, cell) for cell in row[first:]], dtype=np.float64))
        _refuse(path, limits.excess(len(values) * (8 * len(columns) + 256), limits.BYTES, "bytes in memory"))
    return columns, index, np.array(values, dtype=np.float64).reshape(len(values), len(columns))


def _refuse(path: Path, reason: str) -> None:
    if reason:
        raise OutputError(f"{path}: {reason}")


def _value(path: Path, number: int, cell: str) -> float:
    try:
        return float(cell.strip() or math.nan)
    except ValueError:
        raise OutputError(f"{path}, line {number}: got {cell!a:.40}, expected a number or nothing") from None


def _h5(path: Path) -> tuple[list[Column], list[str], NDArray[np.float64]]:
    """Read the same from pandas' formats 'table' and 'fixed'."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            groups = [group for group in file.values() if isinstance(group, h5py.Group)]
            group = next((group for group in groups if {"table", "block0_values"} & group.keys()), None)
            if group is None:
                raise OutputError(f"{path}: holds {', '.join(file) or 'nothing'}, expected a data frame of DeepLabCut")
            return _table_format(group) if "table" in group else _fixed_format(group)
    except OutputError:
        raise
    except limits.LimitError as error:
        raise OutputError(f"{path}: {error}") from error
    except Exception as error:  # h5py raises many types for a broken file
        reason = first_line(error)[:200]
        raise OutputError(
            f"{path}: a table of DeepLabCut could not be read ({type(error).__name__}: {reason})"
        ) from error


def _table_format(group: Any) -> tuple[list[Column], list[str], NDArray[np.float64]]:
    rows = group["table"]
    if [name for name in rows.dtype.names if name.startswith("values_block_")] != ["values_block_0"]:
        raise ValueError("columns of several kinds")
    columns = texts(bytes(rows.attrs["values_block_0_kind"]))
    return columns, _texts_of(_values(rows, "index")), _values(rows, "values_block_0").astype(np.float64)


def _fixed_format(group: Any) -> tuple[list[Column], list[str], NDArray[np.float64]]:
    if int(group.attrs["nblocks"]) != 1:
        raise ValueError("columns of several kinds")
    columns = list(zip(*_levels(group, "block0_items"), strict=True))
    index = (
        _texts_of(_values(group["axis1"]))
        if "axis1" in group
        else ["/".join(row) for row in zip(*_levels(group, "axis1"), strict=True)]
    )
    return columns, index, _values(group["block0_values"]).astype(np.float64)


def _levels(group: Any, axis: str) -> list[list[str]]:
    """The labels of each level of an index."""
    found = []
    for level in range(int(group.attrs[f"{axis}_nlevels"])):
        known = _texts_of(_values(group[f"{axis}_level{level}"]))
        labels = _values(group[f"{axis}_label{level}"]).tolist()
        limits.check(len(labels) * (64 + max(map(len, known), default=0)), limits.BYTES, "bytes of names in memory")
        found.append([known[label] for label in labels])
    return found


def _values(data: Any, field: str | None = None) -> NDArray[Any]:
    """The numbers, or text of a fixed length, of a data set or of one of its fields; their size is checked first."""
    dtype = data.dtype if field is None else data.dtype[field]
    if dtype.hasobject:
        raise ValueError(f"values of type {dtype}")
    least = 64 if dtype.kind == "S" else 8
    limits.check(max(least, dtype.itemsize) * data.size, limits.BYTES, "bytes in memory")
    return np.asarray(data[()] if field is None else data[field])


def _texts_of(values: NDArray[Any]) -> list[str]:
    return [value.decode() if isinstance(value, bytes) else str(value) for value in values.tolist()]


def texts(data: bytes) -> list[Column]:
    """Read a pickled list of tuples of text, and execute nothing. Raises ValueError for any other pickle."""
    try:
        others = [opcode.name for opcode, *_ in pickletools.genops(data) if opcode.name not in _OF_TEXTS]
        # The C version of the unpickler fills a table that is as long as the pickle asks for.
        found = None if others else pickle._Unpickler(io.BytesIO(data)).load()
    except Exception as error:  # a broken pickle can make the unpickler raise almost anything
        raise ValueError(f"names of columns that are not a pickle ({first_line(error)})") from error
    if others:
        raise ValueError(f"names of columns that need {others[0]}, which is never run")
    if not isinstance(found, list) or not all(
        isinstance(column, tuple) and all(isinstance(part, str) for part in column) for column in found
    ):
        raise ValueError("names of columns that are not texts")
    return found
