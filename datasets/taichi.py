"""Tai-Chi-HD: single frames of people doing tai chi, with the 18 joints that OpenPose found in them.

Layout, under ``<data root>/taichi``: ``landmark/taichi_train_gt.pkl`` and ``taichi_test_gt.pkl`` (pickled data frames
with a video frame's file name and joints in each row), the frames in ``eval_images/taichi-256/train`` and ``test`` (or
``taichi-256/train`` and ``test``). The pickles are read by ``datasets.reading.frames``, which runs nothing.

Joints are pixels (x, y) of a 256 x 256 frame; they are divided by 256 without a shift, as the loaders that Stable
Keypoints and AutoLink released do. A joint of (-1, -1) was not found. The rows are in no particular order, so they are
sorted by file name.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from datasets.base import DatasetCard, DatasetError, Split
from datasets.reading.frames import read_frame
from datasets.reading.table import Table, TableDataset
from datasets.text import refuse_entry

SIDE = 256
JOINTS = (
    *("nose", "neck", "right shoulder", "right elbow", "right wrist", "left shoulder", "left elbow", "left wrist"),
    *("right hip", "right knee", "right ankle", "left hip", "left knee", "left ankle"),
    *("right eye", "left eye", "right ear", "left ear"),
)
CARD = DatasetCard(
    id="taichi",
    title="Tai-Chi-HD, frames with OpenPose joints",
    landmark_names=JOINTS,
    protocols=("taichi",),
    left_right_pairs=((2, 5), (3, 6), (4, 7), (8, 11), (9, 12), (10, 13), (14, 15), (16, 17)),
    has_visibility=True,
    counts={"fit": 5000, "regress": 5000, "test": 300},
    licence="landmarks CC BY-NC 4.0; the frames are of YouTube videos and belong to their authors",
    citation="Siarohin, Lathuilière, Tulyakov, Ricci, Sebe: First Order Motion Model for Image Animation. NeurIPS 2019 "
    "(videos); Siarohin, Roy, Lathuilière, Tulyakov, Ricci, Sebe: Motion-supervised Co-Part Segmentation. ICPR 2020 "
    "(landmarks)",
    how_to_get="get landmarks/*.pkl from https://github.com/AliaksandrSiarohin/motion-cosegmentation into "
    "taichi/landmark under the data root (--data-root or KEYPOINTS_DATA_ROOT), and eval_images.tar.gz, linked in its "
    "README, unpacked into taichi",
    preprocessing=f"frames as they are; joints: pixels / {SIDE}, no shift, missing where both coordinates are -1",
    tree="taichi/landmark/taichi_train_gt.pkl\n"
    "taichi/landmark/taichi_test_gt.pkl\n"
    "taichi/eval_images/taichi-256/train/00000.png ... (or taichi/taichi-256/train)\n"
    "taichi/eval_images/taichi-256/test/00000.png ... (or taichi/taichi-256/test)",
    digests={
        **dict.fromkeys(("fit", "regress"), "440afafa68691d392bdf670f0b446e0060fa0b05ecca10853b5c08124d37f917"),
        "test": "e6233b8ab85eff6cf071280f809196e1b5daf1661e8b43a8fd43e118a9afb32e",
    },
    remarks=(
        "landmarks are OpenPose's detections, not people's; 83,513 joints were found in the train frames, 5,023 in "
        "the test frames",
        "the video of a frame is not in these files, so each image is a group of its own and intervals are too narrow "
        "where frames share a video",
        "the released code of Stable Keypoints, AutoLink and Siarohin et al. regresses on the 5,000 train frames and "
        "tests on the 300 test frames; the text of Stable Keypoints speaks of 300 for training and 500 for testing",
        "Stable Keypoints' code learns and chooses tokens on every frame of the train videos, half of them mirrored at "
        "random; here keypoints are learned on the 5,000 evaluation frames as they are",
        "Stable Keypoints counts only joints with both coordinates above 0, which leaves out 56 train and 3 test "
        "joints on the frame's border",
        "one published column holds two metrics: Stable Keypoints sums l2 distances over visible joints, the methods "
        "before it sum absolute errors of x and y, about 1.3 times as much on the same predictions",
    ),
)


class TaiChi(TableDataset):
    """The 5000 train frames, to learn on and to regress on, and the 300 test frames.

    An id is ``train/`` or ``test/`` and the file name; an image is its own group.
    """

    def __init__(self, card: DatasetCard, root: Path | None = None) -> None:
        super().__init__(root)
        self.card = card

    @property
    def folder(self) -> Path:
        """The folder of landmarks and frames."""
        return Path(self.root or "") / "taichi"

    def annotation_files(self, name: Split) -> Iterable[Path]:
        """The one pickle of a split."""
        return (self.folder / "landmark" / f"taichi_{_part(name)}_gt.pkl",)

    def image_folders(self) -> Iterable[Path]:
        """The folders of train and test frames."""
        return (self._frames / "train", self._frames / "test")

    def path(self, image_id: str) -> Path:
        """The file of a frame."""
        return self._frames / image_id

    def expected_size(self, image_id: str) -> tuple[int, int]:
        """The size of the frame whose pixels the joints count."""
        return SIDE, SIDE

    def read(self, name: Split) -> Table:
        """The frames of a split in the order of their names."""
        if name == "fit":
            return self.table("regress")
        (path,) = self.annotation_files(name)
        joints = _read_joints(path)
        files = sorted(joints)
        ids = tuple(f"{_part(name)}/{file}" for file in files)
        pixels = np.array([joints[file] for file in files]).reshape(-1, len(JOINTS), 2)
        return Table(ids, pixels / SIDE, (pixels != -1).all(axis=2), groups=ids)

    @property
    def _frames(self) -> Path:
        inner = self.folder / "taichi-256"
        return inner if inner.is_dir() else self.folder / "eval_images" / "taichi-256"


def _part(name: Split) -> str:
    return "test" if name == "test" else "train"


def _read_joints(path: Path) -> dict[str, Any]:
    """Joints (18, 2) in pixels by file name, checked. Raises DatasetError naming the file and the row or frame."""
    frame = read_frame(path)
    for column in ("file_name", "value"):
        if column not in frame:
            raise DatasetError(f"{path}: no column '{column}' among {list(frame)!a:.80}; get the file again")
    joints: dict[str, Any] = {}
    for row, (name, value) in enumerate(zip(frame["file_name"], frame["value"], strict=True)):
        if not isinstance(name, str) or not name or {"/", "\\"} & set(name):
            refuse_entry(path, f"row {row}", f"file_name {name!a:.80}", "the name of a file without its folder")
        if name in joints:
            refuse_entry(path, f"row {row}", f"file_name {name!a:.80} again", "each frame once")
        joints[name] = _checked(path, name, value)
    return joints


def _checked(path: Path, name: str, value: Any) -> Any:
    """Check the joints of a frame: found ones lie inside it, missing ones are -1 in both coordinates."""
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "iuf" or value.shape != (len(JOINTS), 2):
        got = f"{value.dtype} of shape {value.shape}" if isinstance(value, np.ndarray) else type(value).__name__
        refuse_entry(path, f"value of {name!a:.80}", got, f"numbers of shape ({len(JOINTS)}, 2)")
    value = value.astype(np.float64)
    found, missing = (value >= 0) & (value <= SIDE), value == -1
    for joint in np.flatnonzero(~(found.all(axis=1) | missing.all(axis=1))):
        expected = f"0 to {SIDE} in both coordinates, or -1 in both"
        refuse_entry(path, f"value of {name!a:.80}", f"{JOINTS[joint]} {value[joint].tolist()}", expected)
    return value


TAICHI = partial(TaiChi, CARD)
