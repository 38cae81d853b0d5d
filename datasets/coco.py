"""Custom data in COCO's keypoint format: one json beside its images, any category, any number of keypoints.

Every annotation with a keypoint of v > 0 is a sample. If most samples have a box, each is cropped to a square about its
box, and samples without a box are left out; else whole images are used, and images with several objects are left out.
Crowds (``iscrowd``), annotations without keypoints and annotations that cannot be read are left out too; remarks count
them. An image is searched at ``file_name`` beside the json; then in ``images/`` and in a folder named like the json,
and beside the json's folder, as in COCO's own layout (``annotations/person_keypoints_val2017.json``, ``val2017/``).
They are turned upright as their EXIF orientation says, unless the json states the width and height of the stored
pixels; they must have the size that it states, if it states one.

Keypoints count pixels from 0 (https://cocodataset.org/#format-data), so x is the pixel whose centre is ``x + 0.5`` from
the image's left edge; the corners of boxes are distances from the edges.
"""

from __future__ import annotations

import posixpath
from collections import Counter
from contextlib import nullcontext
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from datasets import limits
from datasets.base import DatasetError
from datasets.reading.custom import CustomDataset, Found, distinct_names
from datasets.reading.lookup import advice, find_files
from datasets.reading.questions import Labels, LeftOut
from datasets.text import read_json, refuse_entry, shown

if TYPE_CHECKING:
    from numpy.typing import NDArray

LARGEST = 1e9
Key = int | str
Entries = dict[Key, dict[str, Any]]


class Category(NamedTuple):
    """An object category and the names of its keypoints."""

    name: str
    keypoints: tuple[str, ...]


class Photo(NamedTuple):
    """An image's normalised name, and its (width, height) or None if the json does not state it."""

    name: str
    size: tuple[int, int] | None


class Sample(NamedTuple):
    """One annotated object: its image, keypoints (L, 3) as x, y, v, and box (x, y, width, height) in pixels, if any."""

    photo: Photo
    annotation_id: str
    category: Category
    points: NDArray[np.float64]
    box: NDArray[np.float64] | None


class Coco(CustomDataset):
    """A COCO-keypoints json. An id is the ``file_name``, with # and the annotation's id where an image has several."""

    prefix: ClassVar[str] = "coco"
    what: ClassVar[str] = "a COCO-keypoints json beside its images"

    def find(self) -> Found:
        """Read the json. Raises DatasetError, naming the entry, if it is not in COCO's format."""
        left_out = LeftOut(self.source, "annotations")
        samples, remarks = _framed(_samples(self.source, left_out), left_out)
        left_out.check(len(samples))
        if not samples:
            found = "; ".join(left_out.remarks()) or "there are none"
            raise DatasetError(
                f"{self.source}: no annotation has visible keypoints (v > 0) that can be used ({found}); expected a "
                "COCO-keypoints json"
            )
        samples.sort(key=lambda sample: (sample.photo.name, sample.annotation_id))
        names, points = _keypoints(self.source, samples)
        images = tuple(sample.photo.name for sample in samples)
        several = Counter(images)
        files = find_files(several, self._folders())
        labels = Labels(
            ids=tuple(
                name if several[name] == 1 else f"{name}#{sample.annotation_id}"
                for name, sample in zip(images, samples, strict=True)
            ),
            names=images,
            places=tuple(f"annotation {sample.annotation_id}" for sample in samples),
            files=tuple(files[name] for name in images),
            points=points[..., :2],
            visible=points[..., 2] > 0,
            boxes=None if samples[0].box is None else np.array([sample.box for sample in samples]),
            stated=tuple(sample.photo.size for sample in samples),
        )
        outside = sorted(name for name in several if name.startswith(("/", "../")))
        if outside:
            remarks += (f"images named by paths out of the json's folder: {len(outside)} (first {outside[0]})",)
        return Found(names, labels, left_out, remarks)

    def how_to_find(self, name: str) -> str:
        """Advice for a missing image of this name."""
        return advice(name, self._folders())

    def _folders(self) -> tuple[Path, ...]:
        beside, stem = self.source.parent, self.source.stem
        return beside, beside / "images", beside / stem, beside.parent / stem.rpartition("_")[2]


