"""Human3.6M as Zhang et al. prepared it: crops of 128 x 128 pixels about one person, the person's mask, 32 joints.

Layout (as unpacked), under ``<data root>/human_images``: ``S1/WithBackground/Directions 1.54138969/1.jpg``, the mask
``S1/BackgroudMask/.../1.png`` (spelt so), and ``S1/Landmarks/.../1.mat`` with the variable ``keypoints_2d``: (32, 2),
(y, x) as fractions of the image. A folder's name has an action, the take if there are two, and a camera.

Splits (Zhang et al. 2018, as Stable Keypoints loads them): subjects 1, 5, 6, 7, 8, 9 to fit, 11 to test, six actions.
The name of a folder begins with its action; ``WalkingDog`` is not ``Walking``. The released evaluation regresses on at
most 50,000 fit images, sampled anew in each run; here the sample is fixed.

The archive holds 884,623 images, so only their ids are kept in memory. A file of landmarks is read on demand;
``python -m benchmarks data verify human36m`` checks that all can be read.
"""

from __future__ import annotations

import hashlib
import heapq
import json
import os
import re
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from datasets.base import Annotation, DatasetCard, DatasetError, KeypointDataset, Split
from datasets.photos import RESAMPLING, read_photo, square
from datasets.reading.matlab import check_matlab

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LEG = ("hip", "knee", "ankle", "ball", "toes")
_ARM = ("shoulder", "elbow", "wrist", "wrist (2)", "thumb", "little finger", "little finger (2)")
JOINTS = (
    *("pelvis", *(f"right {joint}" for joint in _LEG), *(f"left {joint}" for joint in _LEG)),
    *("pelvis (2)", "spine", "neck", "head centre", "head top"),
    *("neck (2)", *(f"left {joint}" for joint in _ARM), "neck (3)", *(f"right {joint}" for joint in _ARM)),
)
PAIRS = (*((right, right + 5) for right in range(1, 6)), *((left, left + 8) for left in range(16, 24)))
FIT_SUBJECTS = ("S1", "S5", "S6", "S7", "S8", "S9")
TEST_SUBJECTS = ("S11",)
ACTION = re.compile(r"(Directions|Discussion|Posing|Waiting|Greeting|Walking)(?![A-Za-z])")
REGRESS = 50_000
LICENCE = "academic use only, under the licence agreement of Human3.6M (http://vision.imar.ro/human3.6m); no copies"
CITATION = (
    "Ionescu, Papava, Olaru, Sminchisescu: Human3.6M: Large Scale Datasets and Predictive Methods for 3D Human "
    "Sensing in Natural Environments. IEEE TPAMI 36(7), 2014"
)
REMARKS = (
    "joints 11, 16, 20, 23, 24, 28 and 31 repeat 0, 13, 19, 22, 13, 27 and 30, and so count twice or thrice in a mean",
    "all joints count as visible, whether the person hides them or not",
    "Stable Keypoints regresses on at most 50,000 images, drawn anew in every run; here the draw is fixed",
)


class Human36mImages(KeypointDataset):
    """Base of both forms of Human3.6M: ids are listed subject by subject, and splits are by subject.

    The group of an image is its subject and take, as all cameras recorded the same motion.
    """

    def __init__(self, card: DatasetCard, root: Path | None = None) -> None:
        super().__init__(root)
        self.card = card
        self._ids: dict[Split, tuple[str, ...]] = {}

    @property
    @abstractmethod
    def folder(self) -> Path:
        """Where the dataset lies."""

    @abstractmethod
    def annotation_folder(self, subject: str) -> Path:
        """The folder of a subject's annotations, with one folder for each take."""

    @abstractmethod
    def list_ids(self, subject: str) -> Iterator[str]:
        """The ids of a subject's images, in an order that does not depend on that of the folders on disk."""

    def annotated(self) -> tuple[bool, str]:
        """Whether every subject has a folder of annotations."""
        return self.found(map(self.annotation_folder, (*FIT_SUBJECTS, *TEST_SUBJECTS)))

    def split(self, name: Split) -> tuple[str, ...]:
        """Ids by subject, take and frame; ``regress`` is a fixed sample of ``fit``, in its order."""
        if name not in self._ids:
            subjects = TEST_SUBJECTS if name == "test" else FIT_SUBJECTS
            found, message = self.found(map(self.annotation_folder, subjects))
            if not found:
                raise DatasetError(message)
            if name == "regress":
                ids = draw(self.split("fit"), self.card.counts["regress"])
            else:
                ids = tuple(image_id for subject in subjects for image_id in self.list_ids(subject))
            self._ids[name] = self.check_count(name, ids)
        return self._ids[name]

    def found(self, paths: Iterable[Path]) -> tuple[bool, str]:
        """Whether all paths are there, and if not which is missing and how to get the data."""
        if self.root is None:
            return False, f"{self.card.id}: no data root is set; {self.card.how_to_get}"
        missing = next((path for path in paths if not path.exists()), None)
        return (True, "") if missing is None else (False, f"{self.card.id}: no {missing}; {self.card.how_to_get}")


