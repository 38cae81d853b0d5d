"""The protocols that measure keypoints without landmarks."""

from __future__ import annotations

from dataclasses import replace

from metrics.protocols.record import Protocol

_EQUIVARIANCE = Protocol(
    id="label_free/equivariance",
    summary="distance between warped keypoints and keypoints of the warped image, averaged over images",
    source="chosen here: turned by up to 30 degrees, scaled by up to 1.25, shifted by up to 10 % of the side",
    measures="equivariance",
    scale=100.0,
    unit="% side",
)
_ON_OBJECT = replace(
    _EQUIVARIANCE,
    id="label_free/on_object",
    summary="percentage of keypoints on the object's mask, averaged over images",
    source="chosen here: masks of what is seen of the object",
    measures="on_object",
    unit="% keypoints",
    higher_is_better=True,
)
LABEL_FREE = (
    _EQUIVARIANCE,
    replace(
        _EQUIVARIANCE,
        id="label_free/closest_pair",
        summary="distance of the two closest keypoints of an image, averaged over images",
        source="chosen here: keypoints in one place say no more than one of them",
        measures="closest_pair",
        higher_is_better=True,
    ),
    replace(
        _EQUIVARIANCE,
        id="label_free/collapsed",
        summary="percentage of pairs of keypoints less than 2 % of the image side apart, averaged over images",
        source="chosen here: at 128 pixels, 2 % are 2.6 pixels",
        measures="collapsed_pairs",
        unit="% pairs",
        threshold=2.0,
    ),
    _ON_OBJECT,
    replace(
        _ON_OBJECT,
        id="label_free/in_box",
        summary="percentage of keypoints in the object's annotated box, averaged over images",
        source="chosen here: for datasets without masks; a box also holds background",
        measures="in_box",
    ),
)
