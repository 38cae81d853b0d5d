"""The CUB loader on the real files, where KEYPOINTS_DATA_ROOT has them."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from datasets import cub
from datasets.base import SPLITS
from methods.floors import Grid
from metrics.points import Points
from metrics.protocols import PROTOCOLS
from metrics.scoring import score
from tests.dataset_plugins.test_cub import check_against_files, oracle_crop, raw


@pytest.fixture(scope="module")
def real_root() -> Path:
    if "KEYPOINTS_DATA_ROOT" not in os.environ:
        pytest.skip("KEYPOINTS_DATA_ROOT is not set")
    return Path(os.environ["KEYPOINTS_DATA_ROOT"])


REAL = [(cub.CUB_001, "001."), (cub.CUB_002, "002."), (cub.CUB_003, "003.")]


def real(factory, root: Path) -> cub.Cub:
    dataset = factory(root)
    found, message = dataset.available()
    if not found:
        pytest.skip(message)
    return dataset


@pytest.mark.parametrize(("factory", "prefix"), REAL)
def test_real_classes_follow_their_text_files(real_root: Path, factory, prefix: str) -> None:
    dataset = real(factory, real_root)
    check_against_files(real_root, dataset, prefix)
    for name in ("fit", "test"):
        for image_id in dataset.split(name):
            annotation = dataset.annotation(image_id)
            assert ((annotation.landmarks > 0) & (annotation.landmarks < 1)).all()
            assert dataset.image(image_id, 32).std() > 5


def official_annotations(real_root: Path, tmp_path: Path) -> Path:
    """A data root with the official text files of all 11,788 images, and no images."""
    official = real_root / "CUB_200_2011_annotations"
    if not official.is_dir():
        pytest.skip(f"no official annotation files in {official}")
    (tmp_path / "CUB_200_2011").symlink_to(official.resolve())
    return tmp_path


def test_all_official_annotations_are_read(real_root: Path, tmp_path: Path) -> None:
    """The whole official set of 5994 and 5794 images, every visible part inside its crop."""
    root = official_annotations(real_root, tmp_path)
    dataset = cub.CUB_ALL(root)
    assert dataset.annotated() == (True, "")
    assert not dataset.available()[0]
    fit, test = dataset.split("fit"), dataset.split("test")
    assert (len(fit), len(test)) == (5994, 5794)
    found = [dataset.annotation(image_id) for image_id in (*fit, *test)]
    landmarks = np.array([annotation.landmarks for annotation in found])
    visible = np.array([annotation.visible for annotation in found])
    boxes = np.array([annotation.box for annotation in found])
    assert ((landmarks > 0) & (landmarks < 1)).all()
    assert visible.sum(1).min() == 3
    assert visible.sum(1).mean() == pytest.approx(11.996, abs=5e-4)
    # A padded side is 1.1 box sides, but for rounding of at most half a pixel in at least 100.
    assert np.abs(boxes[:, 2:].max(axis=1) * 1.1 - 1).max() < 0.006
    assert np.abs(boxes[:, :2] + boxes[:, 2:] / 2 - 0.5).max() < 0.011


def test_digests_of_the_cards_are_those_of_the_real_files(real_root: Path, tmp_path: Path) -> None:
    roots = [official_annotations(real_root, tmp_path)]
    roots += [real_root] if (real_root / "CUB_200_2011").is_dir() else []
    for factory in (*(factory for factory, _ in REAL), cub.CUB_ALL):
        for root in roots:
            dataset = factory(root)
            if dataset.annotated()[0]:
                assert {name: dataset.digest(name) for name in SPLITS} == dataset.card.digests


@pytest.mark.parametrize(
    ("factory", "prefix", "floor"), [(*each, floor) for each, floor in zip(REAL, (23.13, 21.41, 23.27), strict=True)]
)
def test_grid_is_the_mean_landmark_on_real_birds(real_root: Path, factory, prefix: str, floor: float) -> None:
    """Regressing a constant grid, scored as published, equals the mean landmark computed by hand."""
    dataset = real(factory, real_root)
    method = Grid()
    method.num_keypoints = 4

    def points(split) -> Points:
        ids = dataset.split(split)
        found = [dataset.annotation(image_id) for image_id in ids]
        return Points(
            keypoints=np.array([method.points(image_id) for image_id in ids]),
            landmarks=np.array([annotation.landmarks for annotation in found]),
            visible=np.array([annotation.visible for annotation in found]),
            groups=tuple(annotation.group for annotation in found),
            ids=ids,
        )

    result = score(PROTOCOLS["sk/side"], points("regress"), points("test"))
    mean, value = mean_landmark_floor(real_root, prefix)
    assert np.abs(result.predicted - mean).max() < 1e-9
    assert abs(result.value - value) < 1e-9
    assert value == pytest.approx(floor, abs=0.005)


def mean_landmark_floor(root: Path, prefix: str) -> tuple[np.ndarray, float]:
    """Mean of each landmark over the fit images that show it, and its macro error in % of the crop, from raw text."""
    names = {row[0]: row[1] for row in raw(root, "images.txt") if row[1].startswith(prefix)}
    train = {row[0]: row[1] == "1" for row in raw(root, "train_test_split.txt")}
    crops = {row[0]: oracle_crop(row[1:]) for row in raw(root, "bounding_boxes.txt")}
    seen: dict[bool, dict[str, dict[int, tuple[float, float]]]] = {True: {}, False: {}}
    for number, part, x, y, visible in raw(root, "parts/part_locs.txt"):
        if number in names and visible == "1":
            left, top, side = crops[number]
            place = ((float(x) - 0.5 - left) / side, (float(y) - 0.5 - top) / side)
            seen[train[number]].setdefault(number, {})[int(part) - 1] = place
    mean = np.array(
        [np.mean([places[part] for places in seen[True].values() if part in places], axis=0) for part in range(15)]
    )
    errors = []
    for places in seen[False].values():
        errors.append(sum(np.hypot(*(mean[part] - place)) for part, place in places.items()) / len(places))
    return mean, 100 * sum(errors) / len(errors)
