"""The CelebA loader on broken trees: each fault is one line that names the file, and the line where it has one."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from PIL import Image

from datasets.base import DatasetError
from datasets.celeba import ALIGNED, WILD, Celeba
from tests.dataset_plugins.test_celeba import (
    ALIGNED_FILE,
    ALIGNED_IMAGES,
    BOX_FILE,
    COLUMNS,
    EXTRA,
    PERSON_FILE,
    SIZE_FILE,
    TEST,
    TRAIN,
    WILD_FACES,
    WILD_FILE,
    WILD_IMAGES,
    build,
    change_field,
    edit,
    line_of,
    small,
    write,
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return build(tmp_path)


def take_out(text: str, name: str) -> str:
    return "\n".join(line for line in text.split("\n") if line.split()[:1] != [name])


def twice(text: str, name: str) -> str:
    return text + "\n" + text.split("\n")[line_of(text, name) - 1]


A, T = TRAIN[1], TEST[0]
# What is broken, where, how, and what the error must say beside the file: {line} is the row's, {last} the file's last.
BROKEN: dict[str, tuple[partial[Celeba], str, Callable[[str], str], tuple[str, ...]]] = {
    "landmark row missing": (ALIGNED, ALIGNED_FILE, lambda t: take_out(t, A), (f"no row for {A}",)),
    "landmark row twice": (ALIGNED, ALIGNED_FILE, lambda t: twice(t, A), ("line {last}:", A)),
    "landmark not a number": (ALIGNED, ALIGNED_FILE, lambda t: change_field(t, A, 3, "x7"), ("line {line}:", "x7")),
    "landmark not finite": (ALIGNED, ALIGNED_FILE, lambda t: change_field(t, A, 3, "nan"), ("line {line}:", "nan")),
    "a landmark too few": (WILD, WILD_FILE, lambda t: change_field(t, A, 3, ""), ("line {line}:", "10 numbers")),
    "a landmark too many": (WILD, WILD_FILE, lambda t: change_field(t, A, 3, "7 7"), ("line {line}:", "10 numbers")),
    "no heading": (ALIGNED, ALIGNED_FILE, lambda t: t.split("\n", 2)[2], ("line 2:", "lefteye_x")),
    "no line of names": (ALIGNED, ALIGNED_FILE, lambda t: t.replace(COLUMNS, ""), ("line 2:", "lefteye_x")),
    "x and y apart": (
        *(WILD, WILD_FILE, lambda t: t.replace("lefteye_y righteye_x", "righteye_x lefteye_y")),
        ("line 2:", "lefteye_x lefteye_y righteye_x"),
    ),
    "four landmarks": (WILD, WILD_FILE, lambda t: t.replace("nose_x nose_y ", ""), ("line 2:", "nose_x nose_y")),
    "empty landmark file": (ALIGNED, ALIGNED_FILE, lambda t: "", ("no row for",)),
    "name twice in a list": (ALIGNED, "MAFL/training.txt", lambda t: t + f"\n{A}", ("line 7:", A, "line 2")),
    "two names on a line": (ALIGNED, "MAFL/training.txt", lambda t: t.replace("\n", " ", 1), ("line 1:", "one name")),
    "box row missing": (WILD, BOX_FILE, lambda t: take_out(t, A), (f"no row for {A}",)),
    "box row twice": (WILD, BOX_FILE, lambda t: twice(t.strip(), A), ("line {last}:", A)),
    "box not a number": (WILD, BOX_FILE, lambda t: change_field(t, A, 3, "wide"), ("line {line}:", "wide")),
    "box of three numbers": (WILD, BOX_FILE, lambda t: change_field(t, A, 3, ""), ("line {line}:", "4 numbers")),
    "box of corners": (WILD, BOX_FILE, lambda t: t.replace("width height", "x_2 y_2"), ("line 2:", "width height")),
    "box inside out": (WILD, BOX_FILE, lambda t: change_field(t, A, 3, "-30"), (A, "-30 wide")),
    "size row missing": (WILD, SIZE_FILE, lambda t: take_out(t, A), (f"no row for {A}",)),
    "size of no pixels": (WILD, SIZE_FILE, lambda t: change_field(t, A, 1, "0"), (A, "70 wide and 0 high")),
    "size with channels": (WILD, SIZE_FILE, lambda t: change_field(t, A, 2, "70 3"), ("line {line}:", "2 numbers")),
    "person missing": (ALIGNED, PERSON_FILE, lambda t: take_out(t, A), (f"no row for {A}",)),
    "person by name": (WILD, PERSON_FILE, lambda t: change_field(t, A, 1, "Eve"), ("line {line}:", "Eve")),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_text_file_is_an_error_of_one_line_that_says_where(root: Path, case: str) -> None:
    factory, file, change, said = BROKEN[case]
    write(root, PERSON_FILE, "\n".join(f"{name} 1" for name in (*TRAIN, *TEST)))
    small(factory, root).split("fit")
    text = (root / "celeba" / file).read_bytes().decode().replace("\r\n", "\n")
    edit(root, file, change)
    with pytest.raises(DatasetError) as error:
        small(factory, root).split("fit")
    message = str(error.value)
    assert "\n" not in message and str(root / "celeba" / file) in message
    places = {"line": line_of(text, A), "last": len(text.strip().split("\n")) + 1}
    for part in said:
        assert part.format(**places) in message
    assert "expected" in message or "get the whole file" in message


def test_another_number_of_images_is_an_error_that_names_both(root: Path) -> None:
    edit(root, "MAFL/testing.txt", lambda text: take_out(text, T))
    with pytest.raises(DatasetError, match=r"'test' has 2 images, expected 3, under ") as error:
        small(ALIGNED, root).split("test")
    assert "\n" not in str(error.value)
    assert small(ALIGNED, root).split("fit") == TRAIN, "one split's fault is not another's"


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def quota_page(path: Path) -> None:
    path.write_text("<!DOCTYPE html><title>Quota exceeded</title>")


def other_size(path: Path) -> None:
    Image.new("RGB", (218, 178)).save(path)


@pytest.mark.parametrize("damage", [cut_short, quota_page, other_size, Path.unlink])
@pytest.mark.parametrize(
    ("factory", "file"), [(ALIGNED, f"{ALIGNED_IMAGES}/{T[:-4]}.png"), (WILD, f"{WILD_IMAGES}/{T}")]
)
def test_a_broken_image_is_an_error_that_names_its_file(
    root: Path, factory: partial[Celeba], file: str, damage: Callable[[Path], None]
) -> None:
    damage(root / "celeba" / file)
    dataset = small(factory, root)
    assert dataset.annotation(T).visible.all(), "landmarks need no image"
    with pytest.raises(DatasetError) as error:
        dataset.image(T, 32)
    assert str(root / "celeba" / file) in str(error.value) and "\n" not in str(error.value)
    assert dataset.image(dataset.split("fit")[0], 32).shape == (32, 32, 3)


def test_an_image_without_header_is_an_error_where_sizes_are_asked_of_it(root: Path) -> None:
    (root / "celeba" / SIZE_FILE).unlink()
    quota_page(root / "celeba" / WILD_IMAGES / A)
    with pytest.raises(DatasetError, match=f"cannot read image .*{A}"):
        small(WILD, root).split("fit")


def test_a_size_file_with_width_before_height_is_found_out(root: Path) -> None:
    sizes = "".join(f"{name} {w} {h}\n" for name, (w, h, _, _) in WILD_FACES.items())
    write(root, SIZE_FILE, sizes)
    with pytest.raises(DatasetError, match=f"{T}: got 50 x 90 pixels, expected 90 x 50"):
        small(WILD, root).image(T, 32)


def test_only_what_is_needed_has_to_be_there(root: Path) -> None:
    (root / "celeba/Img").rename(root / "Img")
    for factory in (ALIGNED, WILD):
        dataset = small(factory, root)
        assert dataset.annotated() == (True, "")
        assert dataset.split("test") and dataset.annotation(dataset.split("test")[0])
        found, message = dataset.available()
        assert not found and str(root / "celeba/Img") in message
    (root / "celeba" / SIZE_FILE).unlink()
    found, message = small(WILD, root).annotated()
    assert not found and WILD_IMAGES in message and "list_imsize_celeba.txt" in message
    assert small(ALIGNED, root).annotated() == (True, "")
    assert not ALIGNED(None).annotated()[0]


def test_an_unknown_image_is_an_error(root: Path) -> None:
    for factory in (ALIGNED, WILD):
        dataset = small(factory, root)
        for name in ("no-such.jpg", EXTRA[0]):
            with pytest.raises(DatasetError, match=name):
                dataset.annotation(name)
            with pytest.raises(DatasetError, match=name):
                dataset.image(name, 8)
