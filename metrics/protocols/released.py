"""The sources of protocols, and the variants of protocols that use the solvers of released code."""

from __future__ import annotations

from dataclasses import replace

from metrics.protocols.record import Protocol

SK = "Stable Keypoints (Hedlin et al. 2024)"
AUTOLINK = "AutoLink (He et al. 2022)"
SCOPS = "SCOPS (Hung et al. 2019)"
SIAROHIN = "Siarohin et al. 2020, motion co-segmentation"
CORNER = "coordinates in [0, 1], no bias, so that a shift of a method's coordinates changes it"
RECOMMENDED = "recommended here: exact solution about the centre, no bias"


def by_stable_keypoints(protocol: Protocol) -> Protocol:
    """A protocol of the family ``sk`` with the solver of the released code."""
    return replace(
        protocol,
        id=protocol.id.replace("sk/", "sk_released/"),
        summary=f"{protocol.id} by the released solver",
        source=f"{SK}, released code: normal equations, weights in float32",
        version=1,
        solver="pinv",
    )


def by_autolink(protocol: Protocol, singular_ridge: float = 1.0) -> Protocol:
    """A protocol of the family ``autolink`` with the solver of the released code.

    It shows three digits: on one input with a condition number of 484 its value lies between 3.567 and 3.597, depending
    on the number of threads and the order of rows.
    """
    return replace(
        protocol,
        id=protocol.id.replace("autolink/", "autolink_released/"),
        summary=f"{protocol.id} by the released solver",
        source=f"{AUTOLINK}, released code: normal equations inverted in float32, a ridge where singular; rounding "
        "reaches the third digit",
        solver="inverse_float32",
        singular_ridge=singular_ridge,
        digits=3,
    )
