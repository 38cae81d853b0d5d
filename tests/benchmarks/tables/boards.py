"""Requests for tables."""

from __future__ import annotations

from typing import Any

from benchmarks.tables.sections import Board

OLD = "records of an older version, without digests"  # the records of these tests are such


def board(**changes) -> Board:
    fields: dict[str, Any] = {
        "suites": [],
        "tasks": [],
        "protocol": None,
        "profile": "mini",
        "data_root": None,
        "format": "md",
    }
    return Board(**(fields | changes))
