"""Human3.6M from h36m-fetch's output, on a synthetic tree of its layout."""

from __future__ import annotations

import json
import math
import random
import shutil
from fractions import Fraction
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from datasets import human36m_unaligned
from datasets.base import SPLITS, Annotation
from tests.dataset_plugins.human36m_tree import FIT, TEST, refused
from tests.dataset_plugins.human36m_unaligned_tree import FRAMES, HEIGHTS, ONE, PIXELS, annot, opened, paint, plant


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return plant(tmp_path_factory.mktemp("unaligned"))


@pytest.fixture
def root(planted: Path, tmp_path: Path) -> Path:
    """A copy that a test may break."""
    shutil.copytree(planted / "processed", tmp_path / "processed")
    return tmp_path


def raw_pose(root: Path, image_id: str) -> np.ndarray:
    """The pose of an image, looked for row by row."""
    subject, take, camera, frame = image_id.split("/")
    with h5py.File(annot(root, f"{subject}/{take}")) as file:
        rows = zip(file["camera"][()], file["frame"][()], file["pose/2d"][()], strict=True)
        (pose,) = (pose for named, number, pose in rows if (str(named), number) == (camera, int(frame)))
    return pose


Edges = tuple[list[Fraction], list[Fraction]]


def released(pose: np.ndarray, size: tuple[int, int], shift: tuple[int, int]) -> Edges:
    """The released crop's start and stop along x and y, in exact arithmetic."""
    low = [Fraction(min(column)) for column in pose.T.tolist()]
    high = [Fraction(max(column)) for column in pose.T.tolist()]
    side = max(high[0] - low[0], high[1] - low[1])
    starts, stops = [], []
    for axis in (0, 1):
        margin = min(Fraction(100), size[axis] - side)
        padding = (side - (high[axis] - low[axis])) / 2
        starts.append(max(Fraction(0), low[axis] - padding - margin + shift[axis]))
        stops.append(min(Fraction(size[axis]), starts[axis] + side + 2 * margin))
    return starts, stops


coordinates = st.integers(-160, 4160).map(lambda quarter: quarter / 4)
box = st.tuples(coordinates, coordinates, coordinates, coordinates)


@given(box, st.sampled_from([(1000, 1002), (1000, 1000)]), st.tuples(st.integers(-100, 99), st.integers(-100, 99)))
@settings(max_examples=300)
def test_crop_is_the_released_one_in_whole_pixels(
    corners: tuple[float, float, float, float], size: tuple[int, int], shift: tuple[int, int]
) -> None:
    x0, y0, x1, y1 = corners
    pose = np.linspace((x0, y0), (x1, y1), 32)
    pose[-1] = x1, y1
    crop = human36m_unaligned.crop_of(pose, size, shift)
    starts, stops = released(pose, size, shift)
    whole = [math.trunc(start) for start in starts] + [math.trunc(b - a) for a, b in zip(starts, stops, strict=True)]
    assert list(crop) == [*whole, False]
    assert crop.left >= 0 and crop.top >= 0
    assert crop.left + crop.width <= size[0] and crop.top + crop.height <= size[1]


def test_landmarks_are_within_a_pixel_of_the_released_and_some_crops_are_not_square(planted: Path) -> None:
    dataset, oblong, outside = opened(planted), 0, 0
    for image_id in dataset.split("fit") + dataset.split("test"):
        pose, frame = raw_pose(planted, image_id), human36m_unaligned.frozen(image_id)
        starts, stops = released(pose, (1000, HEIGHTS[frame.camera]), (frame.shift_x, frame.shift_y))
        sides = np.array([float(b - a) for a, b in zip(starts, stops, strict=True)])
        exact = (pose - np.array([float(start) for start in starts])) / sides
        annotation = dataset.annotation(image_id)
        assert (np.abs(annotation.landmarks - exact) * sides).max() < 1.5
        assert annotation.visible.all() and annotation.landmarks.shape == (32, 2)
        assert annotation.group == "/".join(image_id.split("/")[:2])
        oblong += abs(sides[0] - sides[1]) > 20
        outside += bool((annotation.landmarks < 0).any() or (annotation.landmarks > 1).any())
    assert oblong > 20 and outside > 5


@pytest.mark.parametrize("size", [64, 257])
def test_a_landmark_sits_on_the_pixel_it_names(root: Path, size: int) -> None:
    """A white square painted about a joint has its centre of mass where the landmark says, x and y told apart."""
    dataset = opened(root)
    pose, landmarks = raw_pose(root, PIXELS), dataset.annotation(PIXELS).landmarks
    seen = 0
    for joint, (x, y) in enumerate((pose - 0.5).astype(int).tolist()):
        if not ((landmarks[joint] > 0.1).all() and (landmarks[joint] < 0.9).all()):
            continue
        photo = Image.new("RGB", (1000, 1002))
        photo.paste((255, 255, 255), (x - 6, y - 6, x + 7, y + 7))
        paint(root, PIXELS, photo)
        lit = dataset.image(PIXELS, size)[:, :, 1].astype(float)
        centres = (np.arange(size) + 0.5) / size
        mass = np.array([(lit.sum(0) * centres).sum(), (lit.sum(1) * centres).sum()]) / lit.sum()
        assert np.abs(mass - landmarks[joint]).max() < 0.02 / size
        seen += 1
    assert seen > 8


