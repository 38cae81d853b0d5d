"""DeepFashion on trees of the published layout, whole and broken, and on the real files where they are."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from datasets.base import DatasetError, Split
from datasets.deepfashion import CARD, DEEPFASHION, JOINTS, DeepFashion

NAMES = {
    "train": (
        *("WOMEN/Dresses/id_00000002/02_1_front.jpg", "MEN/Denim/id_00000080/01_7_additional.jpg"),
        *("WOMEN/Dresses/id_00000002/01_2_side.jpg", "WOMEN/Shorts/id_00000011/02_4_full.jpg"),
    ),
    "test": ("WOMEN/Tees_Tanks/id_00000008/02_4_full.jpg", "MEN/Denim/id_00000080/01_1_front.jpg"),
}
CARD_HERE = CARD.model_copy(update={"counts": {"fit": 4, "regress": 4, "test": 2}})
IDS = {"train": (8528, 2380, 8581, 7), "test": (2507, 11483)}


def pixels(part: str) -> np.ndarray:
    """Quarters of pixels, some of them outside the image, as AlphaPose's are."""
    joints = np.random.default_rng(len(part)).integers(-24, 1008, (len(NAMES[part]), 17, 2)) / 4
    joints[0, 3] = (-5.75, 260.5)
    return joints


def entries(part: str) -> list[dict[str, Any]]:
    """Every key of the published files."""
    return [
        {
            "image_path": name,
            "train": part == "train",
            "keypoints": joints.tolist(),
            "keypoints_confidence": [0.9] * 17,
            "person_id": int(name.split("/id_")[1][:8]),
            "bbox": [40, 0, 176, 256],
            "joint_order": {str(index): joint.replace(" ", "_") for index, joint in enumerate(JOINTS)},
        }
        for name, joints in zip(NAMES[part], pixels(part), strict=True)
    ]


def write(root: Path, name: str, content: Any, ending: str = "\n") -> None:
    path = root / "deepfashion" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif name.endswith(".csv"):
        path.write_bytes("".join(line + ending for line in content).encode())
    else:
        path.write_text(json.dumps(content, indent=4), encoding="utf-8")


def lines(part: str) -> list[str]:
    return ["id,filename", *(f"{key},{name}" for key, name in zip(IDS[part], NAMES[part], strict=True))]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for part, names in NAMES.items():
        write(tmp_path, f"data_{part}.csv", lines(part))
        write(tmp_path, f"data_{part}.json", entries(part))
        for index, name in enumerate(names):
            path = tmp_path / "deepfashion" / "img" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new(("RGB", "L", "CMYK")[index % 3], (256, 256), 0).save(path)
    return tmp_path


def small(root: Path) -> DeepFashion:
    return DeepFashion(CARD_HERE, root)


def test_rows_and_joints_follow_the_files(root: Path) -> None:
    dataset = small(root)
    assert dataset.available() == (True, "") and dataset.annotated() == (True, "")
    splits: tuple[tuple[Split, str], ...] = (("fit", "train"), ("regress", "train"), ("test", "test"))
    for split, part in splits:
        assert dataset.split(split) == NAMES[part]
        for name, joints in zip(NAMES[part], pixels(part), strict=True):
            annotation = dataset.annotation(name)
            assert annotation.visible.all() and annotation.box is None
            assert annotation.landmarks.tolist() == [[x / 256, y / 256] for x, y in joints.tolist()]
    outside = dataset.annotation(NAMES["test"][0]).landmarks
    assert (outside < 0).any() and (outside > 1).any()


def test_groups_are_persons(root: Path) -> None:
    changed = entries("train")
    changed[3]["person_id"] = 2  # one person in two folders
    write(root, "data_train.json", changed)
    dataset = small(root)
    groups = [dataset.annotation(name).group for name in (*NAMES["train"], NAMES["test"][1])]
    assert groups == ["person 2", "person 80", "person 2", "person 2", "person 80"]


def test_images_are_rgb_and_of_the_frame_that_joints_are_in(root: Path) -> None:
    dataset = small(root)
    half = Image.new("RGB", (256, 256), (255, 0, 0))
    half.paste((0, 0, 255), (128, 0, 256, 256))
    half.save(dataset.path(NAMES["test"][0]), quality=100, subsampling=0)
    image = dataset.image(NAMES["test"][0], 64)
    assert image.shape == (64, 64, 3) and (image[:, 4, 0] > 240).all() and (image[:, 60, 2] > 240).all()
    Image.new("RGB", (750, 1101)).save(dataset.path(NAMES["train"][0]))
    with pytest.raises(DatasetError, match=r"02_1_front\.jpg: got 750 x 1101 pixels, expected 256 x 256"):
        dataset.image(NAMES["train"][0], 32)


