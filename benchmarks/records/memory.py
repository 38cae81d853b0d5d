"""What an earlier command read in a run directory, so that files that have not changed are not read and hashed again.

A file counts as unchanged while its size, its inode and its times of modification and of change are the same. The
time of change is set by the system alone, so that an edit shows even if the time of modification is put back. The
memory is in the user's cache folder, not in the run directory, which others may have written. Without it, and for
every file that is not in it, everything is checked.
"""

from __future__ import annotations

import hashlib
import io
import os
import time
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from benchmarks.settings import cache_folder
from leaderboard.files import replacing
from leaderboard.image_errors import CellErrors

SETTLED_NS = 2_000_000_000  # a file that changed later than this before now may change again within its time's grain
_BYTES = 16  # of a fingerprint


class Memory:
    """The fingerprints of cells that were found whole, and errors per image by the fingerprint of their file."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._whole: set[bytes] = set()
        self._errors: dict[bytes, CellErrors] = {}
        self._states: dict[str, bytes] = {}
        self._new = False
        if path is not None:
            with suppress(OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
                self._load(path)

    def __contains__(self, fingerprint: bytes) -> bool:
        return fingerprint in self._whole

    def state(self, cell: Path) -> bytes:
        """The fingerprint of a cell's folder when it was first asked for."""
        if cell.name not in self._states:
            self._states[cell.name] = fingerprint([cell])
        return self._states[cell.name]

    def add(self, fingerprint: bytes) -> None:
        """Remember files that are whole; b'' is that of none."""
        if fingerprint and fingerprint not in self._whole:
            self._whole.add(fingerprint)
            self._new = True

    def errors(self, cell: Path, protocol: str) -> CellErrors | None:
        """The errors of a cell that were kept, if its folder is as it was."""
        return self._errors.get(self._key(cell, protocol))

    def keep(self, cell: Path, protocol: str, errors: CellErrors) -> None:
        """Remember the errors of a cell, unless its folder has just changed."""
        if self.state(cell):
            self._errors[self._key(cell, protocol)] = errors
            self._new = True

    def _key(self, cell: Path, protocol: str) -> bytes:
        return hashlib.blake2b(self.state(cell) + protocol.encode(), digest_size=_BYTES).digest()

    def save(self) -> None:
        """Write the file if there is anything new; a folder that cannot be written is no error."""
        if self._path is None or not self._new:
            return
        images: dict[tuple[tuple[str, ...], tuple[str, ...], bytes], int] = {}
        places = [
            images.setdefault((each.ids, each.groups, each.weights.tobytes()), len(images))
            for each in self._errors.values()
        ]
        tables = {f"{name}{place}": np.array(key[part]) for key, place in images.items() for part, name in _TEXTS}
        tables |= {f"weights{place}": np.frombuffer(key[2]) for key, place in images.items()}
        values = [each.errors for each in self._errors.values()]
        content = io.BytesIO()
        np.savez(
            content,
            whole=_packed(self._whole),
            keys=_packed(self._errors),
            places=np.array(places, dtype=np.int64),
            errors=np.concatenate([np.empty(0), *values]),
            allow_pickle=False,
            **tables,
        )
        with suppress(OSError), replacing(self._path) as partial:
            partial.write_bytes(content.getbuffer())

    def _load(self, path: Path) -> None:
        with np.load(path, allow_pickle=False) as file:
            images = {}
            for place in np.unique(file["places"]).tolist():
                ids, groups = (tuple(file[f"{name}{place}"].tolist()) for _, name in _TEXTS)
                images[place] = CellErrors(ids, groups, file[f"weights{place}"], np.empty(0))
            places, errors, start = file["places"].tolist(), file["errors"], 0
            for key, place in zip(_unpacked(file["keys"]), places, strict=True):
                tested = images[place]
                end = start + len(tested.ids)
                self._errors[key] = tested._replace(errors=errors[start:end])
                start = end
            self._whole = set(_unpacked(file["whole"]))


_TEXTS = ((0, "ids"), (1, "groups"))


def _packed(fingerprints: Iterable[bytes]) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.frombuffer(b"".join(fingerprints), dtype=np.uint8)


def _unpacked(packed: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> list[bytes]:
    joined = packed.tobytes()
    return [joined[start : start + _BYTES] for start in range(0, len(joined), _BYTES)]


@contextmanager
def memory_of(output: Path) -> Iterator[Memory]:
    """The memory of a run directory, which is written at the end of the block."""
    try:
        name = hashlib.sha256(os.fsencode(output.resolve())).hexdigest()[:32]
        memory = Memory(cache_folder() / "cells" / f"{name}.npz")
    except (OSError, RuntimeError):  # no home folder, or a loop of links
        memory = Memory()
    yield memory
    memory.save()


def fingerprint(paths: Iterable[str | os.PathLike[str]], *names: str) -> bytes:
    """A hash of names and of the state of files and of the files in folders; b'' if one is missing or just changed."""
    states: list[tuple[str, int, int, int, int]] = []
    try:
        for path in paths:
            states += _states(path)
    except OSError:
        return b""
    latest = max((max(each[2:4]) for each in states), default=0)
    if not states or latest > time.time_ns() - SETTLED_NS:
        return b""
    return hashlib.blake2b(repr((names, sorted(states))).encode(), digest_size=_BYTES).digest()


def _states(path: str | os.PathLike[str]) -> Iterator[tuple[str, int, int, int, int]]:
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.is_dir():
                    yield from _states(entry.path)
                else:
                    yield _state(entry.path, entry.stat())
    except NotADirectoryError:
        yield _state(os.fspath(path), os.stat(path))  # noqa: PTH116 - ten thousand files


def _state(path: str, found: os.stat_result) -> tuple[str, int, int, int, int]:
    return path, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino
