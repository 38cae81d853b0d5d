"""Own data in COCO's format that is broken: what is refused, in one line that names the file and the entry."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from datasets.base import DatasetError
from datasets.coco import Coco, open_coco
from tests.custom_data import coco, write_coco


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_coco(tmp_path / "birds.json", coco())


def write(path: Path, document: Any) -> Coco:
    path.write_text(json.dumps(document))
    return open_coco(str(path))


Change = Callable[[dict[str, Any]], Any]


def _annotation(**fields: Any) -> Change:
    return lambda document: document["annotations"][2].update(fields)


def _second_image(**fields: Any) -> Change:
    return lambda document: document["images"][1].update(fields)


def _sized(**fields: Any) -> Change:
    """Change an annotation of a file that states the size of its images."""

    def change(document: dict[str, Any]) -> None:
        for image in document["images"]:
            image.update(width=60, height=40)
        _annotation(**fields)(document)

    return change


def _category(**fields: Any) -> Change:
    return lambda document: document["categories"][0].update(fields)


def _second_category(document: dict[str, Any]) -> None:
    document["categories"].append({"id": 2, "name": "cat", "keypoints": ["nose", "tail"]})
    document["annotations"][2]["category_id"] = 2


CORRUPTIONS: list[tuple[Change, str]] = [
    (lambda d: d.pop("images"), "images: got no list"),
    (lambda d: d.update(annotations={"0": 1}), "annotations: got dict"),
    (lambda d: d["images"].append(7), r"images\[5\]: got 7, expected an object"),
    (lambda d: d["images"][1].pop("id"), r"images\[1\], id: got None"),
    (lambda d: d["images"][1].update(id=0), r"images\[1\], id: got 0, expected an id that no other"),
    (lambda d: d["images"][1].pop("file_name"), "image 1, file_name: got None"),
    (lambda d: d["images"][1].update(file_name="./0.png"), r"images: got 0\.png, expected each file_name once"),
    (lambda d: d["images"][1].update(file_name="0.png"), r"images: got 0\.png, expected each file_name once"),
    (lambda d: d["annotations"][1].update(id=100), r"annotations\[1\], id: got 100"),
    (_annotation(image_id=55), "annotation 102, image_id: got 55"),
    (_annotation(category_id=[1]), r"annotation 102, category_id: got \[1\]"),
    (_annotation(keypoints=[1, 2, 2]), "annotation 102, keypoints: got 3 values, expected 6 numbers"),
    (_annotation(keypoints="1 2 2"), "annotation 102, keypoints: got 1 2 2, expected 6 numbers"),
    (_annotation(keypoints=[1, 2, 2, "12", 2, 2]), "annotation 102, keypoints: got 12, expected numbers below"),
    (_annotation(keypoints=[1, 2, 2, None, 2, 2]), "annotation 102, keypoints: got None, expected numbers below"),
    (_annotation(keypoints=[1, 2, 2, float("nan"), 2, 2]), "annotation 102, keypoints: got nan"),
    (_annotation(keypoints=[1, 2, 2, 10**400, 2, 2]), "annotation 102, keypoints: got 1000.*, expected numbers below"),
    (_annotation(keypoints=[1, 2, 2, 3, 4, 0.7]), "annotation 102, keypoints: got v = 0.7, expected v of 0, 1 or 2"),
    (_annotation(bbox="10 5 30 20"), "annotation 102, bbox: got 10 5 30 20, expected 4 numbers"),
    (_annotation(bbox=[1, 2, 3]), "annotation 102, bbox: got 3 values, expected 4 numbers"),
    (_annotation(bbox=[1, 2, 0, -4]), r"annotation 102, bbox: got \[1.0, 2.0, 0.0, -4.0\], expected width and height"),
    (_annotation(bbox=None, keypoints=[1, 2, 2, 0, 0, 0]), "annotation 102, bbox: got None, .*two visible keypoints"),
    (_annotation(bbox=None, keypoints=[1, 2, 2, 1, 2, 2]), "annotation 102, bbox: got None, .*two visible keypoints"),
    (_annotation(bbox=None, keypoints=[1, 2, 2, 1e8, 2, 2]), "annotation 102, bbox: .*within 65536 pixels"),
    (_second_image(width=60), r"image 1, width and height: got None, expected numbers"),
    (_second_image(width=60, height=0), r"image 1, width and height: got \[60, 0\], expected whole numbers above 0"),
    (_second_image(width=60.5, height=40), r"image 1, width and height: got \[60.5, 40\], expected whole numbers"),
    (_sized(bbox=[60, 5, 30, 1e4]), "annotation 102, bbox: .*meets the image of 60 x 40 pixels and is at most 4 times"),
    (_sized(bbox=[95, 5, 30, 20]), r"annotation 102, bbox: got \[95.0, 5.0, 30.0, 20.0\], expected one that meets the"),
    (_annotation(bbox=[1, 2, 1e6, 4]), "annotation 102, bbox: .*within 65536 pixels"),
    (_category(keypoints=["eye", "eye"]), "category 'bird', keypoints: got eye, expected each name once"),
    (_category(keypoints={"a": 1}), "category 1, keypoints: got .*expected a list of names"),
    (
        _category(keypoints=[]),
        "annotation 100, keypoints: got 6 values, expected none, as category 'bird' names no keypoints",
    ),
    (_second_category, "categories: 'bird' and 'cat' have different keypoints"),
    (lambda d: [entry.update(keypoints=[0] * 6) for entry in d["annotations"]], "no annotation has visible keypoints"),
    (lambda d: d.update(annotations=d["annotations"][:1]), r"only 0\.png is annotated, expected 2 images"),
]


@pytest.mark.parametrize(("corrupt", "message"), CORRUPTIONS)
def test_a_corrupt_file_is_one_line_naming_the_entry(path: Path, corrupt: Change, message: str) -> None:
    document = coco()
    corrupt(document)
    dataset = write(path, document)
    for use in (dataset.available, lambda: dataset.card, lambda: dataset.split("test")):
        with pytest.raises(DatasetError, match=message) as error:
            use()
        assert str(path) in str(error.value)
        assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"images": [', r"cannot read .*birds\.json: .*line 1 column 13"),
        (b"\xff\xd8\xff\xe0", r"cannot read .*birds\.json"),
        (b"[" * 100_000, r"cannot read .*birds\.json"),
        (b"[1]", "the file: got list, expected an object with images"),
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
