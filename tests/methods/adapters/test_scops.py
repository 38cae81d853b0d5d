"""SCOPS: pred_kp.npy in pixels, x first; the .mat files about the centre, y first; landmarks beside both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from benchmarks.importing.joining import join
from methods.adapters.base import Split
from methods.adapters.scops import Scops
from tests.methods.adapters.foreign import COUNTS, keypoints, splits, swapped
from tests.methods.adapters.requests import refusal, request

NAMES: dict[Split, str] = {"regress": "train", "test": "test"}


def save(folder: Path, points: Any, landmarks: Any = None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "pred_kp.npy", points)
    if landmarks is not None:
        np.save(folder / "gt_kp.npy", landmarks)
    return folder / "pred_kp.npy"


def centroid(part_map: Any) -> tuple[float, float]:
    """x and y of a part, as SCOPS computes them: the mean of a grid from -1, then from there to pixels."""
    height, width = part_map.shape
    x = (np.arange(width) / width * 2 - 1)[None]
    y = (np.arange(height) / height * 2 - 1)[:, None]
    pdf = part_map / part_map.sum()
    return ((pdf * x).sum() + 1) / 2 * width, ((pdf * y).sum() + 1) / 2 * height


def test_the_mean_of_a_part_over_two_pixels_lies_between_their_centres(tmp_path: Path) -> None:
    part_map = np.zeros((256, 256))
    part_map[17, 200] = part_map[17, 201] = 1.0
    other = np.zeros((256, 256))
    other[100:140, 40] = 1.0
    points = np.tile([centroid(part_map), centroid(other)], (12, 2, 1))
    (found,) = Scops().read(request(save(tmp_path / "test", points)))
    between = [[(201.0) / 256, 17.5 / 256], [40.5 / 256, 120.0 / 256]]
    np.testing.assert_allclose(found.keypoints, np.tile(between, (12, 2, 1)), atol=1e-12)
    assert found.split == "test"


def test_both_splits_found_by_landmarks_cut_to_whole_pixels(tmp_path: Path) -> None:
    made = splits()
    points = {"regress": keypoints(20), "test": keypoints(12, seed=4)}
    for split, name in NAMES.items():
        order = np.random.default_rng(5).permutation(COUNTS[split])
        landmarks = np.trunc(made[split].landmarks * 256)[order]
        save(tmp_path / "results" / name, (points[split] * 256 - 0.5)[order], landmarks)
    joined = join(Scops().read(request(tmp_path / "results", splits=made)), made)
    for split in COUNTS:
        np.testing.assert_allclose(joined.of(made[split].ids), points[split], atol=1e-12)


def test_paired_mat_files_carry_their_own_landmarks(tmp_path: Path) -> None:
    made = splits()
    points = {"regress": keypoints(20), "test": keypoints(12, seed=4)}
    for split, name in NAMES.items():
        order = np.random.default_rng(5).permutation(COUNTS[split])
        for what, values in (("pred", points[split]), ("gt", made[split].landmarks)):
            pixels = swapped(values) * (218, 178)
            centred = (pixels - (109, 89)) / (174.4, 142.4)
            savemat(tmp_path / f"{name}_{what}_kp.mat", {f"{name}_{what}_kp": centred[order]})
    joined = join(Scops().read(request(tmp_path, splits=made)), made)
    for split in COUNTS:
        np.testing.assert_allclose(joined.of(made[split].ids), points[split], atol=1e-12)


def test_without_landmarks_rows_are_in_the_order_of_the_split(tmp_path: Path) -> None:
    made, points = splits(), keypoints(12)
    save(tmp_path / "train", keypoints(20) * 128 - 0.5)
    save(tmp_path / "test", points * 128 - 0.5)
    joined = join(Scops().read(request(tmp_path, splits=made, options={"side": "128"})), made)
    np.testing.assert_allclose(joined.of(made["test"].ids), points, atol=1e-12)


def _nan(points: Any) -> Any:
    points[0, 3, 1] = np.inf
    return points


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda points: points / 256, "which are fractions of the image"),
        (lambda points: points * 2, "expected 0 to 255"),
        (lambda points: points - 128, "expected 0 to 255"),
        (_nan, "row 0, keypoint 3 is not finite"),
        (lambda points: points[:, :3], "got K=3 keypoints per image, the task has K=4"),
        (lambda points: points.reshape(12, 8), "expected numbers (N, K, 2)"),
        (lambda points: np.array([{"x": 1}]), "an array of numbers could not be read"),
    ],
)
def test_refuses(tmp_path: Path, spoil: Any, message: str) -> None:
    path = save(tmp_path / "test", spoil(keypoints(12) * 256 - 0.5))
    assert message in refusal(Scops(), request(path))


def test_refuses_landmarks_in_other_pixels_or_another_order(tmp_path: Path) -> None:
    made = splits()
    landmarks = made["test"].landmarks
    path = save(tmp_path / "test", keypoints(12) * 128 - 0.5, np.trunc(landmarks * 128))
    assert "pixels of another size (--option side=N)" in refusal(Scops(), request(path, splits=made))
    path = save(tmp_path / "test", keypoints(12) * 256 - 0.5, np.trunc(swapped(landmarks) * 256))
    assert "as (y, x), expected (x, y)" in refusal(Scops(), request(path, splits=made))


def test_refuses_mat_files_that_are_not_about_the_centre(tmp_path: Path) -> None:
    savemat(tmp_path / "test_pred_kp.mat", {"test_pred_kp": swapped(keypoints(12))})
    assert "the image's centre at 0" in refusal(Scops(), request(tmp_path))
    savemat(tmp_path / "test_pred_kp.mat", {"test_pred_kp": swapped(keypoints(12)) - 0.5})
    savemat(tmp_path / "test_gt_kp.mat", {"test_gt_kp": np.zeros((11, 5, 2))})
    assert "got 11 rows, expected 12" in refusal(Scops(), request(tmp_path))


def test_refuses_a_folder_without_keypoints(tmp_path: Path) -> None:
    np.save(tmp_path / "gt_kp.npy", np.ones((12, 5, 2)))
    assert "holds no train/pred_kp.npy" in refusal(Scops(), request(tmp_path))
    assert "no pred_kp.npy" in refusal(Scops(), request(tmp_path / "gt_kp.npy"))
