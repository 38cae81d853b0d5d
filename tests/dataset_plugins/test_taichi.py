"""Tai-Chi-HD on trees of the official layout, whole and broken, and on the real landmarks where they are."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from datasets.base import DatasetError, Split
from datasets.taichi import CARD, JOINTS, TAICHI, TaiChi
from metrics.scoring import score
from tests.dataset_plugins.reading.frame_files import Does, new_frame, old_frame, old_pickle
from tests.metrics.worlds import points

NAMES = {"train": ("00351.png", "00007.png", "01370.png", "00012.png"), "test": ("00164.png", "00005.png", "00063.png")}
CARD_HERE = CARD.model_copy(update={"counts": {"fit": 4, "regress": 4, "test": 3}})


def poses(part: str) -> list[np.ndarray]:
    """Whole pixels from 0 to 255 with a joint on the border, and some joints missing, as OpenPose's are."""
    random = np.random.default_rng(len(part))
    values = [random.integers(0, 256, (18, 2)).astype(np.float64) for _ in NAMES[part]]
    for row, value in enumerate(values):
        value[random.random(18) < 0.2] = -1
        value[row] = (0, 255 - row)
        value[row + 5] = -1
    return values


def write(root: Path, part: str, data: Any) -> None:
    path = root / "taichi" / "landmark" / f"taichi_{part}_gt.pkl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else old_pickle(data))


