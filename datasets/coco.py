"""Own data in COCO's keypoint format: one json beside its images, any category, any number of keypoints.

Every annotation with a keypoint of v > 0 is a sample of its own, cropped about its box; crowds (``iscrowd``) and
annotations without keypoints are left out. Images are looked for where ``file_name`` says, beside the json; then in
``images/`` and in a folder named like the json, and beside the json's folder, as COCO itself has them
(``annotations/person_keypoints_val2017.json``, ``val2017/``). They are turned upright as their EXIF orientation says,
and must have the width and height that the json states, where it does.

Keypoints count pixels from 0 (https://cocodataset.org/#format-data), so x is the pixel whose centre is ``x + 0.5``
from the image's left edge; the corners of boxes are distances from the edges.
"""

from __future__ import annotations

import json
import posixpath
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from datasets.base import DatasetError
from datasets.reading.custom import Contents, OwnDataset, distinct_names, refuse_entry, split_by
from datasets.reading.photos import MOST, Crop
from datasets.reading.table import Table

if TYPE_CHECKING:
    from numpy.typing import NDArray

PADDING = 0.1  # of the box's own side, on each side
MOST_PIXELS = 1 << 16
LARGEST = 1e9


class Category(NamedTuple):
    """An object category and the names of its keypoints."""

    name: str
    keypoints: tuple[str, ...]


class Photo(NamedTuple):
    """An image's name, without './' and the like, and its (width, height), where that is stated."""

    name: str
    size: tuple[int, int] | None


class Sample(NamedTuple):
    """One annotated object: its image, keypoints (L, 3) as x, y, v, and box (x, y, width, height) in pixels.

    ``boxed`` is False where the box is that of the visible keypoints.
    """

    photo: Photo
    annotation_id: str
    category: Category
    points: NDArray[np.float64]
    box: NDArray[np.float64]
    boxed: bool


class Coco(OwnDataset):
    """A COCO-keypoints json. An id is the image's ``file_name``, with # and the annotation's id where it has several.

    The group is the image; a fifth of the images is tested on.
    """

    prefix: ClassVar[str] = "coco"
    what: ClassVar[str] = "a COCO-keypoints json beside its images"
    has_boxes: ClassVar[bool] = True
    preprocessing: ClassVar[str] = (
        "upright by its EXIF orientation; "
        f"box padded by {PADDING:.0%} of its sides on each side, squared about its centre, whole pixels half to even; "
        "keypoints count pixels from 0, so half a pixel is added"
    )

    def load(self) -> Contents:
        """Read the json. Raises DatasetError for what is not in COCO's format, naming the entry."""
        samples = sorted(_samples(self.source), key=lambda sample: (sample.photo.name, sample.annotation_id))
        names = _keypoint_names(self.source, samples)
        groups = tuple(sample.photo.name for sample in samples)
        several = Counter(groups)
        crops = tuple(crop_about(sample.box) for sample in samples)
        corners = np.array([(crop.left, crop.top) for crop in crops], dtype=np.float64)
        sides = np.array([crop.width for crop in crops], dtype=np.float64)[:, None]
        points, boxes = np.stack([sample.points for sample in samples]), np.stack([sample.box for sample in samples])
        visible = points[..., 2] > 0
        landmarks = (points[..., :2] + 0.5 - corners[:, None]) / sides[:, None]
        table = Table(
            ids=tuple(
                name if several[name] == 1 else f"{name}#{sample.annotation_id}"
                for name, sample in zip(groups, samples, strict=True)
            ),
            landmarks=np.where(visible[..., None], landmarks, 0.5),
            visible=visible,
            groups=groups,
            boxes=np.concatenate([boxes[:, :2] - corners, boxes[:, 2:]], axis=1) / sides,
            crops=crops,
        )
        files = {name: self._find(name) for name in several}
        return Contents(
            landmark_names=names,
            table=table,
            files=tuple(files[name] for name in groups),
            rows=split_by(self.source, groups),
            remarks=_remarks(samples),
            sizes={
                image_id: sample.photo.size
                for image_id, sample in zip(table.ids, samples, strict=True)
                if sample.photo.size
            },
        )

    def _find(self, file_name: str) -> Path:
        """The file of an image; where it would lie beside the json, if it is nowhere."""
        beside, stem = self.source.parent, self.source.stem
        folders = (beside, beside / "images", beside / stem, beside.parent / stem.rpartition("_")[2])
        found = (folder / file_name for folder in folders if (folder / file_name).is_file())
        return next(found, beside / file_name)


