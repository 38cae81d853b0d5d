"""Entries of COCO's annotation files, each checked: images, categories, keypoints and boxes."""

from __future__ import annotations

import posixpath
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from datasets import limits
from datasets.base import DatasetError
from datasets.reading.labels import LeftOut
from datasets.text import read_json, refuse_entry, shown

if TYPE_CHECKING:
    from numpy.typing import NDArray

LARGEST = 1e9
Key = int | str
Entries = dict[Key, dict[str, Any]]


class Category(NamedTuple):
    """An object category and the names of its keypoints."""

    name: str
    keypoints: tuple[str, ...]


class Photo(NamedTuple):
    """An image's normalised name, its (width, height) and its video; None if the json does not state them."""

    name: str
    size: tuple[int, int] | None
    video: str | None


def read_document(path: Path) -> dict[str, Any]:
    if path.is_dir():
        there = ", ".join(sorted(file.name for file in path.glob("*.json"))[:4]) or "there is none"
        raise DatasetError(f"{path} is a folder, expected a COCO-keypoints json; name the json in it ({there})")
    document = read_json(path, "a COCO-keypoints json")
    if not isinstance(document, dict):
        got, expected = f"a {type(document).__name__}", "an object with images, annotations and categories"
        refuse_entry(path, "the file", got, expected, "")
    return document


def as_id(value: Any) -> Any:
    """A valid id, with a whole float as integer; None for any other value."""
    if type(value) is float and value.is_integer():
        return int(value)
    return value if type(value) in (int, str) else None


def by_id(path: Path, document: dict[str, Any], key: str, left_out: LeftOut | None = None) -> Entries:
    """The entries of a list by id; an entry without an id is refused, or counted as broken if ``left_out`` is given."""
    entries = document.get(key)
    if not isinstance(entries, list):
        refuse_entry(path, key, shown(entries), "a list", "")
    found: Entries = {}
    for index, entry in enumerate(entries):
        where = f"{key}[{index}]"
        with left_out.broken() if left_out else nullcontext():
            if not isinstance(entry, dict):
                refuse_entry(path, where, shown(entry), "an object", "")
            number = as_id(entry.get("id"))
            if number is None:
                refuse_entry(path, f"{where}, id", shown(entry.get("id")), "a whole number or text", "")
            if number in found:
                refuse_entry(path, f"{where}, id", shown(number), f"an id that no other of {key} has", "")
            found[number] = entry
    return found


def known_id(path: Path, where: str, value: Any, known: Entries) -> Key:
    """The id of an existing entry. Raises DatasetError for any other value."""
    key = as_id(value)
    if key is None or key not in known:
        kinds = sorted({"numbers" if isinstance(each, int) else "text" for each in known})
        there = (
            f"one of the {len(known)} ids there are, which are {' and '.join(kinds)}"
            if known
            else "none, as there is no id"
        )
        refuse_entry(path, where, shown(value), there, "")
    return key


def category_entry(path: Path, key: Key, entry: dict[str, Any]) -> Category:
    """A category. Raises DatasetError unless its keypoints are a list of names."""
    names = entry.get("keypoints") or []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        refuse_entry(path, f"category {key}, keypoints", shown(names), "a list of names", "")
    return Category(str(entry.get("name", key)), tuple(names))


def photo_entry(path: Path, key: Key, entry: dict[str, Any]) -> Photo:
    """An image. Raises DatasetError for a missing name, and for a size that is not two whole numbers above 0."""
    where = f"image {key}"
    name, stated = entry.get("file_name"), [entry.get("width"), entry.get("height")]
    if isinstance(name, str) and len(name) > limits.NAME:
        refuse_entry(path, f"{where}, file_name", f"{len(name)} characters", f"at most {limits.NAME}", "")
    if not isinstance(name, str) or not name:
        refuse_entry(path, f"{where}, file_name", shown(name), "the name of a file", "")
    name = posixpath.normpath(name)
    video = as_id(entry.get("video_id", entry.get("vid_id")))
    video = None if video is None else str(video)
    if stated == [None, None]:
        return Photo(name, None, video)
    width, height = _numbers(path, f"{where}, width and height", stated, 2, "width, height").tolist()
    if min(width, height) < 1 or width % 1 or height % 1:
        refuse_entry(path, f"{where}, width and height", shown(stated), "whole numbers above 0", "")
    return Photo(name, (int(width), int(height)), video)


def keypoints_entry(path: Path, where: str, values: Any, category: Category) -> NDArray[np.float64]:
    """Keypoints (L, 3) as x, y, v. Raises DatasetError for another number of values, and for other numbers."""
    count = len(category.keypoints)
    if not count:
        got = f"{len(values)} values" if isinstance(values, list) else shown(values)
        refuse_entry(path, where, got, f"none, as category '{category.name}' names no keypoints", "")
    if isinstance(values, list) and len(values) == 3 * count:
        hidden = [v for v in values[2::3] for _ in range(3)]
        pairs = zip(values, hidden, strict=True)  # a point with v = 0 may have null or NaN as its place
        values = [0 if v == 0 and (value is None or value != value) else value for value, v in pairs]
    numbers = _numbers(path, where, values, 3 * count, f"x, y, v for each of '{category.name}': {count} keypoints")
    wrong = [v for v in values[2::3] if v not in (0, 1, 2)]
    if wrong:
        refuse_entry(path, where, f"v = {wrong[0]:g}", "v of 0, 1 or 2", "")
    return numbers.reshape(count, 3)


def box_entry(path: Path, where: str, stated: Any) -> NDArray[np.float64] | None:
    """The box; None if it is missing or has no area. Raises DatasetError for anything else than four numbers."""
    if stated in (None, []):
        return None
    box = _numbers(path, where, stated, 4, "x, y, width, height")
    if min(box[2:]) < 0:
        refuse_entry(path, where, shown(stated), "width and height of at least 0", "")
    return box if min(box[2:]) > 0 else None


def _numbers(path: Path, where: str, values: Any, count: int, meaning: str) -> NDArray[np.float64]:
    if not isinstance(values, list) or len(values) != count:
        got = f"{len(values)} values" if isinstance(values, list) else shown(values)
        refuse_entry(path, where, got, f"{count} numbers ({meaning})", "")
    wrong = [value for value in values if type(value) not in (int, float) or not -LARGEST < value < LARGEST]
    if wrong:
        refuse_entry(path, where, shown(wrong[0]), f"numbers below {LARGEST:g}", "")
    return np.array(values, dtype=np.float64)