def test_images_unpacked_into_a_folder_in_the_folder_are_found(root: Path) -> None:
    folder = root / "deepfashion" / "img"
    folder.rename(root / "img")
    folder.mkdir()
    assert not small(root).available()[0]
    (root / "img").rename(folder / "img")
    assert small(root).available() == (True, "")
    assert small(root).image(NAMES["train"][0], 32).shape == (32, 32, 3)


@pytest.mark.parametrize("change", ["crlf", "no last line break", "byte order mark", "blank last line", "compact json"])
def test_the_same_files_written_otherwise(root: Path, change: str) -> None:
    digest = small(root).digest("test")
    text = "\n".join(lines("test"))
    write(root, "data_test.csv", lines("test"), "\r\n" if change == "crlf" else "\n")
    if change == "no last line break":
        write(root, "data_test.csv", text.encode())
    elif change == "byte order mark":
        write(root, "data_test.csv", text.encode("utf-8-sig"))
    elif change == "blank last line":
        write(root, "data_test.csv", text.encode() + b"\n\n")
    elif change == "compact json":
        write(root, "data_test.json", json.dumps(entries("test"), separators=(",", ":")).encode())
    assert small(root).digest("test") == digest


def test_a_split_is_read_without_the_other(root: Path) -> None:
    (root / "deepfashion" / "data_train.json").unlink()
    (root / "deepfashion" / "img").rename(root / "elsewhere")
    dataset = small(root)
    assert dataset.split("test") == NAMES["test"]
    assert dataset.annotation(NAMES["test"][1]).group == "person 80"
    for found, message in (dataset.annotated(), dataset.available(), DEEPFASHION(root).annotated()):
        assert not found and "data_train.json" in message
    with pytest.raises(DatasetError, match=r"no .*data_train\.json; get "):
        dataset.split("regress")
    assert DEEPFASHION(None).annotated()[0] is False


def row(number: int, line: str) -> Callable[[Path], None]:
    """Put a line (counted from 1) of data_test.csv in the place of what stands there."""

    def change(root: Path) -> None:
        write(root, "data_test.csv", [*lines("test")[: number - 1], line, *lines("test")[number:]])

    return change


def entry(number: int, **values: Any) -> Callable[[Path], None]:
    """Give an entry (counted from 1) of data_test.json other values; None takes the key out."""

    def change(root: Path) -> None:
        changed = entries("test")
        for key, value in values.items():
            changed[number - 1][key] = value
        write(root, "data_test.json", [{k: v for k, v in one.items() if v is not None} for one in changed])

    return change


def joint(value: Any) -> list[Any]:
    """The joints of the second test image, the tenth one replaced."""
    joints = pixels("test")[1].tolist()
    return [*joints[:9], value, *joints[10:]]


def content(name: str, data: Any) -> Callable[[Path], None]:
    return lambda root: write(root, name, data)


def shortened(root: Path) -> None:
    """Leave the first image alone in both files."""
    write(root, "data_test.csv", lines("test")[:2])
    write(root, "data_test.json", entries("test")[:1])