def draw(ids: tuple[str, ...], count: int) -> tuple[str, ...]:
    """Sample the ``count`` ids with the smallest sha256, in the given order; the sample depends on the ids alone."""
    sampled = set(heapq.nsmallest(count, ids, key=lambda image_id: hashlib.sha256(image_id.encode()).digest()))
    return tuple(image_id for image_id in ids if image_id in sampled)


def names(folder: Path, wanted: Callable[[os.DirEntry[str]], object]) -> list[str]:
    """The wanted names in a folder, without hidden ones; short names come first, so that 2 is before 10.

    Raises DatasetError if the folder cannot be listed.
    """
    try:
        with os.scandir(folder) as entries:
            found = [entry.name for entry in entries if entry.name[0] != "." and wanted(entry)]
    except OSError as error:
        raise DatasetError(f"cannot list {folder}: {error.strerror}; unpack it again") from error
    return sorted(found, key=lambda name: (len(name), name))


def takes(folder: Path) -> list[str]:
    """The folders of a subject that hold one of the six actions."""
    return sorted(names(folder, lambda entry: ACTION.match(entry.name) and entry.is_dir()))


class Human36m(Human36mImages):
    """Zhang et al.'s archive: the person on black, with one file of landmarks for each image, read on demand.

    ``digest`` covers preprocessing and ids but, unlike that of other datasets, not the annotations.
    """

    def __init__(self, card: DatasetCard, root: Path | None = None) -> None:
        super().__init__(card, root)
        self._annotation = lru_cache(maxsize=4096)(self._read)

    @property
    def folder(self) -> Path:
        """Where the dataset lies."""
        return Path(self.root or "") / "human_images"

    def annotation_folder(self, subject: str) -> Path:
        """The folder ``Landmarks`` of a subject."""
        return self.folder / subject / "Landmarks"

    def available(self) -> tuple[bool, str]:
        """Whether every subject has its three folders."""
        subjects = [self.folder / subject for subject in (*FIT_SUBJECTS, *TEST_SUBJECTS)]
        return self.found(subject / kind for kind in _SUFFIXES for subject in subjects)

    def list_ids(self, subject: str) -> Iterator[str]:
        """Ids such as ``S1/Directions 1.54138969/1``, one for each file of landmarks."""
        for take in takes(self.annotation_folder(subject)):
            yield from (f"{subject}/{take}/{frame}" for frame in self._frames(subject, "Landmarks", take))

    def check_count(self, name: Split, ids: tuple[str, ...]) -> tuple[str, ...]:
        """Check the count as usual; the error names an image without landmarks, or landmarks without an image."""
        if len(ids) != self.card.counts[name] and name != "regress" and self.available()[0]:
            for subject in TEST_SUBJECTS if name == "test" else FIT_SUBJECTS:
                for take in takes(self.folder / subject / "WithBackground"):
                    self._compare(subject, take)
        return super().check_count(name, ids)

    def image(self, image_id: str, size: int) -> NDArray[np.uint8]:
        """Image and mask, each resized, then multiplied: (size, size, 3) uint8 RGB on black."""
        from PIL import Image

        photo, path = read_photo(self._file(image_id, "WithBackground")), self._file(image_id, "BackgroudMask")
        mask = read_photo(path)
        if mask.size != photo.size:
            raise DatasetError(f"{path}: the mask is {mask.size}, expected the image's {photo.size}; unpack it again")
        person = Image.fromarray(np.asarray(mask).any(axis=2).astype(np.float32))
        person = person.resize((size, size), Image.Resampling.BILINEAR)
        return np.rint(square(photo, size) * np.asarray(person)[..., None]).astype(np.uint8)

    def annotation(self, image_id: str) -> Annotation:
        """The 32 joints, read from the image's own file. Raises DatasetError if that is missing or broken."""
        return self._annotation(image_id)

    def files(self, image_id: str) -> tuple[Path, ...]:
        """Image, mask and joints."""
        return tuple(self._file(image_id, kind) for kind in ("WithBackground", "BackgroudMask", "Landmarks"))

    def digest(self, name: Split) -> str:
        """sha256 over preprocessing, resampling and ids."""
        digest = hashlib.sha256(json.dumps([self.card.preprocessing, RESAMPLING]).encode())
        for image_id in self.split(name):
            digest.update(f"\n{image_id}".encode())
        return digest.hexdigest()

    def _read(self, image_id: str) -> Annotation:
        landmarks = read_landmarks(self._file(image_id, "Landmarks"))
        subject, take, _ = image_id.split("/")
        return Annotation(landmarks, np.ones(len(JOINTS), dtype=bool), f"{subject}/{take.partition('.')[0]}")

    def _file(self, image_id: str, kind: str) -> Path:
        subject, *rest = image_id.split("/")
        if subject not in FIT_SUBJECTS + TEST_SUBJECTS or len(rest) != 2:
            raise DatasetError(
                f"{self.card.id}: no image '{image_id}', expected an id such as 'S1/Directions 1.54138969/1'"
            )
        return self.folder / subject / kind / rest[0] / (rest[1] + _SUFFIXES[kind])

    def _frames(self, subject: str, kind: str, take: str) -> list[str]:
        suffix = _SUFFIXES[kind]
        files = names(self.folder / subject / kind / take, lambda entry: entry.name.endswith(suffix))
        return [name.removesuffix(suffix) for name in files]

    def _compare(self, subject: str, take: str) -> None:
        images = self._frames(subject, "WithBackground", take)
        for kind in ("Landmarks", "BackgroudMask"):
            others = self._frames(subject, kind, take)
            for frame in sorted(set(images) ^ set(others)):
                absent = self._file(f"{subject}/{take}/{frame}", kind if frame in images else "WithBackground")
                raise DatasetError(f"{self.card.id}: no {absent}; unpack it again")


