"""A protocol's value as a function of the number of labelled images."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

LABELLED = (1, 5, 10, 100, 500, 1000, 5000)
REPEATS = 10

Curve = tuple[tuple[int, float, float], ...]


def subsets(count: int, labelled: int, seed: int = 0) -> Iterator[NDArray[np.intp]]:
    """Ten random subsets of ``labelled`` of the rows 0 to ``count`` - 1, each sampled without replacement.

    Source: Sanchez and Tzimiropoulos 2019 and Mallis et al. 2023, whose released code takes one row more than it says.
    """
    for repeat in range(REPEATS):
        yield np.random.default_rng([seed, labelled, repeat]).choice(count, labelled, replace=False)


def label_curve(count: int, value_of: Callable[[NDArray[np.intp]], float], seed: int = 0) -> Curve:
    """Mean and standard deviation over 10 random subsets of 1, 5, 10, 100, ... labelled images, and of all ``count``.

    A point is (labelled images, mean, standard deviation). ``value_of`` gets the rows to fit on, which the ``seed``
    determines. Source: Sanchez and Tzimiropoulos 2019.
    """
    points = []
    for labelled in [number for number in LABELLED if number < count]:
        values = [value_of(rows) for rows in subsets(count, labelled, seed)]
        points.append((labelled, float(np.mean(values)), float(np.std(values, ddof=1))))
    return (*points, (count, value_of(np.arange(count)), 0.0))
