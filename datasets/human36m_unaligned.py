"""Human3.6M with the person anywhere: square crops with a random shift, from the output of h36m-fetch.

Layout, under ``<data root>/processed``: ``S1/Directions-1/annot.h5`` (``pose/2d`` (n, 32, 2) pixels (x, y), ``camera``
(n,), ``frame`` (n,) from 1) and ``S1/Directions-1/imageSequence/54138969/img_000001.jpg``.

Crop (as in the loader that Stable Keypoints released): the box about all joints, squared about its centre by its longer
side s, grown by a margin of 100 pixels a side (less where s comes within 100 of the image's), shifted along each axis
by a whole number from -100 to 99, then cut off at the image's border, so that it need not stay square; squashed to a
square. Three things differ. The released shift is sampled anew whenever an image is read; here it is derived from the
image's id. The released landmarks are relative to the crop before its sides are cut to whole pixels; here image and
landmarks share the whole pixels, up to 1.81 pixels of the photograph away (measured on 400 random frames). The released
code scales x by the image's height and y by its width; here each has its own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from datasets import limits
from datasets.base import Annotation, DatasetCard, DatasetError, Split
from datasets.human36m import (
    CITATION,
    FIT_SUBJECTS,
    JOINTS,
    LICENCE,
    PAIRS,
    REGRESS,
    REMARKS,
    TEST_SUBJECTS,
    Human36mImages,
    takes,
)
from datasets.photos import RESAMPLING, Crop, read_photo, square
from datasets.text import read_json

if TYPE_CHECKING:
    from numpy.typing import NDArray

MARGIN = 100
SHIFT = 100
SIZES = {"54138969": (1000, 1002), "55011271": (1000, 1000), "58860488": (1000, 1000), "60457274": (1000, 1002)}
_KEYS = ("pose/2d", "camera", "frame")


class Frame(NamedTuple):
    """One image of the fixed list: its subject, take, camera and frame, and its shift in pixels."""

    subject: str
    take: str
    camera: str
    frame: int
    shift_x: int
    shift_y: int


@dataclass(frozen=True)
class Take:
    """The contents of an annot.h5: poses (n, 32, 2) in pixels, and the row of each camera and frame."""

    path: Path
    poses: NDArray[np.float64]
    rows: dict[tuple[str, int], int]


def frozen(image_id: str) -> Frame:
    """The frame that an id such as ``S1/Directions-1/54138969/000001`` stands for, and its shift.

    The shift is two whole numbers from -100 to 99, taken from the sha256 of the id. Raises DatasetError for any other
    text.
    """
    subject, *rest = image_id.split("/")
    known = subject in FIT_SUBJECTS + TEST_SUBJECTS and len(rest) == 3 and rest[1] in SIZES and rest[2].isdecimal()
    if not known or rest[2] != f"{int(rest[2][:18]):06d}":
        raise DatasetError(
            f"human36m_unaligned: no image '{image_id}', expected an id such as 'S1/Directions-1/54138969/000001'"
        )
    digest = hashlib.sha256(f"shift/{image_id}".encode()).digest()
    shift_x, shift_y = (int.from_bytes(digest[start : start + 8], "big") % (2 * SHIFT) - SHIFT for start in (0, 8))
    return Frame(subject, rest[0], rest[1], int(rest[2]), shift_x, shift_y)


def crop_of(pose: NDArray[np.float64], size: tuple[int, int], shift: tuple[int, int]) -> Crop:
    """The crop about a pose (32, 2) in pixels of an image of this size (width, height), within the image."""
    low, high = pose.min(axis=0), pose.max(axis=0)
    side = (high - low).max()
    margin = np.minimum(MARGIN, np.array(size) - side)
    start = np.maximum(0, (low + high - side) / 2 - margin + shift)
    extent = np.minimum(size - start, side + 2 * margin)
    left, top, width, height = (int(value) for value in (*start, *extent))
    return Crop(left, top, width, height)


class Human36mUnaligned(Human36mImages):
    """Frames of h36m-fetch with fixed crops; annotations are read take by take, and the last 16 takes are cached.

    The counts are those of the released evaluation, which takes every fifth frame of each video. Other frames can be
    used if ``processed/counts.json`` states their counts, as {"fit": number, "test": number}; their digests, and so
    their results, differ from those of the published sampling.
    """

    def __init__(self, card: DatasetCard, root: Path | None = None) -> None:
        super().__init__(card, root)
        self._take = lru_cache(maxsize=16)(read_take)

    @property
    def folder(self) -> Path:
        """Where the dataset lies."""
        return Path(self.root or "") / "processed"

    def annotation_folder(self, subject: str) -> Path:
        """The folder of a subject."""
        return self.folder / subject

    def available(self) -> tuple[bool, str]:
        """Whether every subject is there, and every take has its annotations and its images."""
        found, message = self.annotated()
        if not found:
            return found, message
        folders = [self.folder / subject for subject in (*FIT_SUBJECTS, *TEST_SUBJECTS)]
        paths = [folder / take for folder in folders for take in takes(folder)]
        return self.found(path / part for path in paths for part in ("annot.h5", "imageSequence"))

    def split(self, name: Split) -> tuple[str, ...]:
        """Ids by subject, take, camera and frame; ``regress`` is a fixed sample of ``fit``."""
        own = self.folder / "counts.json"
        if name not in self._ids and self.root is not None and own.is_file():
            fit, test = read_counts(own)
            counts = {"fit": fit, "regress": min(fit, REGRESS), "test": test}
            self.card = self.card.model_copy(update={"counts": counts})
        return super().split(name)

    def check_count(self, name: Split, ids: tuple[str, ...]) -> tuple[str, ...]:
        """Check the count as usual; the error says how to use data that was sampled differently."""
        if len(ids) != self.card.counts[name]:
            raise DatasetError(
                f"{self.card.id}: split '{name}' has {len(ids)} images, expected {self.card.counts[name]}, under "
                f"{self.folder}; {self.card.how_to_get}; or, to use these frames under a digest of their own, write "
                f'their numbers to {self.folder / "counts.json"}: {{"fit": number, "test": number}}'
            )
        return ids

    def list_ids(self, subject: str) -> Iterator[str]:
        """Ids such as ``S1/Directions-1/54138969/000001``, one for each row of each annot.h5."""
        for take in takes(self.folder / subject):
            for camera, frame in sorted(self._take(self.folder / subject / take / "annot.h5").rows):
                yield f"{subject}/{take}/{camera}/{frame:06d}"

    def frames(self, name: Split) -> Iterator[Frame]:
        """The fixed list of a split: subject, take, camera, frame and shift of every image, in order."""
        return map(frozen, self.split(name))

    def image(self, image_id: str, size: int) -> NDArray[np.uint8]:
        """The crop squashed to (size, size, 3) uint8 RGB. Raises DatasetError for a frame of another size."""
        frame = frozen(image_id)
        _, crop = self._crop(frame)
        path, _ = self.files(image_id)
        photo = read_photo(path)
        if photo.size != SIZES[frame.camera]:
            expected = f"{SIZES[frame.camera]}, the size of camera {frame.camera}"
            raise DatasetError(f"{path}: the image is {photo.size}, expected {expected}; extract it again")
        return square(photo, size, crop)

    def files(self, image_id: str) -> tuple[Path, ...]:
        """The frame's image, and the poses of its sequence."""
        frame = frozen(image_id)
        take = self.folder / frame.subject / frame.take
        return take / "imageSequence" / frame.camera / f"img_{frame.frame:06d}.jpg", take / "annot.h5"

    def annotation(self, image_id: str) -> Annotation:
        """The 32 joints in the crop's frame; those beyond its border lie outside [0, 1]."""
        frame = frozen(image_id)
        pose, crop = self._crop(frame)
        landmarks = (pose - (crop.left, crop.top)) / (crop.width, crop.height)
        return Annotation(landmarks, np.ones(len(JOINTS), dtype=bool), f"{frame.subject}/{frame.take}")

    def digest(self, name: Split) -> str:
        """sha256 over preprocessing, resampling, the fixed list and the poses in pixels."""
        digest = hashlib.sha256(json.dumps([self.card.preprocessing, RESAMPLING]).encode())
        for _, frames in groupby(self.frames(name), key=lambda frame: (frame.subject, frame.take)):
            listed = list(frames)
            take = self._take(self.folder / listed[0].subject / listed[0].take / "annot.h5")
            digest.update(json.dumps(listed).encode())
            digest.update(take.poses[[take.rows[frame.camera, frame.frame] for frame in listed]].tobytes())
        return digest.hexdigest()

    def _crop(self, frame: Frame) -> tuple[NDArray[np.float64], Crop]:
        """The pose of a frame in pixels, and its crop."""
        take = self._take(self.folder / frame.subject / frame.take / "annot.h5")
        row = take.rows.get((frame.camera, frame.frame))
        if row is None:
            raise DatasetError(f"{take.path}: no row of camera {frame.camera} and frame {frame.frame}, expected one")
        crop = crop_of(take.poses[row], SIZES[frame.camera], (frame.shift_x, frame.shift_y))
        if crop.width < 1 or crop.height < 1:
            raise DatasetError(
                f"{take.path}, row {row}: pose/2d leaves no crop within {SIZES[frame.camera]}; process the take again"
            )
        return take.poses[row], crop


