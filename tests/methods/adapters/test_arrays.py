"""Each file format gives back the array that was written, and each error is one line."""

import pickle

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scipy.io
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from methods.adapters.arrays import parse_source, read_array, read_labels
from methods.adapters.base import OutputError

POINTS = np.random.default_rng(0).random((7, 3, 2)).astype(np.float32)
FLAT = POINTS.reshape(7, 6)
IDS = [f"test/{row:05d}.png" for row in range(7)]


def write_csv(path, header="", ids=False, ending="\n"):
    rows = [",".join(([IDS[row]] if ids else []) + [repr(float(v)) for v in FLAT[row]]) for row in range(len(FLAT))]
    path.write_bytes((header + ending.join(rows)).encode())


def write(path):
    """The points under the path's suffix, by the format's own library."""
    kind = path.suffix
    if kind == ".npy":
        np.save(path, POINTS)
    elif kind == ".npz":
        np.savez(path, keypoints=POINTS)
    elif kind == ".mat":
        scipy.io.savemat(path, {"keypoints": POINTS})
    elif kind == ".pt":
        torch.save(torch.from_numpy(POINTS).requires_grad_(), path)
    elif kind == ".csv":
        write_csv(path)
    else:
        pq.write_table(pa.table({"keypoints": pa.FixedSizeListArray.from_arrays(pa.array(FLAT.ravel()), 6)}), path)


@pytest.mark.parametrize("kind", [".npy", ".npz", ".mat", ".csv", ".parquet", ".pt"])
def test_every_format_gives_back_what_was_written(tmp_path, kind):
    path = tmp_path / f"a{kind}"
    write(path)
    found = read_array(str(path))
    np.testing.assert_array_equal(found.values.reshape(POINTS.shape), POINTS)
    assert found.ids is None


