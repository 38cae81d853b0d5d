"""Pickles that would run code, or make of numpy what it is not: all refused, and nothing of them is run."""

from __future__ import annotations

import contextlib
import copyreg
import os
import pickle
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from datasets.reading.frames import read_frame
from tests.dataset_plugins.reading.frame_files import (
    COLUMNS,
    BlockManager,
    Does,
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


def leave(mark: Path) -> str:
    """Python code that leaves a file behind."""
    return f"open({str(mark)!r}, 'w').close()"


PAYLOADS: dict[str, Callable[[Path], Does]] = {
    "system": lambda mark: Does(os.system, f"touch '{mark}'"),
    "eval": lambda mark: Does(eval, leave(mark)),
    "exec": lambda mark: Does(exec, leave(mark)),
    "call": lambda mark: Does(subprocess.call, ["touch", str(mark)]),
    "getattr": lambda mark: Does(mark.touch),
    "_reconstructor": lambda mark: Does(
        copyreg._reconstructor,  # type: ignore[attr-defined]
        *(subprocess.Popen, subprocess.Popen, ["touch", str(mark)]),
    ),
    "save": lambda mark: Does(np.save, str(mark), 0),
    "memmap": lambda mark: Does(np.memmap, str(mark), "u1", "w+", 0, (1,)),
}
NESTS: dict[str, Callable[[Does], Any]] = {
    "alone": lambda payload: payload,
    "in a list": lambda payload: [1, payload],
    "in a dictionary": lambda payload: {"_data": payload},
    "in an array": lambda payload: objects(["a", payload]),
    "in a cell": lambda payload: new_frame({"file_name": ["a.png"], "value": [payload]}),
}


def wait_for(mark: Path) -> bool:
    """Whether the file is there within a second: a process started by a payload may still be on its way."""
    deadline = time.monotonic() + 1
    while not mark.exists() and time.monotonic() < deadline:
        time.sleep(0.002)
    return mark.exists()


@pytest.mark.parametrize("nest", NESTS)
@pytest.mark.parametrize("name", PAYLOADS)
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_what_pickle_would_run_is_refused(path: Path, name: str, nest: str) -> None:
    """Every payload leaves a file behind where pickle loads it, and none where the frame reader does."""
    mark = path.with_name("mark.npy")
    for protocol in range(6):
        data = pickle.dumps(NESTS[nest](PAYLOADS[name](mark)), protocol)
        with contextlib.suppress(TypeError):  # arrays of objects do not fit all that calls give
            # On purpose: payloads are made here and only leave a mark in tmp_path. A dead one would prove nothing.
            pickle.loads(data)
        assert wait_for(mark), "the payload does nothing, so this test shows nothing"
        mark.unlink()
        message = refusal(path, data)
        assert not mark.exists()
        if nest == "alone":
            assert f".{name}'" in message and "refused" in message


def test_payloads_inside_an_old_frame_are_refused(path: Path) -> None:
    mark = path.with_name("mark.npy")
    payload = Does(exec, leave(mark))
    column = {"value": [1, payload]}
    frames = [
        old_frame(column),
        old_frame(COLUMNS, _metadata=[payload]),
        old_frame(COLUMNS, _data=payload),
        old_frame(COLUMNS, _data=BlockManager(payload)),
        old_frame(COLUMNS, attrs={"a": payload}),
        Index(data=payload),
    ]
    for frame in frames:
        assert "builtins.exec" in refusal(path, old_pickle(frame))
        assert not mark.exists()


def text(value: str) -> bytes:
    return b"X" + len(value.encode()).to_bytes(4, "little") + value.encode()


def test_instructions_that_import_or_call(path: Path) -> None:
    """Calls written by hand in every instruction that pickles have for them."""
    mark = path.with_name("mark.npy")
    code = leave(mark)
    copyreg.add_extension("builtins", "exec", 0x7E)
    try:
        hand_written = {
            "builtins.exec": b"\x80\x04" + text("builtins") + text("exec") + b"\x93" + text(code) + b"\x85R.",
            "__builtin__.exec": b"\x80\x02c__builtin__\nexec\n" + text(code) + b"\x85R.",
            "INST": b"(" + text(code) + b"ibuiltins\nexec\n.",
            "refused 'builtins.exec'": b"(cbuiltins\nexec\n" + text(code) + b"o.",
            "EXT1": b"\x80\x02\x82\x7e" + text(code) + b"\x85R.",
            "EXT2": b"\x80\x02\x83\x7e\x00" + text(code) + b"\x85R.",
            "EXT4": b"\x80\x02\x84\x7e\x00\x00\x00" + text(code) + b"\x85R.",
            "builtins.list.append": b"\x80\x04" + text("builtins") + text("list.append") + b"\x93.",
        }
        for name, data in hand_written.items():
            if "append" not in name:
                pickle.loads(data)  # on purpose, as above: unlink fails where nothing ran
                mark.unlink()
            assert name in refusal(path, data)
            assert not mark.exists()
        for name, data in {
            "PERSID": b"Psomewhere\n.",
            "BINPERSID": b"\x80\x02Nq\x00Q.",
            "INST": b"(inumpy\nndarray\n.",
            "OBJ": b"(cnumpy\nndarray\no.",
            "NEWOBJ_EX": b"\x80\x04cnumpy\nndarray\n)}\x92.",
            "NEXT_BUFFER": b"\x80\x05\x97.",
        }.items():
            assert f"has the instruction {name};" in refusal(path, data)
    finally:
        copyreg.remove_extension("builtins", "exec", 0x7E)


@pytest.mark.parametrize(
    "name",
    [
        *("numpy.fromfile", "numpy.load", "numpy.core.multiarray.fromfile", "numpy.ndarray.tofile", "numpy.recarray"),
        *("pandas.eval", "pandas.read_pickle", "pandas.core.frame.DataFrame.to_csv", "pandas.Series"),
        *(
            "builtins.slice.__class__",
            "posix.DataFrame",
            "torch._utils._rebuild_tensor_v2",
            "datasets.reading.frames.read_frame",
        ),
        *("pyarrow.lib._restore_array", "ctypes.CDLL", "numpy.core.multiarray.dtype", "a" * 500 + ".b"),
    ],
)
def test_other_names_are_refused(path: Path, name: str) -> None:
    module, attribute = name.rsplit(".", 1)
    for cut in range(1, name.count(".") + 1):
        module, attribute = ".".join(name.split(".")[:cut]), ".".join(name.split(".")[cut:])
        data = b"\x80\x04" + text(module) + text(attribute) + b"\x93)R."
        message = refusal(path, data)
        assert f"refused '{name}'" in message or len(name) > 80
        assert len(message) < len(str(path)) + 300


def test_pandas_3_text_is_refused_by_name(path: Path) -> None:
    frame = pd.DataFrame({"file_name": pd.array(["a.png"], dtype="string[pyarrow]")})
    assert "refused 'pandas.arrays.ArrowStringArray'" in refusal(path, pickle.dumps(frame))


RECONSTRUCT: Any = np.empty(1).__reduce__()[0]
SCALAR: Any = np.float64(1).__reduce__()[0]


def dtype(code: str, *rest: Any) -> Does:
    return Does(np.dtype, code, False, True, state=(3, "<", *(rest or (None, None, None, -1, -1, 0))))


def array(shape: Any, code: Any, data: Any, made: tuple[Any, ...] = (np.ndarray, (0,), b"b")) -> Does:
    return Does(RECONSTRUCT, *made, state=(1, shape, dtype(code) if isinstance(code, str) else code, False, data))


ONE = bytes(8)
BROKEN_CELLS: dict[str, Any] = {
    "foreign type": array((1,), "f8", ONE, (np.dtype, (0,), b"b")),
    "huge empty array": array((1,), "f8", ONE, (np.ndarray, (2**40,), b"d")),
    "no state": Does(RECONSTRUCT, np.ndarray, (0,), b"b"),
    "bytes as addresses of objects": array((1,), "O8", ONE),
    "list of numbers": array((1,), "f8", [1.0]),
    "objects in an object": array((1,), "O8", ["a"]),
    "huge shape": array((2**31, 2**31), "f8", ONE),
    "huge empty shape": array((0, 2**70), "f8", b""),
    "negative side": array((-1,), "f8", ONE),
    "side that is no number": array(("1",), "f8", ONE),
    "shape that is no tuple": array(1, "f8", ONE),
    "many sides": array((1,) * 70, "f8", ONE),
    "cut data": array((1,), "f8", ONE[:7]),
    "unknown numbers": array((1,), "f7", ONE),
    "structures": array((1,), dtype("V8", None, ("a",), {"a": (np.dtype("f8"), 0)}, 8, 1, 0), ONE),
    "arrays in a dtype": array((1,), dtype("f8", ("f8", (1,)), None, None, -1, -1, 0), ONE),
    "type without a state": array((1,), Does(np.dtype, "f8", False, True), ONE),
    "type that is none": array((1,), 8, ONE),
    "scalar object": Does(SCALAR, dtype("O8"), ONE),
    "scalar of nothing": Does(SCALAR, dtype("f8"), b""),
    "slice": slice(0, 1),
    "class": np.ndarray,
    "list": [1],
    "bytes": b"a",
}


def test_arrays_are_as_they_say(path: Path) -> None:
    """The way broken arrays are written above gives whole ones too."""
    cells = [array((1,), "i8", (7).to_bytes(8, "little")), Does(SCALAR, dtype("f8"), ONE)]
    path.write_bytes(old_pickle(old_frame({"value": cells})))
    assert read_frame(path) == {"value": [np.array([7]), 0.0]}


@pytest.mark.parametrize("name", BROKEN_CELLS)
def test_arrays_cannot_be_abused(path: Path, name: str) -> None:
    cells = {"value": [BROKEN_CELLS[name]]}
    assert "refused" not in refusal(path, old_pickle(old_frame(cells)))
    labels = [Index(data=array((1,), "O8", [BROKEN_CELLS[name]]), name=None), None]
    manager = BlockManager(labels, [], [], {"0.14.1": {"axes": labels, "blocks": []}})
    refusal(path, old_pickle(old_frame(COLUMNS, _data=manager)))
