"""Floors: keypoints that know nothing of the image, below which a method has learned nothing.

``centre``, ``grid`` and ``random_points`` never look at a pixel; ``random_tokens`` is Stable Keypoints with the
random tokens that it starts from.
"""

from __future__ import annotations

import hashlib
import json
import math
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from methods.base import ImageBatch, ImageStream, Method, MethodCard, MethodConfig, MethodError, Report
from methods.stable_keypoints import StableKeypoints

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FILE = "floor.json"


class Floor(Method):
    """A method whose keypoints follow from K, the seed and the image's id alone."""

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

    def save(self, folder: Path) -> None:
        """Write K and the seed to ``floor.json``. Raises MethodError before ``fit`` or ``load``."""
        self._check_fitted()
        state = {"num_keypoints": self.num_keypoints, "seed": self.seed}
        (folder / _FILE).write_text(json.dumps(state), encoding="utf-8")

    def load(self, folder: Path) -> None:
        """Take up what ``save`` wrote. Raises MethodError where it is not there or not readable."""
        try:
            state = json.loads((folder / _FILE).read_text(encoding="utf-8"))
            self.num_keypoints, self.seed = int(state["num_keypoints"]), int(state["seed"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise MethodError(f"{self.card.id}: cannot load {folder / _FILE}: {error!r}; fit again") from error

    def _check_fitted(self) -> None:
        if not self.num_keypoints:
            raise MethodError(f"{self.card.id}: the number of keypoints is not known yet; call fit or load first")


class Centre(Floor):
    """Every keypoint at the image centre: centred regression then predicts the centre for every landmark."""

    card: ClassVar[MethodCard] = MethodCard(
        id="centre",
        name="Image centre",
        summary="every keypoint at the image centre",
        supervision="none",
        is_floor=True,
    )

    def points(self, image_id: str) -> NDArray[np.float64]:
        """(K, 2), all 0.5."""
        return np.full((self.num_keypoints, 2), 0.5)


class Grid(Floor):
    """The same K distinct points for every image, in rows as square as K allows.

    A constant design has rank 1, so regression without bias gives each landmark its mean over the fit rows: the
    mean-pose floor. With K = 1 the point is the image centre, and the floor is that of ``centre``.
    """

    card: ClassVar[MethodCard] = MethodCard(
        id="grid",
        name="Mean pose (constant grid)",
        summary="a constant grid of points, so that regression predicts the mean pose",
        supervision="none",
        is_floor=True,
    )

    def points(self, image_id: str) -> NDArray[np.float64]:
        """(K, 2): round(sqrt(K)) rows, the first ones a point longer where K does not divide evenly."""
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
    """Points drawn uniformly for each image, from its id and the seed: the order of images does not matter."""

    card: ClassVar[MethodCard] = MethodCard(
        id="random_points",
        name="Random points",
        summary="points drawn at random for every image",
        supervision="none",
        is_floor=True,
    )

    def points(self, image_id: str) -> NDArray[np.float64]:
        """(K, 2), uniform in [0, 1)."""
        key = hashlib.sha256(f"{self.seed}:{image_id}".encode()).digest()
        return np.random.default_rng(int.from_bytes(key, "big")).random((self.num_keypoints, 2))


class RandomTokens(StableKeypoints):
    """Stable Keypoints with the random tokens that it starts from: what the model gives without optimisation.

    Every setting of Stable Keypoints applies but ``steps`` and ``tokens``, which are 0 and none whatever is asked for.
    """

    card: ClassVar[MethodCard] = StableKeypoints.card.model_copy(
        update={
            "id": "random_tokens",
            "name": "Random tokens",
            "summary": "Stable Keypoints without optimisation",
            "trained_on": "the fit images choose among random tokens; the diffusion model saw captioned images",
            "is_floor": True,
        }
    )

    def __init__(self, config: MethodConfig | None = None, device: str = "cpu") -> None:
        super().__init__((config or self.Config()).model_copy(update={"steps": 0, "tokens": None}), device)

    @classmethod
    def config_for(cls, profile: str, settings: Mapping[str, Any]) -> MethodConfig:
        """Stable Keypoints' config under a profile, with no steps."""
        return super().config_for(profile, {**settings, "steps": 0, "tokens": None})
