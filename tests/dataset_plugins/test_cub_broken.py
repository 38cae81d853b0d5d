"""The CUB loader on corrupt trees: every error is one line that says where it is."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from datasets import cub
from datasets.base import DatasetError
from tests.dataset_plugins.test_cub import CLASSES, edit, write_tree


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_tree(tmp_path, CLASSES)


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


@pytest.mark.parametrize(
    ("name", "line", "change", "fragments"),
    [
        ("images.txt", 9, lambda text: text.replace("9 ", "8 ", 1), ("line 9:", "no earlier line")),
        ("images.txt", 9, lambda text: text.replace("bird_8", "bird_7"), ("line 9:", "no earlier line")),
        ("images.txt", 9, lambda text: text + " more", ("line 9:", "a number and a name")),
        ("train_test_split.txt", 6, lambda text: "6 2", ("line 6:", "1 for train or 0")),
        ("train_test_split.txt", 6, lambda text: "6 0.5", ("line 6:", "1 for train or 0")),
        ("train_test_split.txt", 6, lambda text: "9999 1", ("image 6 ", "bird_5.png", "0 rows")),
        ("train_test_split.txt", 6, lambda text: "5 1", ("line 6:", "no second row", "image 5 ")),
        ("bounding_boxes.txt", 7, lambda text: "7 3.0 4.0 0.0 20.0", ("line 7:", "1 pixel or more")),
        ("bounding_boxes.txt", 7, lambda text: "7 3.0 4.0 20.0 -1.0", ("line 7:", "1 pixel or more")),
        ("bounding_boxes.txt", 7, lambda text: text + " 1.0", ("line 7:", "5 numbers")),
        ("parts/part_locs.txt", 40, lambda text: "3 16 5.0 5.0 1", ("line 40:", "part from 1 to 15")),
        ("parts/part_locs.txt", 40, lambda text: "3 10 5.0 5.0 2", ("line 40:", "1 for visible or 0")),
        ("parts/part_locs.txt", 40, lambda text: "3 10 5.0 ? 1", ("line 40:", "5 numbers")),
        ("parts/part_locs.txt", 40, lambda text: "3 11 5.0 5.0 1", ("line 41:", "no second row", "image 3 ")),
    ],
)
def test_a_corrupt_line_is_named(root: Path, name: str, line: int, change, fragments: tuple[str, ...]) -> None:
    edit(root, name, line, change)
    expect(cub.CUB_001(root), str(root / "CUB_200_2011" / name), *fragments)


def test_count_mismatch_names_both_numbers(root: Path) -> None:
    edit(root, "images.txt", 1, lambda text: None)
    expect(cub.CUB_001(root), "'fit' has 29 images, expected 30")


def test_empty_file_is_an_error(root: Path) -> None:
    (root / "CUB_200_2011/bounding_boxes.txt").write_text("")
    expect(cub.CUB_001(root), "bounding_boxes.txt", "no rows")


def test_truncated_missing_and_unknown_images_are_one_line_errors(root: Path) -> None:
    dataset = cub.CUB_001(root)
    first, second, third, fourth = dataset.split("fit")[:4]
    folder = root / "CUB_200_2011/images"
    (folder / first).write_bytes((folder / first).read_bytes()[:2000])
    (folder / second).unlink()
    (folder / third).write_text("not an image")
    Image.open(folder / fourth).save(folder / fourth, format="JPEG")
    (folder / fourth).write_bytes((folder / fourth).read_bytes()[:1500])
    for image_id in (first, second, third, fourth, "001.Black_footed_Albatross/other.png"):
        with pytest.raises(DatasetError, match=f"{Path(image_id).name}") as error:
            dataset.image(image_id, 32)
        assert "\n" not in str(error.value)
    with pytest.raises(DatasetError, match="no annotations"):
        dataset.annotation("other.png")
