"""Tables of numbers: csv, and parquet as this benchmark or others write it."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from benchmarks.errors import UserError, first_line

if TYPE_CHECKING:
    from numpy.typing import NDArray

ID = "image_id"
_NO_NUMBERS = (ID, "split")


def read_csv(path: Path) -> tuple[NDArray[np.float64], list[str] | None]:
    """A table of numbers (N, columns), with or without a header; empty fields are NaN.

    A column headed 'image_id', or a first column that is no number, names the images; one headed 'split' is left
    out. Raises UserError naming the line of a field too many or too few, or of one that is no number.
    """
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    header, names = _heading(path)
    numbers = [name for name in names if name not in _NO_NUMBERS]
    try:
        table = arrow_csv.read_csv(
            path,
            read_options=arrow_csv.ReadOptions(column_names=names, skip_rows=header),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()) | dict.fromkeys(numbers, pa.float64())
            ),
        )
    except pa.ArrowInvalid as error:
        _refuse_line(path, names, header, first_line(error))
    return _columns(path, table, numbers), table[ID].to_pylist() if ID in names else None


def _heading(path: Path) -> tuple[int, list[str]]:
    """How many lines are heading (0 or 1), and the columns' names."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        lines = csv.reader(file)
        first, second = next(lines, []), next(lines, None)
    if not first:
        raise UserError(f"{path}, line 1: is empty, expected a row of numbers")
    named = [name.strip().lower() for name in first]
    rest = [name for name in named[1:] or named if name]
    counted = [str(column) for column in range(len(first))]  # what pandas calls columns that have no name
    is_counted = named == counted or (named[0] in ("", ID) and named[1:] == counted[:-1])
    has_header = is_counted or (bool(rest) and not any(map(_is_number, rest)))
    names = [name if name in _NO_NUMBERS else str(column) for column, name in enumerate(named)]
    body = second if has_header and second else first
    if ID not in names and len(body) > 1 and (named[0] == "" or not _is_number(body[0])):
        names[0] = ID
    return int(has_header), names


def _refuse_line(path: Path, names: list[str], header: int, reason: str) -> NoReturn:
    """Raise the error of the first line that does not fit."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        lines = csv.reader(file)
        for fields in lines:
            if not fields or lines.line_num <= header:
                continue
            where = f"{path}, line {lines.line_num}"
            if len(fields) != len(names):
                raise UserError(f"{where}: has {len(fields)} fields, expected {len(names)} as on the first line")
            for name, field in zip(names, fields, strict=True):
                if name not in _NO_NUMBERS and field.strip() and not _is_number(field):
                    raise UserError(f"{where}: got {field[:40]!r}, expected a number")
    raise UserError(f"{path}: no table of numbers ({reason})")


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def read_parquet(
    path: Path, choose: Callable[[Iterable[str]], str], key: str | None
) -> tuple[NDArray[Any], list[str] | None]:
    """A column of lists (N, length), or all columns of numbers (N, columns) where no column has lists.

    ``choose`` picks among several columns of lists; a ``key`` may be any column. Raises UserError for a file that
    is no parquet, and for lists of differing length.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        names = [field.name for field in pq.read_schema(path)]
        lists = [field.name for field in pq.read_schema(path) if _is_list(field.type)]
        numbers = [name for name in names if name not in _NO_NUMBERS and not name.startswith("__index")]
        chosen = [choose(names if key else lists)] if key or lists else numbers
        table = pq.read_table(path, columns=[*chosen, *([ID] if ID in names and ID not in chosen else [])])
    except (pa.ArrowException, OSError, ValueError) as error:
        raise UserError(f"{path}: no parquet file that could be read ({first_line(error)}); write it anew") from error
    ids = [str(name) for name in table[ID].to_pylist()] if ID in names else None
    if len(chosen) == 1 and (key or lists):
        column = table[chosen[0]]
        return (_lists(path, column) if _is_list(column.type) else column.to_numpy()), ids
    return _columns(path, table, chosen), ids


def _is_list(type: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_list(type) or pa.types.is_large_list(type) or pa.types.is_fixed_size_list(type))


def _lists(path: Path, column: Any) -> NDArray[Any]:
    """Lists (of lists) of numbers as one array, without a pass through Python."""
    import pyarrow.compute as pc

    shape = [len(column)]
    while _is_list(column.type):
        lengths = pc.unique(pc.list_value_length(column)).to_pylist()
        if len(lengths) != 1 or None in lengths:
            raise UserError(f"{path}: lists of {lengths[:5]} values, expected as many in every row")
        shape.append(lengths[0])
        column = pc.list_flatten(column)
    values: NDArray[Any] = column.to_numpy()
    return values.reshape(shape)


def _columns(path: Path, table: Any, names: list[str]) -> NDArray[np.float64]:
    """Columns of numbers side by side, float64."""
    values = np.empty((len(table), len(names)))
    for column, name in enumerate(names):
        try:
            values[:, column] = table[name].to_numpy()
        except (TypeError, ValueError) as error:
            raise UserError(f"{path}: column '{name}' holds {table[name].type}, expected numbers") from error
    return values
