"""Writing files atomically: a reader finds the old file or the new one, never a part; several change together."""

from __future__ import annotations

import errno
import glob
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from leaderboard.errors import LeaderboardError
from leaderboard.process import has_ended, this_process

DAY = 24 * 3600.0
FULL = {  # reasons of a write to an open file, which OSError does not name
    errno.ENOSPC: "make room",
    errno.EDQUOT: "make room",
    errno.EFBIG: "raise the limit on the size of files",
}
_CURES = FULL | {
    errno.EROFS: "make it writable",
    errno.EACCES: "make it writable",
    errno.EPERM: "make it writable",
}


def cannot_write(path: Path, error: OSError) -> str:
    """One line that names the file, the reason why it cannot be written, and the cure."""
    reason = os.strerror(error.errno) if error.errno else str(error)  # pyarrow's own text repeats it
    cure = _CURES.get(error.errno or 0, "name another place or mend this one")
    return f"cannot write {path}: {reason}; {cure}, then run the same command again"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A new path beside ``path`` to write to; on success the file is flushed to disk and takes the place of ``path``.

    The folders above are made, and new files that killed processes left beside ``path`` are removed. On an exception
    the new file is removed and ``path`` stays as it was. Raises OSError, with a file name, if writing fails.
    """
    partial = _beside(path, "partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path)
        yield partial
        _flush(partial)
        partial.replace(path)
    except OSError as error:
        if error.filename is None and error.errno:
            raise OSError(error.errno, os.strerror(error.errno), str(path)) from error
        raise
    finally:
        _remove(partial)


def write_atomically(path: Path, text: str) -> None:
    """Write a UTF-8 text file. Raises LeaderboardError, naming the path, if that fails."""
    try:
        with replacing(path) as partial:
            partial.write_text(text, encoding="utf-8")
    except OSError as error:
        raise LeaderboardError(cannot_write(path, error)) from error


def write_together(texts: Mapping[Path, str]) -> None:
    """Write several UTF-8 files, all or none.

    Every new file is written beside its place before the first one takes it. If a step fails, the files that were
    replaced get their old content back. Raises LeaderboardError, naming the path, if a file cannot be written.
    """
    replaced: list[Path] = []
    path = Path()
    with ExitStack() as leftovers:
        try:
            for path, text in texts.items():
                for kind in ("partial", "old"):
                    leftovers.callback(_remove, _beside(path, kind))
                path.parent.mkdir(parents=True, exist_ok=True)
                _sweep(path)
                _beside(path, "partial").write_text(text, encoding="utf-8")
                _flush(_beside(path, "partial"))
                if path.exists():
                    shutil.copy2(path, _beside(path, "old"))
            for path in texts:
                replaced.append(path)
                _beside(path, "partial").replace(path)
        except BaseException as error:  # Ctrl-C too
            for each in reversed(replaced):
                _restore(each)
            if isinstance(error, OSError):
                raise LeaderboardError(f"cannot write {path}: {error.strerror or error}; nothing changed") from error
            raise


def is_abandoned(path: Path, process: str) -> bool:
    """Whether nobody works on a temporary file or folder any more.

    ``process`` is the name of the process that made it (``leaderboard.process``). On this machine the path is abandoned
    as soon as that process has ended; elsewhere, and where the name tells nothing, a day after its last change.
    """
    ended = has_ended(process)
    if ended is not None:
        return ended
    try:
        return time.time() - path.lstat().st_mtime > DAY
    except OSError:
        return False


def _restore(path: Path) -> None:
    """Give a file the content that it had; remove it if it was not there."""
    old = _beside(path, "old")
    if not old.exists():
        _remove(path)
        return
    try:
        old.replace(path)
    except OSError:
        shutil.copy2(old, path)


def _beside(path: Path, kind: str) -> Path:
    return path.with_name(f".{path.name}.{this_process()}.{kind}")


def _sweep(path: Path) -> None:
    """Remove the temporary files beside a file that nobody works on any more."""
    for kind in ("partial", "old"):
        for each in path.parent.glob(f".{glob.escape(path.name)}.*.{kind}"):
            if is_abandoned(each, each.name.split(".")[-2]):
                _remove(each)


def _flush(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink(missing_ok=True)
