"""Splits of custom data: the images to learn from and to test on."""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Iterable, Sequence
from pathlib import Path

from datasets.base import DatasetError, Split
from datasets.reading.image_files import FileHashes, ask_copies

FIFTH = 5  # one group in five is tested on
VIDEOS = 5  # from this number of folders of images (such as videos), the split is by folder, else by image
FEW_VIDEOS = (
    f"fewer than {VIDEOS} videos: tested on frames of videos that are learned from too, and intervals are over frames"
)
FEW_FOLDERS = f"fewer than {VIDEOS} folders of images: tested on images of folders that are learned from too"


def split_images(
    source: Path, names: Sequence[str], files: Sequence[Path], hashes: FileHashes, are_videos: bool
) -> tuple[tuple[str, ...], dict[Split, Sequence[int]], tuple[str, ...]]:
    """The group of each row, the rows of each split, and remarks on both, from the names and files of the images.

    Groups are the folders if there are at least VIDEOS of them, and at least two of them are tested on; else groups are
    the images. Copies of an image are in one group. ``are_videos`` says that the folders are videos, however few.
    """
    names = tuple(name.replace("\\", "/") for name in names)
    originals, copies = ask_copies(names, files, hashes)
    folders = {name: posixpath.dirname(original) for name, original in originals.items()}
    count = len(set(folders.values()))
    by_folder = count >= VIDEOS
    groups = tuple(folders[name] if by_folder else originals[name] for name in names)
    remarks = []
    if by_folder:
        remarks.append(f"split by folder: a fifth of the {count} folders of images (videos, say) is tested on")
    elif are_videos or count > 1:
        remarks.append(FEW_VIDEOS if are_videos else FEW_FOLDERS)
    if copies:
        first = next(name for name in names if originals[name] != name)
        remarks.append(f"copies of other images: {copies} (first {first}); they are on the same side of the split")
    return groups, split_by(source, groups, at_least=2 if by_folder else 1), tuple(remarks)


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


def last_parts(names: Iterable[str]) -> dict[str, str]:
    """The shortest last parts of each path that make all of them distinct."""
    parts = {name: name.split("/") for name in dict.fromkeys(names)}
    for depth in range(1, max(map(len, parts.values()), default=0)):
        short = {name: "/".join(path[-depth:]) for name, path in parts.items()}
        if len(set(short.values())) == len(short):
            return short
    return {name: name for name in parts}
