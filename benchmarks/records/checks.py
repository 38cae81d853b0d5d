"""Checks of what a run directory keeps: a cell counts only if its record and files are those that were written."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.errors import UserError
from benchmarks.records.digests import (
    IMPORTS,
    changed_file,
    fit_digest,
    fit_fault,
    import_digests,
)
from benchmarks.records.memory import Memory
from benchmarks.records.staging import is_name
from benchmarks.records.store import ERRORS, KEPT, RESULT
from leaderboard.digests import ChangedError
from leaderboard.errors import LeaderboardError
from leaderboard.load import CURE, load_records, read_record, reason, to_stderr
from leaderboard.records import ResultRecord
from leaderboard.text import printable

_IMPORTED = re.compile(r"imported_([a-z0-9_]+)")  # the method of an import, as in records; the rest names its folder


@dataclass(frozen=True)
class Fault:
    """Why a cell cannot be believed. ``scorable`` says that its predictions are whole, so that scoring cures it."""

    text: str
    scorable: bool = False


def record_fault(output: Path, cell_id: str) -> Fault | None:
    """What is wrong with a cell that has a folder; None for a cell without one, and for a whole one."""
    folder = output / "cells" / cell_id
    if not (folder / RESULT).is_file():
        return Fault(f"{RESULT} is missing") if any((folder / name).is_file() for name in KEPT) else None
    try:
        return cell_fault(output, read_record(folder / RESULT))
    except ChangedError as error:
        return Fault(f"{RESULT} {error}")
    except (OSError, ValueError, RecursionError, MemoryError, LeaderboardError) as error:
        return Fault(f"{RESULT} cannot be read ({reason(error)})")


def cell_fault(output: Path, record: ResultRecord) -> Fault | None:
    """What is wrong with the files, the fit or the import of a record of this run directory, or None.

    A fit that is missing as a whole is no fault: the predictions are kept. A record without digests passes.
    """
    if record.digests is None:
        return None
    folder = output / "cells" / record.cell_id
    files = {name: record.digests.files[name] for name in KEPT if name in record.digests.files}
    errors = {name: files.pop(name) for name in [ERRORS] if name in files}
    if changed := changed_file(folder, files) or _fit_changed(output, record) or _import_changed(output, record):
        return Fault(changed)
    changed = changed_file(folder, errors)
    return Fault(changed, scorable=True) if changed else None


def lost_fit(output: Path, record: ResultRecord) -> bool:
    """Whether a cell was made with a fit that is no longer there."""
    fit = _fit_of(record)
    return bool(fit) and not os.path.isdir(f"{output}/fits/{fit}")  # noqa: PTH112 - ten thousand names


@dataclass(frozen=True)
class Examined:
    """The records of a run directory whose cells are whole, and a line for each cell that is left out."""

    records: tuple[ResultRecord, ...]
    left_out: tuple[str, ...]


def examine(output: Path, memory: Memory | None = None) -> Examined:
    """Check every cell of a run directory, and print the lines about those that are left out on stderr.

    A cell whose files have not changed since the ``memory`` found them whole is not checked again. Raises
    LeaderboardError without a folder of cells, and for a record of a newer schema_version.
    """
    lines: list[str] = []
    memory = Memory() if memory is None else memory
    whole, lost = [], []
    for record in readable_records(output, lines.append, memory.record):
        without_fit = lost_fit(output, record)
        others = _made_from(record, not without_fit)
        if not memory.is_whole(record.cell_id, others):
            if fault := cell_fault(output, record):
                lines.append(_left_out(output / "cells" / record.cell_id, fault))
                continue
            memory.keep_whole(record, others)
        whole.append(record)
        lost += [record] * without_fit
    for line in [*lines, *_about_lost_fits(lost), *_about_old_records(whole)]:
        to_stderr(line)
    return Examined(tuple(whole), tuple(lines))


def readable_records(
    output: Path, warn: Callable[[str], None], remembered: Callable[[str], ResultRecord | None] = lambda cell: None
) -> list[ResultRecord]:
    """The records of a run directory, whose files are not checked; ``warn`` gets a line for each cell without one.

    ``remembered`` is that of ``load_records``. Raises LeaderboardError as ``load_records`` does.
    """
    found = load_records(output, warn, remembered)
    there = {record.cell_id for record in found}
    for name in sorted(set(os.listdir(output / "cells")) - there):  # noqa: PTH208 - ten thousand names
        folder = output / "cells" / name
        if not (folder / RESULT).exists() and (fault := record_fault(output, name)):
            warn(_left_out(folder, fault))
    return found


def _left_out(folder: Path, fault: Fault) -> str:
    return printable(f"left out {folder}: {fault.text}; {CURE}")


def _made_from(record: ResultRecord, with_fit: bool) -> list[str]:
    """The folders of the run directory that a cell was made from."""
    fit = _fit_of(record) if with_fit else ""
    return [f"fits/{fit}"] * bool(fit) + [IMPORTS] * bool(record.digests and record.digests.imported)


def whole_records(output: Path, memory: Memory | None = None) -> list[ResultRecord]:
    """The records of ``examine``. Raises UserError if there are cells but none of them is whole."""
    found = examine(output, memory)
    if found.left_out and not found.records:
        raise UserError(f"no cell of {output} is whole; the lines above say what is wrong with each")
    return list(found.records)


def _about_lost_fits(lost: Sequence[ResultRecord]) -> list[str]:
    if not lost:
        return []
    first = f"the first is fits/{lost[0].provenance['fit_id']}"
    return [
        printable(f"the fits of {len(lost)} cells are missing, {first}; the cells count, as their keypoints are kept")
    ]


def _about_old_records(records: Iterable[ResultRecord]) -> list[str]:
    old = sum(record.digest is None for record in records)
    return [f"records of an older version, without digests, so that changes to them are not noticed: {old}"] * bool(old)


def _fit_of(record: ResultRecord) -> str:
    """The name of the folder of a record's fit; '' if no fit was kept, or if it is no folder's name."""
    name = str(record.provenance.get("fit_id", ""))
    return name if record.digests is not None and record.digests.fit is not None and is_name(name) else ""


def _fit_changed(output: Path, record: ResultRecord) -> str:
    fit = _fit_of(record)
    folder = output / "fits" / fit
    if not fit or not folder.is_dir():
        return ""
    if fault := fit_fault(folder, folder.name):
        return f"fits/{folder.name}/{fault}"
    if record.digests and fit_digest(folder) != record.digests.fit:
        return f"fits/{folder.name} is not the fit that it was made with"
    return ""


def _import_changed(output: Path, record: ResultRecord) -> str:
    """What is wrong with an import of the same run directory; its place follows from names, never from a path."""
    expected = record.digests.imported if record.digests else {}
    if not expected:
        return ""
    name = _IMPORTED.fullmatch(record.method)
    if name is None or not is_name(record.task):
        return "the record names no import"
    folder = output / IMPORTS / name[1]
    try:
        found = import_digests(folder, record.task, record.profile)
    except OSError as error:
        return f"{IMPORTS}/{name[1]}: {error.strerror or error}: {Path(str(error.filename)).name}"
    changed = next((part for part, digest in expected.items() if found.get(part) != digest), None)
    suffix = {"keypoints": "parquet", "record": "json"}.get(str(changed), "")
    file = f"{IMPORTS}/{name[1]}/{record.task}.{record.profile}.{suffix}"
    return f"{file} has changed since it was recorded" if changed else ""
