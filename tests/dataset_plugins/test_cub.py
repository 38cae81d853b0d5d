"""The CUB loader on a synthetic tree of the official layout."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from datasets import cub
from datasets.base import SPLITS, DatasetError

CLASSES = [("001.Black_footed_Albatross", 30, 30), ("003.Sooty_Albatross", 30, 28)]
WIDTH, HEIGHT = 90, 70


def write_tree(root: Path, classes: Iterable[tuple[str, int, int]]) -> Path:
    """The official layout with noise images, every row drawn from one seed; of each class its train and test images."""
    folder = root / "CUB_200_2011"
    (folder / "parts").mkdir(parents=True)
    random = np.random.default_rng(0)
    files: dict[str, list[str]] = {name: [] for name in ("images", "train_test_split", "bounding_boxes", "part_locs")}
    number = 0
    for name, train, test in classes:
        (folder / "images" / name).mkdir(parents=True)
        for index in range(train + test):
            number += 1
            image_id = f"{name}/bird_{index}.png"
            Image.fromarray(random.integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)).save(
                folder / "images" / image_id
            )
            files["images"].append(f"{number} {image_id}")
            files["train_test_split"].append(f"{number} {int(index < train)}")
            left, top = random.integers(0, 30, 2)
            width, height = random.integers(20, 40, 2)
            files["bounding_boxes"].append(f"{number} {left}.0 {top}.0 {width}.0 {height}.0")
            for part in range(1, 16):
                visible = random.random() < 0.8
                x, y = left + random.integers(0, width), top + random.integers(0, height)
                files["part_locs"].append(f"{number} {part} " + (f"{x}.0 {y}.0 1" if visible else "0.0 0.0 0"))
    for name, lines in files.items():
        parent = folder / "parts" if name == "part_locs" else folder
        (parent / f"{name}.txt").write_text("\n".join(lines) + "\n")
    return root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_tree(tmp_path, CLASSES)


def edit(root: Path, name: str, number: int, change: Callable[[str], str | None]) -> None:
    """Change a line (1-based) of a file, or take it out where the change gives None."""
    path = root / "CUB_200_2011" / name
    lines: list[str | None] = [*path.read_text().splitlines()]
    lines[number - 1] = change(str(lines[number - 1]))
    path.write_text("".join(f"{line}\n" for line in lines if line is not None))


def put(root: Path, name: str, number: int, line: str) -> None:
    """Put a line (1-based) of a file in place of the one that is there."""
    edit(root, name, number, lambda text: line)


def raw(root: Path, name: str) -> list[list[str]]:
    return [row.split() for row in (root / "CUB_200_2011" / name).read_text().splitlines()]


def oracle_crop(box: list[str]) -> tuple[int, int, int]:
    """Left, top and side in exact arithmetic: pad 5 % a side, square, round half to even."""
    x, y, w, h = (Fraction(value) for value in box)
    padded = [x - w / 20, y - h / 20, x + w + w / 20, y + h + h / 20]
    side = round(max(padded[2] - padded[0], padded[3] - padded[1]))
    middle_x, middle_y = (padded[0] + padded[2]) / 2, (padded[1] + padded[3]) / 2
    return round(middle_x - Fraction(side, 2)), round(middle_y - Fraction(side, 2)), side


def check_against_files(root: Path, dataset: cub.Cub, class_prefix: str) -> None:
    """Every landmark, box and split of a class equals what the text files say, read line by line."""
    names = {row[0]: row[1] for row in raw(root, "images.txt") if row[1].startswith(class_prefix)}
    train = {row[0]: row[1] == "1" for row in raw(root, "train_test_split.txt")}
    assert set(dataset.split("fit")) == {name for number, name in names.items() if train[number]}
    assert set(dataset.split("test")) == {name for number, name in names.items() if not train[number]}
    assert dataset.split("regress") == dataset.split("fit")
    boxes = {row[0]: row[1:] for row in raw(root, "bounding_boxes.txt")}
    crops = {number: oracle_crop(box) for number, box in boxes.items()}
    for number, name in names.items():
        (left, top, side), box = crops[number], np.array(boxes[number], float)
        expected_box = (box - (left, top, 0, 0)) / side
        assert dataset.annotation(name).box == pytest.approx(expected_box, abs=1e-12)
    seen = 0
    for number, part, x, y, visible in raw(root, "parts/part_locs.txt"):
        if number in names:
            annotation = dataset.annotation(names[number])
            index = int(part) - 1
            assert annotation.visible[index] == (visible == "1")
            if visible == "1":
                left, top, side = crops[number]
                expected = ((float(x) - 1 + 0.5 - left) / side, (float(y) - 1 + 0.5 - top) / side)
                assert annotation.landmarks[index] == pytest.approx(expected, abs=1e-12)
                seen += 1
    assert seen > 100


def test_landmarks_and_splits_follow_the_text_files(root: Path) -> None:
    dataset = cub.CUB_001(root)
    check_against_files(root, dataset, "001.")
    first = dataset.split("test")[0]
    assert dataset.annotation(first).group == first
    assert len(cub.CUB_003(root).split("test")) == 28


def test_crop_without_resize_is_the_padded_image(root: Path) -> None:
    dataset = cub.CUB_001(root)
    boxes = raw(root, "bounding_boxes.txt")
    outside = 0
    for index, (_, image_id) in enumerate(raw(root, "images.txt")[:60]):
        left, top, side = oracle_crop(boxes[index][1:])
        photo = np.asarray(Image.open(root / "CUB_200_2011/images" / image_id))
        border = 100
        padded = np.full((HEIGHT + 2 * border, WIDTH + 2 * border, 3), 128, np.uint8)
        padded[border:-border, border:-border] = photo
        expected = padded[top + border : top + border + side, left + border : left + border + side]
        np.testing.assert_array_equal(dataset.image(image_id, side), expected)
        outside += left < 0 or top < 0 or left + side > WIDTH or top + side > HEIGHT
    assert outside > 5


@pytest.mark.parametrize("size", [48, 128])
def test_landmark_sits_on_the_pixel_it_names(root: Path, size: int) -> None:
    """A white pixel painted at a part's (1-based) place has its centre of mass where the landmark says."""
    dataset = cub.CUB_001(root)
    number, image_id = raw(root, "images.txt")[4]
    visible = [row for row in raw(root, "parts/part_locs.txt") if row[0] == number and row[4] == "1"]
    boxes = {row[0]: row[1:] for row in raw(root, "bounding_boxes.txt")}
    left, top, side = oracle_crop(boxes[number])
    assert len(visible) > 5
    for _, part, x, y, _ in visible:
        column, row = int(float(x)) - 1, int(float(y)) - 1
        assert 2 <= column - left < side - 2
        assert 2 <= row - top < side - 2
        photo = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        photo[row, column] = 255
        Image.fromarray(photo).save(root / "CUB_200_2011/images" / image_id)
        lit = dataset.image(image_id, size)[:, :, 0].astype(float)
        Image.new("RGB", (WIDTH, HEIGHT)).save(root / "CUB_200_2011/images" / image_id)
        lit -= dataset.image(image_id, size)[:, :, 0]
        centres = (np.arange(size) + 0.5) / size
        mass = np.array([(lit.sum(0) * centres).sum(), (lit.sum(1) * centres).sum()]) / lit.sum()
        landmark = dataset.annotation(image_id).landmarks[int(part) - 1]
        assert np.abs(mass - landmark).max() < 0.1 / side + 0.02 / size


