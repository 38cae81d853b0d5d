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
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from datasets.base import DatasetError
from datasets.reading.coco_entries import (
    Category,
    Photo,
    as_id,
    box_entry,
    by_id,
    category_entry,
    keypoints_entry,
    known_id,
    photo_entry,
    read_document,
)
from datasets.reading.custom import CustomDataset, Found
from datasets.reading.labels import Labels, LeftOut
from datasets.reading.landmark_names import distinct_names
from datasets.reading.lookup import advice, find_files
from datasets.text import refuse_entry, shown

if TYPE_CHECKING:
    from numpy.typing import NDArray


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
        document = read_document(self.source)
        samples, remarks = _framed(_samples(self.source, document, left_out), left_out)
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
        several, videos = Counter(images), [sample.photo.video for sample in samples]
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
            videos=() if None in videos else tuple(map(str, videos)),
        )
        outside = sorted(name for name in several if name.startswith(("/", "../")))
        if outside:
            remarks += (f"images named by paths out of the json's folder: {len(outside)} (first {outside[0]})",)
        listed = (entry.get("file_name") for entry in document["images"] if isinstance(entry, dict))
        listed_names = tuple(posixpath.normpath(name) for name in listed if isinstance(name, str) and name)
        return Found(names, labels, left_out, remarks, listed_names)

    def how_to_find(self, name: str) -> str:
        """Advice for a missing image of this name."""
        return advice(name, self._folders())

    def _folders(self) -> tuple[Path, ...]:
        beside, stem = self.source.parent, self.source.stem
        return beside, beside / "images", beside / stem, beside.parent / stem.rpartition("_")[2]


def open_coco(path: str) -> Coco:
    """The dataset of a COCO-keypoints file; nothing is read yet."""
    return Coco(path)


def _samples(path: Path, document: dict[str, Any], left_out: LeftOut) -> list[Sample]:
    """The annotations with visible keypoints; others are counted."""
    images, categories = by_id(path, document, "images"), by_id(path, document, "categories")
    names = Counter(
        posixpath.normpath(str(entry.get("file_name"))) for entry in images.values() if entry.get("file_name")
    )
    if names and names.most_common(1)[0][1] > 1:
        refuse_entry(path, "images", shown(names.most_common(1)[0][0]), "each file_name once", "")
    samples, used, seen = [], set(), set()
    category_of = cache(lambda key: category_entry(path, key, categories[key]))
    photo_of = cache(lambda key: photo_entry(path, key, images[key]))
    for key, entry in by_id(path, document, "annotations", left_out).items():
        where = f"annotation {key}"
        if entry.get("iscrowd"):
            left_out.add("crowds", where)
        elif not entry.get("keypoints"):
            left_out.add("annotations without keypoints", where)
        else:
            used.add(as_id(entry.get("image_id")))
            with left_out.broken():
                category = category_of(known_id(path, f"{where}, category_id", entry.get("category_id"), categories))
                points = keypoints_entry(path, f"{where}, keypoints", entry["keypoints"], category)
                photo = photo_of(known_id(path, f"{where}, image_id", entry.get("image_id"), images))
                repeated = (photo, category, points.tobytes(), str(entry.get("bbox")))
                if repeated in seen:
                    left_out.add("annotations that repeat another of their image", where)
                elif (points[:, 2] > 0).any():
                    seen.add(repeated)
                    box = box_entry(path, f"{where}, bbox", entry.get("bbox"))
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
