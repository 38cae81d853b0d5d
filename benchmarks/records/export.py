"""Export a fit in the format of another program."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.errors import UserError
from benchmarks.records.checks import record_fault
from benchmarks.records.digests import FIT, fit_fault
from benchmarks.records.store import RESULT, Store
from benchmarks.registry import METHODS, method_class
from leaderboard.load import CURE

if TYPE_CHECKING:
    from methods.base import Method


def export(source: Path, destination: Path) -> str:
    """Write a fit into ``destination`` in the format of another program; returns a line that names the files.

    ``source`` is the folder of a fit or of a cell, or a run directory with one fit. Raises UserError if it is none of
    these or was changed after it was written, and MethodError if the method cannot export the fit.
    """
    folder, cls = _fit(source)
    if fault := _fault(source.resolve(), folder):
        raise UserError(f"{folder} is not exported: {fault}; {CURE}")
    written = cls.export(folder, destination)
    return f"wrote {' and '.join(map(str, written))} from {folder}"


def _fault(source: Path, folder: Path) -> str:
    """What is wrong with a fit of a run directory, and with the cell that was named, or ''."""
    if (source / RESULT).is_file() and (found := record_fault(source.parent.parent, source.name)):
        return found.text
    kept = (folder / FIT).exists() or folder.resolve().parent.name == Store(source).fits.name
    return fit_fault(folder) if kept else ""


def _fit(source: Path) -> tuple[Path, type[Method]]:
    """The folder of the fit, and the class of the method that can export it."""
    is_cell = (source / RESULT).is_file()
    folders = [source] if not is_cell else [source.parent.parent / "fits" / _fit_of_cell(source / RESULT)]
    if not is_cell and _exporter(source) is None:
        folders = sorted(Store(source).fits.glob("*"))
    found = [(folder, cls) for folder in folders if (cls := _exporter(folder)) is not None]
    found = [(folder, cls) for folder, cls in found if not cls.card.is_floor] or found  # a run has its baseline's fits
    if not found and is_cell:
        raise UserError(
            f"{source} is a cell whose fit cannot be exported: {folders[0]} is missing or belongs to another method"
        )
    if not found:
        raise UserError(
            f"nothing to export at {source}: expected a run directory, or the folder of a cell or of a fit, of a "
            "method that can export its fits, such as stable_keypoints"
        )
    if len(found) > 1:
        names = ", ".join(folder.name for folder, _ in found[:6]) + (", ..." if len(found) > 6 else "")
        raise UserError(f"{source} has {len(found)} fits; name one of them: {found[0][0].parent}/ with {names}")
    return found[0]


def _exporter(folder: Path) -> type[Method] | None:
    """The method that can export a fit: the one in the folder's name, or the first whose files are all there."""
    for name in sorted(METHODS.entries, key=lambda name: not folder.name.startswith(f"{name}--")):
        try:
            cls = method_class(name)
        except UserError:
            continue  # a plugin that cannot be imported
        if cls.exportable and all((folder / file).is_file() for file in cls.exportable):
            return cls
    return None


def _fit_of_cell(path: Path) -> str:
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["provenance"]["fit_id"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} does not name its fit; name the folder of the fit") from error
