"""From pixels of photographs to the frame of a task, in which each image may be cropped, padded or squashed.

Annotations that came with the photographs are in the same pixels as the keypoints, and the task has the same landmarks
in its frame; so the frame of every image follows from its landmarks, pixel convention included. Where the task's images
are whole photographs of one known size, that size will do.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from methods.adapters.base import ImportRequest, OutputError, Split, SplitTruth

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

SIZE = "WIDTH,HEIGHT of the images in pixels, where the task's are these, squashed to a square"
_SPREAD = 4.0  # pixels that landmarks must be apart for a frame to follow from them
_MISFIT = 0.01  # of the image's side, by which landmarks may miss each other
_OUTSIDE = 0.1  # of all keypoints, that may lie outside the image


@dataclass(frozen=True)
class Labels:
    """Landmarks (L, 2) in pixels and which are visible (L,), by the name of their image."""

    source: str
    points: Mapping[str, tuple[Floats, NDArray[np.bool_]]]


@dataclass(frozen=True)
class Frame:
    """Where pixels lie in an image of the task: ``pixels * scale + shift`` is (x, y) in [0, 1]."""

    scale: tuple[float, float]
    shift: tuple[float, float]


def size_of(request: ImportRequest) -> Frame | None:
    """The frame that the option ``size`` states, pixel ``i`` at ``i + 0.5``. Raises OutputError for no size."""
    text = request.options.get("size")
    if text is None:
        return None
    found = re.fullmatch(r"(\d+)[,x](\d+)", text)
    width, height = (int(found[1]), int(found[2])) if found else (0, 0)
    if not width or not height:
        raise OutputError(f"--option size={text}: expected WIDTH,HEIGHT in pixels, such as 640,480")
    return Frame((1 / width, 1 / height), (0.5 / width, 0.5 / height))


def match(names: Iterable[str], ids: Iterable[str]) -> dict[str, str]:
    """The task's image of each name that has one: the one whose path ends like it, whatever the file's ending.

    Where several end alike, the longest agreement counts, then the file's ending; none where that leaves several. If
    any path is wholly the end of the other, folders mean something, and those that disagree in them are none's.
    """
    by_tail: dict[str, list[str]] = {}
    for image_id in dict.fromkeys(ids):
        for tail in _tails(image_id):
            by_tail.setdefault(tail, []).append(image_id)
    claims: dict[str, list[tuple[_Agreement, str]]] = {}
    for name in dict.fromkeys(names):
        tail = next((tail for tail in _tails(name) if tail in by_tail), "")
        best = _best([(_agreement(name, image_id, tail), image_id) for image_id in by_tail.get(tail, ())])
        if best is not None:
            claims.setdefault(best[1], []).append((best[0], name))
    chosen = {image_id: best for image_id, claim in claims.items() if (best := _best(claim)) is not None}
    by_folder = any(agreement.whole for agreement, _ in chosen.values())
    return {name: image_id for image_id, (agreement, name) in chosen.items() if agreement.whole or not by_folder}


class _Agreement(NamedTuple):
    """How far a name and an image agree: the more, the greater."""

    equal: bool
    whole: bool
    parts: int
    ending: bool


def _agreement(name: str, image_id: str, tail: str) -> _Agreement:
    return _Agreement(
        equal=name == image_id,
        whole=tail in (_tails(name)[0], _tails(image_id)[0]),
        parts=tail.count("/"),
        ending=PurePosixPath(name).suffix == PurePosixPath(image_id).suffix,
    )


def _best(found: Sequence[tuple[_Agreement, str]]) -> tuple[_Agreement, str] | None:
    """The one that agrees most, None where there is none, or several."""
    most = max((agreement for agreement, _ in found), default=None)
    best = [each for each in found if each[0] == most]
    return best[0] if len(best) == 1 else None


def _tails(name: str) -> list[str]:
    """The last parts of a path without the file's ending, the most first."""
    path = PurePosixPath(name.replace("\\", "/"))
    parts = (*path.parts[:-1], path.stem)
    return ["/".join(parts[-depth:]) for depth in range(len(parts), 0, -1)]


