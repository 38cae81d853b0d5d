"""Matching of photographs to images of the task whose paths agree in part."""

from __future__ import annotations

import pytest

from methods.adapters.placing import match


@pytest.mark.parametrize(
    ("names", "ids", "expected"),
    [
        # frames are numbered anew in every video
        (
            ["labeled-data/a/img1.png", "labeled-data/b/img1.png"],
            ["a/img1.png", "b/img1.png"],
            {"labeled-data/a/img1.png": "a/img1.png", "labeled-data/b/img1.png": "b/img1.png"},
        ),
        # b's frame is not a's, though a has no other of the name
        (["x/a/img2.png", "x/b/img1.png"], ["a/img1.png", "a/img2.png"], {"x/a/img2.png": "a/img2.png"}),
        (["C:\\data\\a\\img1.png"], ["a/img1.png"], {"C:\\data\\a\\img1.png": "a/img1.png"}),
        (["img1.png"], ["a/img1.png", "a/img2.png"], {"img1.png": "a/img1.png"}),
        (["img1.png"], ["a/img1.png", "b/img1.png"], {}),
        (["a/img1.png", "b/img1.png"], ["img1.png"], {}),
        # folders of other names say nothing, as long as the file's name is the only one
        (["photos/1.jpg", "photos/2.jpg"], ["Img/1.png", "Img/3.png"], {"photos/1.jpg": "Img/1.png"}),
        (["1.png", "1.jpg"], ["1.jpg"], {"1.jpg": "1.jpg"}),
        (["x/1.png", "x/1.jpg"], ["1.jpg", "1.png"], {"x/1.png": "1.png", "x/1.jpg": "1.jpg"}),
        (["x/1.jpg", "1.jpg"], ["1.jpg"], {"1.jpg": "1.jpg"}),
        (["", "."], ["1.jpg"], {}),
        (["v.1", "v.2"], ["v.1", "v.2"], {"v.1": "v.1", "v.2": "v.2"}),
    ],
)
def test_match(names: list[str], ids: list[str], expected: dict[str, str]) -> None:
    assert match(names, ids) == expected
    assert match(names[::-1], ids[::-1]) == expected
