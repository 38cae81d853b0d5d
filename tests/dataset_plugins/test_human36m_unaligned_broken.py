"""Broken output of h36m-fetch: one line that names the file and what is wrong with it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from tests.dataset_plugins.human36m_tree import refused
from tests.dataset_plugins.human36m_unaligned_tree import ONE, annot, opened, paint, plant


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return plant(tmp_path_factory.mktemp("unaligned"))


@pytest.fixture
def root(planted: Path, tmp_path: Path) -> Path:
    """A copy that a test may break."""
    shutil.copytree(planted / "processed", tmp_path / "processed")
    return tmp_path


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[144, 24]",
        '{"fit": 144}',
        '{"fit": "144", "test": 24}',
        '{"fit": 144, "test": 24, "regress": 9}',
        '{"fit": 0, "test": 1}',
    ],
)
def test_broken_counts_are_named(root: Path, text: str) -> None:
    own = root / "processed/counts.json"
    own.write_text(text)
    refused(lambda: opened(root).split("test"), own, '{"fit": number, "test": number}')


def edit(key: str, change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], None]:
    def apply(path: Path) -> None:
        with h5py.File(path, "r+") as file:
            changed = change(file[key][()])
            del file[key]
            file[key] = changed

    return apply


def put(index: int | tuple[int, ...], value: float) -> Callable[[np.ndarray], np.ndarray]:
    def apply(array: np.ndarray) -> np.ndarray:
        array = array.astype(float)
        array[index] = value
        return array

    return apply


def drop(*keys: str) -> Callable[[Path], None]:
    def apply(path: Path) -> None:
        with h5py.File(path, "r+") as file:
            for key in keys:
                del file[key]

    return apply


def repeat(array: np.ndarray) -> np.ndarray:
    array[4] = array[3]
    return array


def repeated(path: Path) -> None:
    edit("camera", repeat)(path)
    edit("frame", repeat)(path)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:700])


@pytest.mark.parametrize(
    ("damage", "part"),
    [
        pytest.param(drop("pose/2d"), "no key 'pose/2d'", id="no pose"),
        pytest.param(drop("pose"), "no key 'pose/2d'", id="no group"),
        pytest.param(drop("camera"), "no key 'camera'", id="no camera"),
        pytest.param(drop("frame"), "no key 'frame'", id="no frame"),
        pytest.param(edit("pose/2d", lambda poses: poses[:, :17]), "(12, 17, 2)", id="17 joints"),
        pytest.param(edit("pose/2d", lambda poses: poses[0, 0, 0]), "'pose/2d'", id="one number"),
        pytest.param(edit("camera", lambda cameras: cameras[:11]), "'camera' is (11,)", id="short camera"),
        pytest.param(edit("frame", lambda frames: frames[:11]), "'frame' is (11,)", id="short frame"),
        pytest.param(edit("camera", lambda cameras: cameras.astype("S8")), "'camera' is (12,) |S8", id="text camera"),
        pytest.param(edit("camera", put(3, 54138968)), "'camera', row 3 is 54138968", id="unknown camera"),
        pytest.param(edit("camera", put(3, 54138969.4)), "'camera', row 3", id="broken camera"),
        pytest.param(edit("camera", put(3, np.nan)), "'camera', row 3", id="nan camera"),
        pytest.param(edit("frame", put(5, 1.5)), "'frame', row 5 is 1.5", id="half frame"),
        pytest.param(edit("frame", put(5, 0)), "'frame', row 5 is 0", id="frame from 0"),
        pytest.param(edit("frame", put(5, np.inf)), "'frame', row 5 is inf", id="infinite frame"),
        pytest.param(edit("frame", put(5, np.nan)), "'frame', row 5 is nan", id="nan frame"),
        pytest.param(repeated, "rows 3 and 4", id="twice"),
        pytest.param(edit("pose/2d", put((7, 18, 1), np.nan)), "row 7 has no finite 'left elbow'", id="nan pose"),
        pytest.param(edit("pose/2d", lambda poses: poses / 1000), "expected pixels", id="fractions"),
        pytest.param(lambda path: path.write_text("<html>quota</html>"), "cannot read", id="html"),
        pytest.param(cut, "cannot read", id="truncated"),
        pytest.param(Path.unlink, "cannot read", id="missing"),
    ],
)
def test_broken_annotations_are_named(root: Path, damage: Callable[[Path], object], part: str) -> None:
    damage(annot(root))
    for call in (lambda: opened(root).split("fit"), lambda: opened(root).annotation(ONE)):
        refused(call, annot(root), part)
    assert len(opened(root).split("test")) == 24


def test_a_pose_far_outside_the_image_leaves_no_crop(root: Path) -> None:
    edit("pose/2d", lambda poses: poses + 5000)(annot(root))
    refused(lambda: opened(root).annotation(ONE), annot(root), "row", "no crop")


def test_broken_images_are_named(root: Path) -> None:
    path = paint(root, ONE, Image.new("RGB", (1000, 1000)))
    refused(lambda: opened(root).image(ONE, 8), path, "(1000, 1000)", "(1000, 1002)", "54138969")
    Image.effect_noise((1000, 1002), 50).convert("RGB").save(path, format="JPEG")
    assert opened(root).image(ONE, 8).shape == (8, 8, 3)
    path.write_bytes(path.read_bytes()[:9000])
    refused(lambda: opened(root).image(ONE, 8), path)
    path.unlink()
    refused(lambda: opened(root).image(ONE, 8), path)


def test_what_is_missing_is_named(root: Path) -> None:
    shutil.rmtree(annot(root).parent / "imageSequence")
    assert opened(root).annotated() == (True, "")
    found, message = opened(root).available()
    assert not found and str(annot(root).parent / "imageSequence") in message and "h36m-fetch" in message
    shutil.rmtree(root / "processed/S9")
    refused(lambda: opened(root).split("fit"), root / "processed/S9", "h36m-fetch")
    assert len(opened(root).split("test")) == 24
    assert opened(root).available()[0] is opened(root).annotated()[0] is False
    refused(lambda: opened(None).split("test"), "no data root is set")


@pytest.mark.parametrize(
    "image_id",
    [
        "no-such-image",
        *(f"S1/Directions-1/{rest}" for rest in ("54138969", "1/000001", "54138969/1")),
        "S2" + ONE[2:],
        ONE + "0",
        ONE[:-1] + "x",
    ],
)
def test_an_id_of_another_form_is_refused(planted: Path, image_id: str) -> None:
    for call in (lambda: opened(planted).annotation(image_id), lambda: opened(planted).image(image_id, 8)):
        refused(call, f"'{image_id}'", ONE)


def test_a_frame_without_a_row_is_named(planted: Path) -> None:
    refused(lambda: opened(planted).annotation(ONE.replace("01", "02")), annot(planted), "54138969", "frame 2")
    refused(lambda: opened(planted).annotation("S1/Posing-1/54138969/000001"), annot(planted, "S1/Posing-1"))