def columns(part: str) -> dict[str, Any]:
    names = list(NAMES[part])
    return {"file_name": names, "frame_number": np.zeros(len(names), dtype=np.int64), "value": poses(part)}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Landmarks as old pandas pickled them, and frames in every mode a png may have."""
    for part, names in NAMES.items():
        write(tmp_path, part, old_frame(columns(part)))
        folder = tmp_path / "taichi" / "eval_images" / "taichi-256" / part
        folder.mkdir(parents=True)
        for index, name in enumerate(names):
            colour = Image.new("RGB", (256, 256), (40 * index, 100, 200))
            colour.convert(("RGB", "L", "P", "RGBA")[index]).save(folder / name)
    return tmp_path


def small(root: Path) -> TaiChi:
    return TaiChi(CARD_HERE, root)


def test_ids_are_sorted_and_keep_their_joints(root: Path) -> None:
    dataset = small(root)
    assert dataset.available() == (True, "")
    for split, part in (("fit", "train"), ("regress", "train"), ("test", "test")):
        ids = dataset.split(split)  # type: ignore[arg-type]
        assert ids == tuple(f"{part}/{name}" for name in sorted(NAMES[part]))
    for part, names in NAMES.items():
        for name, pixels in zip(names, poses(part), strict=True):
            annotation = dataset.annotation(f"{part}/{name}")
            assert annotation.group == f"{part}/{name}" and annotation.box is None
            for joint, (x, y) in enumerate(pixels):
                assert annotation.visible[joint] == (x != -1)
                if x != -1:
                    assert tuple(annotation.landmarks[joint]) == (x / 256, y / 256)


def test_frames_of_newer_pandas_give_the_same(root: Path) -> None:
    before = small(root)
    digests = [before.digest("fit"), before.digest("test")]
    for part in NAMES:
        write(root, part, pickle.dumps(new_frame(columns(part))))
    again = small(root)
    assert [again.digest("regress"), again.digest("test")] == digests
    assert digests[0] != digests[1]


def test_integer_and_float32_joints_are_as_good(root: Path) -> None:
    digest = small(root).digest("test")
    for kind in (np.int16, np.float32):
        write(root, "test", old_frame({**columns("test"), "value": [pose.astype(kind) for pose in poses("test")]}))
        assert small(root).digest("test") == digest


@pytest.mark.parametrize("place", ["eval_images/taichi-256", "taichi-256"])
def test_frames_are_found_in_both_places(root: Path, place: str) -> None:
    folder = root / "taichi" / "eval_images" / "taichi-256"
    if place == "taichi-256":
        folder = folder.rename(root / "taichi" / place)
    dataset = small(root)
    assert dataset.available() == (True, "")
    for index, name in enumerate(NAMES["train"]):
        assert dataset.path(f"train/{name}") == folder / "train" / name
        image = dataset.image(f"train/{name}", 64)
        assert image.shape == (64, 64, 3) and image.dtype == np.uint8
        if index == 0:
            assert (image == (0, 100, 200)).all()


def test_what_is_missing_is_named(root: Path, tmp_path: Path) -> None:
    assert not TAICHI(None).available()[0]
    (root / "taichi" / "eval_images").rename(root / "elsewhere")
    dataset = small(root)
    assert dataset.annotated() == (True, "")
    found, message = dataset.available()
    assert not found and str(Path("eval_images/taichi-256/train")) in message
    (root / "taichi" / "landmark" / "taichi_train_gt.pkl").unlink()
    dataset = small(root)
    assert len(dataset.split("test")) == 3
    with pytest.raises(DatasetError, match=r"no .*taichi_train_gt\.pkl; get "):
        dataset.split("fit")
    assert not dataset.annotated()[0]


def with_joint(joint: int, value: tuple[float, float]) -> list[np.ndarray]:
    """The test poses with one joint of the last frame, 00063.png, put elsewhere."""
    changed = poses("test")
    changed[2][joint] = value
    return changed


class Foreign:
    """A class that no frame is made of."""


MIXED = [*poses("test")[:2], [[1.0, 2.0]] * 18]
CORRUPTIONS: dict[str, tuple[Callable[[], Any], str]] = {
    "foreign class": (lambda: old_frame({**columns("test"), "value": [Foreign()] * 3}), "Foreign"),
    "payload": (lambda: old_frame({**columns("test"), "value": [Does(os.system, "touch mark")] * 3}), "system"),
    "file_name twice": (
        lambda: old_frame({**columns("test"), "file_name": ["a.png", "b.png", "a.png"]}),
        "row 2: got file_name 'a.png' again",
    ),
    "file_name with a folder": (
        lambda: old_frame({**columns("test"), "file_name": ["a.png", "../b.png", "c.png"]}),
        "row 1: got file_name '../b.png'",
    ),
    "file_name a number": (lambda: old_frame({**columns("test"), "file_name": [1, 2, 3]}), "row 0: got file_name 1"),
    "file_name empty": (lambda: old_frame({**columns("test"), "file_name": ["a", "b", ""]}), "row 2: got file_name ''"),
    "file_name of two lines": (
        lambda: old_frame({**columns("test"), "file_name": ["a", "a/\nb", "c"]}),
        r"row 1: got file_name 'a/\nb'",
    ),
    "no file_name": (lambda: old_frame({"value": poses("test")}), "no column 'file_name' among ['value']"),
    "no value": (lambda: old_frame({"file_name": list(NAMES["test"])}), "no column 'value'"),
    "17 joints": (
        lambda: old_frame({**columns("test"), "value": [pose[:17] for pose in poses("test")]}),
        "'00164.png': got float64 of shape (17, 2), expected numbers of shape (18, 2)",
    ),
    "joints on their side": (
        lambda: old_frame({**columns("test"), "value": [pose.T for pose in poses("test")]}),
        "shape (2, 18)",
    ),
    "joints with confidence": (
        lambda: old_frame({**columns("test"), "value": [np.zeros((18, 3))] * 3}),
        "shape (18, 3)",
    ),
    "value of lists": (lambda: old_frame({**columns("test"), "value": MIXED}), "array"),
    "value of text": (lambda: old_frame({**columns("test"), "value": ["x"] * 3}), "'00164.png': got str"),
    "value of numbers": (lambda: old_frame({**columns("test"), "value": np.arange(3)}), "'00164.png': got int64"),
    "value missing": (
        lambda: old_frame({**columns("test"), "value": [*poses("test")[:2], None]}),
        "'00063.png': got NoneType",
    ),
    "value of booleans": (
        lambda: old_frame({**columns("test"), "value": [np.ones((18, 2), bool)] * 3}),
        "got bool of shape (18, 2)",
    ),
    "x missing": (
        lambda: old_frame({**columns("test"), "value": with_joint(4, (-1, 9))}),
        "'00063.png': got right wrist [-1.0, 9.0], expected 0 to 256 in both coordinates, or -1 in both",
    ),
    "y missing": (lambda: old_frame({**columns("test"), "value": with_joint(17, (9, -1))}), "left ear [9.0, -1.0]"),
    "NaN": (lambda: old_frame({**columns("test"), "value": with_joint(0, (np.nan, np.nan))}), "nose [nan, nan]"),
    "infinite": (lambda: old_frame({**columns("test"), "value": with_joint(0, (np.inf, 1))}), "nose [inf, 1.0]"),
    "larger frames": (lambda: old_frame({**columns("test"), "value": with_joint(0, (511, 3))}), "nose [511.0, 3.0]"),
    "two rows": (
        lambda: old_frame({name: column[:2] for name, column in columns("test").items()}),
        "2 images, expected 3",
    ),
    "cut short": (lambda: old_pickle(old_frame(columns("test")))[:-100], ""),
    "web page": (lambda: b"<html>Quota exceeded</html>", ""),
    "nothing": (lambda: b"", ""),
}


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_corruptions_are_named(root: Path, name: str) -> None:
    make, expected = CORRUPTIONS[name]
    write(root, "test", make())
    dataset = small(root)
    with pytest.raises(DatasetError) as error:
        dataset.split("test")
    message = str(error.value)
    assert message.isprintable() and expected in message
    assert str(root) in message and ("taichi_test_gt.pkl" in message or "split 'test'" in message)
    assert len(dataset.split("fit")) == 4


def test_a_frame_of_another_size_is_refused(root: Path) -> None:
    dataset = small(root)
    Image.new("RGB", (512, 256)).save(dataset.path("test/00005.png"))
    with pytest.raises(DatasetError, match=r"00005\.png: got 512 x 256 pixels, expected 256 x 256"):
        dataset.image("test/00005.png", 32)


def test_truncated_frames_and_unknown_ids(root: Path) -> None:
    dataset = small(root)
    path = dataset.path("test/00005.png")
    path.write_bytes(path.read_bytes()[:-30])
    for call in (lambda: dataset.image("test/00005.png", 32), lambda: dataset.annotation("test/9.png")):
        with pytest.raises(DatasetError, match=r"^[^\n]*(00005\.png|'test/9\.png')[^\n]*$"):
            call()


DATA_ROOT = os.environ.get("KEYPOINTS_DATA_ROOT")
REAL = Path(DATA_ROOT or "") / "taichi" / "landmark"
real = pytest.mark.skipif(
    not DATA_ROOT or not REAL.is_dir(), reason="KEYPOINTS_DATA_ROOT is not set, or has no taichi/landmark"
)


@real
def test_real_landmarks() -> None:
    dataset = TAICHI(Path(DATA_ROOT or ""))
    assert dataset.annotated() == (True, "")
    counts = {"fit": 83513, "regress": 83513, "test": 5023}
    names: tuple[Split, ...] = ("fit", "regress", "test")
    for name in names:
        assert dataset.table(name).visible.sum() == counts[name]
        assert dataset.digest(name) == CARD.digests[name]
    fit = dataset.table("fit")
    # The joints that the file's readers have counted as missing, in OpenPose's order.
    missing = [428, 0, 0, 258, 367, 0, 314, 403, 2, 4, 13, 0, 33, 30, 953, 1024, 1339, 1319]
    assert (~fit.visible).sum(axis=0).tolist() == missing
    above_zero = [(dataset.table(name).landmarks > 0).all(axis=2).sum() for name in names]
    assert above_zero == [83457, 83457, 5020]
    assert fit.ids[0] == "train/00000.png" and fit.ids[-1] == "train/04999.png"
    means = {joint: fit.landmarks[fit.visible[:, index], index].mean(axis=0) for index, joint in enumerate(JOINTS)}
    heights = [means[joint][1] for joint in ("left eye", "neck", "left elbow", "left hip", "left knee", "left ankle")]
    assert heights == sorted(heights)
    for left, right in CARD.left_right_pairs:
        assert {JOINTS[left].split()[0], JOINTS[right].split()[0]} == {"left", "right"}
        assert JOINTS[left].split()[1] == JOINTS[right].split()[1]


def mean_pose(landmarks: np.ndarray, visible: np.ndarray) -> np.ndarray:
    return np.stack([landmarks[visible[:, joint], joint].mean(axis=0) for joint in range(18)])


@real
def test_real_floors() -> None:
    """The mean pose of the train frames and the centre, as pixels of 256, against values found by other code."""
    dataset = TAICHI(Path(DATA_ROOT or ""))
    fit, test = dataset.table("regress"), dataset.table("test")
    counted = (test.landmarks > 0).all(axis=2)
    for pose, summed, absolute in (
        (mean_pose(fit.landmarks, fit.visible), 519.30, 683.28),
        (np.full((18, 2), 0.5), 1159.05, 1580.90),
    ):
        errors = 256 * (test.landmarks - pose)
        assert (np.linalg.norm(errors, axis=2) * counted).sum() / 300 == pytest.approx(summed, abs=0.005)
        by_joint = [np.abs(errors[test.visible[:, joint], joint]).mean(axis=0).sum() for joint in range(18)]
        assert sum(by_joint) == pytest.approx(absolute, abs=0.005)


@real
def test_real_floors_as_scored() -> None:
    """A keypoint that never moves makes the mean pose of the regression, one at the centre the centre.

    The mean pose is 0.02 worse than above where the 56 train joints on the border are left out in fitting too.
    """
    dataset = TAICHI(Path(DATA_ROOT or ""))
    tables = dataset.table("regress"), dataset.table("test")

    def value(protocol: str, at: tuple[float, float]) -> float:
        fit, test = (
            points(np.broadcast_to(at, (len(table.ids), 1, 2)), table.landmarks, table.visible) for table in tables
        )
        return score(protocol, fit, test).value

    assert value("sk/cumulative", (0.3, 0.8)) == pytest.approx(519.32, abs=0.005)
    assert value("sk/cumulative", (0.5, 0.5)) == pytest.approx(1159.05, abs=0.005)
    assert value("sk/relative", (0.3, 0.8)) == pytest.approx(15.52, abs=0.005)
    assert value("siarohin/cumulative", (0.3, 0.8)) == pytest.approx(683.28, abs=0.005)
