"""Writing files atomically: a reader finds the old file or the new one, never a part; several change together."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from leaderboard.errors import LeaderboardError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A new path beside ``path`` to write to; on success the file is flushed to disk and takes the place of ``path``.

    The folders above are made. On an exception the new file is removed and ``path`` stays as it was.
    """
    partial = _beside(path, "partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield partial
        _flush(partial)
        partial.replace(path)
    finally:
        _remove(partial)


def write_atomically(path: Path, text: str) -> None:
    """Write a UTF-8 text file. Raises LeaderboardError, naming the path, if that fails."""
    try:
        with replacing(path) as partial:
            partial.write_text(text, encoding="utf-8")
    except OSError as error:
        raise LeaderboardError(f"cannot write {path}: {error.strerror or error}") from error


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
    return path.with_name(f".{path.name}.{os.getpid()}.{kind}")


def _flush(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink(missing_ok=True)