def open_coco(path: str) -> Coco:
    """The dataset of a COCO-keypoints file; nothing is read yet."""
    return Coco(path)


def crop_about(box: NDArray[np.float64]) -> Crop:
    """The padded square about a box (x, y, width, height), in whole pixels."""
    x, y, width, height = box.tolist()
    side = max(1, round(max(width, height) * (1 + 2 * PADDING)))
    return Crop(round(x + width / 2 - side / 2), round(y + height / 2 - side / 2), side, side)


def _samples(path: Path) -> list[Sample]:
    document = _read(path)
    images = _by_id(path, document, "images")
    photos = {key: _photo(path, f"image {key}", entry) for key, entry in images.items()}
    names = Counter(photo.name for photo in photos.values())
    if len(names) < len(photos):
        refuse_entry(path, "images", names.most_common(1)[0][0], "each file_name once")
    categories = {key: _category(path, key, entry) for key, entry in _by_id(path, document, "categories").items()}
    samples = []
    for key, entry in _by_id(path, document, "annotations").items():
        where = f"annotation {key}"
        if entry.get("iscrowd") or not entry.get("keypoints"):
            continue
        category = _known(path, f"{where}, category_id", entry.get("category_id"), categories)
        points = _points(path, f"{where}, keypoints", entry["keypoints"], category)
        if (points[:, 2] > 0).any():
            photo = _known(path, f"{where}, image_id", entry.get("image_id"), photos)
            box, boxed = _box(path, f"{where}, bbox", entry.get("bbox"), points, photo.size)
            samples.append(Sample(photo, str(key), category, points, box, boxed))
    if not samples:
        raise DatasetError(f"{path}: no annotation has visible keypoints (v > 0); expected a COCO-keypoints json")
    return samples


