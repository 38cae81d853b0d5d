"""Rules for absent keypoints, which a method has not found in an image: both coordinates are NaN.

"origin" puts an absent keypoint where it adds nothing to a prediction: at the origin of the regression or, with a bias,
at the mean of its places in the fit images. So no method gains by leaving keypoints out: it could answer with that
place and get the same number, a keypoint that is never found counts as if it did not exist, and one that is found once
is no bias in disguise. A backward error, which a constant place would make small, takes the farthest corner of the
image instead, which is at least as bad as any answer.

"completed" is the rule of Mallis et al.: gaps of the fit images are filled by completing the matrix of all keypoints
with one of low rank, gaps of the test images by the means of the fit images. A backward error fits each keypoint on
images that have it, measures it on those, and is the mean over keypoints.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from metrics.curve import REPEATS, subsets
from metrics.errors import Floats, Mask
from metrics.points import Points, some_of, turned
from metrics.protocols.record import Protocol
from metrics.regression import ORIGINS

ITERATIONS = 1000
TOLERANCE = 1e-2  # relative, of the known entries


def absent(keypoints: Floats) -> Mask:
    """Mask (N, K) of the keypoints (N, K, 2) that are absent."""
    return np.asarray(np.isnan(keypoints).all(axis=2))


def with_rule(protocol: Protocol, fit: Points, test: Points) -> tuple[Points, Points]:
    """The fit and test images that a protocol regresses and measures, with absent keypoints as its rule has them.

    A backward protocol gets them turned; its absent keypoints are not fitted, and only under "origin" measured. Points
    without absent keypoints are returned as they are.
    """
    if protocol.direction == "backward":
        return turned(fit, ~absent(fit.keypoints)), turned(test, _measured(protocol, test.keypoints))
    gaps = absent(fit.keypoints), absent(test.keypoints)
    if not (gaps[0].any() or gaps[1].any()):
        return fit, test
    places = _places(protocol, fit.keypoints)
    filled = [np.where(mask[..., None], places, each.keypoints) for mask, each in zip(gaps, (fit, test), strict=True)]
    if protocol.absent == "completed":
        filled[0] = completed(filled[0], gaps[0] & ~gaps[0].all(axis=0))
    return replace(fit, keypoints=filled[0]), replace(test, keypoints=filled[1])


def _measured(protocol: Protocol, keypoints: Floats) -> Mask:
    """The keypoints (N, K) that a backward error is measured on."""
    found = ~absent(keypoints)
    return np.ones_like(found) if protocol.absent == "origin" else found


def _places(protocol: Protocol, keypoints: Floats) -> Floats:
    """The place (K, 2) of each keypoint in images where it is absent; the image centre for one without a mean."""
    if protocol.absent == "origin" and not protocol.intercept:
        return np.full(keypoints.shape[1:], ORIGINS[protocol.origin])
    found = ~absent(keypoints)
    totals = np.where(found[..., None], keypoints, 0.0).sum(axis=0)
    counts = found.sum(axis=0)[:, None]
    return np.divide(totals, counts, out=np.full_like(totals, ORIGINS["centre"]), where=counts > 0)


def completed(keypoints: Floats, gaps: Mask) -> Floats:
    """Keypoints (N, K, 2) with the entries in the ``gaps`` (N, K) taken from a completion of low rank.

    Singular value thresholding (Cai, Candès and Shen 2010) of the matrix (N, 2K), until its known entries are within
    1 % or for 1,000 steps. Threshold and step are those of the released code of Mallis et al. 2023.
    """
    if not gaps.any():
        return keypoints
    wanted = keypoints.reshape(len(keypoints), -1)
    known = ~np.repeat(gaps, 2, axis=1)
    threshold, step = 5 * sum(wanted.shape) / 2, 1.2 * wanted.size / known.sum()
    limit = TOLERANCE * np.linalg.norm(wanted[known])
    dual, low_rank = np.zeros_like(wanted), np.zeros_like(wanted)
    for _ in range(ITERATIONS):
        dual += step * np.where(known, wanted - low_rank, 0.0)
        low_rank = _shrunk(dual, threshold)
        if np.linalg.norm((low_rank - wanted)[known]) < limit:
            break
    return np.where(known, wanted, low_rank).reshape(keypoints.shape)


def _shrunk(matrix: Floats, threshold: float) -> Floats:
    """The matrix with its singular values reduced by the threshold, to 0 at the least."""
    squares, directions = np.linalg.eigh(matrix.T @ matrix)
    kept = squares > threshold**2
    main = directions[:, kept]
    return matrix @ (main * (1 - threshold / np.sqrt(squares[kept]))) @ main.T


def samples(protocol: Protocol, fit: Points, labelled: int, seed: int) -> Iterator[Points]:
    """Ten random subsets of the fit images, ``labelled`` of them each; images are sampled by id.

    A backward protocol with absent keypoints samples the images of each keypoint among those that have it.
    """
    by_id = np.argsort(np.asarray(fit.ids), kind="stable")
    if protocol.direction == "forward" or fit.visible.all():
        yield from (some_of(fit, by_id[rows]) for rows in subsets(len(fit), labelled, seed))
        return
    masks = np.zeros((REPEATS, *fit.visible.shape), dtype=bool)
    for keypoint, found in enumerate(fit.visible.T):
        having = by_id[found[by_id]]
        chosen = subsets(len(having), labelled, seed) if len(having) > labelled else [slice(None)] * REPEATS
        for mask, rows in zip(masks, chosen, strict=True):
            mask[having[rows], keypoint] = True
    yield from (replace(fit, visible=mask) for mask in masks)


def farthest_where_absent(predicted: Floats, keypoints: Floats) -> Floats:
    """Keypoints (N, K, 2) with the corner of the image that is farthest from the prediction in place of absent ones."""
    gaps = absent(keypoints)
    if not gaps.any():
        return keypoints
    return np.where(gaps[..., None], np.where(predicted < 0.5, 1.0, 0.0), keypoints)
