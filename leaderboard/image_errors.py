"""The errors per image behind the rows of a table, which a run directory keeps beside each record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from leaderboard.paired import ImageErrors
from leaderboard.records import ResultRecord


class CellErrors(NamedTuple):
    """Errors (N,) of one cell under one protocol, with the id, group and weight of each test image."""

    ids: tuple[str, ...]
    groups: tuple[str, ...]
    weights: NDArray[np.float64]
    errors: NDArray[np.float64]


ErrorsOf = Callable[[ResultRecord, str], CellErrors | None]  # the errors of a record under a protocol, if known


def image_errors(records: Mapping[int, ResultRecord], protocol: str, errors: ErrorsOf) -> ImageErrors | None:
    """The errors of a row by image and seed; None if those of a seed are missing or of other images."""
    found = {seed: errors(record, protocol) for seed, record in records.items()}
    known = {seed: each for seed, each in found.items() if each is not None}
    if not known or len(known) < len(found):
        return None
    first = next(iter(known.values()))
    for each in known.values():
        if each[:2] != first[:2] or not np.array_equal(each.weights, first.weights):
            return None
    return ImageErrors(first.ids, first.groups, first.weights, {seed: each.errors for seed, each in known.items()})