def test_splits_are_takes_cameras_and_frames_in_order(planted: Path) -> None:
    dataset = opened(planted)
    within = [f"{camera}/{frame:06d}" for camera in sorted(HEIGHTS) for frame in sorted(FRAMES)]
    takes = [f"{subject}/{take}" for subject in FIT + TEST for take in ("Directions-1", "Walking-2")]
    expected = tuple(f"{take}/{rest}" for take in takes for rest in within)
    assert (dataset.split("fit"), dataset.split("test")) == (expected[:144], expected[144:])
    regress = dataset.split("regress")
    assert len(set(regress)) == 20 and tuple(i for i in dataset.split("fit") if i in regress) == regress
    assert dataset.available() == dataset.annotated() == (True, "")
    assert human36m_unaligned.HUMAN36M_UNALIGNED().card.counts == {"fit": 159444, "regress": 50000, "test": 17615}


def test_shifts_are_frozen_whole_numbers_spread_over_their_range(planted: Path) -> None:
    frames = list(opened(planted).frames("fit"))
    assert frames[0] == ("S1", "Directions-1", "54138969", 1, 57, 59), (
        "sha256 of `shift/ID`, sixteen digits each, modulo 200, minus 100"
    )
    assert frames[1] == ("S1", "Directions-1", "54138969", 6, -52, -73)
    shifts = np.array([human36m_unaligned.frozen(f"S5/Posing-1/55011271/{n:06d}")[4:] for n in range(1, 20001)])
    assert shifts.min(axis=0).tolist() == [-100, -100] and shifts.max(axis=0).tolist() == [99, 99]
    assert np.abs(shifts.mean(axis=0) + 0.5).max() < 2
    assert np.bincount(shifts.ravel() + 100, minlength=200).min() > 130
    assert abs(np.corrcoef(shifts.T)[0, 1]) < 0.03


def test_annotations_do_not_depend_on_the_order_of_access_or_of_rows(planted: Path, root: Path) -> None:
    for path in root.rglob("annot.h5"):
        with h5py.File(path, "r+") as file:
            order = np.random.default_rng(5).permutation(12)
            for key in ("pose/2d", "camera", "frame"):
                file[key][...] = file[key][()][order]
    first, second = opened(planted), opened(root)
    ids = first.split("regress") + first.split("test")
    expected: dict[str, Annotation] = {image_id: first.annotation(image_id) for image_id in ids}
    for image_id in random.sample(ids, len(ids)):
        np.testing.assert_array_equal(second.annotation(image_id).landmarks, expected[image_id].landmarks)
    for name in reversed(SPLITS):
        assert first.digest(name) == second.digest(name)


def test_the_digest_covers_poses_shifts_and_preprocessing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digests = {opened(root).digest(name) for name in ("fit", "regress", "test")}
    other = opened(root)
    other.card = other.card.model_copy(update={"preprocessing": "another"})
    digests.add(other.digest("fit"))
    with monkeypatch.context() as patch:
        frozen = human36m_unaligned.frozen
        patch.setattr(
            human36m_unaligned, "frozen", lambda id: frozen(id)._replace(shift_x=7) if id == ONE else frozen(id)
        )
        digests.add(opened(root).digest("fit"))
    with h5py.File(annot(root), "r+") as file:
        file["pose/2d"][3, 4, 1] += 1e-9
    digests.add(opened(root).digest("fit"))
    assert len(digests) == 6


def test_frames_of_another_sampling_are_refused_with_the_way_on(root: Path) -> None:
    own = root / "processed/counts.json"
    refused(lambda: opened(root, test=23).split("test"), "'test'", "24 images", "expected 23", "fifth", own)
    refused(lambda: opened(root, fit=9).split("regress"), "'fit'", "144 images", "expected 9", own)
    own.write_text(json.dumps({"fit": 144, "test": 24}))
    dataset = opened(root, fit=9, regress=50_000, test=23)
    assert [len(dataset.split(name)) for name in ("fit", "regress", "test")] == [144, 144, 24]
    assert dataset.card.counts == {"fit": 144, "regress": 144, "test": 24}
    assert dataset.digest("test") == opened(root).digest("test")
    own.write_text(json.dumps({"fit": 145, "test": 24}))
    refused(lambda: opened(root).split("fit"), "144 images", "expected 145")
