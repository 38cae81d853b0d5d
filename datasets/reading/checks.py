"""Checks of custom data of every format.

Are the coordinates pixels, and x before y? Which labels stand for a missing one? How is each image turned? Which
entries are unusable? A certain mistake is a DatasetError; an unusable entry is left out and counted; anything else that
affects the numbers is a remark.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from datasets.base import DatasetError
from datasets.photos import Crop, Look
from datasets.reading.coordinates import check_order, hide_stand_ins, refuse_fractions
from datasets.reading.image_files import look_at, remarks_on_turned
from datasets.reading.labels import Labels, LeftOut
from datasets.reading.table import FARTHEST
from datasets.text import refuse_entry

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Sizes = Sequence[tuple[int, int] | None]


def check_labels(
    source: Path,
    names: Sequence[str],
    labels: Labels,
    left_out: LeftOut,
    frame: Callable[[Labels, int, Look | None], Crop],
) -> tuple[Labels, dict[Path, Look], tuple[str, ...]]:
    """Run all checks of labels; returns the usable labels, the headers of existing images, and the remarks.

    ``names`` are those of the landmarks; ``frame`` returns the crop of a row's image. Raises DatasetError if labels are
    certainly wrong or most are unusable.
    """
    visible, missing = hide_stand_ins(labels.points, labels.visible)
    refuse_fractions(source, labels.points[visible], None if labels.boxes is None else labels.boxes[:, 2:])
    labels = replace(labels, visible=visible)
    unreadable: dict[Path, str] = {}
    looks = look_at(labels.files, unreadable)
    rows = [row for row in range(len(labels.ids)) if _fits(labels, row, looks, unreadable, left_out)]
    rows = _near(source, labels, rows, looks, left_out, frame)
    left_out.check(len(rows))
    if not rows:
        raise DatasetError(f"{source}: nothing in it can be used; {'; '.join(left_out.remarks()) or 'it is empty'}")
    labels = labels.only(rows)
    sizes = [size_of(labels, row, looks) for row in range(len(rows))]
    unseen = np.flatnonzero(~labels.visible.any(axis=0))
    if len(unseen):
        missing = (*missing, f"landmarks that are never labelled: {', '.join(names[int(one)] for one in unseen)}")
    remarks = (*missing, *check_order(source, labels, sizes), *remarks_on_turned(labels.files, labels.stated, looks))
    return labels, looks, (*left_out.remarks(), *remarks)


def check_eyes(source: Path, tested: Labels, eyes: tuple[int, int]) -> None:
    """Raise DatasetError if no test image shows both eyes, or if they are at one point in an image."""
    both = tested.visible[:, eyes].all(axis=1)
    if not both.any():
        raise DatasetError(
            f"{source}: no test image shows both eyes, so nothing scales an error; leave out --interocular"
        )
    apart = np.linalg.norm(tested.points[:, eyes[0]] - tested.points[:, eyes[1]], axis=1)
    if (both & (apart == 0)).any():
        row = int((both & (apart == 0)).argmax())
        refuse_entry(source, tested.places[row], "both eyes at one point", "some distance between them", "correct it")


def size_of(labels: Labels, row: int, looks: dict[Path, Look]) -> tuple[int, int] | None:
    """The (width, height) of the image that a row was labelled on, None if unknown."""
    header = looks.get(labels.files[row])
    return labels.stated[row] or (header.upright if header else None)


def _fits(labels: Labels, row: int, looks: dict[Path, Look], unreadable: dict[Path, str], left_out: LeftOut) -> bool:
    """Whether a row has a visible keypoint (if the data has any), and a readable image of the stated size."""
    where, path, stated = labels.places[row], labels.files[row], labels.stated[row]
    if labels.points.shape[1] and not labels.visible[row].any():
        left_out.add("labels whose keypoints are all missing", where)
        return False
    fits = False
    with left_out.broken():
        header = looks.get(path)
        if path in unreadable:
            raise DatasetError(f"{where}: {unreadable[path]}")
        if header and stated and stated not in (header.stored, header.upright):
            width, height = header.upright
            turned = f", turned by its EXIF orientation {header.orientation}" if header.orientation != 1 else ""
            got, expected = f"{width} x {height} pixels{turned}", f"the stated {stated[0]} x {stated[1]}"
            refuse_entry(path, where, got, expected, "take the annotated image")
        fits = True
    return fits


def _near(
    source: Path,
    labels: Labels,
    rows: Sequence[int],
    looks: dict[Path, Look],
    left_out: LeftOut,
    frame: Callable[[Labels, int, Look | None], Crop],
) -> list[int]:
    """The rows whose keypoints and box are near their image, or whose image's size is unknown."""
    known = [row for row in rows if size_of(labels, row, looks)]
    landmarks, boxes = within(labels.only(known), [frame(labels, row, looks.get(labels.files[row])) for row in known])
    far = np.any((landmarks < FARTHEST[0]) | (landmarks > FARTHEST[1]), axis=(1, 2)).tolist()
    apart = [False] * len(known)
    if boxes is not None:
        apart = np.any((boxes[:, :2] >= 1) | (boxes[:, :2] + boxes[:, 2:] <= 0), axis=1).tolist()
    bad = {row for row, is_far, is_apart in zip(known, far, apart, strict=True) if is_far or is_apart}
    for row in sorted(bad):
        with left_out.broken():
            _refuse_far(source, labels, row, size_of(labels, row, looks) or (0, 0))
    return [row for row in rows if row not in bad]


def _refuse_far(source: Path, labels: Labels, row: int, size: tuple[int, int]) -> None:
    points = labels.points[row][labels.visible[row]]
    farthest = points[np.abs(points - np.array(size) / 2).max(axis=1).argmax()]
    box = "" if labels.boxes is None else f", with the box {labels.boxes[row].tolist()}"
    got = f"a keypoint at ({farthest[0]:g}, {farthest[1]:g}){box}"
    refuse_entry(source, labels.places[row], got, f"both in its image of {size[0]} x {size[1]} pixels or near it", "")


def within(labels: Labels, crops: Sequence[Crop]) -> tuple[Floats, Floats | None]:
    """Landmarks (N, L, 2) and boxes (N, 4) in sides of square crops; invisible landmarks are (0.5, 0.5)."""
    corners = np.array([(crop.left, crop.top) for crop in crops], dtype=np.float64).reshape(-1, 2)
    sides = np.array([crop.width for crop in crops], dtype=np.float64)[:, None]
    landmarks = (labels.points + 0.5 - corners[:, None]) / sides[:, None]
    boxes = labels.boxes
    if boxes is not None:
        boxes = np.concatenate([boxes[:, :2] - corners, boxes[:, 2:]], axis=1) / sides
    return np.where(labels.visible[..., None], landmarks, 0.5), boxes
