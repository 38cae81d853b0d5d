"""Limits of what is read from a file, so that a small file cannot take all memory or hours.

The environment variable ``KEYPOINTS_LIMITS`` multiplies every limit, for a file that is meant to be so large.
``datasets.limits`` has the limits of datasets; docs/checks.md lists both.
"""

from __future__ import annotations

import math
import os

VARIABLE = "KEYPOINTS_LIMITS"
BYTES = 1 << 29  # memory of an array, with 8 bytes a number, and of the names beside it
JSON_BYTES = 3 << 29  # estimated memory of a parsed JSON file
TEXT_BYTES = 24 << 20  # size of a text file that is read whole
LINE = 1 << 23  # characters of a line
COLUMNS = 20_000  # columns of a table
MEMBERS = 10_000  # arrays in a file
DIRECTORY = 1 << 22  # bytes of the list of members, at the end of a .npz, .pt or .parquet file
NESTING = 64  # values within values of a MATLAB file
VALUES = 300_000  # values of cells and structs in a MATLAB file


class LimitError(ValueError):
    """Too much in a file; the message says what, how much is expected, and how to raise the limit."""


def factor() -> float:
    """The number that all limits are multiplied by; nan where ``KEYPOINTS_LIMITS`` is not a number above 0."""
    try:
        found = float(os.environ.get(VARIABLE, "").strip() or 1)
    except ValueError:
        return math.nan
    return found if 0 < found < math.inf else math.nan


def excess(got: int, limit: int, unit: str) -> str:
    """The reason why ``got`` of a ``unit`` are too many, and the remedy; '' within the limit."""
    times = factor()
    if math.isnan(times):
        return f"cannot be read: {VARIABLE} is {os.environ[VARIABLE][:40]!a}, expected a number above 0"
    if got <= limit * times:
        return ""
    got, verb = min(got, 1 << 62), "takes" if "memory" in unit else "has"
    return (
        f"{verb} {got:,} {unit}, expected at most {limit * times:,.0f}; for a file that is meant to be so large, set "
        f"{VARIABLE}={math.ceil(got / limit)}"
    )


def check(got: int, limit: int, unit: str) -> None:
    """Raise LimitError if ``got`` of a ``unit`` are too many."""
    if reason := excess(got, limit, unit):
        raise LimitError(reason)


def json_bytes(data: bytes) -> int:
    """An upper estimate of the memory that ``json.loads`` needs for a file, from its brackets, commas and quotes."""
    per = {b",": 32, b'"': 16, b"[": 64, b"{": 240}
    return 3 * len(data) + sum(size * data.count(mark) for mark, size in per.items())
