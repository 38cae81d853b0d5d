"""Own data in COCO's format that is broken: what is refused or left out, in one line that names the entry."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datasets.base import SPLITS, DatasetError
from datasets.coco import Coco, open_coco
from tests.custom_data import coco, sized, write_coco


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_coco(tmp_path / "birds.json", coco())


def write(path: Path, document: Any) -> Coco:
    path.write_text(json.dumps(document))
    return open_coco(str(path))


Change = Callable[[dict[str, Any]], Any]


def _category(**fields: Any) -> Change:
    return lambda document: document["categories"][0].update(fields)


def _second_category(*keypoints: str) -> Change:
    def change(document: dict[str, Any]) -> None:
        document["categories"].append({"id": 2, "name": "cat", "keypoints": keypoints})
        document["annotations"][2]["category_id"] = 2

    return change


CORRUPT_FILES: list[tuple[Change, str]] = [
    (lambda d: d.pop("images"), "images: got nothing, expected a list"),
    (lambda d: d.pop("categories"), "categories: got nothing, expected a list"),
    (lambda d: d.update(annotations={"0": 1}), r'annotations: got \{"0": 1\}, expected a list'),
    (lambda d: d["images"].append(7), r"images\[5\]: got 7, expected an object"),
    (lambda d: d["images"][1].pop("id"), r"images\[1\], id: got nothing"),
    (lambda d: d["images"].append({"id": "a\n\x1b[1mb"}) or d["images"].append({"id": "a\n\x1b[1mb"}), "got .a"),
    (lambda d: d["images"][1].update(id=True), r"images\[1\], id: got true, expected a whole number or text"),
    (lambda d: d["images"][1].update(id=1.5), r"images\[1\], id: got 1\.5, expected a whole number or text"),
    (lambda d: d["images"][1].update(id=0), r"images\[1\], id: got 0, expected an id that no other"),
    (lambda d: d["images"][1].update(file_name="./0.png"), r'images: got "0\.png", expected each file_name once'),
    (_category(keypoints=["eye", "eye"]), "category 'bird', keypoints: got \"eye\", expected each name once"),
    (_category(keypoints={"a": 1}), "category 1, keypoints: got .*expected a list of names"),
    (_category(keypoints=[{"name": "nose"}, "tail"]), "category 1, keypoints: got .*expected a list of names"),
    (
        _category(keypoints=[]),
        "annotation 100, keypoints: got 6 values, expected none, as category 'bird' names no keypoints",
    ),
    (_second_category("nose", "tail"), "categories: 'bird' and 'cat' have different keypoints"),
    (lambda d: [entry.update(keypoints=[0] * 6) for entry in d["annotations"]], "no annotation has visible keypoints"),
    (lambda d: d.update(annotations=d["annotations"][:1]), r"only 0\.png is annotated, expected 2 images"),
    (lambda d: d.update(annotations=[]), "no annotation has visible keypoints"),
]


@pytest.mark.parametrize(("corrupt", "message"), CORRUPT_FILES)
def test_a_corrupt_file_is_one_line_naming_the_entry(path: Path, corrupt: Change, message: str) -> None:
    document = coco()
    corrupt(document)
    _refused(write(path, document), path, message)


def _refused(dataset: Coco, path: Path, message: str) -> None:
    for use in (dataset.available, lambda: dataset.card, lambda: dataset.split("test")):
        with pytest.raises(DatasetError, match=message) as error:
            use()
        assert str(path) in str(error.value)
        assert len(str(error.value).splitlines()) == 1


# Fields of an annotation, or of an image that states 60 x 40 pixels, and what is said of them.
CORRUPT_ENTRIES: list[tuple[str, dict[str, Any], str]] = [
    ("images", {"file_name": None}, ", file_name: got nothing"),
    ("images", {"width": None}, ", width and height: got nothing, expected numbers"),
    ("images", {"width": "60"}, ', width and height: got "60", expected numbers'),
    ("images", {"width": True}, ", width and height: got true, expected numbers"),
    ("images", {"width": 0}, r", width and height: got \[0, 40\], expected whole numbers above 0"),
    ("images", {"width": 60.5}, r", width and height: got \[60\.5, 40\], expected whole numbers"),
    ("annotations", {"id": None}, ", id: got nothing"),
    ("annotations", {"image_id": 55}, "image_id: got 55, expected one of the 5 ids there are, which are numbers"),
    ("annotations", {"image_id": "1"}, 'image_id: got "1", expected one of the 5 ids there are, which are numbers'),
    ("annotations", {"category_id": [1]}, r"category_id: got \[1\]"),
    ("annotations", {"keypoints": [1, 2, 2]}, "keypoints: got 3 values, expected 6 numbers"),
    ("annotations", {"keypoints": "1 2 2"}, 'keypoints: got "1 2 2", expected 6 numbers'),
    ("annotations", {"keypoints": [1, 2, 2, "12", 2, 2]}, 'keypoints: got "12", expected numbers below'),
    ("annotations", {"keypoints": [1, 2, 2, None, 2, 2]}, "keypoints: got nothing, expected numbers below"),
    ("annotations", {"keypoints": [1, 2, 2, float("nan"), 2, 2]}, "keypoints: got NaN"),
    ("annotations", {"keypoints": [1, 2, 2, 10**400, 2, 2]}, "keypoints: got 1000.*, expected numbers below"),
    ("annotations", {"keypoints": [1, 2, 2, 3, 4, 0.53]}, "keypoints: got v = 0.53, expected v of 0, 1 or 2"),
    (
        "annotations",
        {"keypoints": [1, 2, 2, 1e8, 2, 2]},
        r": got a keypoint at \(1e\+08, 2\), .* in its image of 60 x 40 pixels or near it",
    ),
    ("annotations", {"bbox": "10 5 30 20"}, 'bbox: got "10 5 30 20", expected 4 numbers'),
    ("annotations", {"bbox": [1, 2, 3]}, "bbox: got 3 values, expected 4 numbers"),
    ("annotations", {"bbox": [1, 2, float("nan"), 4]}, "bbox: got NaN, expected numbers"),
    ("annotations", {"bbox": [1, 2, 0, -4]}, r"bbox: got \[1, 2, 0, -4\], expected width and height of at least 0"),
    (
        "annotations",
        {"bbox": [60, 5, 30, 20]},
        r": got a keypoint at .*, with the box \[-?[46]0\.0, 5\.0, 30\.0, 20\.0\], expected both in its image",
    ),
    (
        "annotations",
        {"bbox": [-40, 5, 30, 20]},
        r": got a keypoint at .*, with the box \[-?[46]0\.0, 5\.0, 30\.0, 20\.0\], expected both in its image",
    ),
]


@pytest.mark.parametrize(("part", "fields", "message"), CORRUPT_ENTRIES)
def test_an_entry_that_cannot_be_used_is_left_out_and_where_most_are_the_file_is_refused(
    path: Path, part: str, fields: dict[str, Any], message: str
) -> None:
    document = sized(coco())
    document[part][2].update(fields)
    dataset = write(path, document)
    assert dataset.available() == (True, "")
    assert {image for name in SPLITS for image in dataset.split(name)} == {"0.png", "1.png", "3.png", "4.png"}
    (remark,) = [text for text in dataset.card.remarks if "cannot be used" in text]
    assert remark.startswith("left out: annotations that cannot be used: 1 (first ")
    assert re.search(message, remark) and len(remark.splitlines()) == 1
    for entry in document[part][1:]:
        entry.update(fields)
    _refused(write(path, document), path, message + r".* \(and 3 more of the annotations\)$")


@pytest.mark.parametrize("image_id", [float, lambda number: number])
@pytest.mark.parametrize("key", [float, lambda number: number])
def test_whole_floats_are_ids(path: Path, image_id: Callable[[int], Any], key: Callable[[int], Any]) -> None:
    document = coco()
    expected = write(path, document).digest("fit")
    for image in document["images"]:
        image["id"] = key(image["id"])
    for annotation in document["annotations"]:
        annotation |= {"image_id": image_id(annotation["image_id"]), "category_id": 1.0, "id": float(annotation["id"])}
    assert write(path, document).digest("fit") == expected


def test_the_keypoints_of_two_categories_are_joined_by_name(path: Path) -> None:
    before, document = write(path, coco()).annotation("2.png"), coco()
    _second_category("right_eye", "left_eye")(document)
    points = document["annotations"][2]["keypoints"]
    document["annotations"][2]["keypoints"] = points[3:] + points[:3]
    after = write(path, document)
    assert after.card.landmark_names == ("left_eye", "right_eye")
    np.testing.assert_array_equal(after.annotation("2.png").landmarks, before.landmarks)


def test_a_folder_is_refused_with_the_json_in_it(path: Path) -> None:
    with pytest.raises(DatasetError, match=rf"{path.parent} is a folder, .*name the json in it \(birds\.json\)"):
        open_coco(str(path.parent)).available()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"images": [', r"cannot read .*birds\.json: .*line 1 column 13"),
        (b"\xff\xd8\xff\xe0", r"cannot read .*birds\.json"),
        (b"[" * 100_000, r"cannot read .*birds\.json"),
        (b"[1]", "the file: got a list, expected an object with images"),
    ],
)
def test_what_is_no_json_is_refused(path: Path, content: bytes, message: str) -> None:
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=message) as error:
        open_coco(str(path)).available()
    assert str(path) in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_a_file_name_that_cannot_be_stored_is_refused(path: Path) -> None:
    document = coco()
    document["images"][1]["file_name"] = "\udce9.png"
    with pytest.raises(DatasetError, match=r"birds\.json: an image's name is no UTF-8"):
        write(path, document).available()