@given(arrays.arrays(np.float64, st.tuples(st.integers(1, 5), st.sampled_from([2, 6])), elements=st.floats(-1e9, 1e9)))
@settings(max_examples=30)
def test_a_csv_keeps_every_bit(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    path.write_text("\n".join(",".join(map(repr, row)) for row in values.tolist()))
    np.testing.assert_array_equal(read_array(str(path)).values, values)


@pytest.mark.parametrize(
    ("header", "ids"),
    [
        ("", False),
        ("x0,y0,x1,y1,x2,y2\n", False),
        ("0,1,2,3,4,5\n", False),
        ("", True),
        ("image_id,x0,y0,x1,y1,x2,y2\n", True),
        (",0,1,2,3,4,5\n", True),
        ("\ufeffimage_id,x0,y0,x1,y1,x2,y2\r\n", True),
    ],
)
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\n\n"])
def test_a_csv_with_or_without_header_and_names(tmp_path, header, ids, ending):
    write_csv(tmp_path / "a.csv", header, ids, ending)
    found = read_array(str(tmp_path / "a.csv"))
    np.testing.assert_array_equal(found.values, FLAT)
    assert found.ids == (IDS if ids else None)


def test_names_that_are_numbers_need_a_heading(tmp_path):
    (tmp_path / "a.csv").write_text("image_id,x,y\n000001,0.5,0.25\n")
    found = read_array(str(tmp_path / "a.csv"))
    assert found.ids == ["000001"]
    assert found.values.tolist() == [[0.5, 0.25]]


def test_an_empty_field_is_nan(tmp_path):
    (tmp_path / "a.csv").write_text("0.5,\nnan,0.25\n")
    np.testing.assert_array_equal(read_array(str(tmp_path / "a.csv")).values, [[0.5, np.nan], [np.nan, 0.25]])


def test_ids_stand_beside_the_points(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, keypoints=POINTS, image_id=np.array(IDS))
    assert read_array(str(path)).ids == IDS
    np.savez(path, keypoints=POINTS, image_id=np.array(IDS, dtype="S"))
    assert read_array(str(path)).ids == IDS


def test_parquet_in_its_layouts(tmp_path):
    path = tmp_path / "a.parquet"
    columns = {"image_id": IDS, "split": ["test"] * 7}
    for keypoints in (FLAT.tolist(), POINTS.tolist()):
        pq.write_table(pa.table(columns | {"keypoints": keypoints}), path)
        found = read_array(str(path))
        np.testing.assert_array_equal(found.values.reshape(POINTS.shape), POINTS)
        assert found.ids == IDS
    pq.write_table(pa.table(columns | {f"c{i}": FLAT[:, i] for i in range(6)}), path)
    np.testing.assert_array_equal(read_array(str(path)).values, FLAT)
    np.testing.assert_array_equal(read_array(f"{path}:c2").values, FLAT[:, 2])


def test_the_predictions_of_a_run_are_read(tmp_path):
    from benchmarks.records.store import predictions_path, write_predictions

    write_predictions(tmp_path, "test", IDS, POINTS.astype(np.float64))
    found = read_array(str(predictions_path(tmp_path, "test")))
    np.testing.assert_array_equal(found.values.reshape(POINTS.shape), POINTS)
    assert found.ids == IDS


@pytest.mark.parametrize("separator", [":", "::"])
def test_a_key_chooses_among_arrays(tmp_path, separator):
    np.savez(tmp_path / "a.npz", one=POINTS, two=POINTS + 1)
    scipy.io.savemat(tmp_path / "a.mat", {"one": POINTS, "two": POINTS + 1})
    torch.save({"one": torch.zeros(1), "two": torch.from_numpy(POINTS + 1), "epoch": 3}, tmp_path / "a.pt")
    for kind in ("npz", "mat", "pt"):
        np.testing.assert_array_equal(read_array(f"{tmp_path / 'a'}.{kind}{separator}two").values, POINTS + 1)


@pytest.mark.parametrize(
    ("text", "path", "key"),
    [
        ("a.npz", "a.npz", None),
        ("a.npz:kp", "a.npz", "kp"),
        ("a.npz::kp", "a.npz", "kp"),
        ("C:\\data\\a.npz", "C:\\data\\a.npz", None),
        ("C:\\data\\a.npz:kp", "C:\\data\\a.npz", "kp"),
        ("runs/12:30/a.npz", "runs/12:30/a.npz", None),
        ("runs/12:30/a.npz::x:y", "runs/12:30/a.npz", "x:y"),
    ],
)
def test_colons_of_a_path_are_no_keys(text, path, key):
    found = parse_source(text)
    assert (str(found[0]), found[1]) == (path, key)


def test_a_file_whose_name_looks_like_a_key_is_a_file(tmp_path):
    path = tmp_path / "a.npy:b.npy"
    np.save(path, POINTS)
    assert parse_source(str(path)) == (path, None)


def test_an_npy_is_mapped_not_read(tmp_path):
    write(tmp_path / "a.npy")
    assert isinstance(read_array(str(tmp_path / "a.npy")).values, np.memmap)


def test_labels_are_read_from_lines_and_columns(tmp_path):
    (tmp_path / "g.txt").write_text("anna\r\nbob\r\nanna")
    assert read_labels(str(tmp_path / "g.txt")) == ["anna", "bob", "anna"]
    np.savez(tmp_path / "g.npz", who=np.array(["anna", "bob"]), number=np.array([3, 4]))
    assert read_labels(f"{tmp_path / 'g.npz'}:who") == ["anna", "bob"]
    assert read_labels(f"{tmp_path / 'g.npz'}:number") == ["3", "4"]


class Payload:
    """Leaves a file behind where it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


@pytest.mark.parametrize("how", ["torch", "torch legacy", "pickle.pt", "pickle.npy", "object.npy", "object.npz"])
def test_a_payload_never_runs(tmp_path, how):
    left = tmp_path / "left behind"
    payload = Payload(left)
    path = tmp_path / ("a.pt" if "torch" in how else f"a.{how.partition('.')[2]}")
    if "torch" in how:
        torch.save({"keypoints": payload}, path, _use_new_zipfile_serialization=how == "torch")
    elif how.startswith("pickle"):
        path.write_bytes(pickle.dumps(payload))
    else:
        save = np.save if path.suffix == ".npy" else np.savez
        save(path, np.array([payload], dtype=object))
    with pytest.raises(OutputError) as raised:
        read_array(str(path))
    assert str(path) in str(raised.value) and len(str(raised.value).splitlines()) == 1
    assert not left.exists()
    # Loaded on purpose: the payload is made here and only opens a file of tmp_path. A dead one would prove nothing.
    pickle.loads(pickle.dumps(payload)).close()
    assert left.exists()


def save_tensor(value):
    return lambda path: torch.save(value, path)


def put(content):
    return lambda path: path.write_bytes(content) if isinstance(content, bytes) else path.write_text(content)


MATLAB_7_3 = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM" + b"\x00" * 100


@pytest.mark.parametrize(
    ("name", "make", "message"),
    [
        ("a.npz", None, "no file {path}"),
        ("a.txt", put("1 2"), "expected a file that ends in .npz, .npy, .mat, .csv, .parquet, .pt"),
        ("a", put("1 2"), "expected a file that ends in"),
        ("a.npy", put(b""), "an array of numbers could not be read (No data left in file)"),
        ("a.npy", lambda path: path.write_bytes(np_bytes()[:-8]), "an array of numbers could not be read"),
        ("a.npy:kp", lambda path: np.save(path, POINTS), "holds one array without a key; leave out ':kp'"),
        ("a.npy", lambda path: np.save(path, np.array(["a"])), "got an array of <U1, expected numbers"),
        ("a.npy", lambda path: np.save(path, np.array([1j])), "got an array of complex128, expected numbers"),
        ("a.npz", put(b"PK\x03\x04 cut off"), "arrays of numbers could not be read (File is not a zip file)"),
        ("a.npz", lambda path: np.savez(path, one=POINTS, two=POINTS), "holds one, two; name one, as in {path}:one"),
        ("a.npz:tow", lambda path: np.savez(path, one=POINTS, two=POINTS), "no array 'tow'; it holds one, two"),
        ("a.npz", lambda path: np.savez(path), "holds no array"),
        ("a.mat", put(b""), "a MATLAB file could not be read"),
        ("a.mat", put(b"x" * 200), "a MATLAB file could not be read"),
        ("a.mat", put(MATLAB_7_3), "MATLAB 7.3 files are not read; save it with save(..., '-v7')"),
        ("a.mat", lambda path: scipy.io.savemat(path, {"a": 1.0, "b": 2.0}), "holds a, b; name one"),
        ("a.mat", lambda path: scipy.io.savemat(path, {"a": {"b": 1.0}}), "got an array of"),
        ("a.pt", put(b""), "a tensor could not be read ("),
        ("a.pt", put(b"garbage"), "holds more than tensors, and code in a file is never run"),
        ("a.pt", save_tensor({"a": torch.zeros(1), "b": torch.zeros(1)}), "holds a, b; name one"),
        ("a.pt", save_tensor([torch.zeros(1)]), "holds a list, expected a tensor"),
        ("a.pt:b", save_tensor(torch.zeros(1)), "holds one array without a key; leave out ':b'"),
        ("a.parquet", put(b"PAR1"), "a parquet file could not be read"),
        (
            "a.parquet",
            lambda path: pq.write_table(pa.table({"k": [[1.0], [1.0, 2.0]]}), path),
            "lists of [1, 2] values",
        ),
        ("a.parquet", lambda path: pq.write_table(pa.table({"who": ["x"]}), path), "column 'who' holds string"),
        ("a.parquet:w", lambda path: pq.write_table(pa.table({"k": [1.0]}), path), "no array 'w'; it holds k"),
        ("a.csv", put(""), "line 1: is empty"),
        ("a.csv", put("1,2\n3\n"), "{path}, line 2: has 1 fields, expected 2"),
        ("a.csv", put("x,y\n1,2\n\n3,4,5\n"), "{path}, line 4: has 3 fields, expected 2"),
        ("a.csv", put("x,y\n1,2\n3,four\n"), "{path}, line 3: got 'four', expected a number"),
        ("a.csv", put("1;2\n3;4\n"), "{path}: its columns are separated by ';', expected ',' (and '.' in numbers)"),
        ("a.csv:k", put("1,2\n"), "holds one array without a key; leave out ':k'"),
        ("a.csv", put(b"x,y\n1,\xff\xfe\n"), "expected a number"),
        ("a.csv", lambda path: path.mkdir(), "no file {path}"),
    ],
)
def test_what_is_wrong_is_one_line_that_names_the_file(tmp_path, name, make, message):
    path = tmp_path / name.partition(":")[0]
    if make is not None:
        make(path)
    with pytest.raises(OutputError) as raised:
        read_array(str(tmp_path / name))
    text = str(raised.value)
    assert message.format(path=path) in text
    assert str(path) in text
    assert len(text.splitlines()) == 1 and len(text) < 300


def np_bytes():
    import io

    buffer = io.BytesIO()
    np.save(buffer, POINTS)
    return buffer.getvalue()
