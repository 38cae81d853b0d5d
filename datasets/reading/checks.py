"""Checks of custom data of every format.

Are the coordinates pixels, and x before y? Which labels stand for a missing one? How is each image turned? Which
entries are unusable? A certain mistake is a DatasetError; an unusable entry is left out and counted; anything else that
affects the numbers is a remark.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from datasets.base import DatasetError
from datasets.photos import Crop, Look
from datasets.reading.image_files import look_at, remarks_on_turned
from datasets.reading.table import FARTHEST
from datasets.text import refuse_entry

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Sizes = Sequence[tuple[int, int] | None]

FRACTIONS, NEARLY_ALL = 2.0, 0.95  # if more than this share of coordinates is at most FRACTIONS, they are no pixels
PERCENT, LARGE = 100.0, 300  # coordinates of at most PERCENT, in images with all sides above LARGE, may be percent
SURE = 10  # fewest visible keypoints or boxes for checks of their order
EDGE = 1.0  # pixels by which a keypoint may lie outside its image


@dataclass(frozen=True)
class Labels:
    """N labelled objects or frames in pixels of their images; pixel i is i, boxes are distances from the edges.

    ``names`` are those of the images, ``places`` say where each row is written, ``files`` are the images, ``points``
    (N, L, 2) and ``boxes`` (N, 4; x, y, width, height) are in pixels of the image, ``stated`` the (width, height) that
    the annotations give, None where they give none.
    """

    ids: tuple[str, ...]
    names: tuple[str, ...]
    places: tuple[str, ...]
    files: tuple[Path, ...]
    points: Floats
    visible: NDArray[np.bool_]
    boxes: Floats | None
    stated: tuple[tuple[int, int] | None, ...]

    def only(self, rows: Sequence[int]) -> Labels:
        """The labels of these rows."""
        keep = np.array(rows, dtype=np.intp)
        return Labels(
            ids=tuple(self.ids[row] for row in rows),
            names=tuple(self.names[row] for row in rows),
            places=tuple(self.places[row] for row in rows),
            files=tuple(self.files[row] for row in rows),
            points=self.points[keep],
            visible=self.visible[keep],
            boxes=None if self.boxes is None else self.boxes[keep],
            stated=tuple(self.stated[row] for row in rows),
        )


class LeftOut:
    """Counts what is left out of a file or folder, by reason; ``noun`` names its entries in the plural."""

    def __init__(self, source: Path, noun: str) -> None:
        self._source = source
        self._noun = noun
        self._reasons: dict[str, list[str]] = {}
        self._broken: list[str] = []

    def add(self, reason: str, which: str) -> None:
        """Count one more of a reason such as 'crowds'."""
        self._reasons.setdefault(reason, []).append(which)

    @contextmanager
    def broken(self) -> Iterator[None]:
        """Count an entry that a DatasetError is raised for."""
        try:
            yield
        except DatasetError as error:
            self._broken.append(str(error))

    def check(self, used: int) -> None:
        """Raise DatasetError with the first broken entry if at least half of the entries are broken."""
        if self._broken and len(self._broken) >= used:
            more = len(self._broken) - 1
            raise DatasetError(self._broken[0] + (f" (and {more} more of the {self._noun})" if more else ""))

    def remarks(self) -> tuple[str, ...]:
        """One for each reason, with the first entry that was left out for it."""
        found = [f"left out: {reason}: {len(which)} (first {which[0]})" for reason, which in self._reasons.items()]
        if self._broken:
            first = self._broken[0].removeprefix(f"{self._source}, ")
            found.append(f"left out: {self._noun} that cannot be used: {len(self._broken)} (first {first})")
        return tuple(found)


def refuse_fractions(source: Path, points: Floats, boxes: Floats | None) -> None:
    """Raise DatasetError if visible keypoints (P, 2), or boxes, are fractions of the image."""
    for what, values in (("keypoints", points), ("boxes", np.zeros((0, 2)) if boxes is None else boxes)):
        small = values[np.abs(values) <= FRACTIONS]
        if len(small) > NEARLY_ALL * values.size:
            raise DatasetError(
                f"{source}: its {what} run from {small.min():.4g} to {small.max():.4g}, which are fractions of the "
                "image; expected pixels: multiply x by the image's width and y by its height"
            )


def hide_stand_ins(points: Floats, visible: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], tuple[str, ...]]:
    """Mask (N, L) of the labelled keypoints: those at (0, 0), (-1, -1) and the like count as missing. Also remarks."""
    stands = visible & (points[..., 0] == points[..., 1]) & (points[..., 0] <= 0)
    remarks = []
    for value in np.unique(points[stands]):
        count = int((stands & (points[..., 0] == value)).sum())
        remarks.append(
            f"labelled keypoints exactly on ({value:g}, {value:g}): {count} of {int(visible.sum())}; they count as "
            "missing (move one that is really there by 0.1 pixels)"
        )
    return visible & ~stands, tuple(remarks)


def check_order(source: Path, labels: Labels, sizes: Sizes) -> tuple[str, ...]:
    """Check that x stands before y and boxes are x, y, width, height, by the known ``sizes`` of images.

    Raises DatasetError if many do not fit and nearly all would fit in the other order; returns remarks on percent and
    on keypoints outside the images.
    """
    known = [row for row, size in enumerate(sizes) if size]
    size = np.array([sizes[row] for row in known], dtype=np.float64).reshape(-1, 2)
    points, visible = labels.points[known], labels.visible[known]
    if labels.boxes is not None:
        _refuse_corners(source, labels.boxes[known], size)
        _refuse_swapped(source, labels.points, labels.visible, labels.boxes[:, None, :2], labels.boxes[:, None, 2:])
    else:
        _refuse_swapped(source, points, visible, np.zeros((len(known), 1, 2)), size[:, None] - 1)
    outside = (((points < -EDGE - 0.5) | (points > size[:, None] + EDGE - 0.5)).any(axis=2) & visible).sum()
    if outside * 2 > visible.sum():
        raise DatasetError(
            f"{source}: {outside} of {visible.sum()} labelled keypoints lie outside their images, such as that of "
            f"{size[0, 0]:g} x {size[0, 1]:g} pixels of '{labels.names[known[0]]}'; take the images in the size in "
            "which they were labelled"
        )
    remarks = [f"labelled keypoints outside their images: {outside} of {visible.sum()}"] * bool(outside)
    found = points[visible]
    if len(found) >= SURE and 0 <= found.min() <= found.max() <= PERCENT and size.min() > LARGE:
        remarks.append(
            f"all keypoints lie between 0 and {found.max():g}, in images of {size.min():g} pixels and more: if they "
            "are percent of the image, make pixels of them"
        )
    return tuple(remarks)


def _refuse_corners(source: Path, boxes: Floats, size: Floats) -> None:
    corner, side = boxes[:, :2], boxes[:, 2:]
    beyond = (corner + side > size + EDGE).any(axis=1)
    would_fit = (side > corner).all(axis=1) & (side <= size + EDGE).all(axis=1)
    if len(boxes) >= SURE and beyond.mean() > 0.5 and would_fit.mean() > 0.95:
        raise DatasetError(
            f"{source}: {beyond.sum()} of {len(boxes)} boxes reach beyond their images, and would fit as x1, y1, x2, "
            "y2; expected x, y, width, height"
        )


def _refuse_swapped(source: Path, points: Floats, visible: NDArray[np.bool_], corner: Floats, side: Floats) -> None:
    def fit(found: Floats) -> float:
        return float((((found >= corner - EDGE) & (found <= corner + side + EDGE)).all(axis=2) & visible).sum()) / count

    count = int(visible.sum())
    if count >= SURE and fit(points) < 0.9 and fit(points[..., ::-1]) > 0.99:
        raise DatasetError(
            f"{source}: {1 - fit(points):.0%} of the labelled keypoints lie outside their boxes or images, and none "
            "would with x and y exchanged; expected x before y"
        )


def check_labels(
    source: Path, labels: Labels, left_out: LeftOut, frame: Callable[[Labels, int, Look | None], Crop]
) -> tuple[Labels, dict[Path, Look], tuple[str, ...]]:
    """Run all checks of labels; returns the usable labels, the headers of existing images, and the remarks.

    ``frame`` returns the crop of a row's image. Raises DatasetError if labels are certainly wrong or most are unusable.
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
    remarks = (*missing, *check_order(source, labels, sizes), *remarks_on_turned(labels.files, labels.stated, looks))
    return labels, looks, (*left_out.remarks(), *remarks)


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
