"""Limits of what is read from a file, so that a small file cannot take all memory or hours.

The environment variable ``KEYPOINTS_LIMITS`` multiplies every limit, for a file that is meant to be so large.
``methods.limits`` has the limits of other files; docs/checks.md lists both.
"""

from __future__ import annotations

import math
import os

VARIABLE = "KEYPOINTS_LIMITS"
PIXELS = 1 << 27  # of an image, and of the square that it is padded to: 134 million, 540 MB in Pillow's memory
BYTES = 1 << 29  # memory of an array
JSON_BYTES = 3 << 29  # estimated memory of a parsed JSON file
TEXT_BYTES = 24 << 20  # size of a text file
BIRD_BYTES = 48 << 20  # size of a text file of birds; NABirds' parts need some 27 MB
PICKLE_BYTES = 1 << 24  # size of a pickle
NAME = 4096  # characters of the name of an image: Linux's limit for a path
MATLAB_BYTES = 3 << 29  # memory of a variable of a MATLAB file; CMR's list of birds needs about a gigabyte
MEMBERS = 10_000  # variables of a MATLAB file
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
