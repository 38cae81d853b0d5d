"""Files that ask for far more memory, stack or time than they have bytes: one line each, and nothing allocated."""

from __future__ import annotations

import io
import pickle
import struct
import tracemalloc
import zipfile
import zlib
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scipy.io
import torch

from datasets.base import DatasetError
from datasets.human36m import read_landmarks
from methods import limits
from methods.adapters.arrays import read_array, read_labels
from methods.adapters.base import OutputError
from methods.adapters.dlc_tables import read_table, texts
from methods.adapters.lmdis import Lmdis
from methods.adapters.matlab import check_matlab
from methods.base import MethodError
from methods.stable_keypoints.official import read as read_tokens
from tests.methods.adapters.requests import refusal, request

POINTS = np.random.default_rng(0).random((7, 3, 2))
START = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<H", 0x0100) + b"IM"


def element(kind: int, data: bytes) -> bytes:
    return struct.pack("<II", kind, len(data)) + data + b"\0" * (-len(data) % 8)


def head(name: bytes, kind: int, sides: tuple[int, ...]) -> bytes:
    """Flags, dimensions and name of a MATLAB value."""
    flags = struct.pack("<IIII", 6, 8, kind, 0)
    return flags + element(5, struct.pack(f"<{len(sides)}i", *sides)) + element(1, name)


def nested(depth: int, name: bytes = b"a", truthful: bool = True) -> bytes:
    """A number within so many cells; or cells that claim to be 8 bytes long, as which SciPy still reads on."""
    inner = head(b"", 6, (1, 1)) + element(9, struct.pack("<d", 1.0))
    found = [struct.pack("<II", 14, len(inner)) + inner]
    size = len(found[0])
    for level in range(depth):
        begin = head(name if level == depth - 1 else b"", 1, (1, 1))
        size += len(begin)
        found.append(struct.pack("<II", 14, size if truthful or level == depth - 1 else 8) + begin)
        size += 8
    return b"".join(reversed(found))


def packed(data: bytes) -> bytes:
    squeezed = zlib.compress(data)
    return struct.pack("<II", 15, len(squeezed)) + squeezed


def refused(source: Path | str) -> str:
    """The message for a file, which is one line; reading it allocates little."""
    tracemalloc.start()
    with pytest.raises(OutputError) as raised:
        read_array(str(source))
    assert tracemalloc.get_traced_memory()[1] < 100 << 20
    tracemalloc.stop()
    message = str(raised.value)
    assert message.isprintable() and str(source).partition(":")[0] in message
    return message


@pytest.mark.parametrize("depth", [65, 5_000, 100_000])
@pytest.mark.parametrize("form", ["plain", "packed", "lying"])
def test_cells_within_cells_are_refused_before_scipy_follows_them(tmp_path: Path, depth: int, form: str) -> None:
    data = nested(depth, truthful=form != "lying")
    path = tmp_path / "a.mat"
    path.write_bytes(START + (packed(data) if form == "packed" else data))
    assert "has 65 values within each other, expected at most 64" in refused(path)


@pytest.mark.parametrize("name", [b"keypoints_2d", b"encoded"])
def test_every_reader_of_matlab_files_refuses_them(tmp_path: Path, name: bytes) -> None:
    path = tmp_path / "test.test" / "posterior_param.mat"
    path.parent.mkdir()
    path.write_bytes(START + packed(nested(50_000, name)))
    if name == b"encoded":
        assert "values within each other" in refusal(Lmdis(), request(path.parent))
    else:
        with pytest.raises(DatasetError, match="values within each other"):
            read_landmarks(path)


def test_what_real_matlab_files_nest_is_read(tmp_path: Path) -> None:
    path, inner = tmp_path / "a.mat", {"c": np.zeros(3), "d": {"e": "text"}}
    cells = np.empty((2, 2), object)
    cells[:] = [[POINTS, "x"], [inner, np.eye(2) * 1j]]
    scipy.io.savemat(
        path, {"keypoints": POINTS, "s": inner, "cells": cells, "text": ["ab", "c"], "empty": np.zeros((0, 3))}
    )
    for name in ("keypoints", "s", "cells", "text", "empty"):
        check_matlab(path, name)
    np.testing.assert_array_equal(read_array(f"{path}:keypoints").values, POINTS)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (head(b"a", 1, (2**16, 2**15)) + struct.pack("<II", 14, 0), "2,147,483,649 values of cells and structs"),
        (head(b"a", 4, (2**16, 2**15)) + struct.pack("<II", 4, 0), "claims 2,147,483,648 numbers in 0 bytes"),
        (head(b"a", 6, (2**16, 2**15)) + element(9, b"\0" * 16), "claims 2,147,483,648 numbers in 16 bytes"),
        (head(b"a", 1, (1000, 400)) + struct.pack("<II", 14, 0) * 400_000, "400,001 values of cells and structs"),
        (head(b"a", 6, (2, 4)) + element(11, b"\0" * 64), "has the type 11 where numbers or text begin"),
        (head(b"a", 6, (2, 4)) + struct.pack("<II", 9, 2**31), "claims to be longer than the file"),
    ],
)
@pytest.mark.parametrize("squeeze", [False, True])
def test_what_a_matlab_value_claims_is_not_believed(tmp_path: Path, body: bytes, message: str, squeeze: bool) -> None:
    data = struct.pack("<II", 14, len(body)) + body
    (tmp_path / "a.mat").write_bytes(START + (packed(data) if squeeze else data))
    assert message in refused(tmp_path / "a.mat")