def open_coco(path: str) -> Coco:
    """The dataset of a COCO-keypoints file; nothing is read yet."""
    return Coco(path)


def _samples(path: Path, left_out: LeftOut) -> list[Sample]:
    """The annotations with visible keypoints; others are counted."""
    document = _read(path)
    images, categories = _by_id(path, document, "images"), _by_id(path, document, "categories")
    names = Counter(
        posixpath.normpath(str(entry.get("file_name"))) for entry in images.values() if entry.get("file_name")
    )
    if names and names.most_common(1)[0][1] > 1:
        refuse_entry(path, "images", shown(names.most_common(1)[0][0]), "each file_name once", "")
    samples, used = [], set()
    category_of = cache(lambda key: _category(path, key, categories[key]))
    photo_of = cache(lambda key: _photo(path, key, images[key]))
    for key, entry in _by_id(path, document, "annotations", left_out).items():
        where = f"annotation {key}"
        if entry.get("iscrowd"):
            left_out.add("crowds", where)
        elif not entry.get("keypoints"):
            left_out.add("annotations without keypoints", where)
        else:
            used.add(_as_id(entry.get("image_id")))
            with left_out.broken():
                category = category_of(_known(path, f"{where}, category_id", entry.get("category_id"), categories))
                points = _points(path, f"{where}, keypoints", entry["keypoints"], category)
                photo = photo_of(_known(path, f"{where}, image_id", entry.get("image_id"), images))
                if (points[:, 2] > 0).any():
                    box = _box(path, f"{where}, bbox", entry.get("bbox"))
                    samples.append(Sample(photo, str(key), category, points, box))
                else:
                    left_out.add("annotations without visible keypoints", where)
    for key in images.keys() - used:
        left_out.add("images without annotated keypoints", f"image {key}")
    return samples


def _framed(samples: list[Sample], left_out: LeftOut) -> tuple[list[Sample], tuple[str, ...]]:
    """The samples that are used, either all cropped to their boxes or all with whole images."""
    boxed = [sample for sample in samples if sample.box is not None]
    if len(boxed) * 2 > len(samples):
        for sample in samples:
            if sample.box is None:
                left_out.add("annotations without a box that has a size", f"annotation {sample.annotation_id}")
        return boxed, ()
    several = Counter(sample.photo.name for sample in samples)
    for sample in samples:
        if several[sample.photo.name] > 1:
            reason = "annotations of images with several objects, which need boxes to be told apart"
            left_out.add(reason, f"annotation {sample.annotation_id}")
    found = [sample._replace(box=None) for sample in samples if several[sample.photo.name] == 1]
    remark = f"{len(boxed)} of {len(samples)} annotations have a box: too few, so boxes are not used"
    return found, (remark,) if boxed else ()


def _read(path: Path) -> dict[str, Any]:
    if path.is_dir():
        there = ", ".join(sorted(file.name for file in path.glob("*.json"))[:4]) or "there is none"
        raise DatasetError(f"{path} is a folder, expected a COCO-keypoints json; name the json in it ({there})")
    document = read_json(path, "a COCO-keypoints json")
    if not isinstance(document, dict):
        got, expected = f"a {type(document).__name__}", "an object with images, annotations and categories"
        refuse_entry(path, "the file", got, expected, "")
    return document


def _as_id(value: Any) -> Any:
    """A valid id, with a whole float as integer; None for any other value."""
    if type(value) is float and value.is_integer():
        return int(value)
    return value if type(value) in (int, str) else None


def _by_id(path: Path, document: dict[str, Any], key: str, left_out: LeftOut | None = None) -> Entries:
    """The entries of a list by id; an entry without an id is refused, or counted as broken if ``left_out`` is given."""
    entries = document.get(key)
    if not isinstance(entries, list):
        refuse_entry(path, key, shown(entries), "a list", "")
    found: Entries = {}
    for index, entry in enumerate(entries):
        where = f"{key}[{index}]"
        with left_out.broken() if left_out else nullcontext():
            if not isinstance(entry, dict):
                refuse_entry(path, where, shown(entry), "an object", "")
            number = _as_id(entry.get("id"))
            if number is None:
                refuse_entry(path, f"{where}, id", shown(entry.get("id")), "a whole number or text", "")
            if number in found:
                refuse_entry(path, f"{where}, id", shown(number), f"an id that no other of {key} has", "")
            found[number] = entry
    return found


