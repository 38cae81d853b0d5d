"""The protocols of faces, whose errors are divided by the distance between the eyes."""

from __future__ import annotations

from dataclasses import replace

from metrics.protocols.record import Protocol
from metrics.protocols.released import AUTOLINK, CORNER, RECOMMENDED, SCOPS, SK, by_autolink, by_stable_keypoints

_SANCHEZ = "Sanchez and Tzimiropoulos 2019"
_RIDGE = "the ridge of its README's commands, 0.0001, which are for AFLW (the script's default is 0.00001)"
_MALLIS = "Mallis et al. 2023, released code (KeypointsToLandmarks, evalCelebA.py)"

_INTEROCULAR = Protocol(
    id="sk/interocular",
    summary="mean l2 over the distance between the eyes, averaged over images",
    source=f"{SK}, Table 1; evaluation method inter_eye_distance of the released code",
    scale=100.0,
    unit="% IOD",
    rows="all",
    normaliser="interocular",
)
_INTEROCULAR_CORNER = replace(
    _INTEROCULAR,
    id="autolink/interocular",
    summary="mean l2 over the distance between the eyes, regressed about the image corner",
    source=f"{AUTOLINK}; also IMM's default (Jakab et al. 2018): {CORNER}",
    origin="corner",
)
# Version 2: an image without two visible eyes is left out.
_VISIBLE_EYES = replace(_INTEROCULAR, id="strict/interocular", source=RECOMMENDED, version=2, rows="visible")
# Version 2: the ridge, 0.001 before, is one that the released code names.
_FORWARD = replace(
    _INTEROCULAR,
    id="sanchez/forward",
    summary="mean l2 over the distance between the eyes; bias and ridge, also with few labelled images",
    source=f"{_SANCHEZ}, forward error of the released code; {_RIDGE}",
    version=2,
    intercept=True,
    ridge=1e-4,
    curve=True,
)
_BACKWARD = replace(
    _FORWARD,
    id="sanchez/backward",
    summary="mean l2 of keypoints regressed from landmarks, over the distance between the eyes; bias and ridge",
    source=f"{_SANCHEZ}, backward error of the released code; {_RIDGE}",
    direction="backward",
)
FACES = (
    _INTEROCULAR,
    by_stable_keypoints(_INTEROCULAR),
    _VISIBLE_EYES,
    replace(
        _VISIBLE_EYES,
        id="strict/interocular_bias",
        summary="mean l2 over the distance between the eyes, with a bias in the regression",
        source="strict/interocular with a bias, for papers whose regression has a bias",
        intercept=True,
    ),
    _INTEROCULAR_CORNER,
    by_autolink(_INTEROCULAR_CORNER),
    replace(
        _INTEROCULAR,
        id="scops/interocular",
        summary="mean l2 over the distance between the eyes; bias, landmarks in whole pixels of 256",
        source=f"{SCOPS}, released evaluation: both sides standardised, landmarks truncated to integers; it counts "
        "an image whose eyes coincide as 0, which is refused here",
        intercept=True,
        grid=256,
    ),
    _FORWARD,
    _BACKWARD,
    replace(
        _FORWARD,
        id="sanchez/forward_mallis",
        summary="mean l2 of 5 landmarks over the distance between the eyes; bias and ridge, 19,000 labelled images",
        source=f"{_MALLIS}, forward error: 5 landmarks of MAFL, ridge 0.001, at most 19,000 images, ten times",
        version=1,
        num_landmarks=5,
        ridge=1e-3,
        labelled=19_000,
        absent="completed",
        curve=False,
    ),
    replace(
        _BACKWARD,
        id="sanchez/backward_mallis",
        summary="mean l2 of keypoints regressed from 68 landmarks, over the distance between landmarks 41 and 46; bias "
        "and ridge, 300 labelled images",
        source=f"{_MALLIS}, backward error: 68 landmarks, ridge 0.1, 300 random images, mean of ten draws; landmarks "
        "are numbered from 0, so that 41 and 46 lie on the lower eyelids",
        num_landmarks=68,
        eyes=(41, 46),
        ridge=0.1,
        labelled=300,
        absent="completed",
        curve=False,
    ),
)
