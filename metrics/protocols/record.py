"""The record that defines an evaluation protocol: every step from keypoints to one number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from metrics.regression import Estimator, Origin, Solver

Side = Literal["near", "mirror", "elsewhere"]
Absent = Literal["origin", "completed"]
Need = Literal["interocular", "left_right_pairs", "boxes", "masks", "two_keypoints", "model"]
OfKeypoints = Literal["closest_pair", "collapsed_pairs", "equivariance", "on_object", "in_box"]
Measured = OfKeypoints | Literal["landmarks", "parts_nmi", "parts_ari"]
_NEEDS: Mapping[str, Need] = {
    "closest_pair": "two_keypoints",
    "collapsed_pairs": "two_keypoints",
    "equivariance": "model",
    "on_object": "masks",
    "in_box": "boxes",
}


@dataclass(frozen=True)
class Protocol:
    """How keypoints become one number. Raise ``version`` when a change gives another number for the same keypoints.

    ``measures`` says what the number is about: landmarks regressed from keypoints, by the four steps below, or the
    keypoints themselves, by a function of ``metrics.direct``, which uses ``scale``, ``threshold`` and the unit alone.

    1. Points: ``frame`` is the image or the annotated box, with each axis in units of its side. ``grid`` truncates
       landmarks to whole pixels of an image of that width. ``num_landmarks`` is the number of landmarks of the only
       annotation that the protocol is for. ``landmarks`` keeps only these indices. ``rows`` selects the landmarks that
       are fitted and measured: all of them, the visible ones, or ("positive") the visible ones with both coordinates
       above 0.
    2. Regression: from keypoints to landmarks, or, with ``direction`` "backward", from landmarks to keypoints, which
       are then measured in place of landmarks. ``origin``, ``intercept``, ``solver``, ``ridge`` and ``singular_ridge``
       are defined by ``metrics.regression.Estimator``. With ``sides`` "either", left and right landmarks may be
       exchanged in any image, by the pairs on the dataset's card; "either_mistyped" uses the mistyped list of the code
       released for Human3.6M. ``test_swap`` says whether the prediction or the landmarks of a test image are exchanged.
       ``drop_outliers`` fits again without the images whose error is over three standard deviations above the mean.
       ``labelled`` fits on that many images only: ten random subsets, over which a landmark's error is averaged.
       ``absent`` is the rule of ``metrics.absent`` for keypoints that a method has not found.
    3. Error of a landmark: Euclidean distance ("l2") or sum of the absolute differences in x and y ("l1"), times
       ``scale``, divided by the ``normaliser``: the image side, the distance between the eyes, or the mean number of
       positive landmarks of a test image. ``eyes`` are the indices of the two eyes if they are not those of the
       dataset's card. With a ``threshold`` the error becomes 100 below it and 0 otherwise. With a ``side``, the error
       is 100 for landmarks that ``metrics.confusion`` finds there, otherwise 0, and other landmarks do not count.
    4. Aggregate: an image's error is the mean or the sum ``over_landmarks``. "macro" weights images equally, "micro"
       by their number of landmarks; "per_landmark" averages each landmark over images and sums these means.

    ``curve`` also measures with fewer labelled images. ``digits`` is the number of significant digits that tables show;
    further ones would be rounding errors of the solver.
    """

    id: str
    summary: str
    source: str
    scale: float
    unit: str
    version: int = 1
    measures: Measured = "landmarks"
    frame: Literal["image", "box"] = "image"
    grid: int | None = None
    num_landmarks: int | None = None
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
    labelled: int | None = None
    absent: Absent = "origin"
    error: Literal["l2", "l1"] = "l2"
    threshold: float | None = None
    side: Side | None = None
    normaliser: Literal["side", "interocular", "positive_landmarks"] = "side"
    eyes: tuple[int, int] | None = None
    over_landmarks: Literal["mean", "sum"] = "mean"
    aggregate: Literal["macro", "micro", "per_landmark"] = "macro"
    curve: bool = False
    digits: int | None = None
    higher_is_better: bool = False

    def __post_init__(self) -> None:
        plain = (self.rows, self.frame, self.direction, self.intercept) == ("all", "image", "forward", False)
        if self.either_side and not plain:
            raise ValueError(
                f"{self.id}: exchangeable sides require rows=all, direction=forward, frame=image and no bias"
            )
        if self.drop_outliers and not self.either_side:
            raise ValueError(f"{self.id}: drop_outliers requires exchangeable sides")
        if self.direction == "backward" and (self.rows, self.landmarks) != ("all", None):
            raise ValueError(f"{self.id}: direction=backward requires rows=all and all landmarks")
        if self.over_landmarks == "sum" and self.normaliser == "interocular":
            raise ValueError(f"{self.id}: the interocular normaliser requires over_landmarks=mean")
        if self.landmarks is not None and self.normaliser == "interocular":
            raise ValueError(
                f"{self.id}: the interocular normaliser requires all landmarks: it finds the eyes by index"
            )
        if self.eyes is not None and self.normaliser != "interocular":
            raise ValueError(f"{self.id}: eyes require the interocular normaliser")
        if self.labelled is not None and (self.either_side or self.curve):
            raise ValueError(f"{self.id}: labelled requires annotated sides and no curve")

    @property
    def family(self) -> str:
        """The part of the id before the slash: sk, strict, autolink, ..."""
        return self.id.partition("/")[0]

    @property
    def regresses(self) -> bool:
        """Whether the number is about landmarks that are regressed from keypoints."""
        return self.measures == "landmarks"

    @property
    def is_error(self) -> bool:
        """Whether the number is an error of landmarks, and not one that stands beside it."""
        return self.regresses and self.side is None

    @property
    def either_side(self) -> bool:
        """Whether left and right landmarks may be exchanged."""
        return self.sides != "annotated"

    @property
    def needs(self) -> frozenset[Need]:
        """What must be there besides landmarks: facts of the dataset, two keypoints or more, the model itself."""
        found: set[Need] = set()
        if not self.regresses:
            return frozenset({_NEEDS[self.measures]} if self.measures in _NEEDS else ())
        if self.normaliser == "interocular":
            found.add("interocular")
        if self.sides == "either" or self.side is not None:
            found.add("left_right_pairs")
        if self.frame == "box":
            found.add("boxes")
        return frozenset(found)

    def is_for(self, count: int) -> bool:
        """Whether the protocol can be applied to an annotation with this number of landmarks."""
        return self.num_landmarks in (None, count)

    @property
    def estimator(self) -> Estimator:
        """The settings of the regression."""
        return Estimator(self.origin, self.intercept, self.solver, self.ridge, self.singular_ridge)
