"""The CUB loader on a synthetic tree of the official layout."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datasets import cub
from datasets.base import DatasetError

CLASSES = {1: ("001.Black_footed_Albatross", 30, 30), 3: ("003.Sooty_Albatross", 30, 28)}
WIDTH, HEIGHT = 90, 70


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The official layout with two classes of noise images, every row drawn from one seed."""
    folder = tmp_path / "CUB_200_2011"
    (folder / "parts").mkdir(parents=True)
    random = np.random.default_rng(0)
    files: dict[str, list[str]] = {name: [] for name in ("images", "train_test_split", "bounding_boxes", "part_locs")}
    number = 0
    for name, train, test in CLASSES.values():
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
    return tmp_path


def edit(root: Path, name: str, number: int, change: Callable[[str], str | None]) -> None:
    """Change a line (1-based) of a file, or take it out where the change gives None."""
    path = root / "CUB_200_2011" / name
    lines: list[str | None] = [*path.read_text().splitlines()]
    lines[number - 1] = change(str(lines[number - 1]))
    path.write_text("".join(f"{line}\n" for line in lines if line is not None))


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
    """Every landmark and split of a class equals what the text files say, read line by line."""
    names = {row[0]: row[1] for row in raw(root, "images.txt") if row[1].startswith(class_prefix)}
    train = {row[0]: row[1] == "1" for row in raw(root, "train_test_split.txt")}
    assert set(dataset.split("fit")) == {name for number, name in names.items() if train[number]}
    assert set(dataset.split("test")) == {name for number, name in names.items() if not train[number]}
    assert dataset.split("regress") == dataset.split("fit")
    crops = {row[0]: oracle_crop(row[1:]) for row in raw(root, "bounding_boxes.txt")}
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
    for left, right in cub.CUB_001().card.left_right_pairs:
        permutation[left], permutation[right] = right, left
        names = cub.PARTS[left], cub.PARTS[right]
        assert names[1] == names[0].replace("left", "right")
    assert permutation == [0, 1, 2, 3, 4, 5, 10, 11, 12, 9, 6, 7, 8, 13, 14]


def test_greyscale_image_is_read_as_rgb(root: Path) -> None:
    dataset = cub.CUB_001(root)
    image_id = dataset.split("fit")[0]
    path = root / "CUB_200_2011/images" / image_id
    Image.open(path).convert("L").save(path)
    image = dataset.image(image_id, 32)
    assert image.shape == (32, 32, 3)
    assert (image[..., 0] == image[..., 2]).all()


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


def expect(dataset: cub.Cub, *fragments: str) -> None:
    with pytest.raises(DatasetError) as error:
        dataset.split("fit")
    message = str(error.value)
    assert "\n" not in message
    for fragment in fragments:
        assert fragment in message


def test_no_root_missing_files_and_missing_class_are_unavailable_with_the_way_out(root: Path) -> None:
    for dataset, fragments in (
        (cub.CUB_001(None), ("no data root", "KEYPOINTS_DATA_ROOT")),
        (cub.CUB_001(root / "nowhere"), ("images.txt", str(root / "nowhere"), "data.caltech.edu")),
        (cub.CUB_002(root), ("002.", str(root))),
        (cub.CUB_ALL(root), ("002.", "and 197 more")),
    ):
        found, message = dataset.available()
        assert not found
        for fragment in fragments:
            assert fragment in message
        expect(dataset, *fragments)
    assert cub.CUB_001(root).available() == (True, "")


def test_missing_column_names_file_and_line(root: Path) -> None:
    edit(root, "parts/part_locs.txt", 37, lambda text: text.rsplit(" ", 1)[0])
    expect(cub.CUB_001(root), "part_locs.txt, line 37:", "expected 5 numbers")


@pytest.mark.parametrize("value", ["x", "nan", "1e999"])
def test_a_value_that_is_no_number_names_file_and_line(root: Path, value: str) -> None:
    edit(root, "bounding_boxes.txt", 8, lambda text: f"8 {value} 1 20 20")
    expect(cub.CUB_001(root), "bounding_boxes.txt, line 8:", value)


def test_malformed_image_list_names_file_and_line(root: Path) -> None:
    edit(root, "images.txt", 12, lambda text: text.split()[1])
    expect(cub.CUB_001(root), "images.txt, line 12:")


@pytest.mark.parametrize(
    ("name", "number", "got"),
    [("bounding_boxes.txt", 5, 0), ("train_test_split.txt", 5, 0), ("parts/part_locs.txt", 61, 14)],
)
def test_image_without_annotations_is_named(root: Path, name: str, number: int, got: int) -> None:
    edit(root, name, number, lambda text: None)
    expect(cub.CUB_001(root), name, "image 5 (001.Black_footed_Albatross/bird_4.png)", f"{got} rows")


def test_part_listed_twice_is_an_error(root: Path) -> None:
    edit(root, "parts/part_locs.txt", 2, lambda text: "1 1" + text[3:])
    expect(cub.CUB_001(root), "image 1 ")


def test_count_mismatch_names_both_numbers(root: Path) -> None:
    edit(root, "images.txt", 1, lambda text: None)
    expect(cub.CUB_001(root), "'fit' has 29 images, expected 30")


def test_empty_file_is_an_error(root: Path) -> None:
    (root / "CUB_200_2011/bounding_boxes.txt").write_text("")
    expect(cub.CUB_001(root), "bounding_boxes.txt", "no rows")


def test_truncated_missing_and_unknown_images_are_one_line_errors(root: Path) -> None:
    dataset = cub.CUB_001(root)
    first, second, third = dataset.split("fit")[:3]
    folder = root / "CUB_200_2011/images"
    (folder / first).write_bytes((folder / first).read_bytes()[:2000])
    (folder / second).unlink()
    (folder / third).write_text("not an image")
    for image_id in (first, second, third, "001.Black_footed_Albatross/other.png"):
        with pytest.raises(DatasetError, match=f"{Path(image_id).name}") as error:
            dataset.image(image_id, 32)
        assert "\n" not in str(error.value)
    with pytest.raises(DatasetError, match="no annotations"):
        dataset.annotation("other.png")