def read_take(path: Path) -> Take:
    """Read and check an annot.h5. Raises DatasetError naming a key (and row) that differs from h36m-fetch's format."""
    import h5py

    arrays: dict[str, NDArray[Any]] = {}
    try:
        with h5py.File(path, "r") as file:
            for key in _KEYS:
                if not isinstance(file.get(key), h5py.Dataset):
                    raise DatasetError(f"{path}: no key '{key}'; process the take again")
                limits.check(8 * file[key].size, limits.BYTES, "bytes in memory")
                arrays[key] = np.asarray(file[key][()])
    except DatasetError:
        raise
    except Exception as error:  # h5py raises many types for a broken file
        reason = " ".join(str(error).split())
        raise DatasetError(f"cannot read {path}: {reason}; process the take again") from error
    count = len(arrays["pose/2d"]) if arrays["pose/2d"].ndim else 0
    for key, shape in zip(_KEYS, ((count, len(JOINTS), 2), (count,), (count,)), strict=True):
        if arrays[key].shape != shape or arrays[key].dtype.kind not in "fiu":
            got = f"{arrays[key].shape} {arrays[key].dtype}"
            raise DatasetError(f"{path}: key '{key}' is {got}, expected {shape} numbers; process the take again")
    poses = arrays["pose/2d"].astype(np.float64)
    if not np.isfinite(poses).all():
        row, joint, _ = np.argwhere(~np.isfinite(poses))[0].tolist()
        raise DatasetError(f"{path}: key 'pose/2d', row {row} has no finite '{JOINTS[joint]}'; process the take again")
    if count and np.abs(poses).max() <= 2:
        raise DatasetError(f"{path}: key 'pose/2d' has no value above 2, expected pixels; process the take again")
    return Take(path, poses, _rows(path, arrays["camera"], arrays["frame"]))


