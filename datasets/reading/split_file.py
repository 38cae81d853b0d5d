"""The file of ``--split``: the images to learn from and to test on, their groups, or both.

A csv has the headings ``image`` (or ``group``) and ``split``, or ``image`` and ``group``, or all three; a json has
lists of names under ``regress`` and ``test``, a side by name, or a list of objects with the same keys. A list of names
alone, one a line or as a json, is a list of the images to test on; all others are learned from. A name is that of an
image, a folder of images or a video; its first folders may be left out.
"""

from __future__ import annotations

import csv
import json
import posixpath
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from datasets.base import DatasetError
from datasets.text import read_lines, refuse_entry, shown

Side = Literal["regress", "test"]
SIDES: dict[str, Side] = {"regress": "regress", "train": "regress", "test": "test"}
COLUMNS = (
    dict.fromkeys(("image", "image_id", "file_name", "filename", "file", "name", "path", "frame"), "image")
    | dict.fromkeys(("group", "video", "subject", "person", "identity", "folder"), "group")
    | {"split": "split"}
)
_EXPECTED = "the headings image and split, image and group, or all three, or one name a line to test on"


class Line(NamedTuple):
    """A line of the file: where it stands, the image or folder that it names, and its side and group, if stated.

    A line without side and group names images to test on. ``of_group`` says that the column of names is one of folders
    or videos.
    """

    place: str
    name: str
    side: Side | None
    group: str | None
    of_group: bool


def read_split_file(path: Path) -> list[Line]:
    """The lines of a csv or json. Raises DatasetError that names the line for one that cannot be understood."""
    if not path.is_file():
        raise DatasetError(f"--split: no file {path}; expected a csv with {_EXPECTED}")
    read = _of_json if path.suffix.lower() == ".json" else _of_csv
    lines = [_line(path, place, row) for place, row in read(path)]
    if not lines:
        raise DatasetError(f"{path} names no image; expected a csv with {_EXPECTED}")
    for line in lines:
        if (line.side is None, line.group is None) != (lines[0].side is None, lines[0].group is None):
            refuse_entry(path, line.place, "other columns", f"those of {lines[0].place}", "")
    return lines


def _of_csv(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The rows by kind of column. Without headings the columns are image and split, or image alone."""
    text = read_lines(path)
    delimiter = next((mark for mark in ";\t" if text and mark in text[0]), ",")
    try:
        rows = [(f"line {number}", row) for number, row in enumerate(csv.reader(text, delimiter=delimiter), 1) if row]
    except csv.Error as error:
        raise DatasetError(f"cannot read {path}: {error}; expected a csv with {_EXPECTED}") from error
    if not rows:
        return
    first = [cell.strip().lower() for cell in rows[0][1]]
    if len(first) == 2 and first[1] in SIDES:
        heads = ["image", "split"]
    elif len(first) == 1 and first[0] not in COLUMNS:
        heads = ["image"]
    else:
        heads = [COLUMNS.get(cell, "") for cell in first]
        if "" in heads or len(set(heads)) < len(heads) or heads == ["split"]:
            refuse_entry(path, "line 1", shown(",".join(rows[0][1])), _EXPECTED, "leave out other columns")
        rows = rows[1:]
    for place, row in rows:
        if len(row) != len(heads):
            refuse_entry(path, place, f"{len(row)} columns", f"{len(heads)}, as in line 1", "")
        yield place, dict(zip(heads, row, strict=True))


def _of_json(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The entries of any of the four forms, by kind of column."""
    try:
        document = json.loads(path.read_bytes(), object_pairs_hook=_each_once)
    except (OSError, ValueError, RecursionError) as error:
        raise DatasetError(f"cannot read {path}: {error}; expected a json of names under regress and test") from error
    if isinstance(document, list):
        for number, entry in enumerate(document):
            place = f"entry {number}"
            if isinstance(entry, str):
                yield place, {"image": entry}
                continue
            kinds = [COLUMNS.get(key.lower(), "") for key in entry] if isinstance(entry, dict) else [""]
            if "" in kinds or len(set(kinds)) < len(kinds):
                refuse_entry(path, place, shown(entry), "a name, or an object with image and split, group or both", "")
            if len(kinds) < 2:
                refuse_entry(path, place, f"{kinds[0]} alone", "an object with image and split, group or both", "")
            yield place, dict(zip(kinds, entry.values(), strict=True))
    elif isinstance(document, dict):
        for key, value in document.items():
            if isinstance(value, list):
                yield from ((f"'{key}'", {"image": name, "split": key}) for name in value)
            else:
                yield f"'{key}'", {"image": key, "split": value}
    else:
        refuse_entry(path, "the file", shown(document), "an object of names under regress and test", "")


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"'{next(name for name in names if names.count(name) > 1)}' stands there twice")
    return found


