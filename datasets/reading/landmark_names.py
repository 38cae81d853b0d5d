"""What the names of landmarks say: left and right, the eyes, and names that are not usable."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from datasets.base import DatasetError
from datasets.text import one_line, refuse_entry, shown

_LEFT = re.compile(r"^left|left$|^l(?=[ _.-])|(?<=[ _.-])l$")


def find_eyes(source: Path, names: Sequence[str], text: str | None) -> tuple[int, int] | None:
    """The landmarks that ``'NAME,NAME'`` names, None without text. Raises DatasetError for any other text."""
    if text is None:
        return None
    parts = text.split(",")
    places = {name.strip().lower(): place for place, name in enumerate(names)}
    for cut in range(1, len(parts)):
        pair = [places.get(",".join(part).strip().lower()) for part in (parts[:cut], parts[cut:])]
        if None not in pair and pair[0] != pair[1]:
            return pair[0], pair[1]  # type: ignore[return-value]
    known = f"{len(names)} landmarks: {', '.join(names)}" if names else "no landmarks"
    raise DatasetError(one_line(f"--interocular {text}: got no two names of different landmarks; {source} has {known}"))


def left_right_pairs(names: Sequence[str]) -> tuple[tuple[int, int], ...]:
    """Index pairs of landmarks whose names differ only at one end, by left and right or by l and r."""
    index = {name.lower(): number for number, name in enumerate(names)}
    left_of: dict[int, int] = {}
    for left, name in enumerate(names):
        right = index.get(_LEFT.sub(_right, name.lower(), count=1))
        if right is not None and right != left:
            left_of[right] = left
    return tuple((left, right) for right, left in left_of.items())


def _right(found: re.Match[str]) -> str:
    return "right" if found[0] == "left" else "r"


def distinct_names(path: Path, where: str, names: Sequence[str]) -> tuple[str, ...]:
    """The landmarks' names. Raises DatasetError if there is none, or one is blank, no text, or repeated."""
    bad = next((name for name in names if not isinstance(name, str) or not name.strip()), None)
    if not names or bad is not None:
        refuse_entry(path, where, shown(bad), "the keypoints' names", "")
    counts = Counter(names)
    twice = next((name for name in names if counts[name] > 1), None)
    if twice is not None:
        refuse_entry(path, where, shown(twice), "each name once", "")
    return tuple(names)
