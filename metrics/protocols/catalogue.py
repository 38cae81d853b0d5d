"""All protocols by id: those of papers and released code (sk, autolink, ...) and the recommended ones (strict).

``sk`` and ``autolink`` follow the formulas of the papers, with an exact solver and correct left/right pairs. The
``_released`` protocols use the solvers and the lists of the published code instead. Published rows refer to these ids.
"""

from __future__ import annotations

from dataclasses import replace

from metrics.protocols.faces import FACES
from metrics.protocols.label_free import LABEL_FREE
from metrics.protocols.parts import PARTS
from metrics.protocols.record import Protocol
from metrics.protocols.released import (
    AUTOLINK,
    CORNER,
    RECOMMENDED,
    SCOPS,
    SIAROHIN,
    SK,
    by_autolink,
    by_stable_keypoints,
)
from metrics.protocols.sides import SIDES

_SIDE = Protocol(
    id="sk/side",
    summary="mean l2 over visible landmarks in image sides, averaged over images",
    source=f"{SK}, Table 2; evaluation method visible of the released code",
    scale=100.0,
    unit="% side",
)
_SIDE_MICRO = replace(
    _SIDE,
    id="strict/side_micro",
    summary="mean l2 over all visible landmarks of all images, in image sides",
    source=RECOMMENDED,
    aggregate="micro",
)
_BOX = replace(
    _SIDE,
    id="strict/box",
    summary="mean l2 over visible landmarks, each axis in sides of the annotated box, averaged over images",
    source=RECOMMENDED,
    unit="% box",
    frame="box",
)
_SIDE_CORNER = replace(
    _SIDE_MICRO,
    id="autolink/side",
    summary="mean l2 over all visible landmarks of all images, regressed about the image corner",
    source=f"{AUTOLINK}: {CORNER}",
    origin="corner",
)
BIRDS = (
    _SIDE,
    by_stable_keypoints(_SIDE),
    replace(_SIDE, id="strict/side", source=RECOMMENDED),
    _SIDE_MICRO,
    _BOX,
    _SIDE_CORNER,
    by_autolink(_SIDE_CORNER),
    replace(
        _BOX,
        id="scops/box",
        summary="mean l2 over all visible landmarks of all images, each axis in sides of the annotated box; bias",
        source=f"{SCOPS}, Huang and Li 2020, Choudhury et al. 2021",
        intercept=True,
        aggregate="micro",
    ),
)

_CUMULATIVE = Protocol(
    id="sk/cumulative",
    summary="sum of l2 over landmarks at 256 pixels, averaged over images",
    source=f"{SK}, Table 3, Tai-Chi; its code's sum, not the baselines' absolute errors",
    version=2,  # 2: landmarks on or beyond the left and upper border do not count, as in the released code
    scale=256.0,
    unit="px@256 summed",
    rows="positive",
    over_landmarks="sum",
)
_RELATIVE = Protocol(
    id="strict/relative",
    summary="mean l2 over all visible landmarks of all images at 128 pixels",
    source=RECOMMENDED,
    scale=128.0,
    unit="px@128",
    aggregate="micro",
)
_ABSOLUTE = Protocol(
    id="siarohin/cumulative",
    summary="sum over landmarks of the mean absolute error in x and in y at 256 pixels; bias in the regression",
    source=f"{SIAROHIN}; also AutoLink and GANSeg, and the baselines' column of {SK}, Table 3",
    scale=256.0,
    unit="px@256 abs. summed",
    intercept=True,
    error="l1",
    aggregate="per_landmark",
)
TAICHI = (
    _CUMULATIVE,
    replace(
        _RELATIVE,
        id="sk/relative",
        summary="mean l2 over landmarks of all images at 128 pixels",
        source=f"'Rel. l2' of {SK}, Table 3, as the text defines it; the printed values follow siarohin/relative",
        version=2,  # 2: landmarks that sk/cumulative does not count do not count here either
        rows="positive",
    ),
    by_stable_keypoints(_CUMULATIVE),
    _ABSOLUTE,
    replace(
        _ABSOLUTE,
        id="siarohin/relative",
        summary="siarohin/cumulative over twice the mean number of landmarks inside a test image",
        source=f"'Rel. l2' of {SK}, Table 3, as printed: the cumulative error rescaled, not a mean l2",
        scale=128.0,
        unit="px@128",
        normaliser="positive_landmarks",
    ),
    replace(
        _CUMULATIVE,
        id="strict/cumulative",
        summary="sum of l2 over visible landmarks at 256 pixels, averaged over images",
        source=RECOMMENDED,
        version=1,
        rows="visible",
    ),
    _RELATIVE,
)

