"""Custom images without landmarks: keypoints are learned, predicted and measured on all of them, without an error.

All images below the folder are used, in the order of their paths, with those in linked folders. Hidden files and
folders and the folders of a run directory are left out; remarks count them.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np

from datasets.base import DatasetError
from datasets.reading.custom import CustomDataset, Found
from datasets.reading.image_files import SUFFIXES
from datasets.reading.labels import Labels, LeftOut
from datasets.reading.splits import Sides

RUN_FOLDERS = {"cells", "fits", "leaderboard", "staging"}  # a run directory has all of them
WRITTEN = RUN_FOLDERS | {"partial", "imports", "pictures", "mlartifacts"}
_CELL = re.compile(r"--s\d+--[0-9a-f]{8}$")  # the folder of a cell's pictures


class Folder(CustomDataset):
    """The images below a folder, an id being the path from there. Every image is in fit and in test."""

    prefix: ClassVar[str] = "folder"
    what: ClassVar[str] = f"a folder of images ({', '.join(SUFFIXES)}, any depth)"

    def find(self) -> Found:
        """List the images. Raises DatasetError for a folder without any."""
        if not self.source.is_dir():
            raise DatasetError(f"{self.source} is a file, expected {self.what}")
        remarks: list[str] = []
        files = walk(self.source, remarks)
        suffixes = {name: path.suffix.lower() for name, path in files.items()}
        ids = sorted(name for name, suffix in suffixes.items() if suffix in SUFFIXES)
        others = Counter(suffix or "no ending" for suffix in suffixes.values() if suffix not in SUFFIXES)
        if others:
            kinds = ", ".join(f"{count} {suffix}" for suffix, count in others.most_common(8))
            remarks.append(f"left out: files that are not named as images: {others.total()} ({kinds})")
        if not ids:
            raise DatasetError("; ".join([f"no image in {self.source}, expected {self.what}", *remarks]))
        count, names = len(ids), tuple(ids)
        points, visible = np.zeros((count, 0, 2)), np.zeros((count, 0), dtype=bool)
        paths = tuple(files[name] for name in ids)
        labels = Labels(names, names, names, paths, points, visible, boxes=None, stated=(None,) * count)
        return Found((), labels, LeftOut(self.source, "images"), tuple(remarks))

    def splits(self, labels: Labels, listed: Sequence[str]) -> Sides:
        """Every image is its own group, and is in the splits fit and test. Raises DatasetError for a split file."""
        if self.choices.split is not None:
            raise DatasetError(f"{self.source}: images without landmarks are not tested; leave out --split")
        everything = range(len(labels.ids))
        return Sides(labels.ids, {"fit": everything, "regress": range(0), "test": everything}, ())


def walk(source: Path, remarks: list[str]) -> dict[str, Path]:
    """All files below a folder by their path from there, with those in linked folders, each folder once.

    Hidden files and folders and the folders of a run directory are left out; a remark is added to ``remarks`` for each
    reason.
    """
    files: dict[str, Path] = {}
    seen: set[str] = set()
    hidden: list[str] = []
    closed: list[OSError] = []
    for place, folders, names in os.walk(source, followlinks=True, onerror=closed.append):
        here, real = Path(place), os.path.realpath(place)
        if real in seen:
            remarks.append(f"left out: {here.relative_to(source)}, a link to a folder that is there already")
            folders[:] = []
            continue
        seen.add(real)
        written = {name for name in folders if _CELL.search(name)}
        written |= WRITTEN & set(folders) if set(folders) >= RUN_FOLDERS else set()
        if written:
            folder, first = here.relative_to(source), min(written)
            remarks.append(f"left out: folders that runs have written in {folder}: {len(written)} (first {first})")
        folders[:] = sorted(name for name in folders if name[0] != "." and name not in written)
        hidden += [name for name in names if name[0] == "." and name.lower().endswith(SUFFIXES)]
        files |= {(here / name).relative_to(source).as_posix(): here / name for name in names if name[0] != "."}
    if closed:
        remarks.append(f"left out: folders that cannot be opened: {len(closed)} (first {closed[0].filename})")
    if hidden:
        remarks.append(f"left out: hidden images: {len(hidden)} (first {min(hidden)})")
    nowhere = sorted(name for name, path in files.items() if not path.is_file())
    if nowhere:
        remarks.append(f"left out: links to nothing, and what is no file: {len(nowhere)} (first {nowhere[0]})")
    return {name: path for name, path in files.items() if path.is_file()}


def open_folder(path: str) -> Folder:
    """The dataset of a folder of images; nothing is read yet."""
    return Folder(path)
