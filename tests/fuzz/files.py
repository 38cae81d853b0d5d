"""Valid files of every format, and the same files changed: inside, or byte by byte."""

from __future__ import annotations

import csv
import io
import json
import random
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from tests.fuzz.mutate import TEXTS, change_array, change_bytes, change_plain, change_rows, odd

Arrays = dict[str, np.ndarray]


def sometimes(rng: random.Random, share: float) -> bool:
    """True in a share of the inputs."""
    return rng.random() < share


def times(rng: random.Random) -> int:
    """The number of changes within a file; half of the files have none."""
    return rng.choice((0, 0, 0, 0, 1, 1, 2, 3))


def finish(rng: random.Random, path: Path, data: bytes, share: float = 0.25) -> Path:
    """Write bytes, a share of the time changed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(change_bytes(rng, data) if sometimes(rng, share) else data)
    return path


def changed(rng: random.Random, arrays: Arrays) -> Arrays:
    """Arrays of which one is changed, renamed, left out or added, a part of the time."""
    arrays = dict(arrays)
    for _ in range(times(rng)):
        name = rng.choice(list(arrays)) if arrays else "a"
        match rng.randrange(6):
            case 0 if arrays:
                arrays[rng.choice(TEXTS).replace("\x00", "") or "b"] = arrays.pop(name)
            case 1 if len(arrays) > 1:
                del arrays[name]
            case 2:
                arrays[rng.choice(("image_id", "b", "keypoints"))] = (
                    np.array(["a", "b"]) if sometimes(rng, 0.5) else np.zeros(3)
                )
            case _ if arrays:
                arrays[name] = change_array(rng, arrays[name])
    return arrays


def plain_json(rng: random.Random, path: Path, value: Any) -> Path:
    """A JSON file of a value with up to three changes."""
    for _ in range(times(rng)):
        value = change_plain(rng, value)
    try:
        data = json.dumps(value).encode()
    except (ValueError, RecursionError):  # a number of too many digits
        data = b"[" * 5000
    return finish(rng, path, data, 0.2)


def text(rng: random.Random, path: Path, rows: list[list[str]], separator: str = ",") -> Path:
    """A csv file, or fields with a space between them, with up to three changes to its rows."""
    rows = [list(row) for row in rows]
    for _ in range(times(rng)):
        rows = change_rows(rng, rows)
    out = io.StringIO()
    if separator == ",":
        csv.writer(out, lineterminator=rng.choice(("\n", "\r\n"))).writerows(rows)
    else:
        out.write("\n".join(separator.join(row) for row in rows) + "\n")
    return finish(rng, path, out.getvalue().encode("utf-8", "replace"), 0.25)


def npy(rng: random.Random, path: Path, values: np.ndarray) -> Path:
    """An .npy file."""
    out = io.BytesIO()
    # Readers must refuse arrays of objects, so some are written; nothing here loads them.
    np.save(out, change_array(rng, values) if sometimes(rng, 0.3) else values, allow_pickle=True)
    return finish(rng, path, out.getvalue(), 0.3)


def npz(rng: random.Random, path: Path, arrays: Arrays) -> Path:
    """An .npz file; its members are changed before they are packed, with right checksums."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as archive:
        for name, values in changed(rng, arrays).items():
            inner = io.BytesIO()
            np.save(inner, values, allow_pickle=True)  # as in npy
            data = change_bytes(rng, inner.getvalue()) if sometimes(rng, 0.3) else inner.getvalue()
            archive.writestr(f"{name}.npy" if sometimes(rng, 0.95) else name, data)
    return finish(rng, path, out.getvalue(), 0.25)


def mat(rng: random.Random, path: Path, values: dict[str, Any]) -> Path:
    """A .mat file of versions 4 and 5, packed or not; what is in packed variables is changed before it is packed."""
    import struct
    import zlib

    from scipy.io import savemat

    values = dict(values)
    for name in list(values):
        if sometimes(rng, 0.12):
            values[name] = _matlab_value(rng, values[name])
    out: Any = io.BytesIO()
    try:
        old = sometimes(rng, 0.1)
        savemat(out, values, format="4" if old else "5", oned_as=rng.choice(("row", "column")))
    except Exception:  # values that the format cannot hold
        out, old = io.BytesIO(), False
        savemat(out, {"keypoints": np.zeros((2, 4, 2))})
    data = change_bytes(rng, out.getvalue()) if sometimes(rng, 0.25) else out.getvalue()
    if not old and sometimes(rng, 0.4) and len(data) > 128:
        variables, at = [], 128
        while at + 8 <= len(data):
            end = at + 8 + struct.unpack_from("<I", data, at + 4)[0]
            packed = zlib.compress(data[at:end])
            variables.append(struct.pack("<II", 15, len(packed)) + packed)
            at = end
        data = data[:128] + b"".join(variables)
    return finish(rng, path, data, 0.2)


def _matlab_value(rng: random.Random, value: Any) -> Any:
    match rng.randrange(9):
        case 0:
            return {"a": value, "b": {"c": np.zeros(2)}}
        case 1:
            cells = np.empty(rng.choice(((1,), (2, 2), (0,), (300,))), object)
            cells.fill(value)
            return cells
        case 2:
            for _ in range(rng.choice((3, 60, 70, 200))):
                cell = np.empty((1, 1), object)
                cell[0, 0] = value
                value = cell
            return value
        case 3:
            return rng.choice(TEXTS)
        case 4:
            from scipy.sparse import csc_array

            return csc_array(np.eye(3))
        case 5:
            return np.zeros((2, 2), complex)
        case 6:
            return np.array(["ab", "c"], object)
        case 7:
            return np.zeros((3, 2), bool)
        case _:
            return change_array(rng, np.asarray(value)) if getattr(value, "dtype", None) != np.dtype(object) else value


