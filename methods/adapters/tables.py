"""Readers of tables of numbers in csv and parquet files; the memory that a table needs is known before it is read."""

from __future__ import annotations

import csv
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from methods import limits
from methods.adapters.base import OutputError, first_line

if TYPE_CHECKING:
    from numpy.typing import NDArray

ID = "image_id"
_NO_NUMBERS = (ID, "split")
_COUNT = """
import sys
import pyarrow.parquet as pq
end = pq.read_metadata(sys.argv[1])
groups = (end.row_group(number) for number in range(end.num_row_groups))
print(sum(group.column(column).num_values for group in groups for column in range(group.num_columns)))
"""


def read_csv(path: Path) -> tuple[NDArray[np.float64], list[str] | None, list[str] | None]:
    """Read a table of numbers (N, columns), its image ids and the headings of its columns; empty fields are NaN.

    Ids and headings are None where the table has none.
    A column with the heading 'image_id', or a first column without numbers, holds the ids; a column 'split' is left
    out. Raises OutputError for a line with too many or too few fields, or with a field that is not a number, and
    LimitError for too many columns or numbers.
    """
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    header, names, headings = _heading(path)
    numbers = [name for name in names if name not in _NO_NUMBERS]
    limits.check(8 * len(numbers) * _count_lines(path), limits.BYTES, "bytes in memory")
    try:
        table = arrow_csv.read_csv(
            path,
            read_options=arrow_csv.ReadOptions(column_names=names, skip_rows=header, block_size=2 * limits.LINE),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()) | dict.fromkeys(numbers, pa.float64())
            ),
        )
    except pa.ArrowInvalid as error:
        _refuse_line(path, names, header, first_line(error))
    return _columns(path, table, numbers), table[ID].to_pylist() if ID in names else None, headings


def read_text(path: Path) -> str:
    """The text of a small file. Raises OutputError if it is not UTF-8, or too large."""
    try:
        if reason := limits.excess(path.stat().st_size, limits.TEXT_BYTES, "bytes"):
            raise OutputError(f"{path}: {reason}")
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise OutputError(f"cannot read {path}: {first_line(error)}") from error


def csv_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The number of the last line and the fields of each row of a csv file; a byte that is not UTF-8 is replaced.

    Raises OutputError for a line or a field that is too long.
    """

    def lines() -> Iterator[str]:
        while line := file.readline(limits.LINE + 1):
            if reason := limits.excess(len(line), limits.LINE, "characters in a line"):
                raise OutputError(f"{path}: {reason}")
            yield line

    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        rows = csv.reader(lines())
        while True:
            try:
                row = next(rows, None)
            except csv.Error as error:
                raise OutputError(f"{path}, line {rows.line_num}: {error}; expected numbers and names") from error
            if row is None:
                return
            yield rows.line_num, row


def _count_lines(path: Path) -> int:
    with path.open("rb") as file:
        return 1 + sum(block.count(b"\n") + block.count(b"\r") for block in iter(lambda: file.read(1 << 20), b""))


def _heading(path: Path) -> tuple[int, list[str], list[str] | None]:
    """The number of header lines (0 or 1), the names of the columns, and the headings of the columns of numbers."""
    rows = csv_rows(path)
    (_, first), (_, second) = next(rows, (0, [])), next(rows, (0, None))
    if not first:
        raise OutputError(f"{path}, line 1: is empty, expected a row of numbers")
    limits.check(len(first), limits.COLUMNS, "columns")
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
    for line, fields in csv_rows(path):
        if len(names) == 1 and fields and (mark := next((mark for mark in ";\t" if mark in fields[0]), "")):
            raise OutputError(f"{path}: its columns are separated by {mark!r}, expected ',' (and '.' in numbers)")
        if not fields or line <= header:
            continue
        where = f"{path}, line {line}"
        if len(fields) != len(names):
            raise OutputError(f"{where}: has {len(fields)} fields, expected {len(names)} as on the first line")
        for name, field in zip(names, fields, strict=True):
            if name not in _NO_NUMBERS and field.strip() and not _is_number(field):
                raise OutputError(f"{where}: got {field[:40]!a}, expected a number")
    raise OutputError(f"{path}: a table of numbers could not be read ({reason})")


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def columns_of(path: Path) -> tuple[list[str], list[str]]:
    """The names of a parquet file's columns, and of those that hold lists. Raises LimitError for too many."""
    import pyarrow.parquet as pq

    with path.open("rb") as file:
        file.seek(-min(8, path.stat().st_size), 2)
        length, mark = int.from_bytes(file.read(4), "little"), file.read(4)
        limits.check(length if mark == b"PAR1" else 0, limits.DIRECTORY, "bytes in its list of columns")
    fields = list(pq.read_schema(path))
    limits.check(len(fields), limits.COLUMNS, "columns")
    return [field.name for field in fields], [field.name for field in fields if _is_list(field.type)]


