"""What users' files get wrong: what is refused, what is left out and counted, and what is remarked on."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from datasets.base import DatasetError
from datasets.coco import Coco, open_coco
from datasets.dlc import open_dlc
from datasets.folder import open_folder
from tests.custom_data import coco, photo, write_coco, write_dlc

COUNT = 20


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_coco(tmp_path / "a.json", coco(COUNT))


def changed(path: Path, change: Callable[[dict[str, Any]], object]) -> Coco:
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))
    return open_coco(str(path))


def each(change: Callable[[dict[str, Any]], object], kind: str = "annotations", step: int = 1) -> Any:
    return lambda document: [change(entry) for entry in document[kind][::step]]


def remarked(dataset: Any, text: str) -> bool:
    return any(text in remark for remark in dataset.card.remarks)


def test_labels_of_smaller_copies_are_suspected(path: Path) -> None:
    text = "no labelled keypoint lies beyond 0.39 of its image in x or y: if they were labelled on smaller copies"
    assert not remarked(open_coco(str(path)), "smaller copies")

    def halve(annotation: dict[str, Any]) -> None:
        x, y, v, x2, y2, v2 = annotation["keypoints"]
        annotation |= {"bbox": [5, 2, 15, 10], "keypoints": [0.6 * x, 0.6 * y, v, 0.6 * x2, 0.6 * y2, v2]}

    assert remarked(changed(path, each(halve)), text)


def test_centres_are_no_corners(path: Path) -> None:
    with pytest.raises(DatasetError, match="50% of the labelled keypoints lie outside their boxes, and none would if"):
        _ = changed(path, each(lambda annotation: annotation.update(bbox=[25, 15, 30, 20]))).card


@pytest.mark.parametrize("place", ["null", "NaN"])
def test_a_keypoint_that_is_not_labelled_needs_no_place(path: Path, place: str) -> None:
    path.write_text(path.read_text().replace("30, 15, 1]", f"{place}, {place}, 0]", 3))
    dataset = open_coco(str(path))
    assert sum(dataset.card.counts[split] for split in ("fit", "test")) == COUNT
    assert dataset.annotation("0.png").visible.tolist() == [True, False]
    path.write_text(path.read_text().replace(f"{place}, {place}, 0]", f"{place}, {place}, 2]"))
    assert remarked(open_coco(str(path)), "left out: annotations that cannot be used: 3")


def test_a_repeated_annotation_counts_once_and_another_object_does_not(path: Path) -> None:
    def repeat(document: dict[str, Any]) -> None:
        document["annotations"].append(document["annotations"][0] | {"id": 998})
        document["annotations"].append(document["annotations"][0] | {"id": 999, "bbox": [11, 5, 30, 20]})

    dataset = changed(path, repeat)
    assert sum(dataset.card.counts[split] for split in ("fit", "test")) == COUNT + 1
    assert remarked(dataset, "left out: annotations that repeat another of their image: 1 (first annotation 998)")


def test_a_landmark_that_is_never_labelled_is_named(path: Path) -> None:
    dataset = changed(path, each(lambda annotation: annotation["keypoints"].__setitem__(5, 0)))
    assert remarked(dataset, "landmarks that are never labelled: right_eye")


@pytest.mark.parametrize(
    ("length", "text"), [(4, "split by video: a fifth of the 5 videos"), (10, "fewer than 5 videos")]
)
@pytest.mark.parametrize("key", ["video_id", "vid_id"])
def test_videos_that_the_json_names_are_kept_together(path: Path, key: str, length: int, text: str) -> None:
    dataset = changed(path, each(lambda image: image.__setitem__(key, image["id"] // length), "images"))
    assert remarked(dataset, text)
    tested, learned = ({int(name[:-4]) // length for name in dataset.split(split)} for split in ("test", "fit"))
    assert bool(tested & learned) == (length == 10)
    assert not remarked(changed(path, lambda document: document["images"][0].pop(key)), "video")


def test_accents_may_be_composed_or_decomposed(path: Path) -> None:
    for file in path.parent.glob("*.png"):
        file.rename(path.parent / unicodedata.normalize("NFD", f"é{file.name}"))
    named = each(lambda image: image.update(file_name=unicodedata.normalize("NFC", f"é{image['file_name']}")), "images")
    assert changed(path, named).available() == (True, "")


@pytest.mark.parametrize("empty", ["", "nan", "NaN", "None", "null", "NA", "n/a"])
def test_cells_of_deeplabcut_that_say_nothing(tmp_path: Path, empty: str) -> None:
    cells = {f"{row}.png": f"{10 + row},3," + (f"{empty},{empty}" if row == 4 else "30,15") for row in range(6)}
    dataset = open_dlc(str(write_dlc(tmp_path / "a", cells)))
    assert dataset.annotation("a/4.png").visible.tolist() == [True, False]
    assert not remarked(dataset, "left out")


def test_what_a_folder_holds_beside_images_is_said(tmp_path: Path) -> None:
    for row in range(3):
        photo(tmp_path / f"{row}.png", (row, 0))
    (tmp_path / "._0.png").write_bytes(b"x")
    (tmp_path / ".DS_Store").write_bytes(b"x")
    (tmp_path / "gone.png").symlink_to(tmp_path / "nothing.png")
    dataset = open_folder(str(tmp_path))
    assert dataset.card.counts["test"] == 3
    assert remarked(dataset, "left out: hidden images: 1 (first ._0.png)")
    assert remarked(dataset, "left out: links to nothing, and what is no file: 1 (first gone.png)")
