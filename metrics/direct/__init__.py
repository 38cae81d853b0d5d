"""Measures of the keypoints themselves, without a regression to landmarks.

``measure`` is the entry point; ``FUNCTIONS`` has the function of each value of ``Protocol.measures``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from metrics.direct.distinct import closest_pair, collapsed_pairs
from metrics.direct.values import Values
from metrics.errors import MetricError
from metrics.points import Points
from metrics.protocols.record import Measured, Protocol

FUNCTIONS: Mapping[Measured, Callable[[Protocol, Points], Values]] = {
    "closest_pair": closest_pair,
    "collapsed_pairs": collapsed_pairs,
}


def measure(protocol: Protocol, test: Points) -> Values:
    """What a protocol measures on the test images.

    Raises MetricError where the test images lack what the protocol needs, and where no image has a value.
    """
    found = FUNCTIONS[protocol.measures](protocol, test)
    if not np.any(found.weights):
        raise MetricError(f"{protocol.id}: no test image has a value, expected at least one")
    return found
