"""What all own data shares: how it is split, and landmarks that are left and right of each other."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets.base import DatasetError
from datasets.reading.landmark_names import find_eyes, left_right_pairs
from datasets.reading.splits import last_parts, split_by

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


@given(st.lists(st.text("abc", min_size=1, max_size=3), min_size=2, max_size=30, unique=True))
def test_the_folder_that_all_images_lie_in_does_not_matter(names: list[str]) -> None:
    bare, below = split_by(Path("x"), names), split_by(Path("x"), [f"labeled-data/video/{name}" for name in names])
    assert bare == below


@pytest.mark.parametrize(
    ("names", "short"),
    [
        (["v/1.png", "v/2.png"], ["1.png", "2.png"]),
        (["d/v/1.png", "d/w/1.png", "d/w/2.png"], ["v/1.png", "w/1.png", "w/2.png"]),
        (["1.png", "v/1.png"], ["1.png", "v/1.png"]),
        (["a"], ["a"]),
    ],
)
def test_the_last_parts_tell_names_apart(names: list[str], short: list[str]) -> None:
    assert list(last_parts(names).values()) == short


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


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("left eye,Right Eye", (0, 2)),
        (" right eye , left eye ", (2, 0)),
        ("a,b,left eye", (3, 0)),
        ("a,b,a,b,c", (3, 4)),
    ],
)
def test_the_eyes_are_found_by_name(text: str, pair: tuple[int, int]) -> None:
    assert find_eyes(Path("x"), ["left eye", "nose", "right eye", "a,b", "a,b,c"], text) == pair


@pytest.mark.parametrize("text", ["", ",", "left eye", "left eye,left eye", "left eye,mouth", "0,2"])
def test_other_eyes_are_refused_with_the_landmarks(text: str) -> None:
    with pytest.raises(DatasetError, match="--interocular .*: got no two names .* 3 landmarks: left eye, nose, right"):
        find_eyes(Path("x"), ["left eye", "nose", "right eye"], text)
