"""The record of verified images, from which an interrupted verification continues."""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import TextIO

_FINGERPRINT = re.compile(r"[0-9a-f]{32}\n")


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

    Lines that are no fingerprint are ignored. A file that cannot be read or written is given up with a line on stderr:
    the images verified from then on are verified again the next time.
    """

    def __init__(self, folder: Path, dataset_id: str) -> None:
        self._path = folder / "verified" / (re.sub(r"[^\w.-]", "_", dataset_id)[-100:] + ".txt")
        self._known: set[bytes] = set()
        self._file: TextIO | None = None
        self._lock = Lock()
        try:
            with suppress(FileNotFoundError), self._path.open(encoding="ascii", errors="replace") as file:
                self._known = {bytes.fromhex(line) for line in file if _FINGERPRINT.fullmatch(line)}
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("a", encoding="ascii", buffering=1)
            self._file.write("\n")  # ends a line whose writing was interrupted
        except OSError as error:
            self._give_up(error)

    def __enter__(self) -> Verified:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    def __contains__(self, fingerprint: str) -> bool:
        return bytes.fromhex(fingerprint) in self._known

    def add(self, fingerprint: str) -> None:
        """Record an image as verified; may be called from several threads."""
        with self._lock:
            self._known.add(bytes.fromhex(fingerprint))
            if self._file is not None:
                try:
                    self._file.write(f"{fingerprint}\n")
                except OSError as error:
                    self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        """Go on without the file."""
        if self._file is not None:
            with suppress(OSError):  # closing tries once more to write
                self._file.close()
            self._file = None
        why = f"cannot write {self._path}: {error.strerror or error}; name another folder with --cache"
        print(f"verified images are not remembered: {why}", file=sys.stderr)
