"""The protocols that tell confusion of left and right from other errors; their percentages sum to 100."""

from __future__ import annotations

from dataclasses import replace

from metrics.protocols.record import Protocol

_NEAR = Protocol(
    id="sides/near",
    summary="percentage of landmarks with a partner on the other side that are found near the right place",
    source="chosen here, after Zhang et al., Telling Left from Right, CVPR 2024, who count correspondences near the "
    "wrong side; regression as in strict/side",
    scale=1.0,
    unit="% of landmarks",
    side="near",
    aggregate="micro",
    higher_is_better=True,
)
SIDES = (
    _NEAR,
    replace(
        _NEAR,
        id="sides/mirror",
        summary="percentage of landmarks with a partner on the other side that are found near the partner",
        side="mirror",
        higher_is_better=False,
    ),
    replace(
        _NEAR,
        id="sides/elsewhere",
        summary="percentage of landmarks with a partner on the other side that are found near neither",
        side="elsewhere",
        higher_is_better=False,
    ),
)
