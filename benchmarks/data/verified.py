"""The record of verified images, from which an interrupted verification continues."""

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

_FINGERPRINT = re.compile(r"[0-9a-f]{32}\n")


def cache_folder() -> Path:
    """The user's cache folder: XDG_CACHE_HOME if set, else that of the platform."""
    named = os.environ.get("XDG_CACHE_HOME", "")
    if named:
        return Path(named) / "keypoint-benchmarks"
    import pooch

    return Path(pooch.os_cache("keypoint-benchmarks"))


def fingerprint(names: Sequence[str], files: Sequence[Path]) -> str:
    """Hash of an image's names (dataset, digest, id) and of path, size and modification time of its files.

    It is '' if the image has no files or one is missing.
    """
    try:
        states = [(str(file), found.st_size, found.st_mtime_ns) for file in files for found in (file.stat(),)]
    except OSError:
        return ""
    return hashlib.blake2b(json.dumps([*names, *states]).encode(), digest_size=16).hexdigest() if states else ""


class Verified:
    """Fingerprints of a dataset's valid images, in a text file with one a line, to which each is appended at once.

    Lines that are no fingerprint are ignored. Raises UserError if the file cannot be read or written.
    """

    def __init__(self, folder: Path, dataset_id: str) -> None:
        path = folder / "verified" / (re.sub(r"[^\w.-]", "_", dataset_id)[-100:] + ".txt")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a+", encoding="ascii", errors="replace", buffering=1)
            self._file.seek(0)
            self._known = {bytes.fromhex(line) for line in self._file if _FINGERPRINT.fullmatch(line)}
            self._file.write("\n")  # ends a line whose writing was interrupted
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

    def __contains__(self, fingerprint: str) -> bool:
        return bytes.fromhex(fingerprint) in self._known

    def add(self, fingerprint: str) -> None:
        """Record an image as verified; may be called from several threads."""
        with self._lock:
            self._known.add(bytes.fromhex(fingerprint))
            self._file.write(f"{fingerprint}\n")
