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
from tests.custom_data import coco, lay_down, orient, photo, sized, write_coco


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_coco(tmp_path / "birds.json", coco())


def write(path: Path, document: Any) -> Coco:
    path.write_text(json.dumps(document))
    return open_coco(str(path))


def ids_of(dataset: Coco) -> set[str]:
    return {image_id for name in SPLITS for image_id in dataset.split(name)}


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
        # The box 10..40 x 5..25 padded by 3 and 2 is 36 wide; squared about (25, 15) it is 7..43 x -3..33, and moved
        # into the image 7..43 x 0..36.
        image = dataset.image(f"{number}.png", 36)
        ((row, column),) = np.argwhere(image[..., 0] == 255)
        assert (column, row) == (20 + number - 7, 10)
        assert not (image == 128).any()
        annotation = dataset.annotation(f"{number}.png")
        np.testing.assert_allclose(annotation.landmarks[0] * 36, (column + 0.5, row + 0.5))
        assert annotation.box is not None
        np.testing.assert_allclose(annotation.box * 36, (10 - 7, 5, 30, 20))
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
    assert ids_of(dataset) == {"0.png#100", "0.png#7", "1.png", "2.png", "3.png", "4.png"}
    assert dataset.annotation("0.png#7").visible.tolist() == [False, True]
    assert {dataset.annotation(image_id).group for image_id in ("0.png#100", "0.png#7")} == {"0.png"}
    assert dataset.path("0.png#7") == path.parent / "0.png"
    for text in (
        "crowds: 1 (first annotation 9)",
        "annotations without keypoints: 1",
        "annotations without visible keypoints: 1",
    ):
        assert any(remark.startswith(f"left out: {text}") for remark in dataset.card.remarks)


def test_neither_split_nor_digest_depends_on_the_order_in_the_file(path: Path) -> None:
    document = sized(coco(40))
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
def test_one_without_a_box_is_left_out_and_counted(path: Path, stated: list[int] | None) -> None:
    document = coco()
    document["annotations"][2] |= {"bbox": stated}
    dataset = write(path, document)
    assert "2.png" not in ids_of(dataset) and len(ids_of(dataset)) == 4 and dataset.card.has_boxes
    assert "left out: annotations without a box that has a size: 1 (first annotation 102)" in dataset.card.remarks


def test_without_boxes_whole_images_are_seen_wherever_the_keypoints_are(path: Path) -> None:
    document = coco()
    for annotation in document["annotations"]:
        del annotation["bbox"]
    dataset = write(path, document)
    assert not dataset.card.has_boxes and dataset.card.remarks[0].startswith(
        "5 images, seen whole, each padded to a square;"
    )
    for number in range(5):
        image = dataset.image(f"{number}.png", 60)  # 60 x 40, so ten rows of padding above and below
        ((row, column),) = np.argwhere(image[..., 0] == 255)
        assert (column, row) == (20 + number, 10 + 10)
        annotation = dataset.annotation(f"{number}.png")
        assert annotation.box is None
        np.testing.assert_allclose(annotation.landmarks[0] * 60, (column + 0.5, row + 0.5))
    before = {name: dataset.image(name, 60) for name in ids_of(dataset)}
    for annotation in document["annotations"]:
        annotation["keypoints"][3:5] = [5, 35]
    for name, image in before.items():
        np.testing.assert_array_equal(write(path, document).image(name, 60), image)


def test_the_box_of_a_whole_image_is_the_whole_image(path: Path) -> None:
    document = coco()
    whole = write(path, document | {"annotations": [entry | {"bbox": None} for entry in document["annotations"]]})
    boxed = write(
        path, document | {"annotations": [entry | {"bbox": [0, 0, 60, 40]} for entry in document["annotations"]]}
    )
    assert boxed.card.has_boxes
    for name in SPLITS:
        assert boxed.split(name) == whole.split(name)
        np.testing.assert_array_equal(boxed.table(name).landmarks, whole.table(name).landmarks)
    np.testing.assert_array_equal(boxed.image("1.png", 36), whole.image("1.png", 36))


def test_few_boxes_are_not_used_and_several_objects_need_them(path: Path) -> None:
    document = coco()
    for annotation in document["annotations"][1:]:
        del annotation["bbox"]
    document["annotations"].append(document["annotations"][4] | {"id": 7, "keypoints": [22, 9, 2, 31, 14, 2]})
    dataset = write(path, document)
    assert ids_of(dataset) == {"0.png", "1.png", "2.png", "3.png"} and not dataset.card.has_boxes
    assert "1 of 6 annotations have a box: too few, so boxes are not used" in dataset.card.remarks
    assert any(
        "annotations of images with several objects, which need boxes to be told apart: 2" in text
        for text in dataset.card.remarks
    )


