"""Splits of custom data: the images to learn from and to test on."""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from datasets.base import DatasetError, Split
from datasets.reading.image_files import FileHashes, find_copies
from datasets.reading.split_file import Line, find_rows, read_split_file
from datasets.text import refuse_entry, shown

FIFTH = 5  # one group in five is tested on
VIDEOS = 5  # from this number of folders of images (such as videos), the split is by folder, else by image
FEW_VIDEOS = (
    f"fewer than {VIDEOS} videos: tested on frames of videos that are learned from too, and intervals are over frames"
)
FEW_FOLDERS = f"fewer than {VIDEOS} folders of images: tested on images of folders that are learned from too"


class Sides(NamedTuple):
    """The group of each row of labels, the rows of each split, and remarks on both."""

    groups: tuple[str, ...]
    rows: dict[Split, Sequence[int]]
    remarks: tuple[str, ...]


def split_images(
    source: Path,
    names: Sequence[str],
    files: Sequence[Path],
    hashes: FileHashes,
    videos: Sequence[str],
    are_videos: bool,
) -> Sides:
    """Split labels by the names and files of their images, or by their ``videos`` where the annotations name these.

    Groups are the folders if there are at least VIDEOS of them, and at least two of them are tested on; else groups are
    the images. Copies of an image are in one group. ``are_videos`` says that the folders are videos, however few.
    """
    originals, copies = find_copies(names, files, hashes)
    video_of = dict(zip(names, videos, strict=True)) if videos else {name: posixpath.dirname(name) for name in names}
    folders = {name: video_of[original] for name, original in originals.items()}
    count = len(set(folders.values()))
    by_folder = count >= VIDEOS
    groups = tuple(folders[name] if by_folder else originals[name] for name in names)
    remarks = []
    if by_folder:
        kind = "videos" if videos else "folders of images (videos, say)"
        remarks.append(f"split by {'video' if videos else 'folder'}: a fifth of the {count} {kind} is tested on")
    elif are_videos or count > 1:
        remarks.append(FEW_VIDEOS if are_videos or videos else FEW_FOLDERS)
    if copies:
        first = next(name for name in names if originals[name] != name)
        remarks.append(f"copies of other images: {copies} (first {first}); they are on the same side of the split")
    return Sides(groups, split_by(source, groups, at_least=2 if by_folder else 1), tuple(remarks))


def split_as_stated(
    path: Path,
    names: Sequence[str],
    ids: Sequence[str],
    listed: Sequence[str],
    files: Sequence[Path],
    hashes: FileHashes,
    videos: Sequence[str],
) -> Sides:
    """Split labels by the file at ``path``; rows of images that it does not name are in no split.

    If the file is a list of images to test on, all others are learned from. The groups are those of the file; without
    them, the ``videos`` of the rows, if these are known, or the folders of the images, if there are at least VIDEOS and
    none is on both sides, else the images. Raises DatasetError for a file that is wrong, a group of the file or a video
    on both sides, and for a side without images.
    """
    lines = find_rows(path, read_split_file(path), names, ids, listed, videos)
    named = sorted(lines)
    if not named:
        raise DatasetError(f"{path}: none of the images that it names has labels that can be used")
    originals, _ = find_copies(names, files, hashes)
    first = lines[named[0]]
    if first.side is None and first.group is None:
        learned = [row for row in range(len(names)) if row not in lines]
        rows: dict[Split, Sequence[int]] = {"fit": learned, "regress": learned, "test": named}
    elif first.side is None:
        stated = [str(lines[row].group) for row in named]
        count = len(set(stated))
        parts = split_by(path, stated, at_least=2 if count >= VIDEOS else 1)
        rows = {split: [named[place] for place in places] for split, places in parts.items()}
    else:
        learned = [row for row in named if lines[row].side == "regress"]
        rows = {"fit": learned, "regress": learned, "test": [row for row in named if lines[row].side == "test"]}
    if not (rows["regress"] and rows["test"]):
        lacking = "test" if rows["regress"] else "regress"
        raise DatasetError(
            f"{path} names no image with usable labels for {lacking}, expected some for both sides; a list of names "
            "alone is tested on, and all other images are learned from"
        )
    groups, remarks = _stated_groups(path, names, originals, lines, rows, videos)
    used = {*rows["regress"], *rows["test"]}
    absent = [names[row] for row in range(len(names)) if row not in used]
    if absent:
        remarks.append(f"left out: labels of images that {path.name} does not name: {len(absent)} (first {absent[0]})")
    return Sides(groups, rows, tuple(remarks))


