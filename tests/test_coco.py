"""Own data in COCO's format: what is read, where it ends up in the crop, and what is refused."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets.base import SPLITS, DatasetError
from datasets.coco import Coco, open_coco
from datasets.own import left_right_pairs, split_by
from tests.own_data import coco, photo, write_coco


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


Change = Callable[[dict[str, Any]], Any]


def _annotation(**fields: Any) -> Change:
    return lambda document: document["annotations"][2].update(fields)


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
    (_annotation(bbox=None), "annotation 102, bbox: got None, expected 4 numbers"),
    (_annotation(bbox=[1, 2, 0, 4]), r"annotation 102, bbox: got \[1, 2, 0, 4\], expected width and height above 0"),
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


NAMES = st.text("abcdefgh", min_size=1, max_size=5)


@given(st.lists(NAMES, min_size=2, max_size=60), st.randoms())
def test_a_fifth_of_the_groups_is_held_out_whatever_their_order(groups: list[str], order: random.Random) -> None:
    if len(set(groups)) < 2:
        return
    rows = split_by(Path("x"), groups)
    assert sorted([*rows["fit"], *rows["test"]]) == list(range(len(groups)))
    tested, learned = ({groups[row] for row in rows[name]} for name in ("test", "fit"))
    assert not tested & learned
    assert abs(len(tested) - len(set(groups)) / 5) <= 1
    shuffled = groups.copy()
    order.shuffle(shuffled)
    assert {shuffled[row] for row in split_by(Path("x"), shuffled)["test"]} == tested


@pytest.mark.parametrize(
    ("names", "pair"),
    [
        (["left_eye", "tail", "right_eye"], (0, 2)),
        (["R-Ear", "tail", "L-Ear"], (2, 0)),
        (["wing_l", "tail", "wing_r"], (0, 2)),
        (["Paw.Right", "tail", "Paw.Left"], (2, 0)),
        (["leftear", "tail", "rightear"], (0, 2)),
        (["l eye", "tail", "r eye"], (0, 2)),
    ],
)
def test_pairs_are_found_by_name(names: list[str], pair: tuple[int, int]) -> None:
    assert left_right_pairs(names) == (pair,)


@pytest.mark.parametrize("names", [["lip", "rip"], ["tail", "trail"], ["left_eye"], ["pedal", "pedar"], ["l", "left"]])
def test_what_only_looks_like_a_pair_is_none(names: list[str]) -> None:
    assert left_right_pairs(names) == ()


def test_a_large_file_is_read_in_seconds(tmp_path: Path) -> None:
    import time

    path = tmp_path / "large.json"
    path.write_text(json.dumps(coco(20_000)))
    photo(tmp_path / "0.png", (1, 1))
    started = time.perf_counter()
    assert len(open_coco(str(path)).split("fit")) == 16_000
    assert time.perf_counter() - started < 10  # about one, were no one else about
