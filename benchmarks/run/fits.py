"""Fits that a run directory keeps: a fit is loaded if it is whole, and kept unless another run kept the same one."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from benchmarks.errors import first_line
from benchmarks.records.digests import FIT, FitRecord, fit_digest, fit_fault, read_fit, write_fit
from benchmarks.records.store import HISTORY, Store, read_columns, write_table
from leaderboard.files import replacing
from methods.base import Method

ATTEMPTS = 10  # to load a fit that other processes replace
Stamp = tuple[int, int] | None
_OS_ERROR = re.compile(r"\(os error (\d+)\)")  # in the text of a SafetensorError


class BrokenFit(Exception):
    """A kept fit cannot be used; the message names the file and the reason."""


def load_fit(method: Method, kept: Path) -> tuple[FitRecord, str | None]:
    """Load a kept fit; returns what is recorded about it, and its digest.

    Raises BrokenFit if any of it is missing, broken, or has changed since it was written. A fit that another process
    replaces in the meantime is loaded again.
    """
    for _ in range(ATTEMPTS):
        before = stamp(kept)
        try:
            found = _loaded(method, kept), fit_digest(kept)
        except BrokenFit:
            if stamp(kept) == before:
                raise
        else:
            if stamp(kept) == before:
                return found
    raise BrokenFit(f"fits/{kept.name} is replaced again and again by other processes")


def _loaded(method: Method, kept: Path) -> FitRecord:
    if fault := fit_fault(kept, kept.name):
        raise BrokenFit(f"fits/{kept.name}/{fault}")
    found, history = read_fit(kept), kept / HISTORY
    try:
        method.load(kept)
        if found is None or not 0 <= found.seconds < math.inf:
            raise ValueError(f"got {found and found.seconds} seconds in {FIT}")
        if history.exists():
            read_columns(history)
    except Exception as error:  # a damaged file can raise anything
        raise BrokenFit(f"fits/{kept.name} cannot be read ({first_line(error)})") from error
    return found


def keep_fit(
    store: Store,
    kept: Path,
    method: Method,
    history: Sequence[Mapping[str, float]],
    about: FitRecord,
    before: Stamp,
) -> tuple[bool, str | None]:
    """Keep a fit, unless the folder has another one than ``before``; ``about`` is recorded with it.

    Returns whether this fit is there now, and its digest. Raises MethodError if it cannot be saved.
    """
    mine = None
    with store.staged(kept, lambda old: stamp(old) not in (None, before, mine)) as filling:
        _save(method, filling)
        write_history(filling, history)
        write_fit(filling, kept.name, about)
        mine, digest = stamp(filling), fit_digest(filling)
    return mine == stamp(kept), digest


def copy_history(kept: Path, folder: Path) -> None:
    """Copy the curves of a kept fit, if there are any, to a cell's folder. Raises OSError if that fails."""
    with suppress(FileNotFoundError):
        curves = (kept / HISTORY).read_bytes()
        with replacing(folder / HISTORY) as partial:
            partial.write_bytes(curves)


def stamp(folder: Path) -> Stamp:
    """What tells the fit in a folder from another one, None without a fit."""
    try:
        found = (folder / FIT).stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def write_history(folder: Path, history: Sequence[Mapping[str, float]]) -> None:
    """Write the curves of a fit, if there are any: one column for each scalar."""
    if not history:
        return
    names = list(dict.fromkeys(name for row in history for name in row))
    columns = {name: [float(row.get(name, "nan")) for row in history] for name in names}
    write_table(folder / HISTORY, columns)


def _save(method: Method, folder: Path) -> None:
    """Save a fit. Raises OSError, also for that in the text of a SafetensorError."""
    try:
        method.save(folder)
    except Exception as error:
        if number := _OS_ERROR.search(str(error)):
            raise OSError(int(number[1]), os.strerror(int(number[1])), str(folder)) from error
        raise
