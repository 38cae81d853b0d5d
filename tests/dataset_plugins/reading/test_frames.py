"""Pickled frames: read as they were written, and broken ones refused in one line."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datasets.base import DatasetError
from datasets.reading.frames import read_frame
from tests.dataset_plugins.reading.frame_files import (
    COLUMNS,
    BlockManager,
    Index,
    new_frame,
    objects,
    old_frame,
    old_pickle,
    refusal,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "frame.pkl"


def same(found: Any, expected: Any) -> bool:
    """Equal element by element, with the same types."""
    if isinstance(expected, np.ndarray):
        return found.dtype == expected.dtype and np.array_equal(found, expected, equal_nan=expected.dtype.kind == "f")
    return type(found) is type(expected) and (found == expected or found != found)


def check(path: Path, data: bytes, columns: dict[str, Any]) -> None:
    path.write_bytes(data)
    frame = read_frame(path)
    assert list(frame) == list(columns)
    for name, expected in columns.items():
        if isinstance(expected, np.ndarray):
            assert same(frame[name], expected)
        else:
            assert isinstance(frame[name], list) and len(frame[name]) == len(expected)
            assert all(map(same, frame[name], expected))


def test_frames_of_old_pandas(path: Path) -> None:
    data = old_pickle(old_frame(COLUMNS))
    assert b"cnumpy.core.multiarray" in data and b"tests" not in data
    check(path, data, COLUMNS)


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_frames_of_newer_pandas(path: Path, protocol: int) -> None:
    check(path, pickle.dumps(new_frame(COLUMNS), protocol), COLUMNS)


NUMBERS = ("i1", "u1", "i2", "<i8", ">i4", "<f4", ">f8", "f2", "?")
CELLS = st.one_of(
    st.text(max_size=5),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.none(),
    st.sampled_from([np.float32(1.5), np.int64(-7), np.zeros((2, 3), ">i2"), np.ones((2, 2)).T, np.empty((0, 2))]),
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), count=st.integers(1, 5), protocol=st.sampled_from([3, 4, 5]))
def test_any_column_comes_back(path: Path, data: st.DataObject, count: int, protocol: int) -> None:
    columns: dict[str, Any] = {}
    for index in range(data.draw(st.integers(1, 5))):
        if data.draw(st.booleans()):
            columns[f"column {index}"] = np.arange(count).astype(data.draw(st.sampled_from(NUMBERS)))
        else:
            columns[f"column {index}"] = data.draw(st.lists(CELLS, min_size=count, max_size=count))
    check(path, pickle.dumps(new_frame(columns), protocol), columns)


def manager(names: Any, *blocks: Any) -> BlockManager:
    axes = [Index(data=names, name=None), None]
    return BlockManager(
        axes, [], [], {"0.14.1": {"axes": axes, "blocks": [{"values": v, "mgr_locs": p} for v, p in blocks]}}
    )


NAMES, BLOCK = objects(["a", "b"]), np.zeros((2, 3))
BROKEN_FRAMES: dict[str, tuple[Any, str]] = {
    "not a frame": ([1, 2], "something else than a data frame"),
    "not a manager": (old_frame(COLUMNS, _data=[1]), "block manager"),
    "state of another layout": (old_frame(COLUMNS, _data=BlockManager([], [], [], {"9": {}})), "block manager"),
    "column twice": (
        old_frame({}, _data=manager(NAMES, (BLOCK, slice(0, 2, 1)), (BLOCK, slice(0, 2, 1)))),
        "'a' twice",
    ),
    "column without values": (old_frame({}, _data=manager(NAMES, (BLOCK[:1], slice(0, 1, 1)))), "column 'b'"),
    "two lengths": (
        old_frame({}, _data=manager(NAMES, (BLOCK[:1], slice(0, 1, 1)), (np.zeros((1, 2)), slice(1, 2, 1)))),
        "different lengths",
    ),
    "places outside": (old_frame({}, _data=manager(NAMES, (BLOCK, np.array([0, 2])))), "2 places"),
    "too few places": (old_frame({}, _data=manager(NAMES, (BLOCK, np.array([0])))), "(2, 3) for 1"),
    "places of no order": (old_frame({}, _data=manager(NAMES, (BLOCK, slice(0, 2, 0)))), "array"),
    "flat values": (old_frame({}, _data=manager(NAMES, (BLOCK[0], slice(0, 2, 1)))), "shape (3,)"),
    "no names": (old_frame({}, _data=manager(np.arange(2), (BLOCK, slice(0, 2, 1)))), "without names"),
    "no columns": (old_frame({}, _data=manager(objects([]))), "without names"),
}


@pytest.mark.parametrize("name", BROKEN_FRAMES)
def test_broken_frames(path: Path, name: str) -> None:
    frame, expected = BROKEN_FRAMES[name]
    assert expected in refusal(path, old_pickle(frame))


HUGE = (2**60).to_bytes(8, "little")
BROKEN_FILES = {
    "empty": b"",
    "web page": b"<!DOCTYPE html>\n<html>quota exceeded</html>\n",
    "zip": b"PK\x03\x04" + bytes(40),
    "huge bytes": b"\x80\x04\x8e" + HUGE + b"abc.",
    "huge text": b"\x80\x04\x8d" + HUGE + b"abc.",
    "huge bytearray": b"\x80\x05\x96" + HUGE + b"abc.",
    "huge number": b"\x80\x02\x8b\xff\xff\xff\x7f.",
    "huge frame": b"\x80\x04\x95" + HUGE + b"N.",
    "huge memo": b"\x80\x02Nr\xff\xff\xff\xff.",
    "deep key": b"\x80\x02})" + b"\x85" * 500_000 + b"Ns.",
    "deep lists": b"\x80\x02" + b"](" * 200_000 + b"e" * 200_000 + b".",
    "list in itself": b"\x80\x02]q\x00h\x00a.",
    "nothing left": b"\x80\x02.",
    "no mark": b"\x80\x02]e.",
    "mark above": b"\x80\x02](0e.",
    "no such memo": b"\x80\x02h\x05.",
    "append to number": b"\x80\x02K\x01K\x01a.",
    "odd items": b"\x80\x02}(Nu.",
    "build on a list": b"\x80\x02]Nb.",
    "build on a name": b"\x80\x02cnumpy\nndarray\n}X\x04\x00\x00\x00nameX\x01\x00\x00\x00asb.",
    "items of a list": b"\x80\x02]X\x01\x00\x00\x00aNs.",
    "call of a call": b"\x80\x02cnumpy\nndarray\n)R)R.",
    "arguments that are none": b"\x80\x02cnumpy\nndarray\nNR.",
    "state twice": b"\x80\x02cnumpy\nndarray\n)R)b)b.",
    "call of a number": b"\x80\x02K\x01)R.",
    "name without module": b"\x80\x04K\x01K\x01\x93.",
    "no such instruction": b"\x80\x02\xff.",
    "text that is none": b"\x80\x02X\x01\x00\x00\x00\xff.",
}


@pytest.mark.parametrize("name", BROKEN_FILES)
def test_broken_files(path: Path, name: str) -> None:
    refusal(path, BROKEN_FILES[name])


def test_missing_files(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nowhere.pkl"):
        with pytest.raises(DatasetError, match=f"^cannot read {path}: [A-Z][a-z ]+$"):
            read_frame(path)


@pytest.mark.parametrize("data", [old_pickle(old_frame(COLUMNS)), pickle.dumps(new_frame(COLUMNS), 5)])
def test_files_cut_short(path: Path, data: bytes) -> None:
    for length in range(0, len(data), 7):
        refusal(path, data[:length])


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(new=st.booleans(), places=st.lists(st.integers(0, 10**6), min_size=1, max_size=3), values=st.binary(min_size=3))
def test_files_with_wrong_bytes(path: Path, new: bool, places: list[int], values: bytes) -> None:
    """They are read or refused in one line, never anything else."""
    data = bytearray(pickle.dumps(new_frame(COLUMNS), 5) if new else old_pickle(old_frame(COLUMNS)))
    for place, value in zip(places, values, strict=False):
        data[place % len(data)] = value
    path.write_bytes(bytes(data))
    try:
        lengths, message = {len(column) for column in read_frame(path).values()}, str(path)
    except DatasetError as error:
        lengths, message = {0}, str(error)
    assert len(lengths) == 1
    assert message.isprintable() and str(path) in message
