"""Checksums of files."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from methods.base import MethodError


def file_sha256(path: Path) -> str:
    """The sha256 of a file's content as 64 hex digits. Raises OSError where the file cannot be read."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def weights_sha256(path: Path, method: str) -> str:
    """``file_sha256`` of a large file, which is read again only after it changed.

    Raises MethodError, in the name of ``method``, where it cannot be read.
    """
    try:
        status = path.stat()
        return _sha256(path, status.st_mtime_ns, status.st_size)
    except OSError as error:
        raise MethodError(f"{method}: cannot read {path}: {error.strerror or error}") from error


@lru_cache
def _sha256(path: Path, modified: int, size: int) -> str:
    return file_sha256(path)
