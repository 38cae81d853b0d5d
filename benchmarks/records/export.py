"""Writing the tokens of a fit as the two files of the released code of Stable Keypoints."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.errors import UserError
from benchmarks.records.store import RESULT, Store
from methods.stable_keypoints import official


def export(source: Path, destination: Path) -> str:
    """Write ``embedding.pt`` and ``indices.pt`` into ``destination``; the line that says so.

    ``source`` is the folder of a fit or of a cell, or a run directory with one fit. Raises UserError where it is none
    of these, and MethodError where its tokens mean nothing to the released code.
    """
    fit = _fit_folder(source)
    written = official.write(fit, destination)
    return f"wrote {' and '.join(map(str, written))}: the tokens of {fit}"


def _fit_folder(source: Path) -> Path:
    if _has_tokens(source):
        return source
    if (source / RESULT).is_file():
        fit = source.parent.parent / "fits" / _fit_of_cell(source / RESULT)
        if not _has_tokens(fit):
            raise UserError(f"{source} is a cell whose fit is not kept: no {official.TOKENS} in {fit}")
        return fit
    fits = sorted(folder for folder in Store(source).fits.glob("*") if _has_tokens(folder))
    if not fits:
        raise UserError(
            f"nothing to export at {source}: expected a run directory, or the folder of a cell or of a fit, of "
            "stable_keypoints (runs/fits/stable_keypoints--...)"
        )
    if len(fits) > 1:
        names = ", ".join(folder.name for folder in fits[:6]) + (", ..." if len(fits) > 6 else "")
        raise UserError(f"{source} has {len(fits)} fits; name one of them: {fits[0].parent}/ with {names}")
    return fits[0]


def _has_tokens(folder: Path) -> bool:
    return (folder / official.TOKENS).is_file() and (folder / official.STATE).is_file()


def _fit_of_cell(path: Path) -> str:
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["provenance"]["fit_id"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} does not say which fit it is of; name the folder of the fit") from error