def split_by(source: Path, groups: Sequence[str], at_least: int = 1) -> dict[Split, Sequence[int]]:
    """Rows of each split: a fifth of the groups, and at least ``at_least``, are for testing, the rest for learning.

    Groups are chosen by the sha256 of the shortest last parts of their names that are distinct; so neither their order
    nor their common folder matters. Raises DatasetError if nothing would be left to learn from.
    """
    short = last_parts(groups)
    names = sorted(short, key=lambda group: hashlib.sha256(short[group].encode(errors="replace")).digest())
    count = max(at_least, round(len(names) / FIFTH))
    if count >= len(names):
        raise DatasetError(f"{source}: only {names[0]} is annotated, expected {count + 1} images to learn and to test")
    held_out = set(names[:count])
    learned = [row for row, group in enumerate(groups) if group not in held_out]
    return {"fit": learned, "regress": learned, "test": [row for row, group in enumerate(groups) if group in held_out]}


def _stated_groups(
    path: Path,
    names: Sequence[str],
    originals: dict[str, str],
    lines: dict[int, Line],
    rows: dict[Split, Sequence[int]],
    videos: Sequence[str],
) -> tuple[tuple[str, ...], list[str]]:
    """The group of each row, and remarks.

    Raises DatasetError for a group of the file or an image on both sides and, if the file has no groups, for a video.
    """
    first, second = len(rows["regress"]), len(rows["test"])
    said = f"split by {path.name}: {first} labels to learn from, {second} to test on"
    every: Sequence[str] = [originals[name] for name in names]
    folders = [posixpath.dirname(original) for original in every]
    by_folder, images, copies = (_on_both(found, rows) for found in (folders, names, every))
    if images:
        line = next(lines[row] for row in rows["test"] if names[row] == images[0])
        refuse_entry(path, line.place, shown(line.name), "all objects of an image on one side of the split", "")
    remarks = []
    if any(line.group is not None for line in lines.values()):
        every = [str(lines[row].group) if row in lines else name for row, name in enumerate(names)]
        _refuse_shared(path, "group", every, lines, rows)
        counts = [len({every[row] for row in rows[side]}) for side in ("regress", "test")]
        said += f", in {counts[0]} and {counts[1]} groups"
        if sum(counts) < VIDEOS:
            remarks.append(f"fewer than {VIDEOS} groups: the number says little about further ones")
        if both := _on_both(videos, rows) if videos else []:
            remarks.append(f"videos on both sides of the split, in different groups: {len(both)} (first {both[0]})")
    elif videos:
        _refuse_shared(path, "video", videos, lines, rows)
        if len({videos[row] for side in ("regress", "test") for row in rows[side]}) >= VIDEOS:
            every = videos
    elif by_folder:
        remarks.append(
            f"folders of images on both sides of the split: {len(by_folder)} (first {shown(by_folder[0])}): tested on "
            "images of folders that are learned from too"
        )
    elif len({folders[row] for side in ("regress", "test") for row in rows[side]}) >= VIDEOS:
        every = folders
    if copies:
        remarks.append(f"images with a copy on the other side of the split: {len(copies)} (first {copies[0]})")
    return tuple(every), [said, *remarks]


def _refuse_shared(
    path: Path, kind: str, of: Sequence[str], lines: dict[int, Line], rows: dict[Split, Sequence[int]]
) -> None:
    """Raise DatasetError for a group or video on both sides, naming the line of one of its test images."""
    advice = "" if kind == "group" else "name all of it, or state groups of your own in a column group"
    for name in _on_both(of, rows):
        line = next(lines[row] for row in rows["test"] if of[row] == name)
        refuse_entry(path, line.place, f"{kind} {shown(name)} in both splits", f"each {kind} in one", advice)


def _on_both(groups: Sequence[str], rows: dict[Split, Sequence[int]]) -> list[str]:
    """The groups that are on both sides of the split."""
    learned, tested = ({groups[row] for row in rows[side]} for side in ("regress", "test"))
    return sorted(learned & tested)


def last_parts(names: Iterable[str]) -> dict[str, str]:
    """The shortest last parts of each path that make all of them distinct."""
    parts = {name: name.split("/") for name in dict.fromkeys(names)}
    for depth in range(1, max(map(len, parts.values()), default=0)):
        short = {name: "/".join(path[-depth:]) for name, path in parts.items()}
        if len(set(short.values())) == len(short):
            return short
    return {name: name for name in parts}
