"""GANSeg: centroids in pixels from 0 to 128, y first, in the shuffled order of its loaders, beside the landmarks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.importing.joining import join
from methods.adapters.base import Split
from methods.adapters.ganseg import GanSeg
from tests.methods.adapters.foreign import COUNTS, Trap, keypoints, splits, swapped
from tests.methods.adapters.requests import refusal, request

NAMES: dict[Split, str] = {"regress": "train", "test": "test"}


def pixels(points: Any) -> Any:
    """(y, x) as a mean over numpy.linspace(0, 128, 128), of which pixel i is at (i + 0.5) / 128 of the image."""
    index = swapped(points) * 128 - 0.5
    return np.interp(index, np.arange(128), np.linspace(0, 128, 128))


def gathered(shuffled: bool = True) -> tuple[dict[str, Any], dict[Split, Any]]:
    """The four arrays of test_seg.py, and the keypoints of each split in its order."""
    made, arrays = splits(), {}
    points: dict[Split, Any] = {"regress": keypoints(20), "test": keypoints(12, seed=4)}
    for split, name in NAMES.items():
        count = COUNTS[split]
        order = np.random.default_rng(8).permutation(count) if shuffled else np.arange(count)
        arrays[f"{name}_X"] = pixels(points[split])[order]
        arrays[f"{name}_y"] = swapped(made[split].landmarks)[order] * 128
    return {name: values.astype(np.float32) for name, values in arrays.items()}, points


@pytest.mark.parametrize("flat", [True, False])
def test_shuffled_rows_come_back_to_their_images(tmp_path: Path, flat: bool) -> None:
    arrays, points = gathered()
    if flat:  # as test_seg.py leaves them for MAFL
        arrays = {name: values.reshape(len(values), -1) for name, values in arrays.items()}
    torch.save({name: torch.from_numpy(values) for name, values in arrays.items()}, tmp_path / "all.pt")
    made = splits()
    joined = join(GanSeg().read(request(tmp_path / "all.pt", splits=made)), made)
    for split in COUNTS:
        np.testing.assert_allclose(joined.of(made[split].ids), points[split], atol=1e-6)


def test_a_file_a_split_and_missing_landmarks_of_taichi(tmp_path: Path) -> None:
    arrays, points = gathered()
    made = splits()
    for name in ("train", "test"):
        landmarks = arrays[f"{name}_y"] * 2
        landmarks[3, 1] = -1
        np.savez(tmp_path / f"{name}.npz", **{f"{name}_X": arrays[f"{name}_X"], f"{name}_y": landmarks})
    paths = [tmp_path / "train.npz", tmp_path / "test.npz"]
    outputs = GanSeg().read(request(*paths, splits=made, options={"landmark_side": "256"}))
    assert [found.split for found in outputs] == ["regress", "test"]
    assert outputs[0].visible is not None and outputs[0].visible.sum() == 20 * 5 - 1
    joined = join(outputs, made)
    np.testing.assert_allclose(joined.of(made["test"].ids), points["test"], atol=1e-6)


def test_a_part_in_a_corner_is_at_the_centre_of_that_pixel(tmp_path: Path) -> None:
    made = splits()
    grid = np.linspace(0, 128, 128)
    values = np.tile([grid[0], grid[127]], (12, 4, 1))
    np.savez(tmp_path / "test.npz", test_X=values, test_y=swapped(made["test"].landmarks) * 128)
    (found,) = GanSeg().read(request(tmp_path / "test.npz", splits=made))
    np.testing.assert_allclose(found.keypoints, np.tile([127.5 / 128, 0.5 / 128], (12, 4, 1)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: {"test_X": a["test_X"] / 128}, "which are fractions of the image"),
        (lambda a: {"test_X": a["test_X"] / 64 - 1}, "fractions of the image"),
        (lambda a: {"test_X": a["test_X"] * 2}, "expected 0 to 128"),
        (lambda a: {"test_X": a["test_X"] * np.nan}, "row 0, keypoint 0 is not finite"),
        (lambda a: {"test_X": a["test_X"][:, :3]}, "got K=3 keypoints per image, the task has K=4"),
        (lambda a: {"test_X": a["test_X"][:9]}, "got 12 rows, expected 9"),
        (lambda a: {"test_y": swapped(a["test_y"])}, "expected (y, x), the order of GANSeg"),
        (lambda a: {"test_y": a["test_y"] / 2}, "--option landmark_side=N"),
        (lambda a: {"test_y": a["test_y"][:, :3]}, "got 3 landmarks per image, the task has 5"),
    ],
)
def test_refuses(tmp_path: Path, change: Any, message: str) -> None:
    arrays, _ = gathered()
    np.savez(tmp_path / "all.npz", **(arrays | change(arrays)))
    assert message in refusal(GanSeg(), request(tmp_path / "all.npz", splits=splits()))


def test_refuses_shuffled_rows_without_landmarks_unless_somebody_vouches_for_them(tmp_path: Path) -> None:
    arrays, points = gathered(shuffled=False)
    np.savez(tmp_path / "X.npz", train_X=arrays["train_X"], test_X=arrays["test_X"])
    assert "GANSeg's loaders shuffle" in refusal(GanSeg(), request(tmp_path / "X.npz"))
    found = GanSeg().read(request(tmp_path / "X.npz", options={"rows": "task"}))
    np.testing.assert_allclose(found[1].keypoints, points["test"], atol=1e-6)


def test_refuses_other_files_and_never_runs_one(tmp_path: Path) -> None:
    np.save(tmp_path / "X.npy", keypoints(12))
    assert "expected train_X, train_y, test_X and test_y" in refusal(GanSeg(), request(tmp_path / "X.npy"))
    torch.save({"test_X": Trap(tmp_path / "sprung")}, tmp_path / "trap.pt")
    assert "code in a file is never run" in refusal(GanSeg(), request(tmp_path / "trap.pt"))
    assert not (tmp_path / "sprung").exists()
    np.savez(tmp_path / "one.npz", test_X=keypoints(12))
    np.savez(tmp_path / "two.npz", test_X=keypoints(12))
    assert "expected each array once" in refusal(GanSeg(), request(tmp_path / "one.npz", tmp_path / "two.npz"))
