"""Random keypoints and landmarks for the tests."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from metrics.points import Points
from metrics.statistics import Ratio, bootstrap_intervals

PAIRS = ((0, 1), (2, 3))
HUMAN36M_PAIRS = (
    *((1, 6), (2, 7), (3, 8), (4, 9), (5, 10)),
    *((16, 24), (17, 25), (18, 26), (19, 27), (20, 28), (21, 29), (22, 30), (23, 31)),
)


def points(keypoints, landmarks, visible=None, groups=None, boxes=None) -> Points:
    ids = tuple(f"{row:05d}.png" for row in range(len(keypoints)))
    if visible is None:
        visible = np.ones(landmarks.shape[:2], dtype=bool)
    return Points(keypoints, landmarks, visible, groups or ids, ids, boxes)


def world(seed: int, n: int = 60, k: int = 3, landmarks: int = 5, shown: float = 0.7, noise: float = 0.02):
    """Landmarks near a linear function of the keypoints, hidden at random; every image shows at least one."""
    generator = np.random.default_rng(seed)
    mixing = np.random.default_rng(99).normal(size=(2 * k, 2 * landmarks)) / 2
    keypoints = generator.uniform(size=(n, k, 2))
    truth = ((keypoints - 0.5).reshape(n, -1) @ mixing).reshape(n, landmarks, 2) + 0.5
    truth += noise * generator.normal(size=truth.shape)
    visible = generator.uniform(size=(n, landmarks)) < shown
    visible[np.arange(n), generator.integers(landmarks, size=n)] = True
    boxes = np.concatenate([generator.uniform(0, 0.2, (n, 2)), generator.uniform(0.5, 0.8, (n, 2))], axis=1)
    return points(keypoints, truth, visible, boxes=boxes)


def measured_directly(some: Points) -> Points:
    """The same points with what protocols without landmarks need: keypoints on the object, and on warped images."""
    generator = np.random.default_rng(5)
    warped = some.keypoints + 0.2 * generator.uniform(-1, 1, some.keypoints.shape)
    return replace(some, on_object=generator.uniform(size=some.keypoints.shape[:2]) < 0.8, warped=warped)


def shuffled_sides(some: Points, order, share: float, seed: int = 0) -> Points:
    """The same points with the landmarks of some images rearranged."""
    flip = np.random.default_rng(seed).uniform(size=len(some.ids)) < share
    return replace(some, landmarks=np.where(flip[:, None, None], some.landmarks[:, order], some.landmarks))


def reordered(some: Points, order) -> Points:
    order = np.asarray(order)
    return Points(
        some.keypoints[order],
        some.landmarks[order],
        some.visible[order],
        tuple(some.groups[i] for i in order),
        tuple(some.ids[i] for i in order),
        None if some.boxes is None else some.boxes[order],
        None if some.on_object is None else some.on_object[order],
        None if some.warped is None else some.warped[order],
    )


def bootstrap_interval(values, groups, weights=None, **options):
    """The interval of the weighted mean of values (N,); a value of weight 0 may be NaN."""
    weights = np.ones(len(values)) if weights is None else weights
    numerators = np.where(weights > 0, values, 0.0) * weights
    return bootstrap_intervals([Ratio(numerators[:, None], weights[:, None])], groups, **options)[0]
