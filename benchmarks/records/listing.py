"""The names and sizes of all files of a run directory, read folder by folder in one pass."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.errors import UserError

PLAN = "plan.json"
OWN = ("cells", "fits", "partial", "claims", "staging", "imports")  # folders that only a run directory has


@dataclass
class Folder:
    """A folder: the sizes of its files in bytes, and its folders, by name. Links below the first level are files."""

    files: dict[str, int] = field(default_factory=dict)
    folders: dict[str, Folder] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes of all files at any depth."""
        return sum(self.files.values()) + sum(folder.size for folder in self.folders.values())

    def inside(self, name: str) -> Folder:
        """The folder of that name, an empty one if it is not there."""
        return self.folders.get(name) or Folder()


def list_folder(path: Path | str, top: bool = True) -> Folder:
    """List a folder with all below it; what disappears in the meantime is left out. Raises OSError."""
    found = Folder()
    try:
        entries = list(os.scandir(path))
    except FileNotFoundError:
        if top:
            raise
        return found
    for entry in entries:
        with suppress(FileNotFoundError):
            if entry.is_dir(follow_symlinks=top):
                found.folders[entry.name] = list_folder(entry.path, top=False)
            else:
                found.files[entry.name] = entry.stat(follow_symlinks=False).st_size
    return found


def list_run(output: Path) -> Folder:
    """The files of a run directory. Raises UserError if the folder is none."""
    try:
        listing = list_folder(output)
    except OSError as error:
        reason = f"{error.filename}: {error.strerror}"
        raise UserError(f"cannot read {reason}; name a run directory, such as runs") from error
    if not (listing.folders.keys() & set(OWN) or PLAN in listing.files):
        raise UserError(f"{output} is no run directory: it has no folder cells, fits or partial, and no {PLAN}")
    return listing