def header(shape: tuple[int, ...], dtype: str = "<f8") -> bytes:
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(out, {"descr": dtype, "fortran_order": False, "shape": shape})
    return out.getvalue()


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"a.npy": header((10**9, 2))}, "has 16,000,000,000 bytes in 'a'"),
        ({"a.npy": header((10**9, 2), "|u1")}, "has 16,000,000,000 bytes in 'a'"),
        ({"keypoints.npy": header((1, 4, 2)), "image_id.npy": header((10**8,), "|S1")}, "bytes in 'image_id'"),
        ({"keypoints.npy": header((1, 4, 2)), "image_id.npy": header((1,), "<U200000000")}, "bytes in 'image_id'"),
        ({"a": b"notnpy"}, "member 'a' is no array; save"),
        ({f"{'x' * 5000}{number}.npy": b"" for number in range(900)}, "bytes in its list of members"),
    ],
)
def test_an_archive_is_measured_before_it_is_unpacked(tmp_path: Path, members: dict[str, bytes], message: str) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    key = ":keypoints" if "keypoints.npy" in members else ""
    assert message in refused(f"{tmp_path / 'a.npz'}{key}")


def test_an_archive_of_many_members(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MEMBERS", 6)
    np.savez(tmp_path / "a.npz", *np.zeros((7, 1)))
    assert "has 7 members, expected at most 6" in refused(tmp_path / "a.npz")


def test_names_whose_characters_do_not_exist_are_refused(tmp_path: Path) -> None:
    ids = np.array(["ab"] * 7)
    ids.view(np.uint32)[3] = 0x110000
    np.savez(tmp_path / "a.npz", keypoints=POINTS, image_id=ids)
    assert "has names with characters that do not exist" in refused(f"{tmp_path / 'a.npz'}:keypoints")


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (torch.zeros(1).expand(10**9, 4, 2), "takes 64,000,000,000 bytes in memory"),
        (torch.zeros(2, 4, 2).to_sparse(), "is stored as sparse_coo, expected a dense tensor"),
        (torch.empty(2, 4, 2, device="meta"), "has a shape but no numbers"),
        (torch.zeros(2, 4, 2, dtype=torch.complex64), "got an array of complex64, expected numbers"),
    ],
)
def test_tensors_without_plain_numbers(tmp_path: Path, tensor: Any, message: str) -> None:
    torch.save(tensor, tmp_path / "a.pt")
    assert message in refused(tmp_path / "a.pt")
    torch.save({"a": tensor}, tmp_path / "a.pt")
    assert message in refused(f"{tmp_path / 'a.pt'}:a")


@pytest.mark.filterwarnings("ignore")
def test_a_quantized_tensor(tmp_path: Path) -> None:
    torch.save(torch.quantize_per_tensor(torch.zeros(2, 4, 2), 1.0, 0, torch.qint8), tmp_path / "a.pt")
    assert "is quantized (torch.qint8), expected plain numbers; save tensor.dequantize()" in refused(tmp_path / "a.pt")


def test_a_packed_file_of_torch_is_refused_by_every_reader_of_one(tmp_path: Path) -> None:
    torch.save(torch.zeros(1, 1000, 768), tmp_path / "whole.pt")
    squeezed = zipfile.ZipFile(tmp_path / "embedding.pt", "w", zipfile.ZIP_DEFLATED)
    with zipfile.ZipFile(tmp_path / "whole.pt") as old, squeezed as new:
        for member in old.infolist():
            new.writestr(member.filename, old.read(member))
    assert "but torch.save packs nothing; save it again" in refused(tmp_path / "embedding.pt")
    torch.save(torch.arange(4), tmp_path / "indices.pt")
    with pytest.raises(MethodError, match="torch.save packs nothing"):
        read_tokens(tmp_path)


