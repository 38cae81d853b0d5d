"""Baselines ("floors"), whose keypoints ignore the image. A method with no smaller error has learned nothing."""

from __future__ import annotations

import hashlib
import json
import math
from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from methods.base import ImageBatch, ImageStream, Method, MethodCard, MethodError, Parameters, Report
from methods.frozen import NOTHING

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FILE = "floor.json"


class Floor(Method):
    """A method whose keypoints depend only on K, the seed and the image's id."""

    num_keypoints: int = 0
    seed: int = 0

    @abstractmethod
    def points(self, image_id: str) -> NDArray[np.float64]:
        """Keypoints (K, 2) of one image, (x, y) in [0, 1]."""

    def fit(self, images: ImageStream, num_keypoints: int, seed: int, report: Report) -> None:
        """Remember K and the seed. Raises MethodError where K is below 1."""
        if num_keypoints < 1:
            raise MethodError(f"{self.card.id}: got {num_keypoints} keypoints, expected at least 1")
        self.num_keypoints, self.seed = num_keypoints, seed
        report(1, 1)

    def predict(self, batch: ImageBatch) -> NDArray[np.float64]:
        """Keypoints (B, K, 2). Raises MethodError before ``fit`` or ``load``."""
        self._check_fitted()
        rows = [self.points(image_id) for image_id in batch.ids]
        return np.array(rows).reshape(len(rows), self.num_keypoints, 2)

    def parameters(self) -> Parameters:
        """None of either kind."""
        return Parameters(own=0)

    def save(self, folder: Path) -> None:
        """Write K and the seed to ``floor.json``. Raises MethodError before ``fit`` or ``load``."""
        self._check_fitted()
        state = {"num_keypoints": self.num_keypoints, "seed": self.seed}
        (folder / _FILE).write_text(json.dumps(state), encoding="utf-8")

    def load(self, folder: Path) -> None:
        """Restore what ``save`` wrote. Raises MethodError where it is missing or unreadable."""
        try:
            state = json.loads((folder / _FILE).read_text(encoding="utf-8"))
            self.num_keypoints, self.seed = int(state["num_keypoints"]), int(state["seed"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise MethodError(f"{self.card.id}: cannot load {folder / _FILE}: {error!r}; fit again") from error

    def _check_fitted(self) -> None:
        if not self.num_keypoints:
            raise MethodError(f"{self.card.id}: the number of keypoints is not known yet; call fit or load first")


class Centre(Floor):
    """All keypoints at the image centre: a regression about the centre then predicts the centre for every landmark."""

    card: ClassVar[MethodCard] = MethodCard(
        id="centre",
        name="Image centre",
        summary="every keypoint at the image centre",
        supervision="none",
        is_floor=True,
        frozen={"": NOTHING},
    )

    def points(self, image_id: str) -> NDArray[np.float64]:
        """(K, 2), all 0.5."""
        return np.full((self.num_keypoints, 2), 0.5)


class Grid(Floor):
    """The same K distinct points for every image, on a grid as square as K allows.

    A constant design matrix has rank 1, so regression without bias predicts each landmark's mean over the fit rows,
    the mean pose. With K = 1 the point is the image centre, and the baseline equals ``centre``.
    """

    card: ClassVar[MethodCard] = MethodCard(
        id="grid",
        name="Mean pose (constant grid)",
        summary="a constant grid of points, so that regression predicts the mean pose",
        supervision="none",
        is_floor=True,
        frozen={"": NOTHING},
    )

    def points(self, image_id: str) -> NDArray[np.float64]:
        """(K, 2): round(sqrt(K)) rows; where K does not divide evenly, the first rows have one point more."""
        rows = round(math.sqrt(self.num_keypoints))
        shortest, longer = divmod(self.num_keypoints, rows)
        lengths = [shortest + (row < longer) for row in range(rows)]
        return np.array(
            [
                ((column + 0.5) / length, (row + 0.5) / rows)
                for row, length in enumerate(lengths)
                for column in range(length)
            ]
        )


class RandomPoints(Floor):
    """Points sampled uniformly for each image from its id and the seed, whatever the order of the images."""

    card: ClassVar[MethodCard] = MethodCard(
        id="random_points",
        name="Random points",
        summary="points sampled at random for every image",
        supervision="none",
        is_floor=True,
        frozen={"": NOTHING},
    )

    def points(self, image_id: str) -> NDArray[np.float64]:
        """(K, 2), uniform in [0, 1)."""
        key = hashlib.sha256(f"{self.seed}:{image_id}".encode()).digest()
        return np.random.default_rng(int.from_bytes(key, "big")).random((self.num_keypoints, 2))
