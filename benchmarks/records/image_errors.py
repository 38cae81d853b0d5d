"""Reads the errors per image that a run directory keeps beside each record."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.records.memory import Memory
from benchmarks.records.store import ERRORS
from leaderboard.image_errors import CellErrors, ErrorsOf
from metrics.protocols import PROTOCOLS

if TYPE_CHECKING:
    import pyarrow as pa

    from leaderboard.records import ResultRecord


def errors_of(run: Path, memory: Memory | None = None) -> ErrorsOf | None:
    """A reader of the errors of one run directory; None for a folder of committed results.

    Errors that the ``memory`` has of a file that has not changed are not read again.
    """
    if not (run / "cells").is_dir():
        return None
    memory = Memory() if memory is None else memory

    @lru_cache(maxsize=16)
    def table_of(cell_id: str) -> pa.Table | None:
        return _read(run / "cells" / cell_id / ERRORS)

    def errors(record: ResultRecord, protocol: str) -> CellErrors | None:
        if (found := memory.errors(record.cell_id, protocol)) is not None:
            return found
        table = table_of(record.cell_id)
        found = None if table is None else _of_protocol(table, protocol)
        if found is not None:
            memory.keep_errors(record.cell_id, protocol, found)
        return found

    return errors


def _read(path: Path) -> pa.Table | None:
    """The table of a file; None if it is missing or broken."""
    import pyarrow.parquet as pq
    from pyarrow import ArrowException

    try:
        with pq.ParquetFile(path) as file:  # faster than read_table on small files
            return file.read(use_threads=False)
    except (OSError, ArrowException):
        return None


def _of_protocol(table: pa.Table, protocol: str) -> CellErrors | None:
    """The errors under one protocol; None if there are none, or if columns are missing or of other types.

    Files of older versions have no weights, which protocols that average over the landmarks of all images need.
    """
    import pyarrow.compute as pc
    from pyarrow import ArrowException

    try:
        rows = table.filter(pc.equal(table["protocol"], protocol))
        ids, groups = (tuple(map(str, rows[name].to_pylist())) for name in ("image_id", "group"))
        errors = np.asarray(rows["error"].to_numpy(), dtype=np.float64)
        if "weight" in rows.column_names:
            weights = np.asarray(rows["weight"].to_numpy(), dtype=np.float64)
        elif protocol in PROTOCOLS and PROTOCOLS[protocol].aggregate != "micro":
            weights = np.isfinite(errors).astype(np.float64)
        else:
            return None
    except (ArrowException, KeyError, ValueError, TypeError):
        return None
    return CellErrors(ids, groups, weights, errors) if ids else None