def parquet(rng: random.Random, path: Path, columns: dict[str, Any]) -> Path:
    """A parquet file with columns of several types and in several encodings."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = dict(columns)
    count = len(next(iter(columns.values())))
    for _ in range(times(rng)):
        name = rng.choice([*columns, rng.choice(TEXTS)])
        columns[name] = rng.choice(
            (
                *(
                    [None] * count,
                    [[0.5, None]] * count,
                    [[0.5] * (row % 3) for row in range(count)],
                    ["x" * 500] * count,
                ),
                *(
                    [row % 2 == 0 for row in range(count)],
                    [b"\xff\xfe"] * count,
                    [{"a": 1}] * count,
                    list(range(count)),
                ),
                *(
                    [[[0.1, 0.2]]] * count,
                    [float("nan")] * count,
                    pa.array(["a"] * count).dictionary_encode(),
                    [1e308] * count,
                ),
                pa.array([1] * count, pa.decimal128(5, 2)),
            )
        )
    out = io.BytesIO()
    pq.write_table(
        pa.table(columns),
        out,
        use_dictionary=sometimes(rng, 0.5),
        compression=rng.choice(("none", "snappy", "zstd", "gzip")),
        row_group_size=rng.choice((1, 3, 1000)),
        store_schema=sometimes(rng, 0.7),
    )
    return finish(rng, path, out.getvalue(), 0.25)


def h5(rng: random.Random, path: Path, arrays: Arrays, attributes: dict[str, dict[str, Any]] | None = None) -> Path:
    """An HDF5 file, some data sets packed, and attributes by the path of their object."""
    import h5py

    out = io.BytesIO()
    with h5py.File(out, "w") as file:
        for name, values in changed(rng, arrays).items():
            try:
                packed = sometimes(rng, 0.3) and values.ndim
                file.create_dataset(name, data=values, **({"compression": "gzip", "chunks": True} if packed else {}))
            except (TypeError, ValueError, AttributeError):
                continue
            if sometimes(rng, 0.03):
                del file[name]
                file.create_dataset(name, (10**9, *values.shape[1:]), np.uint8, chunks=True)
        for name, found in (attributes or {}).items():
            for key, value in found.items():
                if name in file and sometimes(rng, 0.95):
                    file[name].attrs[key] = (
                        change_bytes(rng, value) if isinstance(value, bytes) and sometimes(rng, 0.2) else value
                    )
    return finish(rng, path, out.getvalue(), 0.3)


def image(rng: random.Random, path: Path) -> Path:
    """A small image of any kind that is read, with EXIF data, palettes and transparency."""
    from PIL import Image

    size = rng.choice(((8, 6), (32, 32), (1, 1), (40, 3)))
    mode = rng.choice(("RGB", "L", "P", "RGBA", "LA", "1", "CMYK", "I;16", "F"))
    made = (
        Image.new(mode, size)
        if mode in ("I;16", "F", "1")
        else Image.frombytes("L", size, rng.randbytes(size[0] * size[1])).convert(mode)
    )
    exif = Image.Exif()
    exif[0x0112] = rng.choice((1, 3, 6, 8, 0, 99))
    out = io.BytesIO()
    kind = rng.choice(("PNG", "PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM"))
    more: dict[str, Any] = {"exif": exif} if kind in ("PNG", "JPEG", "WEBP", "TIFF") and sometimes(rng, 0.5) else {}
    if kind in ("GIF", "TIFF", "PNG") and sometimes(rng, 0.3):
        more |= {"save_all": True, "append_images": [made.copy()]}
    try:
        made.save(out, kind, **more)
    except (OSError, ValueError, KeyError):
        out, kind = io.BytesIO(), "PNG"
        made.convert("RGB").save(out, kind)
    return finish(rng, path, out.getvalue(), 0.4)


def frame_pickle(rng: random.Random, path: Path, columns: dict[str, Any]) -> Path:
    """A data frame as old pandas pickled it."""
    from tests.dataset_plugins.reading.frame_files import old_frame, old_pickle

    columns = dict(columns)
    for _ in range(times(rng)):
        name = rng.choice(list(columns))
        values = columns[name]
        match rng.randrange(5):
            case 0 if len(columns) > 1:
                del columns[name]
            case 1:
                columns[rng.choice(TEXTS)] = list(values)
            case 2 if isinstance(values, list):
                values[rng.randrange(len(values))] = rng.choice((odd(rng), np.zeros((18, 2)), np.float32(1), values[0]))
            case _ if isinstance(values, list):
                place = rng.randrange(len(values))
                if isinstance(values[place], np.ndarray):
                    values[place] = change_array(rng, values[place])
    try:
        data = old_pickle(old_frame(columns))
    except Exception:  # what no frame can hold
        data = old_pickle(old_frame({"file_name": ["a"], "value": [np.zeros((18, 2))]}))
    return finish(rng, path, data, 0.3)
