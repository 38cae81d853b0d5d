"""Measures of the keypoints themselves, without a regression to landmarks.

``measure`` is the entry point; ``FUNCTIONS`` has the function of each value of ``Protocol.measures``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from metrics.direct.distinct import closest_pair, collapsed_pairs
from metrics.direct.equivariance import equivariance
from metrics.direct.on_object import in_box, on_object
from metrics.direct.parts import parts_ari, parts_nmi
from metrics.direct.values import Values, Whole
from metrics.points import Points
from metrics.protocols.record import Measured, Protocol

FUNCTIONS: Mapping[Measured, Callable[[Protocol, Points], Values | Whole]] = {
    "closest_pair": closest_pair,
    "collapsed_pairs": collapsed_pairs,
    "parts_nmi": parts_nmi,
    "parts_ari": parts_ari,
    "equivariance": equivariance,
    "on_object": on_object,
    "in_box": in_box,
}


def measure(protocol: Protocol, test: Points) -> Values | Whole:
    """What a protocol measures on the test images. Raises MetricError where they lack what it needs."""
    return FUNCTIONS[protocol.measures](protocol, test)
