"""The sha256 of what a cell consists of and was made from: its files, its fit, its method's source, its import."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from errno import ENOENT
from functools import cache
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from benchmarks.registry import METHODS
from leaderboard.digests import content_digest
from leaderboard.files import replacing
from methods.files import file_sha256

FIT = "fit.json"
IMPORTS = "imports"  # folder of a run directory
OWN_PACKAGE = "methods"  # each of its modules and packages is a method of its own


class FitRecord(BaseModel):
    """The content of ``fit.json``, in the folder of a fit.

    ``seconds`` is the time of the fit, from the last checkpoint if it was ``resumed``. ``fit`` is the name of the
    folder, ``files`` has the sha256 of each other file and ``source`` those of the method's source files. ``machine``
    says where it was made, ``peak_memory_mb`` and ``parameters`` are as in a record. ``seconds_waiting`` is the part of
    ``seconds`` in which the method waited for images. ``digest`` is that of all these. Older files have ``seconds``
    alone.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    seconds: float
    fit: str | None = None
    files: dict[str, str] = {}
    source: dict[str, str] = {}
    resumed: bool | None = None
    machine: dict[str, Any] = {}
    peak_memory_mb: float | None = None
    parameters: dict[str, int] | None = None
    seconds_waiting: float | None = None
    digest: str | None = None


def digest_of(path: Path) -> str:
    """The sha256 of a file; it is read again only after it changed. Raises OSError if it is no file or unreadable."""
    if not path.is_file():
        raise FileNotFoundError(ENOENT, "no such file", str(path))
    status = path.stat()
    return _digest_of(path, status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size)


@cache
def _digest_of(path: Path, inode: int, modified: int, changed: int, size: int) -> str:
    return file_sha256(path)


def file_digests(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """The sha256 of those files of a folder that are there, by name."""
    return {name: digest_of(folder / name) for name in names if (folder / name).is_file()}


def changed_file(folder: Path, digests: Mapping[str, str]) -> str:
    """The first file that is not as its sha256 says, with what is wrong, or ''."""
    for name, expected in digests.items():
        path = folder / name
        try:
            if digest_of(path) != expected:
                return f"{name} has changed since it was recorded"
        except OSError as error:
            return f"{name} is missing" if not path.exists() else f"{name} cannot be read ({error.strerror or error})"
    return ""


def write_fit(folder: Path, name: str, about: FitRecord) -> None:
    """Write ``fit.json`` for the files in ``folder``, which becomes the fit's folder called ``name``.

    Raises OSError if that fails.
    """
    found = FitRecord(**about.model_dump() | {"fit": name, "files": _files_below(folder)})
    found = found.model_copy(update={"digest": content_digest(found)})
    with replacing(folder / FIT) as partial:
        partial.write_text(found.model_dump_json() + "\n", encoding="utf-8")


def read_fit(folder: Path) -> FitRecord | None:
    """The content of ``fit.json``; None if it is missing or cannot be read."""
    try:
        return FitRecord.model_validate_json((folder / FIT).read_bytes())
    except (OSError, ValidationError):
        return None


def fit_digest(folder: Path) -> str | None:
    """One sha256 of the files of a fit except ``fit.json``; None without a fit.

    It is made from the files that ``fit.json`` names, or from all files for a fit of an older version.
    """
    found = read_fit(folder)
    if found is None:
        return None
    files = found.files if found.digest else _files_below(folder)
    return sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()


def fit_fault(folder: Path, name: str | None = None) -> str:
    """What is wrong with a fit, beginning with the file's name, or ''.

    A fit of an older version, whose ``fit.json`` has the seconds alone, passes. ``name`` is the name of the fit; by
    default it is not compared, so that a fit may be copied.
    """
    found = read_fit(folder)
    if found is None:
        return f"{FIT} {'cannot be read' if (folder / FIT).exists() else 'is missing'}"
    if found.digest is None and found.model_fields_set == {"seconds"}:
        return ""
    if found.digest != content_digest(found):
        return f"{FIT} has changed since it was written"
    if name is not None and found.fit != name:
        return f"{FIT} belongs to another fit, {found.fit}"
    return changed_file(folder, found.files)


def _files_below(folder: Path) -> dict[str, str]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / FIT)
    return {path.relative_to(folder).as_posix(): digest_of(path) for path in paths}


@cache
def source_digests(method: str) -> dict[str, str]:
    """The sha256 of the source files of a registered method, by path from the top of their package.

    These are all files below the method's package, or of a method that is a single module this file; a module of
    another package than ``methods`` counts with the modules beside it. Read once in a process, before the method runs.
    """
    module = METHODS.entry(method).target.partition(":")[0]
    spec = find_spec(module)
    if spec is None or not spec.origin or not Path(spec.origin).is_file():
        return {}
    file, parts = Path(spec.origin), module.split(".")
    found: Iterable[Path]
    if spec.submodule_search_locations:
        found, top = file.parent.rglob("*.py"), file.parents[len(parts)]
    elif len(parts) > 1 and parts[:-1] != [OWN_PACKAGE]:
        found, top = file.parent.glob("*.py"), file.parents[len(parts) - 1]
    else:
        found, top = [file], file.parents[len(parts) - 1]
    return {path.relative_to(top).as_posix(): file_sha256(path) for path in sorted(found)}


def import_digests(folder: Path, task: str, profile: str) -> dict[str, str]:
    """The sha256 of the keypoints and of the record of an import. Raises OSError if one cannot be read."""
    from methods.imported import paths

    keypoints, record = paths(folder, task, profile)
    return {"keypoints": digest_of(keypoints), "record": digest_of(record)}
