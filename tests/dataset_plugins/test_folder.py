"""Own images without landmarks."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from datasets.base import DatasetError
from datasets.folder import open_folder
from tests.custom_data import lay_down, photo


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for name in ("b.png", "a.PNG", "deep/er/c.jpeg", "d.webp", "e.bmp", ".hidden/f.png", "deep/._a.png"):
        photo(tmp_path / name, (30, 5))
    (tmp_path / "notes.txt").write_text("no image")
    return tmp_path


def test_all_images_are_learned_from_and_predicted(images: Path) -> None:
    dataset = open_folder(str(images))
    assert dataset.available() == (True, "")
    names = ("a.PNG", "b.png", "d.webp", "deep/er/c.jpeg", "e.bmp")
    assert dataset.split("fit") == dataset.split("test") == names
    assert dataset.split("regress") == ()
    assert dataset.card.landmark_names == ()
    assert dataset.annotation("b.png").landmarks.shape == (0, 2)


def test_a_whole_image_is_padded_to_a_square(images: Path) -> None:
    image = open_folder(str(images)).image("b.png", 60)  # 60 x 40
    ((row, column),) = np.argwhere(image[..., 0] == 255)
    assert (column, row) == (30, 15)
    assert (image[:10] == 128).all() and (image[50:] == 128).all()


def test_an_image_that_lies_on_its_side_is_turned_upright(images: Path) -> None:
    before = open_folder(str(images)).image("b.png", 60)
    lay_down(images / "b.png")
    np.testing.assert_array_equal(open_folder(str(images)).image("b.png", 60), before)


def test_a_changed_image_changes_the_digest(images: Path) -> None:
    before = open_folder(str(images)).digest("test")
    assert open_folder(str(images)).digest("test") == before
    os.utime(images / "b.png", (1, 1))
    assert open_folder(str(images)).digest("test") != before


def test_an_unreadable_image_is_named_when_decoded(images: Path) -> None:
    (images / "e.bmp").write_bytes(b"BM, but no image")
    dataset = open_folder(str(images))
    assert dataset.available()[0]
    with pytest.raises(DatasetError, match=r"cannot read image .*e\.bmp") as error:
        dataset.image("e.bmp", 32)
    assert len(str(error.value).splitlines()) == 1
    with pytest.raises(DatasetError, match=r"no image 'f\.bmp'"):
        dataset.image("f.bmp", 32)


def test_a_folder_without_images_a_file_and_nothing_at_all(images: Path) -> None:
    (images / "empty").mkdir()
    with pytest.raises(DatasetError, match=rf"no image in {images / 'empty'}, expected a folder of images \(\.bmp"):
        open_folder(str(images / "empty")).available()
    with pytest.raises(DatasetError, match=rf"{images / 'b.png'} is a file, expected a folder of images"):
        open_folder(str(images / "b.png")).available()
    found, message = open_folder(str(images / "gone")).available()
    assert not found
    assert f"folder: no {images / 'gone'}; expected a folder of images" in message
