"""Keypoints with scores: what ``predict`` may return, and the rules for keypoints that were not found.

A score says how sure a method is of a keypoint: any real number, higher for surer. Both coordinates of a keypoint that
was not found are NaN. Only keypoints with scores may have such gaps, so that NaN of a failed computation is an error.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from methods.base import ImageBatch, Method, MethodError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Found:
    """Keypoints (N, K, 2) of N images, and their scores (N, K) from a method that gives any."""

    keypoints: Floats
    scores: Floats | None = None

    def __len__(self) -> int:
        return len(self.keypoints)

    def rows(self, chosen: slice) -> Found:
        """The keypoints and scores of some images."""
        return Found(self.keypoints[chosen], None if self.scores is None else self.scores[chosen])


def together(parts: Sequence[Found]) -> Found:
    """The keypoints and scores of several parts, one after another; there must be one part or more.

    Raises ValueError if only some of those that are not empty have scores.
    """
    filled = [part for part in parts if len(part)] or parts[:1]
    scores = [part.scores for part in filled if part.scores is not None]
    if scores and len(scores) < len(filled):
        raise ValueError("scores of some images only, expected scores of all or of none")
    return Found(np.concatenate([part.keypoints for part in filled]), np.concatenate(scores) if scores else None)


def absent(keypoints: NDArray[Any]) -> NDArray[np.bool_]:
    """Mask (N, K) of the keypoints (N, K, 2) that were not found."""
    return np.asarray(np.isnan(keypoints).all(axis=-1))


def as_scores(keypoints: Floats) -> Floats | None:
    """Scores (N, K) for keypoints without any: 1 if found, else 0; None if all were found."""
    gaps = absent(keypoints)
    return np.where(gaps, 0.0, 1.0) if gaps.any() else None


def fault(keypoints: Floats, scores: Floats | None) -> str:
    """What is wrong with keypoints (N, K, 2) and their scores, or ''."""
    gaps = absent(keypoints)
    broken = ~np.isfinite(keypoints).all(axis=-1) & ~(gaps if scores is not None else False)
    if broken.any():
        row, point = np.argwhere(broken)[0].tolist()
        why = "; only a keypoint with a score may be absent" if scores is None and gaps[row, point] else ""
        return f"row {row}, keypoint {point} is not finite{why}"
    if scores is None:
        return ""
    if scores.shape != gaps.shape:
        return f"its scores have the shape {scores.shape}, expected {gaps.shape}"
    unsure = ~np.isfinite(scores) & ~gaps
    if unsure.any():
        row, point = np.argwhere(unsure)[0].tolist()
        return f"row {row}, keypoint {point} was found, but its score is {scores[row, point]}"
    return ""


def predict(method: Method, batch: ImageBatch, num_keypoints: int) -> Found:
    """What a method finds in a batch, checked. Raises MethodError if ``predict`` breaks its contract."""
    given = method.predict(batch)
    keypoints, scores = given if isinstance(given, tuple) and len(given) == 2 else (given, None)
    expected = (len(batch.ids), num_keypoints, 2)
    where = f"{method.card.id}: predict gave"
    images = f"for images {batch.ids[0]} to {batch.ids[-1]}"
    try:
        points = np.asarray(keypoints, dtype=np.float64)
        sure = None if scores is None else np.asarray(scores, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise MethodError(f"{where} {type(given).__name__} {images}, expected an array of shape {expected}") from error
    if points.shape != expected or (sure is None and not np.isfinite(points).all()):
        raise MethodError(f"{where} {points.shape} {images}, expected finite numbers of shape {expected}")
    if found := fault(points, sure):
        raise MethodError(
            f"{where} scores {images}, and {found}; expected scores {expected[:2]}, and (x, y) or NaN for both"
        )
    return Found(points, sure)
