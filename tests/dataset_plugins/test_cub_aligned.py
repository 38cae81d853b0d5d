"""CUB-aligned on a synthetic tree, and on the official files against what Lorenz et al. released."""

from __future__ import annotations

import csv
import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datasets import cub_aligned
from datasets.base import SPLITS, DatasetError
from tests.dataset_plugins.test_cub import HEIGHT, WIDTH, put, raw, write_tree

TREE = [("001.Black_footed_Albatross", 2, 2), ("004.Groove_billed_Ani", 12, 8), ("009.Brewer_Blackbird", 6, 10)]
PUBLISHED_MIRROR = [0, 1, 2, 3, 4, 5, 10, 11, 12, 9, 6, 7, 8, 13, 14]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_tree(tmp_path, TREE)


def small(root: Path, fit: int = 18, test: int = 18) -> cub_aligned.CubAligned:
    card = cub_aligned.CUB_ALIGNED().card.model_copy(update={"counts": {"fit": fit, "regress": fit, "test": test}})
    return cub_aligned.CubAligned(card, (4, 9), root)


def oracle_crop(box: list[str]) -> tuple[int, int, int]:
    """Left, top and side in exact arithmetic."""
    x, y, w, h = (Fraction(value) for value in box)
    side = max(w, h)
    left, top = (round(middle + side / 2) - side for middle in (x + w / 2, y + h / 2))
    return int(left), int(top), int(side)


def is_mirrored(parts: list[list[str]]) -> bool:
    """Whether the right eye (11) is visible and the left (7) is not."""
    return parts[10][4] == "1" and parts[6][4] == "0"


def test_crops_landmarks_boxes_and_splits_follow_the_text_files(root: Path) -> None:
    dataset = small(root)
    names = {number: name for number, name in raw(root, "images.txt") if not name.startswith("001.")}
    train = {number: value == "1" for number, value in raw(root, "train_test_split.txt")}
    assert dataset.split("fit") == dataset.split("regress") == tuple(names[key] for key in names if train[key])
    assert dataset.split("test") == tuple(names[key] for key in names if not train[key])
    boxes = {row[0]: row[1:] for row in raw(root, "bounding_boxes.txt")}
    locations = raw(root, "parts/part_locs.txt")
    mirrored = 0
    for number, name in names.items():
        left, top, side = oracle_crop(boxes[number])
        parts = [row for row in locations if row[0] == number]
        flip = is_mirrored(parts)
        annotation = dataset.annotation(name)
        for target, source in enumerate(PUBLISHED_MIRROR if flip else range(15)):
            x, y = (float(value) for value in parts[source][2:4])
            across = 1 - (x - left) / side if flip else (x - left) / side
            assert annotation.visible[target] == (parts[source][4] == "1")
            if annotation.visible[target]:
                assert annotation.landmarks[target] == pytest.approx((across, (y - top) / side), abs=1e-12)
        x, y, w, h = (float(value) for value in boxes[number])
        across = (left + side - x - w) / side if flip else (x - left) / side
        assert annotation.box == pytest.approx((across, (y - top) / side, w / side, h / side), abs=1e-12)
        assert annotation.group == name.split("/")[0]
        mirrored += flip
    assert 0 < mirrored < len(names) - 5


def test_a_bird_facing_right_worked_out_by_hand(root: Path) -> None:
    """Side 50; right edge 10 + 15.5 + 25 = 50.5 goes to the even 50, so left 0; lower edge 70, so top 20."""
    put(root, "bounding_boxes.txt", 5, "5 10.0 20.0 31.0 50.0")
    for part, row in ((7, "0.0 0.0 0"), (11, "12.0 30.0 1"), (9, "35.0 40.0 1"), (13, "0.0 0.0 0"), (1, "60.0 10.0 1")):
        put(root, "parts/part_locs.txt", 60 + part, f"5 {part} {row}")
    annotation = small(root).annotation("004.Groove_billed_Ani/bird_0.png")
    assert annotation.landmarks[[6, 12, 0]] == pytest.approx(np.array([[0.76, 0.2], [0.3, 0.4], [-0.2, -0.2]]))
    assert annotation.visible[[6, 10, 12, 8, 0]].tolist() == [True, False, True, False, True]
    assert annotation.box == pytest.approx((0.18, 0, 0.62, 1))


def test_crop_without_resize_is_the_padded_image_mirrored_where_the_bird_faces_right(root: Path) -> None:
    dataset = small(root)
    locations, border = raw(root, "parts/part_locs.txt"), 100
    outside = 0
    for (number, name), (_, *box) in zip(raw(root, "images.txt"), raw(root, "bounding_boxes.txt"), strict=True):
        if name.startswith("001."):
            continue
        left, top, side = oracle_crop(box)
        padded = np.full((HEIGHT + 2 * border, WIDTH + 2 * border, 3), 128, np.uint8)
        padded[border:-border, border:-border] = np.asarray(Image.open(root / "CUB_200_2011/images" / name))
        expected = padded[top + border : top + border + side, left + border : left + border + side]
        if is_mirrored([row for row in locations if row[0] == number]):
            expected = expected[:, ::-1]
        np.testing.assert_array_equal(dataset.image(name, side), expected)
        outside += left < 0 or top < 0 or left + side > WIDTH or top + side > HEIGHT
    assert outside > 2