def test_tokens_that_repeat_one_number(tmp_path: Path) -> None:
    torch.save(torch.zeros(1).expand(1, 10**9, 768), tmp_path / "embedding.pt")
    torch.save(torch.arange(4), tmp_path / "indices.pt")
    with pytest.raises(MethodError, match=r"embedding.pt takes [\d,]+ bytes in memory, expected at most 536,870,912"):
        read_tokens(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (",".join(["1"] * 20_002), "has 20,002 columns, expected at most 20,000"),
        ("1,2\n3," + "9" * 200_000, "line 2: field larger than field limit (131072)"),
        ("9" * 200_000 + ",1\n", "line 1: field larger than field limit (131072)"),
        ("1" + ",1" * (1 << 22), "has 8,388,609 characters in a line"),
    ],
)
def test_a_table_too_wide(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    assert message in refused(tmp_path / "a.csv")


def test_a_wide_table_within_the_limits_is_read(tmp_path: Path) -> None:
    values = np.random.default_rng(0).random((2, 20_000))
    (tmp_path / "a.csv").write_text("\n".join(",".join(f"{number:.60f}" for number in row) for row in values.tolist()))
    np.testing.assert_array_equal(read_array(str(tmp_path / "a.csv")).values, values)


def test_a_long_table_is_counted_before_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "BYTES", 1000)
    (tmp_path / "a.csv").write_text("1,1\n" * 100)
    assert "takes 1,616 bytes in memory, expected at most 1,000" in refused(tmp_path / "a.csv")
    monkeypatch.setenv("KEYPOINTS_LIMITS", "2")
    assert read_array(str(tmp_path / "a.csv")).values.shape == (100, 2)


@pytest.mark.parametrize("form", ["columns", "lists", "numbers beside lists", "lists of any length"])
def test_a_parquet_file_is_counted_before_it_is_read(
    tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "BYTES", 1 << 19)
    count = 40_000
    zeros = pa.array(np.zeros(count, np.int8))
    lists = pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(2 * count, np.int8)), 2)
    columns = {
        "columns": {"x0": zeros, "y0": zeros},
        "lists": {"k": lists},
        "numbers beside lists": {"k": lists, "n": zeros},
        "lists of any length": {"k": lists.cast(pa.list_(pa.int8()))},
    }
    pq.write_table(pa.table(columns[form]), tmp_path / "a.parquet")
    assert "takes 640,000 bytes in memory" in refused(tmp_path / "a.parquet")


def test_an_end_of_a_parquet_file_that_the_library_does_not_survive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("methods.adapters.tables._COUNT", "import os; os.abort()")
    pq.write_table(pa.table({"k": [[0.5, 0.5]]}), tmp_path / "a.parquet")
    assert "its list of columns is damaged" in refused(tmp_path / "a.parquet")


@pytest.mark.parametrize("as_dictionary", [True, False])
def test_one_long_name_in_every_row(tmp_path: Path, as_dictionary: bool) -> None:
    path = tmp_path / "a.parquet"
    names = pa.DictionaryArray.from_arrays(pa.array(np.zeros(2000, np.int32)), pa.array(["x" * 100_000]))
    table = pa.table({"image_id": names, "x": np.zeros(2000), "y": np.zeros(2000)})
    pq.write_table(table, path, store_schema=as_dictionary)
    assert "bytes of text in memory" in refused(path)
    with pytest.raises(OutputError, match="bytes of text in memory"):
        read_labels(f"{path}:image_id")


def test_a_text_file_of_names(tmp_path: Path) -> None:
    (tmp_path / "groups.txt").write_bytes(b"\n" * (25 << 20))
    with pytest.raises(OutputError, match=r"has 26,214,400 bytes, expected at most 25,165,824"):
        read_labels(str(tmp_path / "groups.txt"))


def test_an_h5_table_that_claims_more_than_it_holds(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        group = file.create_group("k")
        group.attrs["nblocks"], group.attrs["block0_items_nlevels"] = 1, 0
        group.create_dataset("block0_values", (10**9, 3), "f4", chunks=True)
        group.create_dataset("axis1", (10**9,), "S5", chunks=True)
    with pytest.raises(OutputError, match=r"a\.h5: takes 64,000,000,000 bytes in memory"):
        read_table(tmp_path / "a.h5")


def test_a_pickle_that_asks_for_a_huge_table_gets_none() -> None:
    assert texts(b"\x80\x02]r\xff\xff\xff\x7f.") == []
    deep: Any = ()
    for _ in range(400):
        deep = (deep,)
    with pytest.raises(ValueError, match="names of columns that need EMPTY_DICT"):
        texts(pickle.dumps({deep: 1}, 2))
