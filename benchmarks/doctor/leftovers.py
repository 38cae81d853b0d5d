"""What stopped processes left: stale claims, half-written files and folders, folders of nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

from benchmarks.doctor.folder import Fault, RunFolder
from benchmarks.progress import duration
from benchmarks.records.listing import Folder
from benchmarks.records.staging import remove
from benchmarks.run.units.claims import Claims
from leaderboard.files import is_abandoned
from methods.checkpoints import FILE

LEFT = "was left by a process that has ended"
_PROCESS = r"[0-9a-f]{8}-\d+-\w*"
_BESIDE = re.compile(rf"\..+\.({_PROCESS})\.(?:partial|old)")  # files of leaderboard.files.replacing
_CLAIM = re.compile(rf"\.({_PROCESS})\.[0-9a-f]+")
_CHECKPOINT = re.compile(rf"\.{re.escape(FILE)}\.\d+")


def stale_claims(run: RunFolder) -> Iterator[Fault]:
    """Claims whose process has ended or has not renewed them."""
    for claim in run.claims:
        if claim.stale:
            who = f"of {claim.holder}, renewed {duration(claim.renewed)} ago"
            yield Fault(f"claims/{claim.unit}", f"is stale ({who})", "removed", partial(_swept, run))


def abandoned(run: RunFolder) -> Iterator[Fault]:
    """Folders in ``staging/``, and new files that were not finished."""
    for path in run.store.staging.abandoned():
        yield Fault(f"staging/{path.name}", LEFT, "removed", partial(_emptied, run, path))
    for path in _files(run.output, run.listing):
        if _is_abandoned(run, path):
            where = path.relative_to(run.output).as_posix()
            yield Fault(where, LEFT, "removed", removing(path))


def of_nothing(run: RunFolder) -> Iterator[Fault]:
    """Folders of cells, fits and predictions without any file."""
    for kind in ("cells", "fits", "partial"):
        for path, folder in _folders(run.output / kind, run.listing.inside(kind)):
            name = path.relative_to(run.output / kind).parts[0].removesuffix(".partial")
            if not folder.files and not folder.folders and not run.is_busy(fit=name, cell=name):
                where = path.relative_to(run.output).as_posix()
                yield Fault(where, "is an empty folder", "removed", partial(_without_folder, path))


def removing(path: Path) -> Callable[[], str]:
    """A repair that removes a file."""

    def repair() -> str:
        remove(path)
        return "it cannot be removed" if path.exists() else ""

    return repair


def _swept(run: RunFolder) -> str:
    Claims(run.output).sweep()
    return ""


def _emptied(run: RunFolder, path: Path) -> str:
    """Finish or undo what killed processes began in ``staging/``."""
    run.store.staging.sweep()
    return "it cannot be removed" if path.exists() else ""


def _without_folder(path: Path) -> str:
    with suppress(OSError):  # a process has put something there in the meantime
        path.rmdir()
    return ""


def _is_abandoned(run: RunFolder, path: Path) -> bool:
    name, parent = path.name, path.parent
    if found := _BESIDE.fullmatch(name) or (_CLAIM.fullmatch(name) if parent.name == "claims" else None):
        return is_abandoned(path, found[1])
    if not _CHECKPOINT.fullmatch(name) or parent.parent.name != "fits":
        return False
    return not run.is_busy(fit=parent.name.removesuffix(".partial"))


def _files(path: Path, folder: Folder) -> Iterator[Path]:
    """Yield the hidden files at any depth, except those of other programs."""
    yield from (path / name for name in sorted(folder.files) if name.startswith("."))
    for name, inside in sorted(folder.folders.items()):
        if name not in ("staging", "mlartifacts"):
            yield from _files(path / name, inside)


def _folders(path: Path, folder: Folder) -> Iterator[tuple[Path, Folder]]:
    """Yield the folders at any depth, the inner ones first."""
    for name, inside in sorted(folder.folders.items()):
        yield from _folders(path / name, inside)
        yield path / name, inside
