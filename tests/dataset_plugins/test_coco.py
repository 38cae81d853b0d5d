"""Own data in COCO's format: what is read, and where it ends up in the crop."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datasets.base import SPLITS, DatasetError
from datasets.coco import Coco, open_coco
from tests.custom_data import coco, lay_down, photo, write_coco


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_coco(tmp_path / "birds.json", coco())


def write(path: Path, document: Any) -> Coco:
    path.write_text(json.dumps(document))
    return open_coco(str(path))


def test_the_card_is_written_from_the_file(path: Path) -> None:
    dataset = open_coco(str(path))
    assert dataset.available() == dataset.annotated() == (True, "")
    card = dataset.card
    assert card.id == f"coco:{path}"
    assert card.landmark_names == ("left_eye", "right_eye")
    assert card.left_right_pairs == ((0, 1),)
    assert card.interocular is None
    assert card.has_boxes and card.has_visibility
    assert card.counts == {"fit": 4, "regress": 4, "test": 1}
    assert {split: len(dataset.split(split)) for split in SPLITS} == card.counts
    assert dataset.split("fit") == dataset.split("regress")


def test_a_keypoint_is_the_centre_of_its_pixel(path: Path) -> None:
    dataset = open_coco(str(path))
    for number in range(5):
        # The box 10..40 x 5..25 padded by 3 and 2 is 36 wide; squared about (25, 15) it is 7..43 x -3..33.
        image = dataset.image(f"{number}.png", 36)
        ((row, column),) = np.argwhere(image[..., 0] == 255)
        assert (column, row) == (20 + number - 7, 10 + 3)
        assert (image[:3] == 128).all() and not (image[3:] == 128).any()
        annotation = dataset.annotation(f"{number}.png")
        np.testing.assert_allclose(annotation.landmarks[0] * 36, (column + 0.5, row + 0.5))
        assert annotation.box is not None
        np.testing.assert_allclose(annotation.box * 36, (10 - 7, 5 + 3, 30, 20))
        assert annotation.visible.tolist() == [True, True]
        assert annotation.group == f"{number}.png"


def test_an_object_is_a_sample_of_its_own_and_only_where_it_has_keypoints(path: Path) -> None:
    document = coco()
    more = document["annotations"][0]
    document["annotations"] += [
        more | {"id": 7, "keypoints": [0, 0, 0, 12, 8, 2]},
        more | {"id": 8, "keypoints": [0, 0, 0, 0, 0, 0]},
        more | {"id": 9, "iscrowd": 1},
        {"id": 10, "image_id": 0, "category_id": 99, "bbox": [0, 0, 1, 1]},
    ]
    dataset = write(path, document)
    ids = {image_id for split in SPLITS for image_id in dataset.split(split)}
    assert ids == {"0.png#100", "0.png#7", "1.png", "2.png", "3.png", "4.png"}
    assert dataset.annotation("0.png#7").visible.tolist() == [False, True]
    assert {dataset.annotation(image_id).group for image_id in ("0.png#100", "0.png#7")} == {"0.png"}
    assert dataset.path("0.png#7") == path.parent / "0.png"


def test_neither_split_nor_digest_depends_on_the_order_in_the_file(path: Path) -> None:
    document = coco(40)
    first = write(path, document)
    splits, digests = [first.split(name) for name in SPLITS], [first.digest(name) for name in SPLITS]
    assert len(splits[2]) == 8
    for entries in document.values():
        random.Random(3).shuffle(entries)
    second = write(path, document)
    assert [second.split(name) for name in SPLITS] == splits
    assert [second.digest(name) for name in SPLITS] == digests
    document["annotations"][0]["keypoints"][0] += 0.25
    changed = write(path, document)
    assert [changed.digest(name) for name in SPLITS] != digests


def test_a_changed_image_changes_the_digest_of_its_split(path: Path) -> None:
    before = {name: open_coco(str(path)).digest(name) for name in SPLITS}
    assert {name: open_coco(str(path)).digest(name) for name in SPLITS} == before
    (tested,) = open_coco(str(path)).split("test")
    photo(path.parent / tested, (0, 0))
    after = {name: open_coco(str(path)).digest(name) for name in SPLITS}
    assert {name for name in SPLITS if before[name] != after[name]} == {"test"}


@pytest.mark.parametrize("stated", [None, [], [0, 0, 0, 0], [12, 3, 0, 9]])
def test_a_box_that_is_missing_is_that_of_the_visible_keypoints(path: Path, stated: list[int] | None) -> None:
    document = coco()
    document["annotations"][2] |= {"bbox": stated, "keypoints": [22, 10, 2, 41, 15, 1]}
    dataset = write(path, document)
    # Pixels 22..41 x 10..15 are a box of 20 x 6 from (22, 10); 10 % more on each side, squared about (32, 13), is 24.
    box = dataset.annotation("2.png").box
    assert box is not None
    np.testing.assert_allclose(box * 24, (22 - 20, 10 - 1, 20, 6))
    ((row, column),) = np.argwhere(dataset.image("2.png", 24)[..., 0] == 255)
    assert (column, row) == (22 - 20, 10 - 1)
    assert dataset.card.remarks[0].startswith("1 of 5 annotations have no box: theirs is the box of their visible")
    assert write(path, coco()).card.remarks == ()


def test_file_names_are_freed_of_dots(path: Path) -> None:
    document = coco()
    document["images"][1]["file_name"] = "./1.png"
    document["images"][2]["file_name"] = "more/..//2.png"
    dataset = write(path, document)
    assert {image_id for name in SPLITS for image_id in dataset.split(name)} == {f"{number}.png" for number in range(5)}
    assert dataset.available() == (True, "")


@pytest.mark.parametrize("side", [40, 40.0])
def test_images_have_the_size_that_is_stated(path: Path, side: float) -> None:
    document = coco()
    for image in document["images"]:
        image |= {"width": 60, "height": side}
    write(path, document).image("1.png", 36)
    document["images"][1] |= {"width": 4000, "height": 3000}
    dataset = write(path, document)
    with pytest.raises(DatasetError, match=r"/1\.png: got 60 x 40 pixels, expected 4000 x 3000") as error:
        dataset.image("1.png", 36)
    assert len(str(error.value).splitlines()) == 1
    dataset.image("2.png", 36)


def test_an_image_that_lies_on_its_side_is_turned_upright(path: Path) -> None:
    document = coco()
    for image in document["images"]:
        image |= {"width": 60, "height": 40}
    before = write(path, document).image("1.png", 36)
    lay_down(path.parent / "1.png")
    np.testing.assert_array_equal(write(path, document).image("1.png", 36), before)


@pytest.mark.parametrize(
    ("json_name", "image_folder"),
    [
        ("birds.json", "images"),
        ("birds.json", "birds"),
        ("annotations/person_keypoints_val2017.json", "val2017"),
    ],
)
def test_images_are_found_where_people_keep_them(tmp_path: Path, json_name: str, image_folder: str) -> None:
    path = write_coco(tmp_path / json_name, coco(), tmp_path / image_folder)
    dataset = open_coco(str(path))
    assert dataset.available() == (True, "")
    assert dataset.path("3.png") == tmp_path / image_folder / "3.png"


def test_nothing_is_read_before_it_is_asked_for(tmp_path: Path) -> None:
    absent = tmp_path / "gone.json"
    dataset = open_coco(str(absent))
    for found, message in (dataset.available(), dataset.annotated()):
        assert not found
        assert str(absent) in message
    with pytest.raises(DatasetError, match=r"no .*gone\.json; expected a COCO"):
        _ = dataset.card


def test_missing_images_are_named_and_do_not_hinder_scoring(path: Path) -> None:
    (path.parent / "2.png").unlink()
    (path.parent / "4.png").unlink()
    found, message = open_coco(str(path)).available()
    assert not found
    assert f"no {path.parent / '2.png'} and 1 more" in message
    assert open_coco(str(path)).annotated() == (True, "")


def test_a_truncated_image_is_named_when_it_is_decoded(path: Path) -> None:
    broken = path.parent / "1.png"
    broken.write_bytes(broken.read_bytes()[:-30])
    assert open_coco(str(path)).available()[0]
    with pytest.raises(DatasetError, match=r"cannot read image .*1\.png"):
        open_coco(str(path)).image("1.png", 32)


def test_greyscale_and_palette_images_are_read(path: Path) -> None:
    from PIL import Image

    for number, mode in ((0, "L"), (1, "P"), (2, "RGBA"), (3, "CMYK")):
        name = path.parent / f"{number}.png"
        with Image.open(name) as image:
            converted = image.convert(mode)
        converted.save(name, format="TIFF" if mode == "CMYK" else "PNG")
        assert open_coco(str(path)).image(f"{number}.png", 36).max() == 255


def test_a_large_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "large.json"
    path.write_text(json.dumps(coco(20_000)))
    photo(tmp_path / "0.png", (1, 1))
    assert len(open_coco(str(path)).split("fit")) == 16_000