def test_left_right_pairs_are_published_permutation() -> None:
    permutation = list(range(15))
    card = cub.CUB_001().card
    for left, right in card.left_right_pairs:
        permutation[left], permutation[right] = right, left
        names = card.landmark_names[left], card.landmark_names[right]
        assert names[1] == names[0].replace("left", "right")
    assert permutation == [0, 1, 2, 3, 4, 5, 10, 11, 12, 9, 6, 7, 8, 13, 14]


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK"])
def test_an_image_of_any_mode_is_read_as_rgb(root: Path, mode: str) -> None:
    dataset = cub.CUB_001(root)
    image_id = dataset.split("fit")[0]
    path = root / "CUB_200_2011/images" / image_id
    converted = Image.open(path).convert(mode)
    converted.save(path, format="TIFF" if mode == "CMYK" else "PNG")
    left, top, side = oracle_crop(raw(root, "bounding_boxes.txt")[0][1:])
    assert left >= 0 and top >= 0 and left + side <= WIDTH and top + side <= HEIGHT
    expected = np.asarray(converted.convert("RGB"))[top : top + side, left : left + side]
    np.testing.assert_array_equal(dataset.image(image_id, side), expected)
    assert mode != "L" or (expected[..., 0] == expected[..., 2]).all()


@given(st.tuples(*[st.integers(-40, 600)] * 2, *[st.integers(1, 600)] * 2))
def test_square_of_any_box_is_that_of_exact_arithmetic(box: tuple[int, int, int, int]) -> None:
    square = cub.padded_squares(np.array([box], float))[0]
    assert tuple(square) == oracle_crop([str(value) for value in box])


