"""Finds the image of each row of a file without image names: the one with the same landmarks.

Nothing is guessed. A row that fits several images gets no image, unless these images share all their landmarks and
exactly as many rows fit them: then any assignment gives the same pairs of keypoints and landmarks.
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

_ABSENT = 9.0  # replaces both coordinates of an invisible landmark, on both sides
_TRIED = 200  # rows without an image that are also compared on the landmarks that both sides have


@dataclass
class Match:
    """The image of each row, None for a row without an image; the lists hold numbers of rows.

    ``ambiguous`` rows fit several images or share one with another row, ``unmatched`` rows fit none, ``shared`` rows
    fit images with identical landmarks, ``repeated`` rows are copies of an earlier row. ``nearest`` is the distance of
    the first unmatched row to its nearest image, in image sides.
    """

    ids: list[str | None]
    ambiguous: list[int] = field(default_factory=list)
    unmatched: list[int] = field(default_factory=list)
    shared: list[int] = field(default_factory=list)
    repeated: list[int] = field(default_factory=list)
    nearest: float = 0.0

    def report(self, source: str) -> list[str]:
        """Notes for the user, one line each."""
        lines = []
        if self.unmatched:
            lines.append(
                f"{source}: {len(self.unmatched):,} of {len(self.ids):,} rows fit the landmarks of no image, first "
                f"row {self.unmatched[0]}, which is {self.nearest:.2g} image sides from the nearest image"
            )
        if self.ambiguous:
            lines.append(
                f"{source}: {len(self.ambiguous):,} rows fit more than one image, or share one, and are left out: rows "
                f"{_some(self.ambiguous)}"
            )
        if self.shared:
            lines.append(
                f"{source}: {len(self.shared):,} rows are of images that share all their landmarks, and are taken in "
                f"the order of the file, which changes errors only by rounding: rows {_some(self.shared)}"
            )
        if self.repeated:
            lines.append(f"{source}: {len(self.repeated):,} rows are copies of another: rows {_some(self.repeated)}")
        return lines


def _some(rows: Sequence[int]) -> str:
    return ", ".join(map(str, rows[:5])) + (", ..." if len(rows) > 5 else "")


def match_landmarks(output: Outputs, truth: SplitTruth) -> Match:
    """Find the image in ``truth`` of each row of ``output``, which has ``landmarks``.

    Raises OutputError for another number of landmarks than the images have.
    """
    landmarks, visible = _given(output)
    if landmarks.shape[1:] != truth.landmarks.shape[1:]:
        raise OutputError(
            f"{output.source}: has {landmarks.shape[1]} landmarks per image, the task has {truth.landmarks.shape[1]}; "
            "it belongs to another dataset"
        )
    found = Match([None] * len(landmarks))
    candidates = _candidates(landmarks, visible, truth, output.tolerance)
    _try_common(candidates, landmarks, visible, truth, output.tolerance, found)
    _settle(candidates, output, truth, found)
    found.unmatched = [row for row, fitting in enumerate(candidates) if not fitting]
    return found


def _given(output: Outputs) -> tuple[Floats, Mask]:
    """Landmarks and their visibility; without ``visible``, those that are not NaN are visible."""
    if output.landmarks is None:
        raise OutputError(f"{output.source}: has no landmarks to find its images by")
    visible: Mask = np.asarray(np.isfinite(output.landmarks).all(axis=2))
    if output.visible is not None:
        visible = np.logical_and(visible, output.visible)
    return np.where(visible[..., None], output.landmarks, _ABSENT), visible


def _candidates(landmarks: Floats, visible: Mask, truth: SplitTruth, tolerance: float) -> list[tuple[int, ...]]:
    """The images of each row whose landmarks are equal within the tolerance in each coordinate."""
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
    """Find images for rows that differ from an image only in visibility, as after a loader dropped some landmarks.

    At least two landmarks, and half of those of either side, must be visible on both sides. The search ends after many
    rows that fit no image.
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
    """Assign images to rows as far as they are certain; an assigned image is no longer a candidate of other rows."""
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
    """Assign as many images as rows, or one image to several rows, if these have the same keypoints."""
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
    """Whether images have exactly the same landmarks and visibility."""
    first, *others = images
    return all(
        np.array_equal(truth.visible[first], truth.visible[other])
        and np.array_equal(truth.landmarks[first][truth.visible[first]], truth.landmarks[other][truth.visible[other]])
        for other in others
    )
