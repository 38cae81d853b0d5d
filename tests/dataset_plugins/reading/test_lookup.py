"""Images are found by names that other systems wrote, and never by a guess that fits two of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from datasets.reading.lookup import advice, find_files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("images/a 1.png", "images/b.png", "other/b.png", "c.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("c.png", "c.png"),
        ("images/b.png", "images/b.png"),
        ("b.png", "images/b.png"),
        ("other\\b.png", "other/b.png"),
        ("images\\a%201.png", "images/a 1.png"),
        ("D:\\data\\other\\b.png", "other/b.png"),
        ("/home/x/data/other/b.png", "other/b.png"),
        ("https://example.org/data/c.png", "c.png"),
        ("/data/local-files/?d=images/a%201.png", "images/a 1.png"),
        ("data/c.png", None),
        ("c.PNG", "c.png"),
        ("C.png", None),
        ("http:/example.org/data/c.png", "c.png"),
        ("x" * 300, None),
        ("nul\0.png", None),
    ],
)
def test_a_name_is_found(folder: Path, name: str, found: str | None) -> None:
    places = (folder, folder / "images")
    assert find_files([name], places) == {name: folder / (found or name)}


def test_two_names_do_not_get_one_file_by_their_last_parts(folder: Path) -> None:
    names = ["D:\\one\\c.png", "D:\\two\\c.png", "/x/images/b.png"]
    found = find_files([*names, "images/b.png"], (folder,))
    assert [path.is_file() for path in found.values()] == [False, False, False, True]


def test_what_to_do_is_said_by_the_kind_of_name() -> None:
    places = (Path("/data"), Path("/data/images"))
    assert advice("a.png", places) == "looked for in /data, /data/images; put it back, or take its entry out"
    assert "the name is a path of another system" in advice("D:\\a.png", places)
    assert "the name is an address" in advice("s3://bucket/a.png", places)