def _line(path: Path, place: str, row: dict[str, Any]) -> Line:
    """A line of the file. Raises DatasetError for an empty name or group, and for another side."""
    for kind, value in row.items():
        if not isinstance(value, str) or not value.strip():
            refuse_entry(path, f"{place}, {kind}", shown(value), "a name", "")
    side, group = row.get("split"), row.get("group")
    if side is not None and side.strip().lower() not in SIDES:
        refuse_entry(path, f"{place}, split", shown(side), "regress (to learn from) or test", "leave out other images")
    return Line(
        place,
        posixpath.normpath(str(row.get("image", group)).strip().replace("\\", "/")),
        None if side is None else SIDES[side.strip().lower()],
        group.strip() if group is not None and "image" in row else None,
        "image" not in row,
    )


def find_rows(
    path: Path,
    lines: Sequence[Line],
    names: Sequence[str],
    ids: Sequence[str],
    listed: Iterable[str],
    videos: Sequence[str] = (),
) -> dict[int, Line]:
    """The line of each row of labels that the file names.

    ``names`` are the images of the rows, ``videos`` their videos, if known; ``listed`` also has images whose labels
    cannot be used. A line names an image by its id, or an image, with or without its ending, or a folder of images by
    its path, or a video, which comes first if the column is one of videos; one path may have more folders in front
    than the other.
    Raises DatasetError for a name that fits nothing, or several images, and for an image that is named twice.
    """
    rows, of_video = _rows_by(names), _rows_by(videos)
    by_id = {image_id: [row] for row, image_id in enumerate(ids)}
    images = {name: rows.get(name, []) for name in [*names, *listed]}
    folders: dict[str, list[int]] = {}
    for name, found_rows in images.items():
        folders.setdefault(posixpath.dirname(name), []).extend(found_rows)
    stems = {name.rpartition(".")[0] or name: found_rows for name, found_rows in images.items()}
    kinds = [(kind, _by_tail(kind)) for kind in (images, stems if len(stems) == len(images) else {}, folders)]
    found: dict[int, Line] = {}
    for line in lines:
        here = by_id.get(line.name) or (of_video.get(line.name) if line.of_group else None)
        for kind, tails in kinds:
            if here is None and (match := _match(path, line, tails)) is not None:
                here = kind[match]
        here = of_video.get(line.name) if here is None else here
        if here is None:
            expected = f"an image or a folder of images of the data, such as {shown(next(iter(images)))}"
            refuse_entry(path, line.place, shown(line.name), expected, "")
        for row in here:
            if row in found:
                expected = f"each image once: {shown(names[row])} is named in {found[row].place} already"
                refuse_entry(path, line.place, shown(line.name), expected, "")
            found[row] = line
    return found


def _rows_by(names: Iterable[str]) -> dict[str, list[int]]:
    """The rows of each name."""
    rows: dict[str, list[int]] = {}
    for row, name in enumerate(names):
        rows.setdefault(name, []).append(row)
    return rows


def _match(path: Path, line: Line, by_tail: dict[str, list[str]]) -> str | None:
    """The path that a line's name ends in or that ends in it, None without one. Raises DatasetError for several."""
    for tail in _tails(line.name):
        fitting = by_tail.get(tail, [])
        if tail in fitting:
            return tail
        if tail == line.name and len(fitting) > 1:
            expected = f"the name of one: it fits {', '.join(fitting[:3])}"
            refuse_entry(path, line.place, shown(line.name), expected, "write it with its folder")
        if tail == line.name and fitting:
            return fitting[0]
    return None


def _by_tail(names: Iterable[str]) -> dict[str, list[str]]:
    """The names that end in each run of last parts."""
    found: dict[str, list[str]] = {}
    for name in names:
        for tail in _tails(name):
            found.setdefault(tail, []).append(name)
    return found


def _tails(name: str) -> list[str]:
    """The runs of last parts of a path, the longest first."""
    parts = name.split("/")
    return ["/".join(parts[start:]) for start in range(len(parts))] if name else []
