"""Errors per image beside the committed lists, so that their tables show ties: ``errors/<suite>.<profile>.json``.

A file holds the errors of each record under its headline protocol, and once for each set of test images their ids,
groups and weights. It is written with the list, and a table without it shows the best value alone. Tasks with more than
``MOST_IMAGES`` test images are left out, to keep the files small.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from leaderboard.errors import LeaderboardError
from leaderboard.image_errors import CellErrors, ErrorsOf
from leaderboard.records import ResultRecord

DIGITS = 6  # significant digits of an error
MOST_IMAGES = 4000


def path_beside(results: Path) -> Path:
    """The file with the errors of a committed list."""
    return results.parent / "errors" / results.name


def errors_text(records: Iterable[ResultRecord], sources: Sequence[ErrorsOf]) -> str:
    """The text of a file for these records, each with the errors of the first source that has them; '' for none."""
    images: dict[str, Any] = {}
    cells: dict[str, Any] = {}
    for record in sorted(records, key=lambda record: record.cell_id):
        if not record.scores:
            continue
        protocol = record.scores[0].protocol
        found = next((each for source in sources if (each := source(record, protocol)) is not None), None)
        if found is not None and len(found.ids) <= MOST_IMAGES:
            tested = {"ids": found.ids, "groups": found.groups, "weights": found.weights.tolist()}
            key = hashlib.sha256(json.dumps(tested, sort_keys=True).encode()).hexdigest()[:12]
            images[key] = tested
            values = [None if np.isnan(error) else float(f"{error:.{DIGITS}g}") for error in found.errors]
            cells[record.cell_id] = {"protocol": protocol, "images": key, "errors": values}
    if not cells:
        return ""
    return f'{{"images": {_lines(images)},\n"cells": {_lines(cells)}}}\n'


def _lines(entries: Mapping[str, Any]) -> str:
    """A JSON object with one entry in a line."""
    rows = (
        f"{json.dumps(name)}: {json.dumps(entry, ensure_ascii=False, separators=(',', ':'))}"
        for name, entry in sorted(entries.items())
    )
    return "{\n" + ",\n".join(rows) + "\n}"


def committed_errors(folder: Path, name: str = "*", texts: Mapping[Path, str] | None = None) -> ErrorsOf:
    """A reader of the errors beside the committed lists ``folder/<name>.json``.

    ``texts`` holds the content of files that are about to be written; it is read instead of them. Raises
    LeaderboardError for a file that is broken.
    """
    beside, texts = path_beside(folder / "any.json").parent, texts or {}
    found: dict[tuple[str, str], CellErrors] = {}
    paths = {*beside.glob(f"{name}.json"), *(path for path in texts if path.parent == beside)}
    for path in sorted(path for path in paths if path.match(f"{name}.json")):
        try:
            plain = json.loads(texts[path] if path in texts else path.read_text(encoding="utf-8"))
            for cell_id, cell in plain["cells"].items():
                found[cell_id, cell["protocol"]] = _cell(cell["errors"], plain["images"][cell["images"]])
        except (OSError, KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise LeaderboardError(f"{path} holds no errors per image ({error}); restore it, or remove it") from error

    return lambda record, protocol: found.get((record.cell_id, protocol))


def _cell(errors: Sequence[float | None], images: Mapping[str, Any]) -> CellErrors:
    values = np.array([np.nan if error is None else error for error in errors], dtype=np.float64)
    weights = np.array(images["weights"], dtype=np.float64)
    ids, groups = tuple(map(str, images["ids"])), tuple(map(str, images["groups"]))
    if not len(values) == len(weights) == len(ids) == len(groups):
        raise ValueError(f"{len(values)} errors of {len(ids)} images")
    return CellErrors(ids, groups, weights, values)
