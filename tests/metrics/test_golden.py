"""Floors on real annotations, against values computed from the same files by other code."""

import json
import os
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from leaderboard.published import published_facts
from metrics.protocols import PROTOCOLS
from metrics.scoring import score, score_all
from tests.metrics.worlds import points

DATA_ROOT = os.environ.get("KEYPOINTS_DATA_ROOT")
pytestmark = pytest.mark.skipif(not DATA_ROOT, reason="KEYPOINTS_DATA_ROOT is not set: no real annotations to read")


def real(*parts: str) -> Path:
    path = Path(DATA_ROOT or "").joinpath(*parts)
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    return path


def standing_still(landmarks, visible=None, at=(0.3, 0.8)):
    """A keypoint that never moves: regression makes the mean pose of it, and the centre of one at the centre."""
    return points(np.broadcast_to(at, (len(landmarks), 1, 2)), landmarks, visible)


class Inert:
    """Takes the place of a pandas object in a pickle: keeps its parts, does nothing."""

    def __init__(self, *parts):
        self.parts = parts

    def __setstate__(self, state):
        self.state = state


NUMPY = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
}
INERT = {"DataFrame", "BlockManager", "_new_Index", "Index", "RangeIndex", "slice"}


class FrameUnpickler(pickle.Unpickler):
    """Numpy arrays as they are, the six pandas names of the Tai-Chi frames inert, anything else an error."""

    def find_class(self, module, name):
        if (module, name) in NUMPY:
            return NUMPY[module, name]
        if name in INERT:
            return type(name, (Inert,), {})
        raise pickle.UnpicklingError(f"refused {module}.{name}")


def taichi(split):
    """Landmarks in pixels at 256, -1 where missing."""
    with real("taichi", "landmark", f"taichi_{split}_gt.pkl").open("rb") as file:
        frame = FrameUnpickler(file).load()
    return np.stack(frame.state["_data"].state[1][1][1])


def cub_aligned(split):
    annotation = np.load(real("CUB_aligned", f"{split}_kp.npy"), allow_pickle=False)
    return annotation[..., :2], annotation[..., 2] > 0.5


def test_taichi_floors():
    fit_pixels, pixels = taichi("train"), taichi("test")
    fit_annotated, annotated = (fit_pixels != -1).all(axis=2), (pixels != -1).all(axis=2)
    # Stable Keypoints takes a joint for visible where both coordinates are above 0.
    fit_positive, positive = (fit_pixels > 0).all(axis=2), (pixels > 0).all(axis=2)
    assert (fit_annotated.sum(), annotated.sum()) == (83513, 5023)
    assert (fit_positive.sum(), positive.sum()) == (83457, 5020)
    fit, test = standing_still(fit_pixels / 256, fit_annotated), standing_still(pixels / 256, annotated)
    # The recorded floor is that of the mean over all annotated joints.
    test_positive = replace(test, visible=positive)
    assert score("strict/cumulative", fit, test_positive).value == pytest.approx(519.30, abs=0.005)
    assert score("strict/relative", fit, test_positive).value == pytest.approx(15.52, abs=0.005)
    # With the 56 joints on the border left out in fitting too, it is a little higher.
    mean_pose = [fit_pixels[fit_positive[:, joint], joint].mean(axis=0) for joint in range(18)]
    summed = (np.linalg.norm(pixels - mean_pose, axis=2) * positive).sum() / 300
    found, relative, released = score_all(["sk/cumulative", "sk/relative", "sk_released/cumulative"], fit, test)
    assert found.value == pytest.approx(summed, rel=1e-9)
    assert summed == pytest.approx(519.32, abs=0.005)
    assert relative.value == pytest.approx(summed * 300 / 5020 / 2, rel=1e-9)
    assert released.value == pytest.approx(519.32, abs=0.005)
    assert (found.rows.sum(), score("strict/cumulative", fit, test).rows.sum()) == (83457, 83513)
    centred = [replace(some, keypoints=np.full_like(some.keypoints, 0.5)) for some in (fit, test)]
    assert score("sk/cumulative", *centred).value == pytest.approx(1159.05, abs=0.005)
    # Siarohin's sum of absolute errors over the 5,023 annotated joints, which has a bias: its centre needs it off.
    assert score("siarohin/cumulative", fit, test).value == pytest.approx(683.28, abs=0.005)
    unbiased = replace(PROTOCOLS["siarohin/cumulative"], intercept=False)
    assert score(unbiased, *centred).value == pytest.approx(1580.90, abs=0.005)


