"""How far each kind of number may move, why that far, and what it means when one moves further.

Numbers differ between machines in the order in which sums are formed. The widths come from runs with one and two
threads, and with AVX2 and SSE instructions in place of AVX-512 in torch, oneDNN, MKL and OpenBLAS ("other processors").
"""

from __future__ import annotations

from dataclasses import replace

from benchmarks.regress.measures import Tolerance

EXACT = Tolerance(
    reason="none: versions, ranks and rows are whole numbers",
    meaning="a protocol's version, the rows of its regression or their rank changed",
)
SETTING = replace(
    EXACT,
    reason="none: settings are what is written",
    meaning="a setting of the mini profile changed (of one that is no number, its checksum), so every result does",
)
SCORE = Tolerance(
    relative=1e-6,
    absolute=1e-9,
    reason="1e-6 of the value: in float64 other processors move the last digits alone (5e-15), and weights that "
    "released code rounds to float32 by 1e-8",
    meaning="the same points score differently: a formula, the regression or its origin changed; where that is meant, "
    "raise the protocol's version",
)
SINGLE = replace(
    SCORE,
    relative=1e-4,
    reason="1e-4 of the value: solved in float32, as the released code does, where other processors move it by 3e-6",
)
_FLOOR = "a floor scores differently: where the part protocols stands still, it is the floor or the mini data"
FLOOR = replace(SCORE, meaning=_FLOOR)
FLOOR_SINGLE = replace(SINGLE, meaning=_FLOOR)

_AT_ONCE = "the first loss differs, before anything was learned: a loss, its weight, the model, a draw or the images"
_LATER = "a later loss differs: where the first one stands still, it is the gradient, the optimiser or a later draw"
FIRST_LOSS = Tolerance(
    relative=1e-5,
    absolute=1e-12,
    reason="1e-5 of the value: other processors move it by 6e-8 (the timestep's embedding and the views are float32)",
    meaning=_AT_ONCE,
)
LATER_LOSS = replace(
    FIRST_LOSS,
    reason="1e-5 of the value: in float64 other processors move the third loss by 4e-7, but the sixth by 1 %, since "
    "Adam's first steps have a gradient's sign, and tokens are ranked anew at every step",
    meaning=_LATER,
)
LATER_LOSS_SINGLE = replace(
    FIRST_LOSS,
    relative=1e-3,
    reason="1e-3 of the value: in float32 other processors move the third loss by 6e-5, more with every step",
    meaning=_LATER,
)
KEYPOINTS = Tolerance(
    absolute=4.0,
    within=1 / 512,
    reason="4 % of the keypoints further than a 512th of the side, a quarter of a pixel: other processors move all by "
    "less than a 1,600th, but the maximum of a map may be at one of two pixels that differ by rounding alone",
    meaning="keypoints are elsewhere (percent of them): in the model, the choice of tokens, the maxima or the images; "
    "where that is meant, raise the method's version",
)
