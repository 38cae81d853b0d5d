"""Lorenz et al.: keypoints_predicted.npz in [-1, 1], y first, cut to whole batches unless the batch fits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.importing.joining import join
from methods.adapters.unsupervised_disentangling import UnsupervisedDisentangling, dropped_by
from tests.methods.adapters.foreign import in_cells, keypoints, splits, swapped
from tests.methods.adapters.requests import refusal, request


def write(folder: Path, points: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(folder / "keypoints_predicted.npz", keypoints_predicted=points)
    return folder / "keypoints_predicted.npz"


def yx(points: Any, cells: int = 64) -> Any:
    return in_cells(swapped(points), cells).astype(np.float32)


def test_both_splits_in_their_order(tmp_path: Path) -> None:
    made = splits()
    points = {"regress": keypoints(20), "test": keypoints(12, seed=4)}
    paths = [write(tmp_path / name, yx(values)) for name, values in points.items()]
    outputs = UnsupervisedDisentangling().read(request(paths[0].parent, paths[1], splits=made))
    joined = join(outputs, made)
    np.testing.assert_allclose(joined.of(made["regress"].ids), points["regress"], atol=1e-6)
    np.testing.assert_allclose(joined.of(made["test"].ids), points["test"], atol=1e-6)


def test_the_mean_of_a_part_map_is_at_the_centres_of_cells(tmp_path: Path) -> None:
    part_map = np.zeros((64, 64))
    part_map[0, 63] = part_map[2, 63] = 0.5
    ticks = np.linspace(-1.0, 1.0, 64)
    mean = [(part_map * ticks[:, None]).sum(), (part_map * ticks[None]).sum()]
    values = np.tile(mean, (12, 4, 1))
    values[:, 0] = [-1.0, -1.0]
    (found,) = UnsupervisedDisentangling().read(request(write(tmp_path / "test", values)))
    np.testing.assert_allclose(found.keypoints[:, 0], 0.5 / 64)
    np.testing.assert_allclose(found.keypoints[:, 1], np.tile([63.5 / 64, 1.5 / 64], (12, 1)))


@pytest.mark.parametrize(
    ("rows", "count", "batch"),
    [
        (1152, 1179, 32),  # DeepFashion's test images, by the default batch
        (1170, 1179, 10),
        (1179, 1179, None),
        (96, 100, 32),
        (97, 100, 97),
        (40, 100, None),  # 40 = 2 batches of 20 would leave room for three more
        (101, 100, None),
        (0, 100, None),
    ],
)
def test_which_batch_size_dropped_the_last_images(rows: int, count: int, batch: int | None) -> None:
    assert dropped_by(rows, count) == batch


@pytest.mark.parametrize("named", [True, False])
def test_refuses_rows_cut_to_whole_batches(tmp_path: Path, named: bool) -> None:
    path = write(tmp_path / ("test" if named else "birds"), yx(keypoints(96)))
    message = refusal(UnsupervisedDisentangling(), request(path, regress=300, test=100))
    assert "got 96 rows, split 'test' has 100: as 3 batches of 32 without the last 4" in message
    assert "give it --bn 25, which divides 100" in message


def _nan(points: Any) -> Any:
    points[5] = np.nan
    return points


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda points: points * 0.5 + 0.5, "none below 0"),
        (lambda points: points * 128, "expected -1 to 1"),
        (_nan, "row 5, keypoint 0 is not finite"),
        (lambda points: points[:, :2], "got K=2 keypoints per image, the task has K=4"),
        (lambda points: points[:5], "got 5 rows, expected 12"),
        (lambda points: np.concatenate([points, points]), "got 24 rows, expected 12"),
    ],
)
def test_refuses(tmp_path: Path, spoil: Any, message: str) -> None:
    path = write(tmp_path / "test", spoil(yx(keypoints(12))))
    assert message in refusal(UnsupervisedDisentangling(), request(path))


def test_refuses_regressed_landmarks_and_lengths_of_no_split(tmp_path: Path) -> None:
    np.savez(
        tmp_path / "keypoints_regressed.npz", regressed_keypoints=np.zeros((12, 5, 2)), distances=np.zeros((12, 5))
    )
    message = refusal(UnsupervisedDisentangling(), request(tmp_path / "keypoints_regressed.npz"))
    assert "which are landmarks" in message
    path = write(tmp_path / "birds", yx(keypoints(7)))
    message = refusal(UnsupervisedDisentangling(), request(path, regress=300, test=100))
    assert "got 7 rows, which fit no split or both: 300 (regress), 100 (test)" in message
