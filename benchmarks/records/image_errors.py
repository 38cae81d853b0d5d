"""Reads the errors per image that a run directory keeps beside each record."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.records.store import ERRORS, read_columns
from leaderboard.image_errors import CellErrors, ErrorsOf
from metrics.protocols import PROTOCOLS

if TYPE_CHECKING:
    from leaderboard.records import ResultRecord


def errors_of(run: Path) -> ErrorsOf | None:
    """A reader of the errors of one run directory; None for a folder of committed results."""
    if not (run / "cells").is_dir():
        return None

    @lru_cache(maxsize=64)
    def by_protocol(cell_id: str) -> dict[str, CellErrors]:
        return _read(run / "cells" / cell_id / ERRORS)

    def errors(record: ResultRecord, protocol: str) -> CellErrors | None:
        return by_protocol(record.cell_id).get(protocol)

    return errors


def _read(path: Path) -> dict[str, CellErrors]:
    """The errors by protocol; none from a file that is missing or broken.

    Files of older versions have no weights, which protocols that average over the landmarks of all images need.
    """
    from pyarrow import ArrowException

    try:
        columns = read_columns(path)
        names, ids, groups = (np.asarray(columns[name]) for name in ("protocol", "image_id", "group"))
        errors = np.asarray(columns["error"], dtype=np.float64)
        weights = np.asarray(columns["weight"], dtype=np.float64) if "weight" in columns else None
    except (OSError, ArrowException, KeyError, ValueError, TypeError):
        return {}
    found = {}
    for name in dict.fromkeys(names.tolist()):
        rows = names == name
        if weights is None and (name not in PROTOCOLS or PROTOCOLS[name].aggregate == "micro"):
            continue
        weight = weights[rows] if weights is not None else np.isfinite(errors[rows]).astype(np.float64)
        found[name] = CellErrors(tuple(ids[rows].tolist()), tuple(groups[rows].tolist()), weight, errors[rows])
    return found