def test_file_names_are_freed_of_dots(path: Path) -> None:
    document = coco()
    document["images"][1]["file_name"] = "./1.png"
    document["images"][2]["file_name"] = "more/..//2.png"
    dataset = write(path, document)
    assert ids_of(dataset) == {f"{number}.png" for number in range(5)}
    assert not any("out of the json's folder" in text for text in dataset.card.remarks)
    document["images"][1]["file_name"] = f"{path.parent}/1.png"
    document["images"][2]["file_name"] = f"../{path.parent.name}/2.png"
    dataset = write(path, document)
    assert any("out of the json's folder: 2 (first" in text for text in dataset.card.remarks) and dataset.available()[0]
    assert dataset.available() == (True, "")


@pytest.mark.parametrize("side", [40, 40.0])
def test_images_have_the_size_that_is_stated(path: Path, side: float) -> None:
    document = sized(coco(), 60, side)  # type: ignore[arg-type]
    write(path, document).image("1.png", 36)
    document["images"][1] |= {"width": 4000, "height": 3000}
    dataset = write(path, document)
    assert "1.png" not in ids_of(dataset)
    (remark,) = [text for text in dataset.card.remarks if "left out" in text]
    assert (
        "annotations that cannot be used: 1" in remark
        and "got 60 x 40 pixels, expected the stated 4000 x 3000" in remark
    )


@pytest.mark.parametrize("orientation", [2, 3, 6, 8])
def test_labels_on_the_stored_pixels_stay_where_they_are(path: Path, orientation: int) -> None:
    """Where the stated size tells; elsewhere labels are on the upright image. Both are said."""
    before = write(path, sized(coco())).image("1.png", 36)
    for name in ("0.png", "1.png"):
        orient(path.parent / name, orientation)
    dataset = write(path, sized(coco()))
    turned = "images not turned, whatever their" if orientation > 4 else "images turned upright by their"
    assert any(text.startswith(f"{turned} EXIF orientation") and ": 2; " in text for text in dataset.card.remarks)
    assert np.array_equal(dataset.image("1.png", 36), before) == (orientation > 4)
    assert len(ids_of(dataset)) == 5


def test_a_size_that_fits_neither_way_names_the_orientation(path: Path) -> None:
    orient(path.parent / "1.png", 6)
    dataset = write(path, sized(coco(), 61, 41))
    with pytest.raises(
        DatasetError, match=r"got 60 x 40 pixels, expected the stated 61 x 41; take the annotated image"
    ):
        dataset.available()
    document = sized(coco())
    document["images"][1]["width"] = 61
    assert any(
        "got 40 x 60 pixels, turned by its EXIF orientation 6" in text for text in write(path, document).card.remarks
    )


def test_an_image_that_lies_on_its_side_is_turned_upright(path: Path) -> None:
    document = sized(coco())
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


def test_missing_images_are_named_and_do_not_hinder_scoring_where_sizes_are_stated(path: Path) -> None:
    (path.parent / "2.png").unlink()
    (path.parent / "4.png").unlink()
    for document, scorable in ((coco(), False), (sized(coco()), True)):
        dataset = write(path, document)
        found, message = dataset.available()
        assert not found
        assert message.startswith(
            f"coco: 2 of 5 images are not there, first {path.parent / '2.png'}, named in annotation 102;"
        )
        assert dataset.annotated() == ((True, "") if scorable else (False, message))
    assert {name: len(dataset.table(name).ids) for name in SPLITS} == dataset.card.counts


def test_an_image_that_cannot_be_read_is_left_out_and_named(path: Path) -> None:
    (path.parent / "1.png").write_bytes(b"....ftypavif....")
    dataset = open_coco(str(path))
    assert dataset.available()[0] and "1.png" not in ids_of(dataset)
    assert any(
        "annotations that cannot be used: 1" in text and "is an AVIF image" in text for text in dataset.card.remarks
    )


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
    path.write_text(json.dumps(sized(coco(20_000))))
    photo(tmp_path / "0.png", (1, 1))
    assert len(open_coco(str(path)).split("fit")) == 16_000