def test_landmarks_move_with_the_pixels_when_mirrored(root: Path) -> None:
    """A lit pixel (column, row), counted from 0, has its landmark on its corner that was the upper left one."""
    dataset = small(root)
    locations = raw(root, "parts/part_locs.txt")
    birds = list(zip(raw(root, "images.txt"), raw(root, "bounding_boxes.txt"), strict=True))
    seen = set()
    for (number, name), (_, *box) in birds[4:12]:
        side = oracle_crop(box)[2]
        parts = [row for row in locations if row[0] == number]
        flip = is_mirrored(parts)
        for target, source in enumerate(PUBLISHED_MIRROR if flip else range(15)):
            if parts[source][4] == "0":
                continue
            photo = np.zeros((HEIGHT + 40, WIDTH + 40, 3), np.uint8)
            photo[int(float(parts[source][3])), int(float(parts[source][2]))] = 255
            Image.fromarray(photo).save(root / "CUB_200_2011/images" / name)
            ((row, column),) = np.argwhere(dataset.image(name, side)[..., 0] == 255)
            corner = np.array([column + 1 if flip else column, row]) / side
            assert dataset.annotation(name).landmarks[target] == pytest.approx(corner, abs=1e-12)
            seen.add(flip)
    assert seen == {True, False}


def test_158_classes_stay_and_none_of_the_three_single_ones() -> None:
    assert len(cub_aligned.CLASSES) == 158
    assert len(cub_aligned.EXCLUDED) == 42
    assert {1, 2, 3} <= cub_aligned.EXCLUDED <= set(range(1, 201))


def test_what_is_missing_or_corrupt_is_named(root: Path) -> None:
    for dataset, fragments in (
        (cub_aligned.CUB_ALIGNED(root), ("images.txt", "class 010.", "and 155 more")),
        (small(root, fit=17), ("'fit' has 18 images, expected 17",)),
        (small(root, test=19), ("'test' has 18 images, expected 19",)),
    ):
        with pytest.raises(DatasetError) as error:
            [dataset.split(name) for name in SPLITS]
        assert "\n" not in str(error.value)
        for fragment in fragments:
            assert fragment in str(error.value)
    assert not cub_aligned.CUB_ALIGNED(root).annotated()[0]
    assert small(root).available() == (True, "")


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> cub_aligned.CubAligned:
    """The whole set on the official text files."""
    if "KEYPOINTS_DATA_ROOT" not in os.environ:
        pytest.skip("KEYPOINTS_DATA_ROOT is not set")
    official = Path(os.environ["KEYPOINTS_DATA_ROOT"]) / "CUB_200_2011_annotations"
    if not official.is_dir():
        pytest.skip(f"no official annotation files in {official}")
    root = tmp_path_factory.mktemp("root")
    (root / "CUB_200_2011").symlink_to(official.resolve())
    return cub_aligned.CUB_ALIGNED(root)


def released(split: str) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Names, landmarks and visibility that Lorenz et al. released."""
    folder = Path(os.environ["KEYPOINTS_DATA_ROOT"]) / "CUB_aligned"
    if not folder.is_dir():
        pytest.skip(f"no released lists in {folder}")
    with (folder / f"{split}.csv").open(encoding="utf-8", newline="") as file:
        names = [row["fname_original"] for row in csv.DictReader(file)]
    keypoints = np.load(folder / f"{split}_kp.npy", allow_pickle=False)
    return names, keypoints[..., :2], keypoints[..., 2] > 0.5


@pytest.mark.parametrize(
    ("name", "file", "count", "mirrored"), [("fit", "train", 4735, 2277), ("test", "test", 4630, 2169)]
)
def test_every_image_is_as_released(real, name, file, count: int, mirrored: int) -> None:
    names, landmarks, visible = released(file)
    table = real.table(name)
    assert len(names) == count
    assert table.ids == tuple(names)
    np.testing.assert_array_equal(table.visible, visible)
    assert np.abs(table.landmarks - landmarks)[visible].max() < 1e-6
    assert sum(crop.flip for crop in table.crops) == mirrored


def test_floors_of_the_rebuilt_set(real) -> None:
    """Errors of the mean landmark and of the centre, in % of the side, worked out from the tables."""
    fit, test = real.table("fit"), real.table("test")
    shown = test.visible.sum(axis=1)
    mean = (fit.landmarks * fit.visible[..., None]).sum(axis=0) / fit.visible.sum(axis=0)[:, None]
    errors = np.linalg.norm(test.landmarks - mean, axis=2) * test.visible
    assert 100 * errors.sum() / shown.sum() == pytest.approx(16.83, abs=0.005)
    assert 100 * (errors.sum(axis=1) / shown).mean() == pytest.approx(16.95, abs=0.005)
    centre = np.linalg.norm(test.landmarks - 0.5, axis=2) * test.visible
    assert 100 * centre.sum() / shown.sum() == pytest.approx(33.08, abs=0.005)


def test_digests_of_the_card_are_those_of_the_real_files(real) -> None:
    assert {name: real.digest(name) for name in SPLITS} == real.card.digests