def frames(stated: Iterable[Labels], splits: Mapping[Split, SplitTruth]) -> dict[str, Frame]:
    """The frame of each image of the task, by its id, as far as labels and the task's landmarks tell.

    Raises OutputError where labels have another number of landmarks, or do not fit the task's.
    """
    row_of = {image_id: (truth, row) for truth in splits.values() for row, image_id in enumerate(truth.ids)}
    labels = {name: (each.source, *points) for each in stated for name, points in each.points.items()}
    found: dict[str, Frame] = {}
    unsure: list[tuple[str, str]] = []
    for name, image_id in match(labels, row_of).items():
        (source, pixels, labelled), (truth, row) = labels[name], row_of[image_id]
        if len(pixels) != truth.landmarks.shape[1]:
            raise OutputError(
                f"{source}: image '{name}' has {len(pixels)} landmarks, the task has {truth.landmarks.shape[1]}; "
                "expected the annotations that the task is made of"
            )
        both = labelled & truth.visible[row]
        frame = _frame(f"{source}: image '{name}'", pixels[both], truth.landmarks[row][both])
        if frame is None:
            unsure.append((source, image_id))
        else:
            found[image_id] = frame
    return found | _the_same(found, unsure)


def place(source: str, keypoints: Mapping[str, Floats], frame_of: Mapping[str, Frame]) -> dict[str, Floats]:
    """Keypoints (K, 2) in pixels, by image of the task, as (x, y) in [0, 1] of the image.

    Raises OutputError where too many lie outside their images.
    """
    placed = {name: points * frame_of[name].scale + frame_of[name].shift for name, points in keypoints.items()}
    every = np.stack(list(placed.values()))
    outside = ((every < 0) | (every > 1)).any(axis=2)
    if outside.mean() > _OUTSIDE:
        raise OutputError(
            f"{source}: {int(outside.sum()):,} of {outside.size:,} keypoints lie outside the task's images (x from "
            f"{every[..., 0].min():.3g} to {every[..., 0].max():.3g} sides, y from {every[..., 1].min():.3g} to "
            f"{every[..., 1].max():.3g}); expected (x, y) in pixels of the images themselves"
        )
    return placed


def _frame(where: str, pixels: Floats, landmarks: Floats) -> Frame | None:
    """The frame in which pixels (L, 2) are landmarks (L, 2), by least squares; None where they lie on a line."""
    if len(pixels) < 2 or np.ptp(pixels, axis=0).min() < _SPREAD:
        return None
    scale, shift = [], []
    for axis in (0, 1):
        design = np.stack([pixels[:, axis], np.ones(len(pixels))], axis=1)
        (slope, start), *_ = np.linalg.lstsq(design, landmarks[:, axis], rcond=None)
        misfit = float(np.abs(design @ (slope, start) - landmarks[:, axis]).max())
        if misfit > _MISFIT or slope <= 0:
            raise OutputError(
                f"{where}: its landmarks miss the task's by {misfit:.3g} sides of the image along {'xy'[axis]}; "
                "expected the annotations that the task is made of, in the same order"
            )
        scale.append(float(slope))
        shift.append(float(start))
    return Frame((scale[0], scale[1]), (shift[0], shift[1]))


def _the_same(found: Mapping[str, Frame], unsure: Sequence[tuple[str, str]]) -> dict[str, Frame]:
    """The frame that all images share, for those (source, image) whose own does not follow from their landmarks.

    Raises OutputError where frames differ.
    """
    if not unsure:
        return {}
    numbers = np.array([(*frame.scale, *frame.shift) for frame in found.values()])
    if not len(numbers) or np.ptp(numbers, axis=0).max() > 1e-6:
        source, image_id = unsure[0]
        raise OutputError(
            f"{source}: the crop of image '{image_id}' (and of {len(unsure) - 1} more) does not follow from its "
            "landmarks, which are too few or in a line; leave these images out of the task"
        )
    return dict.fromkeys((image_id for _, image_id in unsure), next(iter(found.values())))
