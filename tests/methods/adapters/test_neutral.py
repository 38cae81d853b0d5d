"""The neutral format: files that are read, files that are refused, and the schema."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from methods.adapters.neutral import SCHEMA, ImportRecord, Neutral, NeutralRow, schema_text
from tests.methods.adapters.requests import refusal, request

IDS = ("test/a.png", "test/b.png", "regress/c.png")
KEYPOINTS = np.random.default_rng(0).random((3, 4, 2))


def write(path, ids=IDS, keypoints=KEYPOINTS):
    flat = np.asarray(keypoints).reshape(len(keypoints), -1)
    if path.suffix == ".parquet":
        pq.write_table(pa.table({"image_id": list(ids), "keypoints": flat.tolist()}), path)
    elif path.suffix == ".npz":
        np.savez(path, image_id=np.array(ids), keypoints=keypoints, extra=np.zeros(3))
    else:
        header = ",".join(["image_id", *(f"{axis}{point}" for point in range(flat.shape[1] // 2) for axis in "xy")])
        rows = [",".join([name, *map(repr, row)]) for name, row in zip(ids, flat.tolist(), strict=True)]
        path.write_text("\n".join([header, *rows]))
    return path


@pytest.mark.parametrize("suffix", [".parquet", ".npz", ".csv"])
def test_a_file_gives_back_what_was_written(tmp_path, suffix):
    (found,) = Neutral().read(request(write(tmp_path / f"keypoints{suffix}")))
    assert found.names == IDS
    assert found.split is None
    np.testing.assert_array_equal(found.keypoints, KEYPOINTS)


def test_nested_lists_are_points_too(tmp_path):
    path = tmp_path / "nested.parquet"
    pq.write_table(pa.table({"image_id": list(IDS), "split": ["test"] * 3, "keypoints": KEYPOINTS.tolist()}), path)
    (found,) = Neutral().read(request(path))
    np.testing.assert_array_equal(found.keypoints, KEYPOINTS)


def test_other_columns_of_lists_are_left_out(tmp_path):
    path = tmp_path / "scores.parquet"
    columns = {"image_id": list(IDS), "score": [[1.0] * 4] * 3, "keypoints": KEYPOINTS.reshape(3, -1).tolist()}
    pq.write_table(pa.table(columns), path)
    (found,) = Neutral().read(request(path))
    np.testing.assert_array_equal(found.keypoints, KEYPOINTS)


@pytest.mark.parametrize(
    "names",
    [
        "x0 x1 x2 x3 y0 y1 y2 y3",
        "y0 x0 y1 x1 y2 x2 y3 x3",
        "x1 y1 x0 y0 x2 y2 x3 y3",
        "X_3 X_0 Y_3 X_1 X_2 Y_2 Y_0 Y_1",
    ],
)
def test_columns_in_another_order_are_taken_by_their_headings(tmp_path, names):
    path = tmp_path / "k.csv"
    rows = [
        [name, *(repr(float(row[int(head[-1]), int(head[0] in "yY")])) for head in names.split())]
        for name, row in zip(IDS, KEYPOINTS, strict=True)
    ]
    path.write_text("\n".join(map(",".join, [["image_id", *names.split()], *rows])))
    (found,) = Neutral().read(request(path))
    np.testing.assert_array_equal(found.keypoints, KEYPOINTS)


@pytest.mark.parametrize(
    ("heading", "says"),
    [
        ("image_id,0,1,2,3,4,5,6,7", "has no headings of points, expected image_id, x0, y0"),
        ("image_id,a,b,c,d,e,f,g,h", "has the columns a, b, c, d"),
        ("image_id,x0,y0,x1,y1,x2,y2,x3,x4", "column 'x3' has no y beside it"),
        ("image_id,x0,y0,x1,y1,x2,y2,x2,y2", "column 'x2' stands there twice"),
        ("image_id,x0,y0,x1,y1,x2,y2,score,z", "column 'z' is neither x nor y of a point"),
    ],
)
def test_headings_that_say_nothing_or_contradict_each_other_are_refused(tmp_path, heading, says):
    path = write(tmp_path / "k.csv")
    path.write_text("\n".join([heading, *path.read_text().splitlines()[1:]]))
    assert says in refusal(Neutral(), request(path))


def test_a_split_written_before_the_path_is_handed_on(tmp_path):
    path = write(tmp_path / "k.npz")
    (found,) = Neutral().read(request(path, split_of={path: "test"}))
    assert found.split == "test"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda points: points * 256, "expected 0 to 1"),
        (lambda points: points * 2 - 1, "expected 0 to 1"),
        (lambda points: np.where(points == points[0, 0, 0], np.nan, points), "row 0, keypoint 0 is not finite"),
        (lambda points: np.full_like(points, np.nan), "no keypoint was found in any image"),
        (lambda points: np.where(points == points[2, 3], np.inf, points), "row 2, keypoint 3 is not finite"),
        (lambda points: points[:, :3], "K=3 keypoints per image, the task has K=4"),
        (lambda points: points.reshape(3, -1)[:, :7], "the number of columns is odd"),
        (lambda points: np.concatenate([points, points[..., :1]], axis=2), "of three numbers per point"),
    ],
)
def test_values_of_another_kind_are_refused(tmp_path, change, says):
    path = write(tmp_path / "k.npz", keypoints=change(KEYPOINTS))
    message = refusal(Neutral(), request(path))
    assert says in message
    assert str(path) in message


def test_what_names_no_images_is_refused(tmp_path):
    np.savez(tmp_path / "k.npz", keypoints=KEYPOINTS)
    assert "names no images" in refusal(Neutral(), request(tmp_path / "k.npz"))


def test_ids_of_another_number_are_refused(tmp_path):
    np.savez(tmp_path / "k.npz", keypoints=KEYPOINTS, image_id=np.array(IDS[:2]))
    assert "got 2 ids, expected one for each of 3 rows" in refusal(Neutral(), request(tmp_path / "k.npz"))


def test_an_array_of_objects_is_refused_and_not_unpickled(tmp_path):
    np.savez(tmp_path / "k.npz", keypoints=np.array([print, None]), image_id=np.array(IDS))
    assert "arrays of numbers could not be read" in refusal(Neutral(), request(tmp_path / "k.npz"))


@pytest.mark.parametrize("name", ["k.json", "folder"])
def test_another_kind_of_file_is_refused_with_those_that_are_read(tmp_path, name):
    path = tmp_path / name
    if path.suffix:
        path.write_text("{}")
    else:
        path.mkdir()
    assert "expected one that ends in .parquet, .npz, .csv" in refusal(Neutral(), request(path))


def test_no_rows_are_refused(tmp_path):
    np.savez(tmp_path / "k.npz", keypoints=np.empty((0, 4, 2)), image_id=np.array([], dtype=str))
    assert "the array is empty" in refusal(Neutral(), request(tmp_path / "k.npz"))


def test_the_schema_in_the_repository_is_that_of_the_models():
    assert SCHEMA.read_text(encoding="utf-8") == schema_text()
    row = json.loads(SCHEMA.read_text(encoding="utf-8"))["row"]
    assert row["required"] == ["image_id", "keypoints"]
    assert row["properties"]["keypoints"]["items"] == {"anyOf": [{"type": "number"}, {"type": "null"}]}
    assert row["properties"]["scores"]["default"] is None


@pytest.mark.parametrize(
    "row",
    [{"image_id": "", "keypoints": [0, 0]}, {"image_id": "a", "keypoints": [0.5, float("nan")]}, {"image_id": "a"}],
)
def test_a_row_that_is_none_does_not_pass(row):
    with pytest.raises(ValidationError):
        NeutralRow(**row)


def test_a_record_with_an_unknown_field_does_not_pass():
    with pytest.raises(ValidationError):
        ImportRecord.model_validate({"method": "m", "task": "t", "colour": "red"})