_PCK6 = Protocol(
    id="sk/pck6",
    summary="percentage of landmarks less than 6 pixels away at 256 pixels",
    source=f"{SK}, Table 3, DeepFashion; evaluation method pck of the released code",
    scale=256.0,
    unit="PCK@6px %",
    rows="all",
    threshold=6.0,
    higher_is_better=True,
)
_PCK6_CORNER = replace(
    _PCK6,
    id="autolink/pck6",
    summary="percentage of landmarks less than 6 pixels away at 256 pixels, regressed about the image corner",
    source=f"{AUTOLINK}: {CORNER}",
    origin="corner",
)
DEEPFASHION = (
    _PCK6,
    by_stable_keypoints(_PCK6),
    _PCK6_CORNER,
    by_autolink(_PCK6_CORNER, 1e-3 / 255**2),  # AutoLink adds 0.001 at 255 pixels
    replace(
        _PCK6,
        id="strict/pck6",
        summary="percentage of visible landmarks less than 6 pixels away at 256 pixels",
        source=RECOMMENDED,
        rows="visible",
        aggregate="micro",
    ),
)

_EITHER = Protocol(
    id="sk/human36m",
    summary="mean l2 at 128 pixels, left and right interchangeable, averaged over images",
    source=f"{SK}, Table 3, Human3.6M; evaluation method orientation_invariant, with all left/right pairs",
    scale=128.0,
    unit="px@128",
    rows="all",
    sides="either",
)
_EITHER_CORNER = replace(
    _EITHER,
    id="autolink/human36m",
    summary="mean l2 in image sides about the corner, left and right interchangeable, fitted without outliers",
    source=f"{AUTOLINK}, with all left/right pairs: {CORNER}",
    scale=100.0,
    unit="% side",
    origin="corner",
    drop_outliers=True,
)
HUMAN36M = (
    _EITHER,
    replace(by_stable_keypoints(_EITHER), solver="inverse", num_landmarks=32, sides="either_mistyped"),
    replace(_EITHER, id="strict/human36m", source=RECOMMENDED),
    replace(
        _EITHER,
        id="strict/human36m_percent",
        summary="mean l2 in image sides, left and right interchangeable, averaged over images",
        source="strict/human36m in the unit of all published rows but Stable Keypoints'",
        scale=100.0,
        unit="% side",
    ),
    replace(
        _EITHER,
        id="strict/human36m_17",
        summary="mean l2 at 128 pixels over 17 distinct joints, left and right interchangeable",
        source="strict/human36m without the hands, the toes and joints that are annotated twice",
        num_landmarks=32,
        landmarks=(0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27),
    ),
    _EITHER_CORNER,
    replace(
        by_autolink(_EITHER_CORNER),
        version=2,  # 2: the test landmarks are swapped, as in the released code; before, the prediction was
        num_landmarks=32,
        sides="either_mistyped",
        test_swap="landmarks",
    ),
)

PROTOCOLS: dict[str, Protocol] = {
    found.id: found for found in (*FACES, *BIRDS, *TAICHI, *DEEPFASHION, *HUMAN36M, *SIDES, *PARTS, *LABEL_FREE)
}