_SUFFIXES = {"WithBackground": ".jpg", "BackgroudMask": ".png", "Landmarks": ".mat"}


def read_landmarks(path: Path) -> NDArray[np.float64]:
    """The variable ``keypoints_2d`` of a .mat file, turned to (x, y): (32, 2) fractions of the image.

    Raises DatasetError if the variable is missing, its shape differs, or a value is outside [-1, 2]: a joint may lie
    outside the image by at most the image's side.
    """
    from scipy.io import loadmat

    try:
        check_matlab(path, "keypoints_2d")
        points = loadmat(path, appendmat=False, variable_names=["keypoints_2d"]).get("keypoints_2d")
    except Exception as error:  # scipy's parser raises all kinds for broken files
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DatasetError(f"cannot read {path}: {reason}; unpack it again") from error
    if points is None:
        raise DatasetError(f"{path}: no variable 'keypoints_2d'; unpack it again")
    if getattr(points, "shape", None) != (len(JOINTS), 2) or points.dtype.kind not in "fiu":
        got = f"{getattr(points, 'shape', '')} {getattr(points, 'dtype', type(points).__name__)}"
        raise DatasetError(f"{path}: keypoints_2d is {got}, expected ({len(JOINTS)}, 2) numbers; unpack it again")
    landmarks = points[:, ::-1].astype(np.float64)
    for joint, landmark in zip(JOINTS, landmarks.tolist(), strict=True):
        if not all(-1 <= value <= 2 for value in landmark):
            raise DatasetError(f"{path}: keypoints_2d has '{joint}' at {landmark}, expected fractions of the image")
    return landmarks


HUMAN36M = partial(
    Human36m,
    DatasetCard(
        id="human36m",
        title="Human3.6M, six actions, boxed on black",
        landmark_names=JOINTS,
        protocols=("human36m",),
        left_right_pairs=PAIRS,
        counts={"fit": 796_648, "regress": REGRESS, "test": 87_975},
        licence=LICENCE,
        citation=f"{CITATION}; crops: Zhang, Guo, Jin, Luo, He, Lee: Unsupervised Discovery of Object Landmarks as "
        "Structural Representations. CVPR 2018",
        how_to_get="get human_images.tar.gz, linked from https://github.com/YutingZhang/lmdis-rep, and unpack it into "
        "the data root (--data-root or KEYPOINTS_DATA_ROOT)",
        preprocessing="image and mask (person where not 0) each resized, then multiplied; landmarks as they stand",
        tree="human_images/S{1,5,6,7,8,9,11}/WithBackground/Directions 1.54138969/1.jpg\n"
        "human_images/S{1,5,6,7,8,9,11}/BackgroudMask/Directions 1.54138969/1.png\n"
        "human_images/S{1,5,6,7,8,9,11}/Landmarks/Directions 1.54138969/1.mat",
        remarks=(
            *REMARKS,
            "the digest covers ids, not landmarks, which are read one file at a time: `data verify` reads them all",
        ),
    ),
)
