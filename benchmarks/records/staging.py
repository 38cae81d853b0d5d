"""Folders that are filled in ``staging/`` and take their place when they are complete.

A folder in place is replaced by exchanging two names in one step, so that a reader always finds one of the two. Where
the filesystem cannot exchange names (NFS, Lustre), a claim file keeps other writers away while two folders are renamed.
Names in ``staging/`` begin with the process that made them; a later run removes what a killed process left there.
"""

from __future__ import annotations

import ctypes
import errno
import hashlib
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

from leaderboard.files import is_abandoned
from leaderboard.process import this_process

TOUCHED_EVERY = 3600.0  # seconds; a folder that was not touched for a day is abandoned
CLAIM_SECONDS = 60.0  # a claim lasts for two renames; one that is still there after this time is abandoned
ATTEMPTS = 100
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2
_OCCUPIED = (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR, errno.EISDIR)
_UNSUPPORTED = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM)


class Staging:
    """The folder ``staging`` of the run directory ``output``."""

    def __init__(self, output: Path) -> None:
        self._output = output
        self.folder = output / "staging"

    def sweep(self) -> None:
        """Finish the replacements that killed processes began, and remove what such processes left here."""
        for claim in self.folder.glob("*.claim"):
            if is_abandoned(claim, _claimed_by(claim)):
                self._finish(claim)
        for path in self.abandoned():
            remove(path)

    def abandoned(self) -> list[Path]:
        """What processes that were killed left here, by name."""
        found = sorted(self.folder.iterdir()) if self.folder.is_dir() else []
        return [path for path in found if is_abandoned(path, _made_by(path))]

    @contextmanager
    def filled(self, folder: Path, keeps: Callable[[Path], bool] = lambda old: False) -> Iterator[Path]:
        """Yield an empty folder to fill; at the end it replaces ``folder``, on an exception it is removed.

        ``keeps(old)`` says whether the folder that is in place stays there. Raises OSError.
        """
        filling = self.folder / f"{this_process()}.{uuid4().hex[:8]}"
        filling.mkdir(parents=True)
        try:
            with _touched(filling):
                yield filling
            self._place(filling, folder, keeps)
        finally:
            remove(filling)

    def _place(self, filling: Path, folder: Path, keeps: Callable[[Path], bool]) -> None:
        """Move ``filling`` to ``folder``; what was there, if anything, is at ``filling`` then."""
        for attempt in range(ATTEMPTS):
            folder.parent.mkdir(parents=True, exist_ok=True)
            if keeps(folder):
                return
            try:
                if not (_moved(filling, folder) or exchanged(filling, folder)):
                    self._swap(filling, folder, keeps)
                elif filling.exists() and keeps(filling):  # written by another process after the question above
                    exchanged(filling, folder)
                return
            except FileNotFoundError:  # the folder was removed between two steps
                if attempt == ATTEMPTS - 1:
                    raise

    def _swap(self, filling: Path, folder: Path, keeps: Callable[[Path], bool]) -> None:
        """Exchange two folders by two renames, under a claim that other processes respect."""
        place = folder.relative_to(self._output).as_posix()
        claim = self.folder / f"{hashlib.sha256(place.encode()).hexdigest()[:16]}.claim"
        self._take(claim, "\n".join((this_process(), filling.name, place)))
        old = filling.with_name(f"{filling.name}.old")
        try:
            while not (keeps(folder) or _moved(filling, folder)):
                remove(old)
                with suppress(FileNotFoundError):
                    folder.rename(old)
        finally:
            self._finish(claim)  # after Ctrl-C between the two renames
            remove(old)
            claim.unlink(missing_ok=True)

    def _take(self, claim: Path, text: str) -> None:
        """Write a claim that no other process holds; wait for the process that holds it, unless that was killed."""
        ends = time.monotonic() + CLAIM_SECONDS
        while True:
            try:
                with claim.open("x", encoding="utf-8") as file:
                    file.write(text)
                return
            except FileExistsError:
                if time.monotonic() > ends or is_abandoned(claim, _claimed_by(claim)):
                    self._finish(claim)
                    claim.unlink(missing_ok=True)
                time.sleep(0.01)

    def _finish(self, claim: Path) -> None:
        """Put the folder of a claim in its place if nothing is there: its process was killed between two renames."""
        with suppress(OSError, ValueError):
            _, name, place = claim.read_text("utf-8").split("\n")
            parent, inside = Path(place).parts
            if parent in ("cells", "fits") and is_name(name) and is_name(inside):
                _moved(self.folder / name, self._output / parent / inside)


def exchanged(one: Path, other: Path) -> bool:
    """Exchange the names of two files or folders in one step; False where the system or the filesystem cannot.

    Raises OSError for other reasons, such as FileNotFoundError if one of the two is missing.
    """
    rename = _renameat2()
    if rename is None:
        return False
    if rename(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in _UNSUPPORTED:
        return False
    raise OSError(number, os.strerror(number), str(one), None, str(other))


def remove(path: Path) -> None:
    """Remove a file, a link or a folder with everything in it, as far as that is possible."""
    with suppress(OSError):
        if path.is_symlink() or not path.is_dir():
            path.unlink(missing_ok=True)
        else:
            shutil.rmtree(path, ignore_errors=True)


@cache
def _renameat2() -> Any:
    """The function of the C library, None where there is none."""
    try:
        function = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError, TypeError):
        return None
    function.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]
    return function


def _moved(filling: Path, folder: Path) -> bool:
    """Move a folder to a place where nothing is, or an empty folder; False if something is there."""
    try:
        filling.rename(folder)
    except OSError as error:
        if error.errno in _OCCUPIED:
            return False
        raise
    return True


def is_name(text: str) -> bool:
    """Whether a text is the name of one file or folder, and not a path to another place."""
    return os.path.basename(text) == text and text not in ("", ".", "..")  # noqa: PTH119 - of ten thousand


def _made_by(path: Path) -> str:
    return _claimed_by(path) if path.suffix == ".claim" else path.name.split(".")[0]


def _claimed_by(claim: Path) -> str:
    try:
        return claim.read_text("utf-8").partition("\n")[0]
    except (OSError, ValueError):
        return ""


@contextmanager
def _touched(folder: Path) -> Iterator[None]:
    """Renew the time of a folder now and then while the block runs, so that no other machine takes it as abandoned."""
    ended = threading.Event()

    def touch() -> None:
        while not ended.wait(TOUCHED_EVERY):
            with suppress(OSError):
                os.utime(folder)

    thread = threading.Thread(target=touch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