def _read(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise DatasetError(f"cannot read {path}: {error}; expected a COCO-keypoints json") from error
    if not isinstance(document, dict):
        refuse_entry(path, "the file", type(document).__name__, "an object with images, annotations and categories")
    return document


def _by_id(path: Path, document: dict[str, Any], key: str) -> dict[int | str, dict[str, Any]]:
    """The entries of a list by their ids."""
    entries = document.get(key)
    if not isinstance(entries, list):
        refuse_entry(path, key, "no list" if entries is None else type(entries).__name__, "a list")
    found: dict[int | str, dict[str, Any]] = {}
    for index, entry in enumerate(entries):
        where = f"{key}[{index}]"
        if not isinstance(entry, dict):
            refuse_entry(path, where, entry, "an object")
        if not isinstance(entry.get("id"), int | str):
            refuse_entry(path, f"{where}, id", entry.get("id"), "a number or text")
        if entry["id"] in found:
            refuse_entry(path, f"{where}, id", entry["id"], f"an id that no other of {key} has")
        found[entry["id"]] = entry
    return found


def _category(path: Path, key: int | str, entry: dict[str, Any]) -> Category:
    names = entry.get("keypoints") or []
    if not isinstance(names, list):
        refuse_entry(path, f"category {key}, keypoints", names, "a list of names")
    return Category(str(entry.get("name", key)), tuple(map(str, names)))


def _remarks(samples: list[Sample]) -> tuple[str, ...]:
    """What is to be said of boxes that are not in the file."""
    count = sum(not sample.boxed for sample in samples)
    if not count:
        return ()
    return (
        f"{count} of {len(samples)} annotations have no box: theirs is the box of their visible keypoints, in the crop "
        "and where errors are divided by the box",
    )


def _keypoint_names(path: Path, samples: list[Sample]) -> tuple[str, ...]:
    """The names that the categories of all samples share."""
    first, *others = sorted({sample.category for sample in samples})
    for other in others:
        if other.keypoints != first.keypoints:
            raise DatasetError(
                f"{path}, categories: '{first.name}' and '{other.name}' have different keypoints, expected the same "
                "names in the same order; keep one of them in a file"
            )
    return distinct_names(path, f"category '{first.name}', keypoints", first.keypoints)


def _known(path: Path, where: str, key: Any, known: dict[int | str, Any]) -> Any:
    if not isinstance(key, int | str) or key not in known:
        refuse_entry(path, where, key, "an id that is in the file")
    return known[key]


def _photo(path: Path, where: str, entry: dict[str, Any]) -> Photo:
    name, stated = entry.get("file_name"), [entry.get("width"), entry.get("height")]
    if not isinstance(name, str) or not name:
        refuse_entry(path, f"{where}, file_name", name, "the name of a file")
    name = posixpath.normpath(name)
    if stated == [None, None]:
        return Photo(name, None)
    width, height = _numbers(path, f"{where}, width and height", stated, 2, "width, height").tolist()
    if min(width, height) < 1 or width % 1 or height % 1:
        refuse_entry(path, f"{where}, width and height", stated, "whole numbers above 0")
    return Photo(name, (int(width), int(height)))


def _points(path: Path, where: str, values: Any, category: Category) -> NDArray[np.float64]:
    """Keypoints (L, 3) as x, y, v."""
    count = len(category.keypoints)
    if not count:
        refuse_entry(path, where, f"{len(values)} values", f"none, as category '{category.name}' names no keypoints")
    numbers = _numbers(path, where, values, 3 * count, f"x, y, v for each of '{category.name}': {count} keypoints")
    points = numbers.reshape(count, 3)
    if not np.isin(points[:, 2], (0, 1, 2)).all():
        refuse_entry(path, where, f"v = {points[~np.isin(points[:, 2], (0, 1, 2)), 2][0]:g}", "v of 0, 1 or 2")
    return points


def _box(
    path: Path, where: str, stated: Any, points: NDArray[np.float64], size: tuple[int, int] | None
) -> tuple[NDArray[np.float64], bool]:
    """The box, and whether it is stated: one that is not, or has no area, is that of the visible keypoints' pixels."""
    box = np.zeros(4) if stated in (None, []) else _numbers(path, where, stated, 4, "x, y, width, height")
    boxed = bool(min(box[2:]) != 0)
    if not boxed:
        visible = points[points[:, 2] > 0, :2]
        extent = np.ptp(visible, axis=0)
        if not extent.any():
            refuse_entry(path, where, stated, "width and height above 0, or two visible keypoints to draw a box about")
        box = np.concatenate([visible.min(axis=0), extent + 1])
    if min(box[2:]) <= 0 or np.abs(box).max() > MOST_PIXELS:
        refuse_entry(path, where, box.tolist(), f"width and height above 0, all within {MOST_PIXELS} pixels")
    if size is not None and not crop_about(box).covers(size):
        expected = f"one that meets the image of {size[0]} x {size[1]} pixels and is at most {MOST} times as long"
        refuse_entry(path, where, box.tolist(), expected)
    return box, boxed


def _numbers(path: Path, where: str, values: Any, count: int, meaning: str) -> NDArray[np.float64]:
    if not isinstance(values, list) or len(values) != count:
        got = f"{len(values)} values" if isinstance(values, list) else values
        refuse_entry(path, where, got, f"{count} numbers ({meaning})")
    wrong = [value for value in values if type(value) not in (int, float) or not -LARGEST < value < LARGEST]
    if wrong:
        refuse_entry(path, where, wrong[0], f"numbers below {LARGEST:g}")
    return np.array(values, dtype=np.float64)
