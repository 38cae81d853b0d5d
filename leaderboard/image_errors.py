"""The errors per image behind the rows of a table, which a run directory keeps beside each record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from leaderboard.paired import ImageErrors
from leaderboard.records import ResultRecord

TOLERANCE = 1e-4  # relative difference between a value and the mean of its errors, which may be rounded


class CellErrors(NamedTuple):
    """Errors (N,) of one cell under one protocol, with the id, group and weight of each test image."""

    ids: tuple[str, ...]
    groups: tuple[str, ...]
    weights: NDArray[np.float64]
    errors: NDArray[np.float64]


ErrorsOf = Callable[[ResultRecord, str], CellErrors | None]  # the errors of a record under a protocol, if known


def image_errors(records: Mapping[int, ResultRecord], protocol: str, errors: ErrorsOf) -> ImageErrors | None:
    """The errors of a row by image and seed.

    None if those of a seed are missing or of other images, or if their mean is not the recorded value.
    """
    found = {seed: _checked(errors(record, protocol), record, protocol) for seed, record in records.items()}
    known = {seed: each for seed, each in found.items() if each is not None}
    if not known or len(known) < len(found):
        return None
    first = next(iter(known.values()))
    for each in known.values():
        weights = each.weights is first.weights or np.array_equal(each.weights, first.weights)
        if each[:2] != first[:2] or not weights:
            return None
    return ImageErrors(first.ids, first.groups, first.weights, {seed: each.errors for seed, each in known.items()})


def _checked(found: CellErrors | None, record: ResultRecord, protocol: str) -> CellErrors | None:
    """The errors, if their weighted mean is the value of the record."""
    if found is None or not (total := float(found.weights.sum())) > 0:
        return None
    (value,) = (score.value for score in record.scores if score.protocol == protocol)
    mean = float(np.where(np.isnan(found.errors), 0.0, found.errors) @ found.weights) / total
    return found if abs(mean - value) <= TOLERANCE * abs(value) else None