def test_printed_relative_errors_of_tai_chi_are_the_cumulative_ones_over_the_joints_of_the_real_test_images():
    pixels = taichi("test")
    test = standing_still(pixels / 256, (pixels != -1).all(axis=2))
    cumulative, relative = score_all(["siarohin/cumulative", "siarohin/relative"], test, test)
    divisor = cumulative.value / relative.value
    assert divisor == pytest.approx(2 * 5020 / 300, rel=1e-12)
    pairs: dict[tuple[str, str, str], dict[str, str]] = {}
    for fact in published_facts():
        if fact["metric"] in ("Cum", "Rel"):
            pairs.setdefault((fact["label"], fact["supervision"], fact["task"]), {})[fact["metric"]] = fact["value"]
    complete = [pair for pair in pairs.values() if len(pair) == 2]
    assert len(complete) == 11
    for pair in complete:
        assert f"{float(pair['Cum']) / divisor:.2f}" == pair["Rel"]


def test_cub_aligned_floors():
    fit_annotation, test_annotation = cub_aligned("train"), cub_aligned("test")
    fit, test = standing_still(*fit_annotation), standing_still(*test_annotation)
    assert (len(fit.ids), len(test.ids)) == (4735, 4630)
    assert score("sk/side", fit, test).value == pytest.approx(16.95, abs=0.005)
    assert score("autolink/side", fit, test).value == pytest.approx(16.83, abs=0.005)
    assert score("strict/side_micro", fit, test).value == pytest.approx(16.83, abs=0.005)
    centred = [standing_still(shape, shown, (0.5, 0.5)) for shape, shown in (fit_annotation, test_annotation)]
    assert score("strict/side_micro", *centred).value == pytest.approx(33.08, abs=0.005)


def test_deepfashion_floors():
    entries = json.loads(real("deepfashion", "data_test.json").read_text(encoding="utf-8"))
    landmarks = np.array([entry["keypoints"] for entry in entries]) / 256
    test, centre = standing_still(landmarks), standing_still(landmarks, at=(0.5, 0.5))
    assert landmarks.shape == (1179, 17, 2)
    assert score("sk/pck6", test, test).value == pytest.approx(28.29, abs=0.005)
    assert score("strict/relative", test, test).value == pytest.approx(12.90 / 2, abs=0.0025)
    assert score("sk/pck6", centre, centre).value == pytest.approx(0.61, abs=0.005)
    assert score("strict/relative", centre, centre).value == pytest.approx(68.54 / 2, abs=0.0025)


def mafl(name, places):
    """Landmarks of a MAFL list in its order, as a method sees them that squashes 178 x 218 pixels to a square."""
    names = real("celeba", "MAFL", name).read_text(encoding="utf-8").split()
    return np.array([places[image] for image in names]).reshape(-1, 5, 2) / (178, 218)


def test_mafl_aligned_floors():
    rows = real("celeba", "Anno", "list_landmarks_align_celeba.MAFL20000.txt").read_text(encoding="utf-8").splitlines()
    places = {row.split()[0]: [float(number) for number in row.split()[1:]] for row in rows[2:]}
    shapes, truth = mafl("training.txt", places), mafl("testing.txt", places)
    assert (len(shapes), len(truth)) == (19000, 1000)
    apart = np.linalg.norm(truth[:, 0] - truth[:, 1], axis=1)
    by_hand = 100 * (np.linalg.norm(truth - shapes.mean(axis=0), axis=2).mean(axis=1) / apart).mean()
    assert by_hand == pytest.approx(8.43, abs=0.005)
    fit, test = standing_still(shapes), standing_still(truth)
    forward = [name for name in PROTOCOLS if name.endswith(("/interocular", "/interocular_bias", "/forward"))]
    forward.remove("scops/interocular")  # in whole pixels
    for found in score_all(forward, fit, test, interocular=(0, 1)):
        assert found.value == pytest.approx(by_hand, rel=1e-3 if "_released" in found.protocol else 1e-9)
    centre = [standing_still(marks, at=(0.5, 0.5)) for marks in (shapes, truth)]
    assert score("sk/interocular", *centre, interocular=(0, 1)).value == pytest.approx(73.56, abs=0.005)
