"""The protocols that measure keypoints without landmarks."""

from __future__ import annotations

from dataclasses import replace

from metrics.protocols.record import Protocol

_CLOSEST_PAIR = Protocol(
    id="label_free/closest_pair",
    summary="distance of the two closest keypoints of an image, averaged over images",
    source="chosen here: keypoints in one place say no more than one of them",
    measures="closest_pair",
    scale=100.0,
    unit="% side",
    higher_is_better=True,
)
LABEL_FREE = (
    _CLOSEST_PAIR,
    replace(
        _CLOSEST_PAIR,
        id="label_free/collapsed",
        summary="percentage of pairs of keypoints less than 2 % of the image side apart, averaged over images",
        source="chosen here: at 128 pixels, 2 % are 2.6 pixels",
        measures="collapsed_pairs",
        unit="% pairs",
        threshold=2.0,
        higher_is_better=False,
    ),
)
