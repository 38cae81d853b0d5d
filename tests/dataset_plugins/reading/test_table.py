"""What every dataset kept as tables refuses, and how its tables are read."""

from __future__ import annotations

import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from datasets.base import DatasetError, Split
from datasets.photos import Crop
from datasets.reading.table import Table
from tests.benchmarks.data.toys import Photos, card, write_photos

IMAGE = "00000"


class Toy(Photos):
    """Photographs of 24 x 24 pixels whose table, and whose images' expected size, a test may change."""

    size: tuple[int, int] | None = None
    changes: dict[str, Any]
    reads: list[str]

    def __init__(self, root: Path, **changes: Any) -> None:
        super().__init__(card("toy"), root)
        self.changes, self.reads = changes, []

    def read(self, name: Split) -> Table:
        self.reads.append(name)
        time.sleep(0.02)
        return replace(super().read(name), **self.changes) if name == "fit" else super().read(name)

    def expected_size(self, image_id: str) -> tuple[int, int] | None:
        return self.size


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_photos(tmp_path)
    return tmp_path


def test_an_image_of_another_size_than_its_landmarks_is_refused(root: Path) -> None:
    dataset = Toy(root)
    assert dataset.image(IMAGE, 8).shape == (8, 8, 3)
    dataset.size = (24, 24)
    assert dataset.image(IMAGE, 8).shape == (8, 8, 3)
    dataset.size = (48, 24)
    with pytest.raises(DatasetError, match=r"^[^\n]*img/00000\.png: got 24 x 24 pixels, expected 48 x 24; [^\n]*$"):
        dataset.image(IMAGE, 8)


@pytest.mark.parametrize("crop", [Crop(0, 0, 97, 97), Crop(30, 0, 24, 24), Crop(0, 0, 0, 24)])
def test_a_crop_beside_the_photo_or_far_larger_is_refused(root: Path, crop: Crop) -> None:
    dataset = Toy(root, crops=(crop, Crop(-2, -2, 28, 28), Crop(0, 0, 24, 24)))
    assert dataset.image("00001", 8).shape == (8, 8, 3)
    with pytest.raises(DatasetError, match=rf"^[^\n]*img/00000\.png: got Crop\(left={crop.left},[^\n]*'00000'[^\n]*$"):
        dataset.image(IMAGE, 8)


@pytest.mark.parametrize("place", [(87150.0, 0.5), (0.5, -3.01), (0.5, 4.01)])
def test_a_visible_landmark_far_outside_is_refused(root: Path, place: tuple[float, float]) -> None:
    landmarks = np.array([[[-3.0, 4.0]], [place], [[0.5, 0.5]]])
    with pytest.raises(DatasetError, match=r"^toy: image '00001' has 'nose' at \([^\n]*expected -3 to 4; [^\n]*$"):
        Toy(root, landmarks=landmarks).split("fit")
    hidden = Toy(root, landmarks=landmarks, visible=np.array([[True], [False], [True]]))
    assert len(hidden.split("fit")) == 3


def test_available_looks_for_the_first_and_last_image_of_each_split(root: Path) -> None:
    images = root / "photos/img"
    assert Toy(root).available() == (True, "")
    for name, absent in (("00000", "00000"), ("00002", "00002"), ("00003", "00003"), ("00004", "00004")):
        (images / f"{name}.png").rename(root / "away.png")
        found, message = Toy(root).available()
        assert not found and message.startswith(f"toy: no {images}/{absent}.png; ")
        (root / "away.png").rename(images / f"{name}.png")
    shutil.rmtree(images)
    images.mkdir()
    for dataset in (Toy(root).available(), Toy(root).present()):
        assert dataset == (False, f"toy: no {images}/*; make them")
    assert Toy(root).annotated() == (True, "")


def test_annotations_that_cannot_be_read_are_not_available(root: Path) -> None:
    (root / "photos/test.txt").write_text("00003\n")
    assert Toy(root).present() == (True, "")
    found, message = Toy(root).available()
    assert not found and message.startswith(f"toy: {root}/photos/test.txt, line 1: ")


def test_a_table_is_read_once_whatever_the_number_of_threads(root: Path) -> None:
    dataset = Toy(root)
    with ThreadPoolExecutor(8) as pool:
        tables = list(pool.map(lambda _: dataset.table("test"), range(8)))
    assert dataset.reads == ["test"] and all(table is tables[0] for table in tables)


def test_images_are_turned_where_the_dataset_says_so(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exif, path = Image.Exif(), root / "photos/img/00000.png"
    exif[0x0112] = 6
    Image.new("RGB", (48, 24)).save(path, exif=exif)
    dataset = Toy(root)
    dataset.size = (48, 24)
    dataset.image(IMAGE, 8)
    monkeypatch.setattr(dataset, "is_upright", lambda image_id: True)
    with pytest.raises(DatasetError, match="got 24 x 48 pixels"):
        dataset.image(IMAGE, 8)
