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
    moved = images.rename(images.with_name("elsewhere"))
    assert open_folder(str(moved)).digest("test") == before
    photo(moved / "b.png", (31, 5))
    assert open_folder(str(moved)).digest("test") != before


def remarks_on(images: Path, start: str) -> list[str]:
    return [text for text in open_folder(str(images)).card.remarks if text.startswith(start)]


def test_an_unreadable_image_is_left_out_and_named(images: Path) -> None:
    (images / "e.bmp").write_bytes(b"BM, but no image")
    dataset = open_folder(str(images))
    assert dataset.available()[0] and "e.bmp" not in dataset.split("test")
    (remark,) = remarks_on(images, "left out: images that cannot be used: 1")
    assert "cannot read image" in remark and "e.bmp: it is no image" in remark
    with pytest.raises(DatasetError, match=r"for image 'e\.bmp'"):
        dataset.image("e.bmp", 32)


def test_every_format_is_taken_and_other_files_are_counted(tmp_path: Path) -> None:
    for name in ("a.tif", "b.TIFF", "c.gif", "d.ppm", "e.jpe"):
        photo(tmp_path / name, (30, 5))
    for name in ("x.heic", "y.heic", "notes"):
        (tmp_path / name).write_bytes(b"x")
    assert open_folder(str(tmp_path)).split("test") == ("a.tif", "b.TIFF", "c.gif", "d.ppm", "e.jpe")
    assert remarks_on(tmp_path, "left out") == [
        "left out: files that are not named as images: 3 (2 .heic, 1 no ending)"
    ]


def test_links_to_folders_are_followed_and_none_twice(images: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("disk")
    photo(elsewhere / "g.png", (3, 4))
    (images / "linked").symlink_to(elsewhere)
    (images / "deep" / "round").symlink_to(images)
    assert "linked/g.png" in open_folder(str(images)).split("test")
    assert len(open_folder(str(images)).split("test")) == 6
    assert len(remarks_on(images, "left out: deep/round, a link to a folder that is there already")) == 1


@pytest.mark.parametrize("below", [".", "runs", "deep/runs"])
def test_what_runs_have_written_is_no_photograph(images: Path, below: str) -> None:
    before = open_folder(str(images)).split("test")
    for name in ("cells/a/overlay.png", "mlartifacts/1/overlay.png", "fits/b/x", "leaderboard/x", "staging/x"):
        photo(images / below / f"{name}.png", (3, 4))
    photo(images / "shown" / "grid--cub_001--mini--s0--0a1b2c3d" / "attention.png", (3, 4))
    assert open_folder(str(images)).split("test") == before
    assert len(remarks_on(images, "left out: folders that runs have written in")) == 2


def test_a_folder_without_images_a_file_and_nothing_at_all(images: Path) -> None:
    (images / "empty").mkdir()
    with pytest.raises(
        DatasetError, match=rf"no image in {images / 'empty'}, expected a folder of images \(\.apng, \.bmp"
    ):
        open_folder(str(images / "empty")).available()
    with pytest.raises(DatasetError, match=rf"{images / 'b.png'} is a file, expected a folder of images"):
        open_folder(str(images / "b.png")).available()
    found, message = open_folder(str(images / "gone")).available()
    assert not found
    assert f"folder: no {images / 'gone'}; expected a folder of images" in message