def read_parquet(path: Path, name: str | None) -> tuple[NDArray[Any], list[str] | None, list[str] | None]:
    """Read the column ``name``, (N,) or of lists (N, length), or without a name all columns of numbers (N, columns).

    Also returns the image ids, where the table has them, and without a name the names of the columns. Raises
    OutputError for lists of different lengths, and LimitError for too many numbers.
    """
    import pyarrow.parquet as pq

    names, _ = columns_of(path)
    numbers = [each for each in names if each not in _NO_NUMBERS and not each.startswith("__index")]
    chosen = numbers if name is None else [name]
    schema = pq.read_schema(path)
    for each in chosen if name is None else ():
        if not _is_number_type(schema.field(each).type):
            raise OutputError(f"{path}: column '{each}' holds {schema.field(each).type}, expected numbers")
    wanted = list(dict.fromkeys([*chosen, *([ID] if ID in names else [])]))
    limits.check(8 * _count_values(path, wanted), limits.BYTES, "bytes in memory")
    text = [each for each in wanted if _is_text(schema.field(each).type)]
    table = pq.read_table(path, columns=wanted, read_dictionary=text)
    limits.check(sum(_text_bytes(table[each]) for each in text), limits.BYTES, "bytes of text in memory")
    ids = [str(image_id) for image_id in table[ID].to_pylist()] if ID in names else None
    if name is None:
        return _columns(path, table, chosen), ids, chosen
    return (_lists(path, table[name]) if _is_list(table[name].type) else _column(table[name])), ids, None


def _count_values(path: Path, columns: list[str]) -> int:
    """The number of values in these columns, of lists the number of their items, as the file's end states it.

    Lists of any length are counted by another process, which ends where the library finds the file's end damaged.
    """
    import pyarrow.parquet as pq

    schema, rows = pq.read_schema(path), pq.read_metadata(path).num_rows
    widths = [_width(schema.field(each).type) for each in columns]
    if all(widths):
        return rows * sum(widths)
    command = [sys.executable, "-c", _COUNT, str(path)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  (it is this Python)
    if not found.stdout.strip().isdecimal():
        raise ValueError("its list of columns is damaged")
    return max(int(found.stdout), rows)


def _width(type: Any) -> int:
    """The number of values in a row of a column; 0 for lists of any length."""
    import pyarrow as pa

    if pa.types.is_fixed_size_list(type):
        return int(type.list_size) * _width(type.value_type)
    return 0 if pa.types.is_nested(type) else 1


def _text_bytes(column: Any) -> int:
    """The memory of a column of text as a list; a dictionary may repeat a long text with few bytes."""
    import pyarrow as pa
    import pyarrow.compute as pc

    size = 64 * len(column)
    for chunk in column.chunks:
        if pa.types.is_dictionary(chunk.type):
            lengths = pc.binary_length(chunk.dictionary)
            size += 4 * (pc.sum(pc.cast(pc.take(lengths, chunk.indices), pa.int64())).as_py() or 0)
        else:
            size += 4 * chunk.nbytes
    return size


def _column(column: Any) -> NDArray[Any]:
    import pyarrow as pa

    plain = column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
    return np.asarray(plain.to_numpy())


def _is_text(type: Any) -> bool:
    import pyarrow as pa

    plain = type.value_type if pa.types.is_dictionary(type) else type
    return any(is_kind(plain) for is_kind in (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary))


def _is_number_type(type: Any) -> bool:
    import pyarrow as pa

    kinds = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_decimal, pa.types.is_null)
    return any(is_kind(type) for is_kind in kinds)


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
    return np.asarray(column.to_numpy()).reshape(shape)


def _columns(path: Path, table: Any, names: list[str]) -> NDArray[np.float64]:
    """The columns of a table as one float64 array (N, columns)."""
    values = np.empty((len(table), len(names)))
    for column, name in enumerate(names):
        try:
            values[:, column] = _column(table[name])
        except (TypeError, ValueError) as error:
            raise OutputError(f"{path}: column '{name}' holds {table[name].type}, expected numbers") from error
    return values
