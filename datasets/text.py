"""Read text files of annotations: with any line ending, and errors that name the line."""

from __future__ import annotations

import json
import math
from collections.abc import Collection
from pathlib import Path
from typing import Any, NoReturn

from datasets import limits
from datasets.base import DatasetError

MOST_SHOWN = 2000


def read_lines(path: Path, most: int = limits.TEXT_BYTES) -> list[str]:
    """The lines of a text file, CRLF or not, with or without a last line break; a byte order mark is dropped.

    Raises DatasetError if it cannot be read, or has more than ``most`` bytes.
    """
    try:
        if reason := limits.excess(path.stat().st_size, most, "bytes"):
            raise DatasetError(f"{path}: {reason}")
        return path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    except OSError as error:
        raise DatasetError(f"cannot read {path}: {error.strerror or error}") from error


def refuse(path: Path, line: int, got: str, expected: str) -> NoReturn:
    """Raise the DatasetError of a bad line, counted from 1."""
    shown = got if len(got) <= 80 else got[:77] + "..."
    refuse_entry(path, f"line {line}", f"'{shown}'", expected)


def refuse_entry(path: Path, where: str, got: str, expected: str, advice: str = "get the file again") -> NoReturn:
    """Raise the DatasetError of a bad entry of a file; ``advice`` says what to do, '' if that is obvious."""
    raise DatasetError(one_line(f"{path}, {where}: got {got}, expected {expected}" + (f"; {advice}" if advice else "")))


def one_line(text: str) -> str:
    """Text without line breaks and control characters, of at most MOST_SHOWN characters."""
    text = " ".join(text[: 2 * MOST_SHOWN].split())
    text = text if len(text) <= MOST_SHOWN else text[: MOST_SHOWN - 3] + "..."
    return "".join(character if character.isprintable() else "?" for character in text)


def shown(value: object) -> str:
    """A value as JSON on one line of at most 80 characters; 'nothing' for None."""
    text = " ".join(json.dumps(value, ensure_ascii=False, default=str).split())
    return "nothing" if value is None else text if len(text) <= 80 else text[:77] + "..."


def read_json(path: Path, expected: str) -> Any:
    """The content of a JSON file. Raises DatasetError, with what was ``expected``, if it cannot be read."""
    try:
        data = path.read_bytes()
        limits.check(limits.json_bytes(data), limits.JSON_BYTES, "bytes in memory, as estimated")
        return json.loads(data)
    except limits.LimitError as error:
        raise DatasetError(f"{path}: {error}") from error
    except (OSError, ValueError, RecursionError) as error:
        reason = isinstance(error, OSError) and error.strerror
        raise DatasetError(one_line(f"cannot read {path}: {reason or error}; expected {expected}")) from error


def read_names(path: Path) -> tuple[str, ...]:
    """A list of one name a line, blank lines left out. Raises DatasetError for a name listed twice or two on a line."""
    names: dict[str, int] = {}
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip():
            continue
        if len(line.split()) != 1:
            refuse(path, number, line, "one name")
        if line.strip() in names:
            refuse(path, number, line, f"a name that is not on line {names[line.strip()]} already")
        names[line.strip()] = number
    return tuple(names)


def numbers_by_name(path: Path, wanted: Collection[str], columns: int) -> dict[str, list[float]]:
    """The rows 'name number number ...' of the wanted names.

    Rows may have any order; rows of other names are skipped. Raises DatasetError for a wanted row without exactly
    ``columns`` finite numbers, for a second row of a name, and for a missing row.
    """
    wanted = wanted if isinstance(wanted, (set, frozenset, dict)) else frozenset(wanted)
    found: dict[str, list[float]] = {}
    for number, line in enumerate(read_lines(path), start=1):
        name, *rest = line.split(maxsplit=1) or ("",)
        if name not in wanted:
            continue
        if name in found:
            refuse(path, number, line, f"one row for {name}, which has one already")
        values = numbers(rest[0].split() if rest else [])
        if len(values) != columns:
            refuse(path, number, line, f"a name and {columns} numbers")
        found[name] = values
    if len(found) < len(wanted):
        absent = sorted(set(wanted) - set(found))
        more = f" and {len(absent) - 1} more" if len(absent) > 1 else ""
        raise DatasetError(f"{path}: no row for {absent[0]}{more}; get the whole file")
    return found


def numbers(fields: list[str]) -> list[float]:
    """The numbers in fields, or [] if one of them is not a finite number."""
    try:
        values = [float(field) for field in fields]
    except ValueError:
        return []
    return values if all(map(math.isfinite, values)) else []
