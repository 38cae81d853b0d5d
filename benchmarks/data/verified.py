"""What was verified before, so that a verification that was broken off goes on where it stopped."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from types import TracebackType

from benchmarks.errors import UserError

_STAMP = re.compile(r"[0-9a-f]{32}\n")


def cache_folder() -> Path:
    """The user's cache folder, by the custom of the platform; XDG_CACHE_HOME comes first."""
    named = os.environ.get("XDG_CACHE_HOME", "")
    if named:
        return Path(named) / "keypoint-benchmarks"
    import pooch

    return Path(pooch.os_cache("keypoint-benchmarks"))


def stamp(names: Sequence[str], files: Sequence[Path]) -> str:
    """What an image of these names (dataset, digest, id) is known by: path, size and time of change of its files.

    '' where nothing can be known: no files, or one that is missing.
    """
    try:
        states = [(str(file), found.st_size, found.st_mtime_ns) for file in files for found in (file.stat(),)]
    except OSError:
        return ""
    return hashlib.blake2b(json.dumps([*names, *states]).encode(), digest_size=16).hexdigest() if states else ""


class Verified:
    """The stamps of a dataset's sound images, one a line of a file that each is added to at once.

    What is no stamp in the file is passed over. Raises UserError where the file cannot be read or written.
    """

    def __init__(self, folder: Path, dataset_id: str) -> None:
        path = folder / "verified" / (re.sub(r"[^\w.-]", "_", dataset_id)[-100:] + ".txt")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a+", encoding="ascii", errors="replace", buffering=1)
            self._file.seek(0)
            self._stamps = {bytes.fromhex(line) for line in self._file if _STAMP.fullmatch(line)}
            self._file.write("\n")  # ends a line that was broken off
        except OSError as error:
            raise UserError(
                f"cannot write {path}: {error.strerror or error}; name another folder with --cache"
            ) from error
        self._lock = Lock()

    def __enter__(self) -> Verified:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def __contains__(self, stamp: str) -> bool:
        return bytes.fromhex(stamp) in self._stamps

    def add(self, stamp: str) -> None:
        """Remember an image; may be called from several threads."""
        with self._lock:
            self._stamps.add(bytes.fromhex(stamp))
            self._file.write(f"{stamp}\n")
