"""What an earlier command read in a run directory, so that files that have not changed are not read and hashed again.

A file counts as unchanged while its size, its inode and its times of modification and of change are the same. The
time of change is set by the system alone, so that an edit shows even if the time of modification is put back. The
memory is in the user's cache folder, not in the run directory, which others may have written. Without it, and for
every file that is not in it, everything is checked. Another version of the code that checks starts with none.
"""

from __future__ import annotations

import hashlib
import inspect
import io
import os
import time
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter

from benchmarks.settings import cache_folder
from leaderboard.digests import content_digest
from leaderboard.files import replacing
from leaderboard.image_errors import CellErrors
from leaderboard.load import load_records
from leaderboard.records import ResultRecord
from leaderboard.text import fault

SETTLED_NS = 2_000_000_000  # a file that changed later than this before now may change again within its time's grain
_BYTES = 16  # of a fingerprint
_RECORDS = TypeAdapter(dict[str, ResultRecord])
_NOT_SHOWN = {"rows": (), "per_landmark": (), "curve": ()}  # fields of a score


class Memory:
    """Records of the cells of a run directory that were found whole, and errors per image, by the state of their files.

    Of the scores of a record only what tables show is kept: no curves, nothing per landmark. Without a ``path`` nothing
    is remembered.
    """

    def __init__(self, output: Path = Path(), path: Path | None = None) -> None:
        self._output = output
        self._path = path
        self._whole: set[bytes] = set()
        self._records: dict[str, ResultRecord] = {}
        self._errors: dict[bytes, CellErrors] = {}
        self._states: dict[str, bytes] = {}
        self._new = False
        if path is not None:
            with suppress(OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
                self._load(path)

    def state(self, folder: str) -> bytes:
        """The fingerprint of a folder, such as 'cells/NAME', when it was first asked for; b'' if it is of no use."""
        if folder not in self._states:
            self._states[folder] = b"" if self._path is None else fingerprint(f"{self._output}/{folder}", folder)
        return self._states[folder]

    def record(self, cell: str) -> ResultRecord | None:
        """The record of a cell whose folder is as it was when it was found whole."""
        return self._records.get(self.state(f"cells/{cell}").hex())

    def is_whole(self, cell: str, others: Iterable[str]) -> bool:
        """Whether a cell, and the other folders that it was made from, are as they were when they were found whole."""
        return self.record(cell) is not None and self._together(cell, others) in self._whole

    def keep_whole(self, record: ResultRecord, others: Iterable[str]) -> None:
        """Remember that a cell, and the other folders that it was made from, are whole, unless one just changed."""
        if state := self._together(record.cell_id, others):
            self._whole.add(state)
            scores = tuple(score.model_copy(update=_NOT_SHOWN) for score in record.scores)
            self._records[self.state(f"cells/{record.cell_id}").hex()] = record.model_copy(update={"scores": scores})
            self._new = True

    def errors(self, cell: str, protocol: str) -> CellErrors | None:
        """The errors of a cell that were kept, if its folder is as it was."""
        return self._errors.get(self._key(cell, protocol))

    def keep_errors(self, cell: str, protocol: str, errors: CellErrors) -> None:
        """Remember the errors of a cell, unless its folder has just changed."""
        if self.state(f"cells/{cell}"):
            self._errors[self._key(cell, protocol)] = errors
            self._new = True

    def _key(self, cell: str, protocol: str) -> bytes:
        return _hash(self.state(f"cells/{cell}") + protocol.encode())

    def _together(self, cell: str, others: Iterable[str]) -> bytes:
        """The fingerprint of several folders; b'' if one is of no use."""
        states = [self.state(folder) for folder in (f"cells/{cell}", *others)]
        return _hash(b"".join(states)) if all(states) else b""

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
        present = {state.hex() for state in self._states.values()}
        records = {state: record for state, record in self._records.items() if state in present}
        content = io.BytesIO()
        np.savez(
            content,
            code=_packed([_code()]),
            whole=_packed(self._whole),
            records=_packed([_RECORDS.dump_json(records, exclude_unset=True)]),
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
            if file["code"].tobytes() != _code():
                return
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
            self._records = _RECORDS.validate_json(file["records"].tobytes())
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
        memory = Memory(output, cache_folder() / "cells" / f"{name}.npz")
    except (OSError, RuntimeError):  # no home folder, or a loop of links
        memory = Memory()
    yield memory
    memory.save()


def fingerprint(folder: str | os.PathLike[str], name: str = "") -> bytes:
    """A hash of a name and of the state of all files in a folder; b'' if there is none or one has just changed."""
    try:
        states = sorted(_states(folder))
    except OSError:
        return b""
    latest = max((max(each[:2]) for each in states), default=0)
    return b"" if not states or latest > time.time_ns() - SETTLED_NS else _hash(repr((name, states)).encode())


def _states(folder: str | os.PathLike[str], within: str = "") -> list[tuple[int, int, int, int, str]]:
    """Times, size, inode and name of each file in a folder and in the folders below it."""
    found = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                found += _states(entry.path, f"{within}{entry.name}/")
            else:
                state = entry.stat()
                name = within + entry.name
                found.append((state.st_ctime_ns, state.st_mtime_ns, state.st_size, state.st_ino, name))
    return found


def _hash(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=_BYTES).digest()


def _code() -> bytes:
    """A fingerprint of the modules that read and check cells."""
    paths = [*Path(__file__).parent.glob("*.py")]
    paths += [Path(inspect.getfile(each)) for each in (ResultRecord, load_records, content_digest, fault)]
    states = sorted((path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in paths)
    return _hash(repr(states).encode())
