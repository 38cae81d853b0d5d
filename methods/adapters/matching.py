"""Which image a row of landmarks is of, where a file has no names: the one that has the same landmarks.

Nothing is guessed. A row that fits several images stays without one, unless these share all their landmarks and as
many rows fit them: then whichever is whose, the pairs of keypoints and landmarks are the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from methods.adapters.base import OutputError, Outputs, SplitTruth

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Mask = NDArray[np.bool_]

_ABSENT = 9.0  # stands for a landmark that is not visible, on both sides
_TRIED = 200  # rows that fit nothing at once are tried with the landmarks that both sides have


@dataclass
class Match:
    """The image of each row, None where there is none; the lists hold rows.

    ``ambiguous`` fit several images or share one with another row, ``unmatched`` fit none, ``shared`` fit images whose
    landmarks are all the same, ``repeated`` say again what an earlier row said. ``nearest`` is how far the first
    unmatched row is from the image nearest to it, in image sides.
    """

    ids: list[str | None]
    ambiguous: list[int] = field(default_factory=list)
    unmatched: list[int] = field(default_factory=list)
    shared: list[int] = field(default_factory=list)
    repeated: list[int] = field(default_factory=list)
    nearest: float = 0.0

    def report(self, source: str) -> list[str]:
        """What is to be known of it, a line each."""
        lines = []
        if self.unmatched:
            lines.append(
                f"{source}: {len(self.unmatched):,} of {len(self.ids):,} rows have the landmarks of no image, first "
                f"row {self.unmatched[0]}, which is {self.nearest:.2g} image sides from the nearest"
            )
        if self.ambiguous:
            lines.append(
                f"{source}: {len(self.ambiguous):,} rows fit more than one image, or share one, and are left out: rows "
                f"{_some(self.ambiguous)}"
            )
        if self.shared:
            lines.append(
                f"{source}: {len(self.shared):,} rows are of images that share all their landmarks, and stand in the "
                f"file's order, which changes no error but by rounding: rows {_some(self.shared)}"
            )
        if self.repeated:
            lines.append(f"{source}: {len(self.repeated):,} rows repeat another: rows {_some(self.repeated)}")
        return lines


def _some(rows: Sequence[int]) -> str:
    return ", ".join(map(str, rows[:5])) + (", ..." if len(rows) > 5 else "")


def match_landmarks(output: Outputs, truth: SplitTruth) -> Match:
    """The image of each row of ``output``, whose ``landmarks`` are given, among those of ``truth``.

    Raises OutputError for another number of landmarks than the images have.
    """
    landmarks, visible = _given(output)
    if landmarks.shape[1:] != truth.landmarks.shape[1:]:
        raise OutputError(
            f"{output.source}: has {landmarks.shape[1]} landmarks an image, the task has {truth.landmarks.shape[1]}; "
            "it is of another dataset"
        )
    found = Match([None] * len(landmarks))
    candidates = _candidates(landmarks, visible, truth, output.tolerance)
    _try_common(candidates, landmarks, visible, truth, output.tolerance, found)
    _settle(candidates, output, truth, found)
    found.unmatched = [row for row, fitting in enumerate(candidates) if not fitting]
    return found


def _given(output: Outputs) -> tuple[Floats, Mask]:
    """Landmarks and which of them are visible: where that is not said, those that are numbers."""
    if output.landmarks is None:
        raise OutputError(f"{output.source}: has no landmarks to find its images by")
    visible: Mask = np.asarray(np.isfinite(output.landmarks).all(axis=2))
    if output.visible is not None:
        visible = np.logical_and(visible, output.visible)
    return np.where(visible[..., None], output.landmarks, _ABSENT), visible


def _candidates(landmarks: Floats, visible: Mask, truth: SplitTruth, tolerance: float) -> list[tuple[int, ...]]:
    """For each row the images with the same landmarks, within the tolerance in each coordinate."""
    from scipy.spatial import KDTree

    known = np.where(truth.visible[..., None], truth.landmarks, _ABSENT).reshape(len(truth.ids), -1)
    rows = landmarks.reshape(len(landmarks), -1)
    found: Any = KDTree(known).query_ball_point(rows, tolerance, p=np.inf)
    return [tuple(sorted(images)) for images in found]


def _try_common(
    candidates: list[tuple[int, ...]],
    landmarks: Floats,
    visible: Mask,
    truth: SplitTruth,
    tolerance: float,
    found: Match,
) -> None:
    """Fill in rows that differ from an image only in what is visible, as where a loader drops some landmarks.

    At least half of the landmarks of either side, and two, must be visible on both. A long run of rows that fit
    nothing ends the search.
    """
    failed = 0
    for row in [row for row, fitting in enumerate(candidates) if not fitting]:
        common = truth.visible & visible[row]
        needed = np.maximum(2, np.maximum(truth.visible.sum(axis=1), visible[row].sum()) / 2)
        apart = np.where(common, np.abs(truth.landmarks - landmarks[row]).max(axis=2), 0.0).max(axis=1)
        apart = np.where(common.sum(axis=1) >= needed, apart, np.inf)
        fitting = np.flatnonzero(apart <= tolerance)
        candidates[row] = tuple(fitting.tolist())
        if not len(fitting):
            found.nearest = found.nearest or float(apart.min())
            failed += 1
        if failed == _TRIED:
            return


def _settle(candidates: Sequence[tuple[int, ...]], output: Outputs, truth: SplitTruth, found: Match) -> None:
    """Give each row its image, as far as it is certain; an image that is one row's for sure is no other row's."""
    rows_of: dict[tuple[int, ...], list[int]] = {}
    for row, fitting in enumerate(candidates):
        if fitting:
            rows_of.setdefault(fitting, []).append(row)
    taken: set[int] = set()
    waiting = sorted(rows_of, key=len)
    progress = True
    while progress:
        progress, still = False, []
        for images in waiting:
            free = tuple(image for image in images if image not in taken)
            rows = rows_of[images]
            if len(images) == 1 or len(free) == len(rows) == 1 or (len(free) == len(rows) and _alike(truth, free)):
                _assign(rows, free or images, output, truth, found)
                taken.update(images if len(images) == 1 else free)
                progress = True
            else:
                still.append(images)
        waiting = still
    found.ambiguous += [row for images in waiting for row in rows_of[images]]
    found.ambiguous.sort()


def _assign(rows: Sequence[int], images: Sequence[int], output: Outputs, truth: SplitTruth, found: Match) -> None:
    """As many rows as images, or several rows of one image, which must then say the same."""
    if len(rows) == len(images):
        for row, image in zip(rows, images, strict=True):
            found.ids[row] = truth.ids[image]
        found.shared += rows if len(rows) > 1 else []
    elif all(np.array_equal(output.keypoints[row], output.keypoints[rows[0]]) for row in rows):
        found.ids[rows[0]] = truth.ids[images[0]]
        found.repeated += rows[1:]
    else:
        found.ambiguous += rows


def _alike(truth: SplitTruth, images: Iterable[int]) -> bool:
    """Whether images have the same landmarks, to the bit, and the same of them visible."""
    first, *others = images
    return all(
        np.array_equal(truth.visible[first], truth.visible[other])
        and np.array_equal(truth.landmarks[first][truth.visible[first]], truth.landmarks[other][truth.visible[other]])
        for other in others
    )