def _rows(path: Path, cameras: NDArray[Any], numbers: NDArray[Any]) -> dict[tuple[str, int], int]:
    """The row of each camera and frame number (from 1)."""
    rows: dict[tuple[str, int], int] = {}
    for row, (camera, number) in enumerate(zip(cameras.tolist(), numbers.tolist(), strict=True)):
        name = f"{camera:.0f}"
        if name not in SIZES or float(name) != camera:
            raise DatasetError(f"{path}: key 'camera', row {row} is {camera}, expected one of {', '.join(SIZES)}")
        if not number >= 1 or number % 1:
            raise DatasetError(f"{path}: key 'frame', row {row} is {number}, expected a whole number from 1")
        if (name, int(number)) in rows:
            twice = f"rows {rows[name, int(number)]} and {row} are both camera {name}, frame {number:.0f}"
            raise DatasetError(f"{path}: key 'frame', {twice}; process the take again")
        rows[name, int(number)] = row
    return rows


def read_counts(path: Path) -> tuple[int, int]:
    """The numbers of fit and test images stated in a counts.json. Raises DatasetError for anything else in it."""
    plain = read_json(path, '{"fit": number, "test": number}')
    try:
        fit, test = plain["fit"], plain["test"]
    except (TypeError, KeyError) as error:
        raise DatasetError(f'cannot read {path}: {error!r}; expected {{"fit": number, "test": number}}') from error
    if not all(type(count) is int and count > 0 for count in (fit, test)) or len(plain) != 2:
        raise DatasetError(f'{path}: got {plain}, expected {{"fit": number, "test": number}}, whole numbers')
    return fit, test


HUMAN36M_UNALIGNED = partial(
    Human36mUnaligned,
    DatasetCard(
        id="human36m_unaligned",
        title="Human3.6M, six actions, persons anywhere in the frame",
        landmark_names=JOINTS,
        protocols=("human36m",),
        left_right_pairs=PAIRS,
        counts={"fit": 159_444, "regress": REGRESS, "test": 17_615},
        licence=LICENCE,
        citation=f"{CITATION}; crops: Hedlin, Sharma, Mahajan, He, Isack, Kar, Rhodin, Tagliasacchi, Yi: "
        "Unsupervised Keypoints from Pretrained Diffusion Models. CVPR 2024",
        how_to_get="process Human3.6M with https://github.com/anibali/h36m-fetch, every fifth frame of each video (let "
        "its select_frame_indices_to_include return np.arange(0, len(poses_3d_univ), 5)), and put its folder "
        "processed into the data root (--data-root or KEYPOINTS_DATA_ROOT)",
        preprocessing=f"box of all joints squared, {MARGIN} pixels of margin where they fit, shifted by sha256 of "
        f"'shift/' and id by -{SHIFT} to {SHIFT - 1}, cut off at the border, whole pixels truncated; joints in "
        "the same crop",
        tree="processed/S{1,5,6,7,8,9,11}/Directions-1/annot.h5 (pose/2d, camera, frame)\n"
        "processed/S{1,5,6,7,8,9,11}/Directions-1/imageSequence/54138969/img_000001.jpg",
        remarks=(
            *REMARKS,
            "the published crops are drawn anew at every access, test images too; these are frozen, so that the "
            "published numbers are of a test set that is alike but not the same",
            "the released loader resizes without antialiasing, and scales x by the image's height and y by its width; "
            "here Pillow's antialiased filter is used, and each axis is scaled by its own side",
            "the paper does not say which frames it used; 159,444 and 17,615, printed by a user of its loader, are a "
            "fifth of the videos' frames with each video rounded up, so every fifth from the first; h36m-fetch as it "
            "comes keeps every 64th frame of S9 and S11 and, of the others, those with motion",
            "where processed/counts.json states the numbers of other frames, results have digests of their own",
        ),
    ),
)
