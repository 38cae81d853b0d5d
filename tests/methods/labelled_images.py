"""Images in memory with landmarks, as a supervised method gets them."""

from __future__ import annotations

import numpy as np

from methods.base import LabelledBatch, Method
from tests.methods.tiny_pipeline import ArrayImages, blobs


class LabelledArrayImages(ArrayImages):
    """As ArrayImages, with ``landmarks`` (N, L, 2) in [0, 1] and ``visible`` (N, L), all of them by default."""

    def __init__(
        self,
        pixels: np.ndarray,
        landmarks: np.ndarray,
        visible: np.ndarray | None = None,
        batch_size: int = 4,
        prefix: str = "image",
    ) -> None:
        super().__init__(pixels, batch_size, prefix)
        self.landmarks = landmarks
        self.visible = np.ones(landmarks.shape[:2], bool) if visible is None else visible

    def load(self, indices) -> LabelledBatch:
        batch = super().load(indices)
        rows = list(indices)
        return LabelledBatch(batch.ids, batch.pixels, self.landmarks[rows], self.visible[rows])


def fit_images(method: Method, count: int, num_keypoints: int, batch_size: int) -> ArrayImages:
    """Images for a method to learn from; those of a supervised one have a landmark for each keypoint."""
    pixels = blobs(count, method.image_size)
    if not method.card.saw_landmarks:
        return ArrayImages(pixels, batch_size)
    landmarks = np.random.default_rng(0).uniform(0.1, 0.9, (count, num_keypoints, 2))
    return LabelledArrayImages(pixels, landmarks, batch_size=batch_size)
