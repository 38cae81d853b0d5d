"""Readers of tables of numbers in csv and parquet files."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from methods.adapters.base import OutputError, first_line

if TYPE_CHECKING:
    from numpy.typing import NDArray

ID = "image_id"
_NO_NUMBERS = (ID, "split")


def read_csv(path: Path) -> tuple[NDArray[np.float64], list[str] | None, list[str] | None]:
    """Read a table of numbers (N, columns), its image ids and the headings of its columns; empty fields are NaN.

    Ids and headings are None where the table has none.
    A column with the heading 'image_id', or a first column without numbers, holds the ids; a column 'split' is left
    out. Raises OutputError for a line with too many or too few fields, or with a field that is not a number.
    """
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    header, names, headings = _heading(path)
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
    return _columns(path, table, numbers), table[ID].to_pylist() if ID in names else None, headings


def _heading(path: Path) -> tuple[int, list[str], list[str] | None]:
    """The number of header lines (0 or 1), the names of the columns, and the headings of the columns of numbers."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        lines = csv.reader(file)
        first, second = next(lines, []), next(lines, None)
    if not first:
        raise OutputError(f"{path}, line 1: is empty, expected a row of numbers")
    named = [name.strip().lower() for name in first]
    rest = [name for name in named[1:] or named if name]
    counted = [str(column) for column in range(len(first))]  # pandas numbers columns without a name
    is_counted = named == counted or (named[0] in ("", ID) and named[1:] == counted[:-1])
    has_header = is_counted or (bool(rest) and not any(map(_is_number, rest)))
    names = [name if name in _NO_NUMBERS else str(column) for column, name in enumerate(named)]
    body = second if has_header and second else first
    if ID not in names and len(body) > 1 and (named[0] == "" or not _is_number(body[0])):
        names[0] = ID
    headings = [head.strip() for head, name in zip(first, names, strict=True) if name not in _NO_NUMBERS]
    return int(has_header), names, headings if has_header and not is_counted else None


def _refuse_line(path: Path, names: list[str], header: int, reason: str) -> NoReturn:
    """Raise an OutputError that names the first wrong line."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        lines = csv.reader(file)
        for fields in lines:
            if len(names) == 1 and fields and (mark := next((mark for mark in ";\t" if mark in fields[0]), "")):
                raise OutputError(f"{path}: its columns are separated by {mark!r}, expected ',' (and '.' in numbers)")
            if not fields or lines.line_num <= header:
                continue
            where = f"{path}, line {lines.line_num}"
            if len(fields) != len(names):
                raise OutputError(f"{where}: has {len(fields)} fields, expected {len(names)} as on the first line")
            for name, field in zip(names, fields, strict=True):
                if name not in _NO_NUMBERS and field.strip() and not _is_number(field):
                    raise OutputError(f"{where}: got {field[:40]!r}, expected a number")
    raise OutputError(f"{path}: a table of numbers could not be read ({reason})")


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def columns_of(path: Path) -> tuple[list[str], list[str]]:
    """The names of a parquet file's columns, and of those that hold lists."""
    import pyarrow.parquet as pq

    fields = list(pq.read_schema(path))
    return [field.name for field in fields], [field.name for field in fields if _is_list(field.type)]


def read_parquet(path: Path, name: str | None) -> tuple[NDArray[Any], list[str] | None, list[str] | None]:
    """Read the column ``name``, (N,) or of lists (N, length), or without a name all columns of numbers (N, columns).

    Also returns the image ids, where the table has them, and without a name the names of the columns. Raises
    OutputError for lists of different lengths.
    """
    import pyarrow.parquet as pq

    names, _ = columns_of(path)
    numbers = [each for each in names if each not in _NO_NUMBERS and not each.startswith("__index")]
    chosen = numbers if name is None else [name]
    table = pq.read_table(path, columns=[*chosen, *([ID] if ID in names and ID not in chosen else [])])
    ids = [str(image_id) for image_id in table[ID].to_pylist()] if ID in names else None
    if name is None:
        return _columns(path, table, chosen), ids, chosen
    return (_lists(path, table[name]) if _is_list(table[name].type) else table[name].to_numpy()), ids, None


def _is_list(type: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_list(type) or pa.types.is_large_list(type) or pa.types.is_fixed_size_list(type))


def _lists(path: Path, column: Any) -> NDArray[Any]:
    """Convert a column of lists (of lists) of numbers to one array."""
    import pyarrow.compute as pc

    shape = [len(column)]
    while _is_list(column.type):
        lengths = pc.unique(pc.list_value_length(column)).to_pylist()
        if len(lengths) != 1 or None in lengths:
            raise OutputError(f"{path}: lists of {lengths[:5]} values, expected the same number in every row")
        shape.append(lengths[0])
        column = pc.list_flatten(column)
    values: NDArray[Any] = column.to_numpy()
    return values.reshape(shape)


def _columns(path: Path, table: Any, names: list[str]) -> NDArray[np.float64]:
    """The columns of a table as one float64 array (N, columns)."""
    values = np.empty((len(table), len(names)))
    for column, name in enumerate(names):
        try:
            values[:, column] = table[name].to_numpy()
        except (TypeError, ValueError) as error:
            raise OutputError(f"{path}: column '{name}' holds {table[name].type}, expected numbers") from error
    return values