def _known(path: Path, where: str, value: Any, known: Entries) -> Key:
    """The id of an existing entry. Raises DatasetError for any other value."""
    key = _as_id(value)
    if key is None or key not in known:
        kinds = sorted({"numbers" if isinstance(each, int) else "text" for each in known})
        there = (
            f"one of the {len(known)} ids there are, which are {' and '.join(kinds)}"
            if known
            else "none, as there is no id"
        )
        refuse_entry(path, where, shown(value), there, "")
    return key


def _category(path: Path, key: Key, entry: dict[str, Any]) -> Category:
    names = entry.get("keypoints") or []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        refuse_entry(path, f"category {key}, keypoints", shown(names), "a list of names", "")
    return Category(str(entry.get("name", key)), tuple(names))


def _keypoints(path: Path, samples: list[Sample]) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """The names that the categories of all samples share, and keypoints (N, L, 3) in their order."""
    first, *others = sorted({sample.category for sample in samples})
    names = distinct_names(path, f"category '{first.name}', keypoints", first.keypoints)
    for other in others:
        if sorted(other.keypoints) != sorted(names):
            raise DatasetError(
                f"{path}, categories: '{first.name}' and '{other.name}' have different keypoints, expected the same "
                "names; keep one of them in a file"
            )
    columns = {category: [category.keypoints.index(name) for name in names] for category in (first, *others)}
    return names, np.stack([sample.points[columns[sample.category]] for sample in samples])


def _photo(path: Path, key: Key, entry: dict[str, Any]) -> Photo:
    where = f"image {key}"
    name, stated = entry.get("file_name"), [entry.get("width"), entry.get("height")]
    if isinstance(name, str) and len(name) > limits.NAME:
        refuse_entry(path, f"{where}, file_name", f"{len(name)} characters", f"at most {limits.NAME}", "")
    if not isinstance(name, str) or not name:
        refuse_entry(path, f"{where}, file_name", shown(name), "the name of a file", "")
    name = posixpath.normpath(name)
    if stated == [None, None]:
        return Photo(name, None)
    width, height = _numbers(path, f"{where}, width and height", stated, 2, "width, height").tolist()
    if min(width, height) < 1 or width % 1 or height % 1:
        refuse_entry(path, f"{where}, width and height", shown(stated), "whole numbers above 0", "")
    return Photo(name, (int(width), int(height)))


def _points(path: Path, where: str, values: Any, category: Category) -> NDArray[np.float64]:
    """Keypoints (L, 3) as x, y, v."""
    count = len(category.keypoints)
    if not count:
        got = f"{len(values)} values" if isinstance(values, list) else shown(values)
        refuse_entry(path, where, got, f"none, as category '{category.name}' names no keypoints", "")
    numbers = _numbers(path, where, values, 3 * count, f"x, y, v for each of '{category.name}': {count} keypoints")
    wrong = [v for v in values[2::3] if v not in (0, 1, 2)]
    if wrong:
        refuse_entry(path, where, f"v = {wrong[0]:g}", "v of 0, 1 or 2", "")
    return numbers.reshape(count, 3)


def _box(path: Path, where: str, stated: Any) -> NDArray[np.float64] | None:
    """The box; None if it is missing or has no area."""
    if stated in (None, []):
        return None
    box = _numbers(path, where, stated, 4, "x, y, width, height")
    if min(box[2:]) < 0:
        refuse_entry(path, where, shown(stated), "width and height of at least 0", "")
    return box if min(box[2:]) > 0 else None


def _numbers(path: Path, where: str, values: Any, count: int, meaning: str) -> NDArray[np.float64]:
    if not isinstance(values, list) or len(values) != count:
        got = f"{len(values)} values" if isinstance(values, list) else shown(values)
        refuse_entry(path, where, got, f"{count} numbers ({meaning})", "")
    wrong = [value for value in values if type(value) not in (int, float) or not -LARGEST < value < LARGEST]
    if wrong:
        refuse_entry(path, where, shown(wrong[0]), f"numbers below {LARGEST:g}", "")
    return np.array(values, dtype=np.float64)