def test_boxes_and_parts_past_the_border_keep_their_places(root: Path) -> None:
    """Nothing is clipped: a box may leave the image and a part may leave the crop."""
    put(root, "bounding_boxes.txt", 3, f"3 -4.0 {HEIGHT - 11}.0 20.0 40.0")
    put(root, "parts/part_locs.txt", 31, f"3 1 {WIDTH}.0 1.0 1")
    dataset = cub.CUB_001(root)
    image_id = "001.Black_footed_Albatross/bird_2.png"
    # Side 44 about the middle (6, 79) of the box: left -16, top 57.
    annotation = dataset.annotation(image_id)
    assert annotation.landmarks[0] == pytest.approx(((WIDTH - 0.5 + 16) / 44, (0.5 - 57) / 44))
    assert annotation.box == pytest.approx((12 / 44, 2 / 44, 20 / 44, 40 / 44))
    photo = np.asarray(Image.open(root / "CUB_200_2011/images" / image_id))
    expected = np.full((44, 44, 3), 128, np.uint8)
    expected[: HEIGHT - 57, 16:] = photo[57:, : 44 - 16]
    np.testing.assert_array_equal(dataset.image(image_id, 44), expected)


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_line_ends_blank_lines_and_the_order_of_lines_do_not_matter(root: Path, ending: str) -> None:
    clean = {name: cub.CUB_003(root).digest(name) for name in SPLITS}
    random = np.random.default_rng(1)
    for path in (root / "CUB_200_2011").rglob("*.txt"):
        lines = random.permutation(path.read_text().splitlines()).tolist()
        path.write_bytes(("\ufeff" + ending.join([*lines[:9], "", *lines[9:]])).encode())
    dataset = cub.CUB_003(root)
    assert {name: dataset.digest(name) for name in SPLITS} == clean


def test_annotations_are_enough_to_score(root: Path) -> None:
    whole = cub.CUB_001(root).digest("test")
    shutil.rmtree(root / "CUB_200_2011/images")
    dataset = cub.CUB_001(root)
    assert dataset.annotated() == (True, "")
    found, message = dataset.available()
    assert not found and "images/001.*" in message
    assert dataset.digest("test") == whole
    with pytest.raises(DatasetError, match=r"bird_30\.png"):
        dataset.image(dataset.split("test")[0], 32)


def test_files_of_some_classes_do_not_annotate_the_others(root: Path) -> None:
    dataset = cub.CUB_ALL(root)
    found, message = dataset.annotated()
    assert not found
    assert "\n" not in message
    for fragment in ("cub_all", "images.txt", "class 002.", "and 197 more", "those of a subset", "data.caltech.edu"):
        assert fragment in message
    assert dataset.available() == dataset.present() == (False, message), "whatever images are there"
    assert cub.CUB_001(root / "nowhere").annotated()[0] is False


def test_groups_are_images_of_one_class_and_classes_of_several(root: Path) -> None:
    both = cub.Cub(cub.CUB_001().card.model_copy(update={"counts": dict.fromkeys(SPLITS, 60)}), (1, 3), root)
    assert set(both.table("fit").groups) == {"001.Black_footed_Albatross", "003.Sooty_Albatross"}
    alone = cub.CUB_001(root).table("fit")
    assert alone.groups == alone.ids


@pytest.mark.parametrize(
    ("name", "number", "change"),
    [
        ("bounding_boxes.txt", 1, lambda text: "1 1.0 2.0 39.0 3.0"),
        ("parts/part_locs.txt", 1, lambda text: "1 1 51.0 9.0 1"),
        ("images.txt", 1, lambda text: text.replace(".png", ".PNG")),
    ],
)
def test_digest_changes_with_any_annotation(root: Path, name: str, number: int, change) -> None:
    before = cub.CUB_001(root)
    digest = before.digest("fit")
    assert digest == cub.CUB_001(root).digest("fit")
    edit(root, name, number, change)
    assert cub.CUB_001(root).digest("fit") != digest
    assert cub.CUB_001(root).digest("test") == before.digest("test")
