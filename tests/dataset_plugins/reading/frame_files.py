"""What tests of pickled data frames share, above all frames as pandas before 1.3 wrote them.

The classes below have the names and the ways to be pickled of pandas' own. Pickle protocol 3 writes a class as the text
of its module and name, so putting pandas' module in the place of this one makes the file what old pandas would write.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from datasets.base import DatasetError
from datasets.reading.frames import read_frame

HERE = __name__.encode()
MODULES = {
    "DataFrame": b"pandas.core.frame",
    "BlockManager": b"pandas.core.internals",
    "_new_Index": b"pandas.core.indexes.base",
    "Index": b"pandas.core.indexes.base",
    "RangeIndex": b"pandas.core.indexes.range",
}

POSES = [np.arange(6, dtype=np.float32).reshape(3, 2) + row for row in range(4)]
COLUMNS = {
    "file_name": ["b.png", "a.png", "c.png", "d.png"],
    "frame_number": np.array([0, 5, -1, 2**40]),
    "value": POSES,
}


class DataFrame:
    def __init__(self, **state: Any) -> None:
        self.__dict__.update(state)


class BlockManager:
    def __init__(self, *state: Any) -> None:
        self.state = state

    def __getstate__(self) -> tuple[Any, ...]:
        return self.state

    def __setstate__(self, state: Any) -> None:
        self.state = state


class Index:
    def __init__(self, **parts: Any) -> None:
        self.parts = parts

    def __reduce__(self) -> Any:
        return _new_Index, (type(self), self.parts)


class RangeIndex(Index):
    pass


def _new_Index(kind: type[Index], parts: dict[str, Any]) -> Index:
    return kind(**parts)


def objects(values: Sequence[Any], shape: tuple[int, ...] | None = None) -> np.ndarray:
    """An array of objects that holds the values as they are, arrays among them too."""
    array = np.empty(len(values), dtype=object)
    for index, value in enumerate(values):
        array[index] = value
    return array if shape is None else array.reshape(shape)


def old_frame(columns: Mapping[str, Any], **state: Any) -> DataFrame:
    """A frame of old pandas: whole-number columns in one block, other columns in a block of objects.

    ``columns`` are arrays of int64 or lists; ``state`` replaces or adds to what the frame consists of.
    """
    names = list(columns)
    whole = [name for name in names if isinstance(columns[name], np.ndarray)]
    rest = [name for name in names if name not in whole]
    count = len(columns[names[0]]) if names else 0
    axes = [Index(data=objects(names), name=None), RangeIndex(start=0, stop=count, step=1, name=None)]
    blocks = []
    if whole:
        blocks.append({"values": np.stack([columns[name] for name in whole]), "mgr_locs": places(names, whole)})
    if rest:
        cells = objects([cell for name in rest for cell in columns[name]], (len(rest), count))
        blocks.append({"values": cells, "mgr_locs": places(names, rest)})
    manager = BlockManager(axes, [], [], {"0.14.1": {"axes": axes, "blocks": blocks}})
    return DataFrame(**{"_data": manager, "_typ": "dataframe", "_metadata": [], **state})


def places(names: list[str], some: list[str]) -> slice | np.ndarray:
    """Where columns stand among all: a slice where one says it, as pandas has it."""
    indices = [names.index(name) for name in some]
    steps = set(np.diff(indices).tolist())
    if len(steps) > 1:
        return np.array(indices)
    step = steps.pop() if steps else 1
    return slice(indices[0], indices[-1] + step, step)


def old_pickle(thing: Any) -> bytes:
    """The bytes that old pandas and numpy would have pickled."""
    data = pickle.dumps(thing, protocol=3).replace(b"cnumpy._core.", b"cnumpy.core.")
    for name, module in MODULES.items():
        line = name.encode() + b"\n"
        data = data.replace(b"c" + HERE + b"\n" + line, b"c" + module + b"\n" + line)
    return data


def new_frame(columns: dict[str, Any]) -> pd.DataFrame:
    """A frame of pandas itself without the Arrow arrays that pandas 3 keeps text in."""
    series = {name: pd.Series(column, dtype=getattr(column, "dtype", object)) for name, column in columns.items()}
    frame = pd.DataFrame(series)
    frame.columns = frame.columns.astype(object)
    return frame


class Does:
    """Pickled, it is a call of the function; unpickled, the call is made, and what it gives gets the state."""

    def __init__(self, function: Callable[..., Any], *arguments: Any, state: Any = None) -> None:
        self.call = (function, arguments, state)

    def __reduce__(self) -> Any:
        return self.call


def refusal(path: Path, data: bytes) -> str:
    """The message of the error, which is one line and names the file."""
    path.write_bytes(data)
    with pytest.raises(DatasetError) as error:
        read_frame(path)
    message = str(error.value)
    assert message.isprintable() and str(path) in message
    return message
