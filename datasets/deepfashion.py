"""DeepFashion, in-shop clothes: whole persons before a plain wall, with the 17 joints that AlphaPose found.

Layout, under ``<data root>/deepfashion``: ``data_train.csv`` and ``.json``, ``data_test.csv`` and ``.json`` (the
selection of Lorenz et al. as theRealSuperMario publishes it: row i of the csv and entry i of the json are of one
image), and the images of DeepFashion's ``Img/img.zip``, each 256 x 256, in ``img/``.

Joints are pixels (x, y) of the 256 x 256 image; they are divided by 256 without a shift, as the loader that Stable
Keypoints released does. They may lie outside the image. All count as visible: the selection holds images in which
AlphaPose was confident of every joint.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property, partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from datasets.base import DatasetCard, DatasetError, Split
from datasets.reading.table import Table, TableDataset
from datasets.text import read_json, read_lines, refuse, refuse_entry

SIDE = 256
JOINTS = (
    *("nose", "left eye", "right eye", "left ear", "right ear", "left shoulder", "right shoulder"),
    *("left elbow", "right elbow", "left wrist", "right wrist", "left hip", "right hip"),
    *("left knee", "right knee", "left ankle", "right ankle"),
)
CARD = DatasetCard(
    id="deepfashion",
    title="DeepFashion in-shop, whole persons with AlphaPose joints",
    landmark_names=JOINTS,
    protocols=("deepfashion",),
    left_right_pairs=((1, 2), (3, 4), (5, 6), (7, 8), (9, 10), (11, 12), (13, 14), (15, 16)),
    counts={"fit": 10604, "regress": 10604, "test": 1179},
    licence="non-commercial research only (DeepFashion's agreement); the images belong to their owners",
    citation="Liu, Luo, Qiu, Wang, Tang: DeepFashion: Powering Robust Clothes Recognition and Retrieval with Rich "
    "Annotations. CVPR 2016; selection and joints: Lorenz, Bereska, Milbich, Ommer: Unsupervised Part-Based "
    "Disentangling of Object Shape and Appearance. CVPR 2019",
    how_to_get="get custom_datasets/deepfashion/data_{train,test}.{csv,json} of "
    "https://github.com/theRealSuperMario/unsupervised-disentangling (branch reproducing_baselines) into deepfashion "
    "under the data root (--data-root or KEYPOINTS_DATA_ROOT), and unpack Img/img.zip of the In-shop Clothes Retrieval "
    "Benchmark (https://mmlab.ie.cuhk.edu.hk/projects/DeepFashion.html, on request) there",
    preprocessing=f"images as they are; joints: pixels / {SIDE}, no shift",
    tree="deepfashion/data_train.csv\n"
    "deepfashion/data_train.json\n"
    "deepfashion/data_test.csv\n"
    "deepfashion/data_test.json\n"
    "deepfashion/img/WOMEN/Dresses/id_00000002/02_1_front.jpg ... (or deepfashion/img/img/WOMEN/...)",
    digests={"test": "e29d0b8fccc0885580823d7715080c79701e145ba6229c5d7215a72abd59dfa0"},
    remarks=(
        "the split was drawn over images: 633 of the 1,056 item folders with test images have train images too, so "
        "much of the test shows clothes and persons that were trained on",
        "landmarks are AlphaPose's detections, not people's; they may lie outside the image",
        "groups are the files' person_id, which is the number of the item's folder: 1,055 in the test images; "
        "whether one person wears several items is not told",
        "Stable Keypoints normalises these images to [-1, 1] twice over; here they are given in [0, 1]",
        "the mean pose of the test images alone gets 28.3 % of joints within 6 pixels of 256",
    ),
)


class DeepFashion(TableDataset):
    """The train images, to learn on and to regress on, and the test images.

    An id is the image's path under ``img/``; its group is the person, whose number is that of an item.
    """

    def __init__(self, card: DatasetCard, root: Path | None = None) -> None:
        super().__init__(root)
        self.card = card

    @property
    def folder(self) -> Path:
        """The folder of lists, joints and images."""
        return Path(self.root or "") / "deepfashion"

    def annotation_files(self, name: Split) -> Iterable[Path]:
        """List and joints of a split."""
        part = "test" if name == "test" else "train"
        return (self.folder / f"data_{part}.csv", self.folder / f"data_{part}.json")

    def image_folders(self) -> Iterable[Path]:
        """The one folder that holds all images."""
        return (self._images,)

    def path(self, image_id: str) -> Path:
        """The file of an image."""
        return self._images / image_id

    def expected_size(self, image_id: str) -> tuple[int, int]:
        """The size of the image whose pixels the joints count."""
        return SIDE, SIDE

    def read(self, name: Split) -> Table:
        """The images of a split in the order of its list."""
        if name == "fit":
            return self.table("regress")
        listed, annotated = self.annotation_files(name)
        ids = _read_list(listed)
        entries = _read_entries(annotated)
        if len(entries) != len(ids):
            raise DatasetError(
                f"{annotated}: {len(entries)} entries for the {len(ids)} rows of {listed}, expected as many; get both "
                "files again"
            )
        rows = [_entry(annotated, row, *pair) for row, pair in enumerate(zip(ids, entries, strict=True), start=1)]
        pixels = np.array([joints for joints, _ in rows]).reshape(-1, len(JOINTS), 2)
        groups = tuple(f"person {person}" for _, person in rows)
        return Table(ids, pixels / SIDE, np.ones(pixels.shape[:2], dtype=bool), groups)

    @cached_property
    def _images(self) -> Path:
        """``img``, or ``img/img`` if the archive was unpacked inside it."""
        folder = self.folder / "img"
        return folder / "img" if (folder / "img").is_dir() else folder


def _read_list(path: Path) -> tuple[str, ...]:
    """The images of a csv file 'id,filename' in its order. Raises DatasetError naming file and line."""
    lines = read_lines(path)
    if lines[:1] != ["id,filename"]:
        refuse(path, 1, "".join(lines[:1]), "the heading 'id,filename'")
    seen: dict[str, int] = {}
    names: list[str] = []
    for number, line in enumerate(lines[1:], start=2):
        if not line.strip():
            continue
        key, _, name = line.partition(",")
        if not key.isdecimal():
            refuse(path, number, line, "a whole number, a comma and a file name")
        parts = PurePosixPath(name).parts
        if len(parts) < 2 or "/".join(parts) != name or ".." in parts:
            refuse(path, number, line, "the path of an image under img/, in the folder of its item")
        for unique in (f"id {key}", f"image {name}"):
            if unique in seen:
                refuse(path, number, line, f"an id and an image of its own ({unique} is on line {seen[unique]})")
            seen[unique] = number
        names.append(name)
    return tuple(names)


def _read_entries(path: Path) -> list[Any]:
    entries = read_json(path, "a list of entries; get the file again")
    if not isinstance(entries, list):
        raise DatasetError(f"{path}: got a {type(entries).__name__}, expected a list of entries; get the file again")
    return entries


def _entry(path: Path, row: int, image_id: str, entry: Any) -> tuple[Any, int]:
    """Joints (17, 2) in pixels and person of an entry. Raises DatasetError, naming both, if it is of another image."""
    where = f"entry {row}"
    for key in ("image_path", "keypoints", "person_id"):
        if not isinstance(entry, dict) or key not in entry:
            refuse_entry(path, where, "no such key", f"a key '{key}'")
    if entry["image_path"] != image_id:
        got = f"image_path {entry['image_path']!a:.80}"
        refuse_entry(path, where, got, f"'{image_id}' as in this row of the csv file")
    if type(entry["person_id"]) is not int:
        refuse_entry(path, where, f"person_id {entry['person_id']!a:.80}", "a whole number")
    try:
        joints = np.array(entry["keypoints"], dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        joints = np.empty(0)
    if joints.shape != (len(JOINTS), 2) or not np.isfinite(joints).all():
        shown = str(joints.shape) if joints.size else "something else"
        refuse_entry(path, where, f"keypoints of {shown} for '{image_id}'", f"({len(JOINTS)}, 2) finite numbers")
    return joints, entry["person_id"]


DEEPFASHION = partial(DeepFashion, CARD)
