"""lmdis-rep: structure_param of posterior_param.mat, merged or in pieces, and landmarks beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from benchmarks.importing.joining import join
from methods.adapters.base import Split
from methods.adapters.lmdis import Lmdis
from tests.methods.adapters.foreign import COUNTS, in_middle, keypoints, splits, swapped
from tests.methods.adapters.requests import refusal, request

NAMES: dict[Split, str] = {"regress": "train", "test": "test"}


def write(path: Path, points: Any) -> Path:
    """As scipy.io.savemat writes the test's outputs: a structure 'encoded', float32 (y, x)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, {"encoded": {"structure_param": points.astype(np.float32)}, "data": np.zeros((2, 3))})
    return path


def yx(points: Any) -> Any:
    return swapped(in_middle(points))


def test_folders_of_both_splits_in_the_order_of_the_list(tmp_path: Path) -> None:
    made = splits()
    points = {"train": keypoints(20), "test": keypoints(12, seed=4)}
    for name, values in points.items():
        write(tmp_path / "model" / f"test.{name}" / "posterior_param.mat", yx(values))
    joined = join(Lmdis().read(request(tmp_path / "model", splits=made)), made)
    np.testing.assert_allclose(joined.of(made["regress"].ids), points["train"], atol=1e-6)
    np.testing.assert_allclose(joined.of(made["test"].ids), points["test"], atol=1e-6)


def test_pieces_are_put_together_by_their_numbers(tmp_path: Path) -> None:
    points = keypoints(20)
    for start, stop in ((0, 8), (8, 16), (16, 20)):
        write(tmp_path / "test.train" / f"posterior_param_{stop:06d}.mat", yx(points[start:stop]))
    (found,) = Lmdis().read(request(tmp_path / "test.train"))
    np.testing.assert_allclose(found.keypoints, points, atol=1e-6)
    assert found.split == "regress"
    assert found.notes == ()


def test_the_merged_file_is_read_alone_where_pieces_lie_beside_it(tmp_path: Path) -> None:
    points = keypoints(12)
    write(tmp_path / "test.test" / "posterior_param.mat", yx(points))
    write(tmp_path / "test.test" / "posterior_param_000012.mat", yx(points))
    (found,) = Lmdis().read(request(tmp_path / "test.test"))
    assert len(found.keypoints) == 12


@pytest.mark.parametrize("count", [1, 12])
def test_a_keypoint_on_a_pixel_is_at_its_centre(tmp_path: Path, count: int) -> None:
    row, column = 10, 60  # of the 80 x 80 pixels that are the middle of 100 x 100
    values = np.tile([(row + 0.5) / 80, (column + 0.5) / 80], (count, 4, 1))
    path = write(tmp_path / "test.test" / "posterior_param.mat", values)
    (found,) = Lmdis().read(request(path, test=count))
    np.testing.assert_allclose(found.keypoints, np.tile([70.5 / 100, 20.5 / 100], (count, 4, 1)), atol=1e-7)


def test_one_keypoint_keeps_its_axis(tmp_path: Path) -> None:
    points = keypoints(12)[:, :1]
    path = write(tmp_path / "test.test" / "posterior_param.mat", yx(points))
    (found,) = Lmdis().read(request(path, num_keypoints=1))
    np.testing.assert_allclose(found.keypoints, points, atol=1e-6)


def test_landmarks_find_the_images_of_rows_in_another_order(tmp_path: Path) -> None:
    made = splits()
    order = {"regress": np.random.default_rng(0).permutation(20), "test": np.random.default_rng(1).permutation(12)}
    points = {"regress": keypoints(20), "test": keypoints(12, seed=4)}
    paths = []
    for split, name in NAMES.items():
        size = np.array([174.4, 142.4])  # height and width of the middle of 218 x 178
        pixels = swapped(in_middle(made[split].landmarks))[order[split]] * size
        savemat(tmp_path / f"celeba_mafl_{name}.mat", {"gt": pixels, "hw": np.tile(size, (COUNTS[split], 1))})
        write(tmp_path / f"test.{name}" / "posterior_param.mat", yx(points[split])[order[split]])
        paths += [tmp_path / f"test.{name}", tmp_path / f"celeba_mafl_{name}.mat"]
    joined = join(Lmdis().read(request(*paths, splits=made)), made)
    for split in COUNTS:
        np.testing.assert_allclose(joined.of(made[split].ids), points[split], atol=1e-6)


def test_refuses_pieces_of_which_one_is_missing(tmp_path: Path) -> None:
    points = yx(keypoints(20))
    write(tmp_path / "test.train" / "posterior_param_000008.mat", points[:8])
    write(tmp_path / "test.train" / "posterior_param_000020.mat", points[16:])
    message = refusal(Lmdis(), request(tmp_path / "test.train"))
    assert "pieces up to it have 12 rows, its number says 20" in message


def _broken(points: Any) -> Any:
    points[3, 2, 1] = np.nan
    return points


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda points: points * 2 - 1, "expected 0 to 1"),
        (lambda points: points * 80, "expected 0 to 1"),
        (_broken, "row 3, keypoint 2 is not finite"),
        (lambda points: points[:, :2], "got K=2 keypoints per image, the task has K=4"),
        (lambda points: np.concatenate([points, points], axis=2), "expected numbers (N, K, 2)"),
    ],
)
def test_refuses_other_numbers(tmp_path: Path, spoil: Any, message: str) -> None:
    path = write(tmp_path / "test.test" / "posterior_param.mat", spoil(yx(keypoints(12))))
    assert message in refusal(Lmdis(), request(path))


def test_refuses_other_files(tmp_path: Path) -> None:
    other, broken = tmp_path / "other.mat", tmp_path / "broken.mat"
    savemat(other, {"structure_param": yx(keypoints(12))})
    broken.write_bytes(b"MATLAB 5.0 MAT-file" + b"\0" * 40)
    assert "expected encoded.structure_param" in refusal(Lmdis(), request(other))
    assert "a MATLAB file could not be read" in refusal(Lmdis(), request(broken))
    assert "no file or folder" in refusal(Lmdis(), request(tmp_path / "nothing"))
    (tmp_path / "empty").mkdir()
    assert "name the folder that holds it" in refusal(Lmdis(), request(tmp_path / "empty"))


def test_refuses_landmarks_of_another_number_of_rows(tmp_path: Path) -> None:
    path = write(tmp_path / "test.test" / "posterior_param.mat", yx(keypoints(12)))
    landmarks = tmp_path / "celeba_mafl_test.mat"
    savemat(landmarks, {"gt": np.ones((11, 5, 2)), "hw": np.ones((11, 2))})
    assert "got 11 rows, expected 12" in refusal(Lmdis(), request(path, landmarks))