FIRST, SECOND = NAMES["test"]
CSV, JSON = "data_test.csv", "data_test.json"
CORRUPTIONS: dict[str, tuple[Callable[[Path], None], str]] = {
    "no heading": (content(CSV, lines("test")[1:]), f"{CSV}, line 1: got '2507,WOMEN"),
    "another heading": (row(1, "id;filename"), f"{CSV}, line 1: got 'id;filename', expected the heading"),
    "empty csv": (content(CSV, b""), f"{CSV}, line 1: got ''"),
    "no comma": (row(3, "11483"), f"{CSV}, line 3: got '11483', expected the path"),
    "id that is no number": (row(3, f"x1,{SECOND}"), f"{CSV}, line 3: got 'x1,MEN"),
    "id missing": (row(2, SECOND), f"{CSV}, line 2"),
    "id twice": (row(3, f"2507,{SECOND}"), "(id 2507 is on line 2)"),
    "image twice": (row(3, f"11483,{FIRST}"), "is on line 2)"),
    "image outside": (row(3, "11483,MEN/../../x.jpg"), f"{CSV}, line 3"),
    "image from the root": (row(3, "11483,/etc/x.jpg"), f"{CSV}, line 3"),
    "image without a folder": (row(3, "11483,x.jpg"), f"{CSV}, line 3: got '11483,x.jpg', expected the path of an"),
    "three columns": (row(3, f"11483,{SECOND},1"), f"{JSON}, entry 2: got image_path"),
    "row missing": (content(CSV, lines("test")[:2]), "2 entries for the 1 rows of"),
    "entry missing": (content(JSON, entries("test")[:1]), "1 entries for the 2 rows of"),
    "another order": (content(JSON, entries("test")[::-1]), f"{JSON}, entry 1: got image_path '{SECOND}'"),
    "row and entry missing": (shortened, "split 'test' has 1 images, expected 2"),
    "no json": (content(JSON, b"id,filename\n"), "expected a list of entries"),
    "json cut short": (content(JSON, json.dumps(entries("test"))[:-9].encode()), "expected a list of entries"),
    "json in latin-1": (content(JSON, '["é"]'.encode("latin-1")), "expected a list of entries"),
    "json without end": (content(JSON, b"[" * 100_000), "expected a list of entries"),
    "json of another kind": (content(JSON, {"images": []}), f"{JSON}: got a dict, expected a list"),
    "entry of another kind": (content(JSON, [entries("test")[0], [1]]), f"{JSON}, entry 2: got no such key"),
    "no image_path": (entry(1, image_path=None), f"{JSON}, entry 1: got no such key, expected a key 'image_path'"),
    "no keypoints": (entry(2, keypoints=None), f"{JSON}, entry 2: got no such key, expected a key 'keypoints'"),
    "image_path of two lines": (entry(1, image_path="a\nb"), r"entry 1: got image_path 'a\nb'"),
    "16 joints": (entry(2, keypoints=[[1, 2]] * 16), f"entry 2: got keypoints of (16, 2) for '{SECOND}'"),
    "joints with confidence": (entry(1, keypoints=[[1, 2, 3]] * 17), f"(17, 3) for '{FIRST}', expected (17, 2)"),
    "joint of one number": (entry(2, keypoints=joint([1])), f"{JSON}, entry 2: got keypoints of something else"),
    "joint that is no number": (entry(2, keypoints=joint([1, "left"])), f"{JSON}, entry 2"),
    "joint of null": (entry(2, keypoints=joint([1, None])), f"{JSON}, entry 2"),
    "joint that is an object": (entry(2, keypoints=joint({"x": 1, "y": 2})), f"{JSON}, entry 2"),
    "NaN": (entry(2, keypoints=joint([float("nan"), 1])), f"{JSON}, entry 2: got keypoints of (17, 2)"),
    "infinite": (entry(2, keypoints=joint([1, float("inf")])), f"{JSON}, entry 2"),
    "number beyond float": (entry(2, keypoints=joint([1, 10**400])), f"{JSON}, entry 2"),
    "no person": (entry(2, person_id=None), f"{JSON}, entry 2: got no such key, expected a key 'person_id'"),
    "person by name": (entry(2, person_id="two"), f"{JSON}, entry 2: got person_id 'two', expected a whole number"),
    "keypoints as text": (entry(2, keypoints="many"), f"{JSON}, entry 2"),
}


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_corruptions_are_named(root: Path, name: str) -> None:
    change, expected = CORRUPTIONS[name]
    change(root)
    dataset = small(root)
    with pytest.raises(DatasetError) as error:
        dataset.split("test")
    message = str(error.value)
    assert "\n" not in message and expected in message and str(root) in message
    assert dataset.split("regress") == NAMES["train"]


def test_truncated_images_and_unknown_ids(root: Path) -> None:
    dataset = small(root)
    path = dataset.path(FIRST)
    path.write_bytes(path.read_bytes()[:-60])
    with pytest.raises(DatasetError, match=r"^cannot read image [^\n]*02_4_full\.jpg[^\n]*$"):
        dataset.image(FIRST, 32)
    with pytest.raises(DatasetError, match=r"^[^\n]*'WOMEN/x\.jpg'[^\n]*$"):
        dataset.annotation("WOMEN/x.jpg")
