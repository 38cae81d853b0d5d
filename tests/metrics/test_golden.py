"""Floors on real annotations, against values computed from the same files by other code."""

import json
import os
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from metrics.protocols import PROTOCOLS, score
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
    annotated = (fit_pixels != -1).all(axis=2)
    # Stable Keypoints takes a joint for visible where both coordinates are above 0.
    fit_visible, visible = (fit_pixels > 0).all(axis=2), (pixels > 0).all(axis=2)
    assert (annotated.sum(), fit_visible.sum(), visible.sum()) == (83513, 83457, 5020)
    test = standing_still(pixels / 256, visible)
    # The recorded floor is that of the mean over all annotated joints.
    fit = standing_still(fit_pixels / 256, annotated)
    assert score("sk/cumulative", fit, test).value == pytest.approx(519.30, abs=0.005)
    assert score("sk/relative", fit, test).value == pytest.approx(15.52, abs=0.005)
    # With the 56 joints on the border left out in fitting too, it is a little higher.
    mean_pose = [fit_pixels[fit_visible[:, joint], joint].mean(axis=0) for joint in range(18)]
    summed = (np.linalg.norm(pixels - mean_pose, axis=2) * visible).sum() / 300
    fit = standing_still(fit_pixels / 256, fit_visible)
    assert score("sk/cumulative", fit, test).value == pytest.approx(summed, rel=1e-9)
    assert summed == pytest.approx(519.32, abs=0.005)
    centred = [
        standing_still(fit_pixels / 256, fit_visible, (0.5, 0.5)),
        standing_still(pixels / 256, visible, (0.5, 0.5)),
    ]
    assert score("sk/cumulative", *centred).value == pytest.approx(1159.05, abs=0.005)


def test_cub_aligned_floors():
    fit_annotation, test_annotation = cub_aligned("train"), cub_aligned("test")
    fit, test = standing_still(*fit_annotation), standing_still(*test_annotation)
    micro = replace(PROTOCOLS["sk/side"], aggregate="micro")
    assert (len(fit.ids), len(test.ids)) == (4735, 4630)
    assert score("sk/side", fit, test).value == pytest.approx(16.95, abs=0.005)
    assert score(micro, fit, test).value == pytest.approx(16.83, abs=0.005)
    centred = [standing_still(shape, shown, (0.5, 0.5)) for shape, shown in (fit_annotation, test_annotation)]
    assert score(micro, *centred).value == pytest.approx(33.08, abs=0.005)


def test_deepfashion_floors():
    entries = json.loads(real("deepfashion", "data_test.json").read_text(encoding="utf-8"))
    landmarks = np.array([entry["keypoints"] for entry in entries]) / 256
    test, centre = standing_still(landmarks), standing_still(landmarks, at=(0.5, 0.5))
    assert landmarks.shape == (1179, 17, 2)
    assert score("sk/pck6", test, test).value == pytest.approx(28.29, abs=0.005)
    assert score("sk/relative", test, test).value == pytest.approx(12.90 / 2, abs=0.0025)
    assert score("sk/pck6", centre, centre).value == pytest.approx(0.61, abs=0.005)
    assert score("sk/relative", centre, centre).value == pytest.approx(68.54 / 2, abs=0.0025)
