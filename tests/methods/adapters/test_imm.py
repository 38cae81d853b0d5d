"""IMM: gauss_yx and future_landmarks in the frame of the central crop, rows in an order of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.importing.joining import join
from methods.adapters.imm import Imm
from tests.methods.adapters.foreign import COUNTS, Trap, in_cells, in_middle, keypoints, splits, swapped
from tests.methods.adapters.requests import refusal, request


def write(path: Path, points: Any, landmarks: Any, order: Any = slice(None), flip: bool = True) -> Path:
    """What scripts/test.py gathers, in float32, saved with numpy.savez."""
    future = in_middle(landmarks) * 128
    future = swapped(future) if flip else future
    tensors = {"gauss_yx": in_cells(swapped(in_middle(points)), 16), "future_landmarks": future}
    np.savez(path, **{name: values[order].astype(np.float32) for name, values in tensors.items()})
    return path


@pytest.mark.parametrize("flip", [True, False])
def test_rows_in_another_order_come_back_to_their_images(tmp_path: Path, flip: bool) -> None:
    made = splits()
    points = {"regress": keypoints(20), "test": keypoints(12, seed=4)}
    order = np.random.default_rng(0).permutation(20)
    train = write(tmp_path / "train.npz", points["regress"], made["regress"].landmarks, order[:18], flip)
    rest = write(tmp_path / "train10.npz", points["regress"], made["regress"].landmarks, order[18:], flip)
    test = write(tmp_path / "test.npz", points["test"], made["test"].landmarks, slice(None), flip)
    joined = join(Imm().read(request(train, rest, test, splits=made)), made)
    for name in COUNTS:
        np.testing.assert_allclose(joined.of(made[name].ids), points[name], atol=1e-6)


def test_a_keypoint_on_a_cell_is_at_that_cells_centre_in_the_crop(tmp_path: Path) -> None:
    row, column = 3, 12  # of 16 x 16, so in the crop at 3.5 / 16 and 12.5 / 16
    ticks = np.linspace(-1, 1, 16)
    made = splits()
    values = np.tile([ticks[row], ticks[column]], (12, 4, 1))
    values[0] = 0
    np.savez(tmp_path / "test.npz", gauss_yx=values, future_landmarks=in_middle(made["test"].landmarks) * 128)
    (found,) = Imm().read(request(tmp_path / "test.npz", splits=made))
    np.testing.assert_allclose(found.keypoints[1], [[0.1 + 0.8 * 12.5 / 16, 0.1 + 0.8 * 3.5 / 16]] * 4)
    np.testing.assert_allclose(found.keypoints[0], 0.5)
    assert found.split == "test"


def test_options_say_that_the_system_saw_the_whole_image(tmp_path: Path) -> None:
    points = keypoints(12)
    np.savez(tmp_path / "test.npz", gauss_yx=in_cells(swapped(points), 32))
    options = {"crop": "1", "cells": "32", "rows": "task"}
    (found,) = Imm().read(request(tmp_path / "test.npz", options=options))
    np.testing.assert_allclose(found.keypoints, points, atol=1e-12)
    assert found.landmarks is None


def _spoilt(case: str, tensors: dict[str, Any]) -> dict[str, Any]:
    yx, landmarks = tensors["gauss_yx"], tensors["future_landmarks"]
    broken = yx.copy()
    broken[2, 1, 0] = np.nan
    changes: dict[str, dict[str, Any]] = {
        "fractions": {"gauss_yx": yx / 2 + 0.5},
        "pixels": {"gauss_yx": (yx + 1) * 64},
        "nan": {"gauss_yx": broken},
        "K": {"gauss_yx": yx[:, :3]},
        "rows": {"future_landmarks": landmarks[:-1]},
        "crop": {"future_landmarks": landmarks * 0.5},
        "L": {"future_landmarks": landmarks[:, :4]},
        "objects": {"gauss_yx": np.array([{"a": 1}], dtype=object)},
    }
    return tensors | changes[case]


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("fractions", "none below 0"),
        ("pixels", r"expected -1 to 1"),
        ("nan", "row 2, keypoint 1 is not finite"),
        ("K", "got K=3 keypoints per image, the task has K=4"),
        ("rows", "got 11 rows, expected 12"),
        ("crop", "--option side=N"),
        ("L", "got 4 landmarks per image, the task has 5"),
        ("objects", "arrays of numbers could not be read"),
    ],
)
def test_refuses(tmp_path: Path, case: str, message: str) -> None:
    made = splits()
    path = write(tmp_path / "test.npz", keypoints(12), made["test"].landmarks)
    np.savez(path, **_spoilt(case, dict(np.load(path))))
    assert message in refusal(Imm(), request(path, splits=made))


def test_refuses_rows_whose_order_nobody_vouches_for(tmp_path: Path) -> None:
    np.savez(tmp_path / "test.npz", gauss_yx=in_cells(swapped(keypoints(12)), 16))
    assert "rows are in CelebA's order" in refusal(Imm(), request(tmp_path / "test.npz"))
    assert "expected task" in refusal(Imm(), request(tmp_path / "test.npz", options={"rows": "yes"}))


def test_a_trap_in_the_file_is_not_sprung(tmp_path: Path) -> None:
    sprung = tmp_path / "sprung"
    trap = np.empty(1, dtype=object)
    trap[0] = Trap(sprung)
    np.savez(tmp_path / "test.npz", gauss_yx=trap)
    assert "arrays of numbers could not be read" in refusal(Imm(), request(tmp_path / "test.npz"))
    assert not sprung.exists()


@pytest.mark.parametrize(
    ("name", "value"), [("crop", "0"), ("crop", "nan"), ("cells", "1"), ("cells", "16.5"), ("side", "x")]
)
def test_refuses_options_that_mean_nothing(tmp_path: Path, name: str, value: str) -> None:
    path = write(tmp_path / "test.npz", keypoints(12), splits()["test"].landmarks)
    assert f"--option {name}={value}" in refusal(Imm(), request(path, options={name: value}))
