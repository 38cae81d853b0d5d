"""Converts pixels of photographs to coordinates of a task's images, which may be cropped, padded or squashed.

The annotations of the photographs are in the same pixels as the keypoints, and the task has the same landmarks in its
own coordinates. So the landmarks of an image determine its conversion, the pixel convention included. For a task whose
images are whole photographs of one size, that size is enough.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from methods.adapters.base import ImportRequest, OutputError, Split, SplitTruth
from methods.adapters.checks import check_points, found_points
from methods.adapters.conventions import PLACED_OUTSIDE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

SIZE = "WIDTH,HEIGHT of the original images in pixels, if the task shows them whole, squashed to a square"
DEEPEST = 64  # folders of a name that are compared
_SPREAD = 4.0  # pixels: smallest extent of landmarks that determines a frame
_MISFIT = 0.01  # of the image's side: largest distance between landmarks and converted annotations


@dataclass(frozen=True)
class Labels:
    """The landmarks (L, 2) of each image in pixels, and their visibility (L,), by the image's name."""

    source: str
    points: Mapping[str, tuple[Floats, NDArray[np.bool_]]]


@dataclass(frozen=True)
class Frame:
    """The place of an image of the task in a photograph: ``pixels * scale + shift`` is (x, y) in [0, 1]."""

    scale: tuple[float, float]
    shift: tuple[float, float]


def size_of(request: ImportRequest) -> Frame | None:
    """The frame of the option ``size``, with pixel ``i`` at ``i + 0.5``. Raises OutputError for a malformed size."""
    text = request.options.get("size")
    if text is None:
        return None
    found = re.fullmatch(r"(\d+)[,x](\d+)", text)
    width, height = (int(found[1]), int(found[2])) if found else (0, 0)
    if not width or not height:
        raise OutputError(f"--option size={text}: expected WIDTH,HEIGHT in pixels, such as 640,480")
    return Frame((1 / width, 1 / height), (0.5 / width, 0.5 / height))


def match(names: Iterable[str], ids: Iterable[str]) -> dict[str, str]:
    """The task's image of each name: the one whose path ends like the name, without regard to the suffix.

    Among several the longest common ending wins, then the same suffix; a name that still fits several gets no image. If
    any name is wholly the end of an id, or the other way round, then names whose folders differ get no image.
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
    """How far a name and an image id agree; a greater tuple is a better agreement."""

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
    """The one with the best agreement, None for none or several."""
    most = max((agreement for agreement, _ in found), default=None)
    best = [each for each in found if each[0] == most]
    return best[0] if len(best) == 1 else None


def _tails(name: str) -> list[str]:
    """The last parts of a path without its suffix, at most DEEPEST of them, the longest first."""
    path = PurePosixPath(name.replace("\\", "/"))
    parts = (*path.parts[:-1], path.stem)
    return ["/".join(parts[-depth:]) for depth in range(min(len(parts), DEEPEST), 0, -1)]


def frames(stated: Iterable[Labels], splits: Mapping[Split, SplitTruth]) -> dict[str, Frame]:
    """The frame of each image of the task, by its id, if labels and the task's landmarks determine it.

    Raises OutputError for labels with another number of landmarks, and for labels that disagree with the task.
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


def frames_of(
    request: ImportRequest, stated: Iterable[Labels], source: str, images: Iterable[str], whole: str, remedy: str
) -> dict[str, Frame]:
    """The frame of each image: that of the option ``size``, else that which the task knows, else that of the labels.

    Raises OutputError for an image without a frame; its message ends with the ``remedy``, and calls the original image
    ``whole`` ('photograph', 'frame').
    """
    size = size_of(request)
    if size is not None:
        return dict.fromkeys(images, size)
    known = [_known(truth) for truth in request.splits.values()]
    found = {name: frame for each in known for name, frame in each.items()} or frames(stated, request.splits)
    missing = next((image for image in images if image not in found), None)
    if missing is not None:
        raise OutputError(
            f"{source}: the place of image '{missing}' of the task in its {whole} is unknown; {remedy}, or give "
            f"--option size=WIDTH,HEIGHT if it is the whole {whole}"
        )
    return found


def _known(truth: SplitTruth) -> dict[str, Frame]:
    """The frames of the images whose place in their photographs is known, with pixel ``i`` at ``i + 0.5``."""
    if truth.seen is None or truth.photos is None:
        return {}
    corners, sides = truth.seen[:, :2] * truth.photos, truth.seen[:, 2:] * truth.photos
    scales, shifts = (1 / sides).tolist(), ((0.5 - corners) / sides).tolist()
    frames = zip(truth.ids, scales, shifts, strict=True)
    return {name: Frame((scale[0], scale[1]), (shift[0], shift[1])) for name, scale, shift in frames}


def place(source: str, keypoints: Mapping[str, Floats], frame_of: Mapping[str, Frame]) -> dict[str, Floats]:
    """Convert keypoints (K, 2) in pixels, by image of the task, to (x, y) in [0, 1] of the image.

    Keypoints that were not found stay NaN. Raises OutputError if none was found, for fractions of an image, and if too
    many keypoints lie outside their images.
    """
    pixels = found_points(check_points(source, np.stack(list(keypoints.values())), gaps=True))
    if np.abs(pixels).max() <= 2:
        least, most = pixels.min(), pixels.max()
        raise OutputError(f"{source}: the values run from {least:.4g} to {most:.4g}, expected pixels of photographs")
    placed = {name: points * frame_of[name].scale + frame_of[name].shift for name, points in keypoints.items()}
    every = found_points(np.stack(list(placed.values())))
    outside = ((every < 0) | (every > 1)).any(axis=1)
    if outside.mean() > PLACED_OUTSIDE:
        raise OutputError(
            f"{source}: {int(outside.sum()):,} of {outside.size:,} keypoints lie outside the task's images (x from "
            f"{every[..., 0].min():.3g} to {every[..., 0].max():.3g} sides, y from {every[..., 1].min():.3g} to "
            f"{every[..., 1].max():.3g}); expected (x, y) in pixels of the images themselves"
        )
    return placed


def _frame(where: str, pixels: Floats, landmarks: Floats) -> Frame | None:
    """The frame that maps pixels (L, 2) to landmarks (L, 2), by least squares; None for landmarks on a line."""
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
    """The common frame of all images, for each (source, image) whose landmarks do not determine a frame.

    Raises OutputError if the other frames differ.
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
