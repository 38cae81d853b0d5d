"""Helpers of adapters: read the files of a request, find the split of a path, and read the user's options."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from methods.adapters import arrays
from methods.adapters.base import ImportRequest, OutputError, Split

if TYPE_CHECKING:
    from numpy.typing import NDArray

CENTRAL = "side of the central crop that the system saw, as a fraction of the image's side (1: the whole image)"
ROWS = "'task' if the rows are in the order of the task's split"
_WORDS: dict[str, Split] = {"train": "regress", "regress": "regress", "test": "test"}


def read_array(request: ImportRequest, text: str) -> arrays.Array:
    """Read the array that ``FILE`` or ``FILE:KEY`` names and note the file. Raises OutputError."""
    request.read.add(arrays.parse_source(text)[0])
    return arrays.read_array(text)


def read_frame(request: ImportRequest, path: Path) -> Mapping[str, Any]:
    """Read the columns of a pickled data frame and note the file."""
    request.read.add(path)
    return request.read_frame(path)


def read_named(request: ImportRequest, path: Path, *wanted: str) -> NDArray[Any]:
    """Read the first of the wanted arrays that the file has, or its only array.

    Raises OutputError for a file with several other arrays, and names these.
    """
    names = arrays.names_in(path)
    chosen = next((name for name in wanted if name in names), None)
    if chosen is None and len(names) > 1:
        raise OutputError(f"{path}: holds {', '.join(names[:8])}, expected {' or '.join(wanted)}")
    if chosen is None and names:
        chosen = names[0]
    return np.asarray(read_array(request, str(path) if chosen is None else f"{path}:{chosen}").values)


def split_of(request: ImportRequest, path: Path) -> Split | None:
    """The split that the user assigned a path to, else that of the last 'train' or 'test' in its name, else None."""
    for named in (path, *path.parents):
        if named in request.split_of:
            return request.split_of[named]
    for name in (path.stem, path.parent.name):
        words = [word for word in re.split(r"[^a-z]+", name.lower()) if word in _WORDS]
        if words:
            return _WORDS[words[-1]]
    return None


def number(request: ImportRequest, name: str, default: float, low: float, high: float) -> float:
    """The value of a numeric option. Raises OutputError for one that is not a number from ``low`` to ``high``."""
    text = request.options.get(name)
    if text is None:
        return default
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        raise OutputError(f"--option {name}={text}: expected a number from {low:g} to {high:g}")
    return value


def whole_number(request: ImportRequest, name: str, default: int, low: int, high: int) -> int:
    """The value of an integer option. Raises OutputError for one that is not a whole number in the range."""
    value = number(request, name, default, low, high)
    if value % 1:
        raise OutputError(f"--option {name}={request.options[name]}: expected a whole number")
    return int(value)


def in_order(request: ImportRequest) -> bool:
    """Whether ``rows=task`` says that rows are in the order of the split. Raises OutputError for another value."""
    given = request.options.get("rows")
    if given not in (None, "task"):
        raise OutputError(
            f"--option rows={given}: expected task, which means that rows are in the order of the task's split"
        )
    return given == "task"
