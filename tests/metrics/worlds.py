"""Random keypoints and landmarks for the tests."""

from __future__ import annotations

import numpy as np

from metrics.protocols import Points

PAIRS = ((0, 1), (2, 3))


def points(keypoints, landmarks, visible=None, groups=None) -> Points:
    ids = tuple(f"{row:05d}.png" for row in range(len(keypoints)))
    if visible is None:
        visible = np.ones(landmarks.shape[:2], dtype=bool)
    return Points(keypoints, landmarks, visible, groups or ids, ids)


def world(seed: int, n: int = 60, k: int = 3, landmarks: int = 5, shown: float = 0.7, noise: float = 0.02):
    """Landmarks near a linear function of the keypoints, hidden at random; every image shows at least one."""
    generator = np.random.default_rng(seed)
    mixing = np.random.default_rng(99).normal(size=(2 * k, 2 * landmarks)) / 2
    keypoints = generator.uniform(size=(n, k, 2))
    truth = ((keypoints - 0.5).reshape(n, -1) @ mixing).reshape(n, landmarks, 2) + 0.5
    truth += noise * generator.normal(size=truth.shape)
    visible = generator.uniform(size=(n, landmarks)) < shown
    visible[np.arange(n), generator.integers(landmarks, size=n)] = True
    return points(keypoints, truth, visible)


def reordered(some: Points, order) -> Points:
    order = np.asarray(order)
    return Points(
        some.keypoints[order],
        some.landmarks[order],
        some.visible[order],
        tuple(some.groups[i] for i in order),
        tuple(some.ids[i] for i in order),
    )
