"""The record of an evaluation protocol: everything between a method's keypoints and one number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from metrics.regression import Estimator, Origin, Solver

Need = Literal["interocular", "left_right_pairs", "boxes"]


@dataclass(frozen=True)
class Protocol:
    """How keypoints become one number. Raise ``version`` when the same predictions would give another one.

    Points first go into their ``frame``: the image, or the annotated box, each axis in sides of its own.
    ``grid`` truncates landmarks to whole pixels of an image that wide, ``landmarks`` keeps only some of them, and
    ``rows`` says which entries count, in fitting and in measuring: all, the visible ones, or the visible ones
    with both coordinates above 0 ("positive").

    The regression goes from keypoints to landmarks, or the other way where the ``direction`` is backward; there
    keypoints take the landmarks' part in all that follows. ``origin``, ``intercept``, ``solver``, ``ridge`` and
    ``singular_ridge`` are those of ``metrics.regression.Estimator``. ``sides``: left and right are as annotated, or
    either way round, by the card's pairs or by the mistyped list of the released code for Human3.6M; of a test image
    the better way counts, and ``test_swap`` says whether its prediction or its landmarks are swapped for that.
    ``drop_outliers`` fits again without images more than three standard deviations worse than the mean.

    A landmark's error is the distance (l2), or the sum of both axes' absolute differences (l1), times ``scale``
    over the ``normaliser``: the side, the distance between the eyes, or the mean number of positive landmarks in
    a test image. A ``threshold`` makes that 100 (below it) or 0. An image's error is the mean or sum
    ``over_landmarks``. "macro" averages images alike, "micro" by their number of landmarks; "per_landmark" takes
    the mean over images of each landmark, and the sum of these. ``curve``: also measured with fewer labels.
    """

    id: str
    summary: str
    source: str
    scale: float
    unit: str
    version: int = 1
    frame: Literal["image", "box"] = "image"
    grid: int | None = None
    landmarks: tuple[int, ...] | None = None
    rows: Literal["all", "visible", "positive"] = "visible"
    direction: Literal["forward", "backward"] = "forward"
    origin: Origin = "centre"
    intercept: bool = False
    solver: Solver = "gelsd"
    ridge: float = 0.0
    singular_ridge: float = 0.0
    sides: Literal["annotated", "either", "either_mistyped"] = "annotated"
    test_swap: Literal["prediction", "landmarks"] = "prediction"
    drop_outliers: bool = False
    error: Literal["l2", "l1"] = "l2"
    threshold: float | None = None
    normaliser: Literal["side", "interocular", "positive_landmarks"] = "side"
    over_landmarks: Literal["mean", "sum"] = "mean"
    aggregate: Literal["macro", "micro", "per_landmark"] = "macro"
    curve: bool = False
    higher_is_better: bool = False

    def __post_init__(self) -> None:
        plain = (self.rows, self.frame, self.direction, self.intercept) == ("all", "image", "forward", False)
        if self.either_side and not plain:
            raise ValueError(f"{self.id}: sides that may change places take all rows, forward, in the image, no bias")
        if self.drop_outliers and not self.either_side:
            raise ValueError(f"{self.id}: outliers are dropped only after sides were allowed to change places")
        if self.direction == "backward" and (self.rows, self.landmarks) != ("all", None):
            raise ValueError(f"{self.id}: a backward regression takes all landmarks of all rows")
        if self.landmarks is not None and self.normaliser == "interocular":
            raise ValueError(f"{self.id}: the eyes are numbered among all landmarks, so none may be left out")

    @property
    def family(self) -> str:
        """The part of the id before the slash: sk, strict, autolink, ..."""
        return self.id.partition("/")[0]

    @property
    def either_side(self) -> bool:
        """Whether left and right may change places."""
        return self.sides != "annotated"

    @property
    def needs(self) -> frozenset[Need]:
        """What a dataset must state besides landmarks."""
        found: set[Need] = set()
        if self.normaliser == "interocular":
            found.add("interocular")
        if self.sides == "either":
            found.add("left_right_pairs")
        if self.frame == "box":
            found.add("boxes")
        return frozenset(found)

    @property
    def estimator(self) -> Estimator:
        """What the regression is told."""
        return Estimator(self.origin, self.intercept, self.solver, self.ridge, self.singular_ridge)
