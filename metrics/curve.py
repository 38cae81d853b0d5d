"""A protocol's value as a function of the number of labelled images."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

LABELLED = (1, 5, 10, 100, 500, 1000, 5000)
REPEATS = 10

Curve = tuple[tuple[int, float, float], ...]


def label_curve(count: int, value_of: Callable[[NDArray[np.intp]], float], seed: int = 0) -> Curve:
    """Mean and standard deviation over 10 random subsets of 1, 5, 10, 100, ... labelled images, and of all ``count``.

    A point is (labelled images, mean, standard deviation). ``value_of`` gets the rows to fit on, drawn without
    replacement with the ``seed``. Source: Sanchez and Tzimiropoulos 2019, whose released code draws one image more than
    it reports.
    """
    points = []
    for labelled in [number for number in LABELLED if number < count]:
        draws = [np.random.default_rng([seed, labelled, repeat]) for repeat in range(REPEATS)]
        values = [value_of(draw.choice(count, labelled, replace=False)) for draw in draws]
        points.append((labelled, float(np.mean(values)), float(np.std(values, ddof=1))))
    return (*points, (count, value_of(np.arange(count)), 0.0))
