"""The NABirds loader on a synthetic tree: CUB's layout with ids of text, eleven parts, and numbers of parts from 0."""

from __future__ import annotations

import uuid
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datasets import cub
from datasets.base import DatasetError
from datasets.nabirds import NABIRDS, PARTS, NABirds
from tests.dataset_plugins.test_cub import oracle_crop
from tests.dataset_plugins.test_cub import write_tree as write_cub

WIDTH, HEIGHT = 90, 70
IMAGES, TRAIN = 12, 7
# The official order of the parts, numbered from 0.
OFFICIAL = [
    *("bill", "crown", "nape", "left eye", "right eye", "belly", "breast", "back", "tail"),
    *("left wing", "right wing"),
]


def write_tree(root: Path, names: list[str] = OFFICIAL, first: int = 0) -> Path:
    """Noise images, the first TRAIN of them for training; every file in another order of lines."""
    folder = root / "nabirds"
    (folder / "parts").mkdir(parents=True)
    random = np.random.default_rng(0)
    files: dict[str, list[str]] = {
        name: [] for name in ("images", "train_test_split", "bounding_boxes", "parts/part_locs")
    }
    for index in range(IMAGES):
        number = str(uuid.UUID(int=int(random.integers(1, 1 << 60))))
        image_id = f"{295 + index % 3:04d}/{number.replace('-', '')}.png"
        (folder / "images" / image_id).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)).save(folder / "images" / image_id)
        files["images"].append(f"{number} {image_id}")
        files["train_test_split"].insert(0, f"{number} {int(index < TRAIN)}")
        left, top = random.integers(0, 30, 2)
        width, height = random.integers(20, 40, 2)
        files["bounding_boxes"].append(f"{number} {left} {top} {width} {height}")
        for part in random.permutation(len(names)):
            visible = part == 0 or random.random() < 0.7
            x, y = left + random.integers(0, width), top + random.integers(0, height)
            place = f"{x} {y} 1" if visible else "-1 -1 0"
            files["parts/part_locs"].append(f"{number} {first + part} {place}")
    files["parts/parts"] = [f"{first + part} {name}" for part, name in enumerate(names)]
    for name, lines in files.items():
        (folder / f"{name}.txt").write_text("\n".join(lines) + "\n")
    return root


def small(root: Path) -> NABirds:
    """The dataset with the counts of the tree of this file."""
    counts = {"fit": TRAIN, "regress": TRAIN, "test": IMAGES - TRAIN}
    return NABirds(NABIRDS.args[0].model_copy(update={"counts": counts}), root)


def rows(root: Path, name: str) -> list[list[str]]:
    return [line.split(" ") for line in (root / "nabirds" / f"{name}.txt").read_text().splitlines()]


@pytest.mark.parametrize(("names", "first"), [(OFFICIAL, 0), (OFFICIAL[::-1], 1)])
def test_splits_parts_and_boxes_follow_the_text_files(tmp_path: Path, names: list[str], first: int) -> None:
    root = write_tree(tmp_path, names, first)
    dataset = small(root)
    assert dataset.available() == (True, "")
    ids = dict(rows(root, "images"))
    train = [number for number, side in rows(root, "train_test_split") if side == "1"]
    assert dataset.split("fit") == dataset.split("regress")
    assert dataset.split("fit") == tuple(name for number, name in ids.items() if number in train)
    assert dataset.split("test") == tuple(name for number, name in ids.items() if number not in train)
    boxes = {number: box for number, *box in rows(root, "bounding_boxes")}
    named = {number: " ".join(name) for number, *name in rows(root, "parts/parts")}
    seen = 0
    for number, part, x, y, visible in rows(root, "parts/part_locs"):
        annotation = dataset.annotation(ids[number])
        assert annotation.group == ids[number][:4]
        left, top, side = oracle_crop(boxes[number])
        box = np.array(boxes[number], float)
        assert annotation.box == pytest.approx((box - (left, top, 0, 0)) / side, abs=1e-12)
        index = PARTS.index(named[part])
        assert annotation.visible[index] == (visible == "1")
        if visible == "1":
            expected = ((float(x) - left) / side, (float(y) - top) / side)
            assert annotation.landmarks[index] == pytest.approx(expected, abs=1e-12)
            seen += 1
    assert seen > 50


def test_an_image_is_its_crop(tmp_path: Path) -> None:
    root = write_tree(tmp_path)
    dataset = small(root)
    (number, image_id), (_, *box) = rows(root, "images")[0], rows(root, "bounding_boxes")[0]
    left, top, side = oracle_crop(box)
    photo = Image.open(root / "nabirds" / "images" / image_id)
    expected = Image.new("RGB", (side, side), (128, 128, 128))
    expected.paste(photo, (-left, -top))
    np.testing.assert_array_equal(dataset.image(image_id, side), np.asarray(expected))
    assert number not in image_id


def test_the_pairs_are_those_of_the_names() -> None:
    card = NABIRDS(None).card
    assert card.landmark_names == tuple(OFFICIAL)
    sided = {name for name in OFFICIAL if name.startswith(("left", "right"))}
    assert {card.landmark_names[index] for pair in card.left_right_pairs for index in pair} == sided
    for left, right in card.left_right_pairs:
        assert card.landmark_names[right] == card.landmark_names[left].replace("left", "right")
    assert card.counts["fit"] + card.counts["test"] == 48562


@pytest.mark.parametrize(
    ("name", "line", "text", "fragments"),
    [
        ("images", 3, "only-an-id", ("images.txt, line 3", "an id and a name")),
        ("parts/parts", 2, "1 wattle", ("parts.txt, line 2", "1 wattle", "bill")),
        ("parts/parts", 2, "0 crown", ("parts.txt, line 2", "no earlier line")),
        ("parts/parts", 2, "", ("parts.txt", "no line for the part 'crown'")),
        ("bounding_boxes", 1, None, ("bounding_boxes.txt, line 1", "5 numbers")),
        ("parts/part_locs", 5, None, ("part_locs.txt, line 5", "part from 0 to 10")),
    ],
)
def test_a_wrong_line_is_named(
    tmp_path: Path, name: str, line: int, text: str | None, fragments: tuple[str, ...]
) -> None:
    root = write_tree(tmp_path)
    path = root / "nabirds" / f"{name}.txt"
    lines = path.read_text().splitlines()
    lines[line - 1] = f"{lines[line - 1].split()[0]} 11 x" if text is None else text
    path.write_text("\n".join(lines))
    with pytest.raises(DatasetError) as error:
        small(root).split("fit")
    assert "\n" not in str(error.value)
    for fragment in fragments:
        assert fragment in str(error.value)


def test_an_image_without_a_row_and_a_subset_are_refused(tmp_path: Path) -> None:
    root = write_tree(tmp_path)
    with pytest.raises(DatasetError, match="has 7 images, expected 23929"):
        NABIRDS(root).split("fit")
    path = root / "nabirds" / "bounding_boxes.txt"
    path.write_text("\n".join(path.read_text().splitlines()[1:]))
    with pytest.raises(DatasetError, match=r"has 0 rows, expected 1"):
        small(root).split("fit")


def test_the_ids_of_cub_stay_numbers(tmp_path: Path) -> None:
    root = write_cub(tmp_path, [("001.Black_footed_Albatross", 30, 30)])
    path = root / "CUB_200_2011" / "images.txt"
    path.write_text(path.read_text().replace("7 001", "seven 001"))
    with pytest.raises(DatasetError, match="expected a number and a name"):
        cub.CUB_001(root).split("fit")
