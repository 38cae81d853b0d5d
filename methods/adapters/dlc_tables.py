"""Readers of DeepLabCut's csv and h5 tables without pandas, so that nothing in a file is executed."""

from __future__ import annotations

import csv
import io
import math
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from methods.adapters.base import OutputError, first_line

if TYPE_CHECKING:
    from numpy.typing import NDArray

HEADING = ("scorer", "bodyparts", "coords")
PREDICTED, LABELLED = ("x", "y", "likelihood"), ("x", "y")
Column = tuple[str, ...]


@dataclass(frozen=True)
class DlcTable:
    """Points (N, K, 2) of each bodypart in pixels, with NaN for missing ones, and the names of N frames.

    ``names`` is None for frames numbered from 0; ``predicted`` is true for a table with likelihoods.
    """

    path: Path
    scorer: str
    bodyparts: tuple[str, ...]
    names: tuple[str, ...] | None
    points: NDArray[np.float64]
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
    points = values.reshape(len(values), len(parts), len(axes))[..., :2]
    return DlcTable(path, scorers[0], parts, _names(path, index), points, predicted)


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
    if [int(name) for name in index] != list(range(len(index))):
        raise OutputError(f"{path}: frames are numbered {index[0]} to {index[-1]} with gaps, expected all from 0")
    return None


def _csv(path: Path) -> tuple[list[Column], list[str], NDArray[np.float64]]:
    """Read the columns, the names of the rows, and values (N, columns)."""
    try:
        rows = [row for row in csv.reader(path.read_text(encoding="utf-8-sig").splitlines()) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise OutputError(f"cannot read {path}: {first_line(error)}") from error
    heading = (HEADING[0], "individuals", *HEADING[1:]) if [row[0] for row in rows[1:2]] == ["individuals"] else HEADING
    lines = len(heading)
    if tuple(row[0] for row in rows[:lines]) != heading:
        found = ", ".join(row[0] for row in rows[:lines])[:80]
        raise OutputError(f"{path}: its first lines begin with {found!a}, expected {', '.join(heading)}")
    axes = rows[lines - 1]
    first = next((column for column, axis in enumerate(axes) if axis == "x"), len(axes))
    columns: list[Column] = list(zip(*(row[first:] for row in rows[:lines]), strict=False))
    index, values = [], []
    for number, row in enumerate(rows[lines:], start=lines + 1):
        if len(row) != len(rows[0]):
            raise OutputError(f"{path}, line {number}: got {len(row)} columns, expected {len(rows[0])}")
        index.append("/".join(part for part in row[:first] if part))
        values.append([_value(path, number, cell) for cell in row[first:]])
    return columns, index, np.array(values, dtype=np.float64).reshape(len(values), len(columns))


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
    except (OSError, KeyError, ValueError, TypeError, IndexError, AttributeError) as error:
        reason = first_line(error)[:200]
        raise OutputError(
            f"{path}: a table of DeepLabCut could not be read ({type(error).__name__}: {reason})"
        ) from error


def _table_format(group: Any) -> tuple[list[Column], list[str], NDArray[np.float64]]:
    rows = group["table"]
    if [name for name in rows.dtype.names if name.startswith("values_block_")] != ["values_block_0"]:
        raise ValueError("columns of several kinds")
    columns = texts(bytes(rows.attrs["values_block_0_kind"]))
    return columns, _texts_of(rows["index"]), np.asarray(rows["values_block_0"], dtype=np.float64)


def _fixed_format(group: Any) -> tuple[list[Column], list[str], NDArray[np.float64]]:
    if int(group.attrs["nblocks"]) != 1:
        raise ValueError("columns of several kinds")
    columns = list(zip(*_levels(group, "block0_items"), strict=True))
    index = (
        _texts_of(group["axis1"][:])
        if "axis1" in group
        else ["/".join(row) for row in zip(*_levels(group, "axis1"), strict=True)]
    )
    return columns, index, np.asarray(group["block0_values"], dtype=np.float64)


def _levels(group: Any, axis: str) -> list[list[str]]:
    """The labels of each level of an index."""
    levels = range(int(group.attrs[f"{axis}_nlevels"]))
    known = [np.array(_texts_of(group[f"{axis}_level{level}"][:])) for level in levels]
    return [found[group[f"{axis}_label{level}"][:]].tolist() for level, found in zip(levels, known, strict=True)]


def _texts_of(values: NDArray[Any]) -> list[str]:
    return [value.decode() if isinstance(value, bytes) else str(value) for value in values.tolist()]


class _Texts(pickle.Unpickler):
    """Unpickles built-in types alone: nothing is imported, so nothing can be called."""

    def find_class(self, module: str, name: str) -> Any:
        raise ValueError(f"names of columns that need {module}.{name}, which is never imported")


def texts(data: bytes) -> list[Column]:
    """Read a pickled list of tuples of text, and execute nothing. Raises ValueError for any other pickle."""
    try:
        found = _Texts(io.BytesIO(data)).load()
    except (pickle.UnpicklingError, EOFError, MemoryError) as error:
        raise ValueError(f"names of columns that are not a pickle ({first_line(error)})") from error
    if not isinstance(found, list) or not all(
        isinstance(column, tuple) and all(isinstance(part, str) for part in column) for column in found
    ):
        raise ValueError("names of columns that are not texts")
    return found
