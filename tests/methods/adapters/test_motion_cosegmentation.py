"""Pickled data frames of part centres, as the evaluation of motion-cosegmentation writes them."""

import os
import pickle

import numpy as np
import pytest

from methods.adapters.motion_cosegmentation import MotionCosegmentation
from tests.dataset_plugins.reading.frame_files import Does, new_frame, old_frame, old_pickle
from tests.methods.adapters.requests import refusal, request

NAMES = ["00002.png", "00000.png", "00001.png"]
PIXELS = (np.random.default_rng(1).random((3, 4, 2)) * 255).astype(np.float32)


def write(path, values=None, names=NAMES, **columns):
    """A frame of file names and values, as old pandas pickles it."""
    values = list(PIXELS) if values is None else values
    path.write_bytes(old_pickle(old_frame({"file_name": list(names), "value": list(values), **columns})))
    return path


def centre_of_mass(pixels, side=256):
    """The centre of a map with all its mass in four pixels, in sides: what (x, y) in pixels stands for."""
    (x, y), weights = pixels, np.zeros((side, side))
    left, top = int(x), int(y)
    for row, column, weight in [
        (top, left, (1 - (y - top)) * (1 - (x - left))),
        (top, left + 1, (1 - (y - top)) * (x - left)),
        (top + 1, left, (y - top) * (1 - (x - left))),
        (top + 1, left + 1, (y - top) * (x - left)),
    ]:
        weights[min(row, side - 1), min(column, side - 1)] += weight
    places = (np.arange(side) + 0.5) / side
    return [float(weights.sum(axis=0) @ places), float(weights.sum(axis=1) @ places)]


def test_pixels_become_centres_of_mass_of_the_maps(tmp_path):
    (found,) = MotionCosegmentation().read(request(write(tmp_path / "taichi_test_pred.pkl")))
    assert (found.names, found.split) == (tuple(NAMES), "test")
    expected = [[centre_of_mass(point) for point in row] for row in PIXELS.astype(np.float64)]
    np.testing.assert_allclose(found.keypoints, expected, atol=1e-9)


def test_a_folder_gives_its_two_frames_each_with_its_split(tmp_path):
    for name in ("taichi_test_pred.pkl", "taichi_train_pred.pkl"):
        write(tmp_path / name)
    write(tmp_path / "taichi_test_gt.pkl")
    found = MotionCosegmentation().read(request(tmp_path))
    assert [(output.source, output.split) for output in found] == [
        ("taichi_test_pred.pkl", "test"),
        ("taichi_train_pred.pkl", "regress"),
    ]


def test_frames_of_pandas_itself_are_read(tmp_path):
    path = tmp_path / "mine.pkl"
    path.write_bytes(pickle.dumps(new_frame({"file_name": NAMES, "value": list(PIXELS)}), protocol=4))
    (found,) = MotionCosegmentation().read(request(path, split_of={path: "regress"}))
    assert found.split == "regress"
    np.testing.assert_allclose(found.keypoints, (PIXELS.astype(np.float64) + 0.5) / 256)


def test_another_side_is_an_option(tmp_path):
    path = write(tmp_path / "vox_test_pred.pkl", PIXELS / 2)
    (found,) = MotionCosegmentation().read(request(path, options={"side": "128"}))
    np.testing.assert_allclose(found.keypoints, (PIXELS.astype(np.float64) / 2 + 0.5) / 128)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (PIXELS / 256, "fractions of the image"),
        (PIXELS * 2, "expected 0 to 255"),
        (np.where(PIXELS == PIXELS[0, 0], -1, PIXELS), "missing points (-1, -1)"),
        (np.where(PIXELS == PIXELS[1, 2], np.nan, PIXELS), "row 1, keypoint 2 is not finite"),
        (PIXELS[:, :3], "K=3 keypoints per image, the task has K=4"),
        (np.full((3, 18, 2), -1.0), "which only landmarks have; expected a *_pred.pkl"),
        ([PIXELS[0], PIXELS[1], PIXELS[2, :3]], "row 2 has a value of float32 of shape (3, 2)"),
        (PIXELS[..., 0], "expected numbers (N, K, 2)"),
    ],
)
def test_values_that_are_no_pixels_of_the_frame_are_refused(tmp_path, values, says):
    path = write(tmp_path / "taichi_test_pred.pkl", values)
    message = refusal(MotionCosegmentation(), request(path))
    assert says in message
    assert str(path) in message


def test_a_frame_without_the_column_is_refused_with_those_it_has(tmp_path):
    path = tmp_path / "x_test_pred.pkl"
    path.write_bytes(old_pickle(old_frame({"file": NAMES, "value": list(PIXELS)})))
    assert "no column 'file_name', expected file_name and value; it has file, value" in refusal(
        MotionCosegmentation(), request(path)
    )


def test_a_name_that_is_none_is_refused(tmp_path):
    path = write(tmp_path / "x_test_pred.pkl", names=["a.png", None, "b.png"])
    assert "row 1 has file_name None" in refusal(MotionCosegmentation(), request(path))


def test_a_pickle_that_would_run_something_is_refused_and_not_run(tmp_path):
    path, mark = tmp_path / "x_test_pred.pkl", tmp_path / "ran"
    path.write_bytes(pickle.dumps(Does(os.mkdir, str(mark)), protocol=3))
    assert "nothing in the file was run" in refusal(MotionCosegmentation(), request(path))
    assert not mark.exists()


def test_a_folder_without_frames_and_a_side_that_is_none_are_refused(tmp_path):
    assert "holds no *_pred.pkl" in refusal(MotionCosegmentation(), request(tmp_path))
    path = write(tmp_path / "x_test_pred.pkl")
    assert "--option side=big" in refusal(MotionCosegmentation(), request(path, options={"side": "big"}))
