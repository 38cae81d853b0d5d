"""Keypoints of SCOPS (Hung et al., CVPR 2019).

``evaluate_celebAWild.py`` writes ``<save>/{train,test}/pred_kp.npy`` (N, K, 2) float64: (x, y), the mean of a part's
map over the pixels of the 256 x 256 image, which its code numbers from 0; pixel ``i`` is ``i``. ``gt_kp.npy``
(N, L, 2) beside it has the landmarks of the same rows in these pixels, truncated to whole numbers.

The folder ``evaluation`` of the repository also has ``{train,test}_{pred,gt}_kp.mat``: keypoints and landmarks (y, x),
with the centre of the image at 0, in heights and widths of the central 0.8 of the image.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from methods.adapters.base import MOVED, FormatCard, ImportRequest, OutputError, OutputFormat, Outputs
from methods.adapters.checks import check_count, check_points
from methods.adapters.conventions import check_range, from_middle, measured_order, to_unit
from methods.adapters.requests import CENTRAL, number, read_named, split_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

PREDICTED = ("pred_kp.npy", "train_pred_kp.mat", "test_pred_kp.mat")
SIDE, MIDDLE = 256, 0.8
EXACT = 1e-5  # of the image's side: tolerance for landmarks that were not rounded


class Scops(OutputFormat):
    """Arrays of each split, with the files of landmarks beside them."""

    card: ClassVar[FormatCard] = FormatCard(
        id="scops",
        name="SCOPS",
        summary="pred_kp.npy, or {train,test}_{pred,gt}_kp.mat (Hung et al. 2019)",
        systems=("hung2019",),
        files="the folder of train/ and test/ with pred_kp.npy (and gt_kp.npy), or of {train,test}_{pred,gt}_kp.mat",
        order="xy",
        range=".npy: [0, 256), pixels of the image (--option side=N for another size); .mat: (y, x) in [-0.5, 0.5] of "
        "the central 0.8 of the image (--option crop=1 for the whole image)",
        pixels=".npy: pixel i is i; .mat: fractions of height and width",
        remark=MOVED,
        code="https://github.com/NVlabs/SCOPS",
    )
    options: ClassVar[Mapping[str, str]] = {
        "side": f"pixels of the image's side, for .npy; default {SIDE}",
        "crop": f"for .mat, {CENTRAL}; default {MIDDLE:g}",
    }

    def read(self, request: ImportRequest) -> list[Outputs]:
        """Read keypoints of each split, and any landmarks. Raises OutputError for another unit or order."""
        found = [file for path in request.paths for file in _predictions(path)]
        if not found:
            raise OutputError(f"no {' or '.join(PREDICTED)} among {', '.join(map(str, request.paths))}")
        return [self._mat(request, path) if path.suffix == ".mat" else self._npy(request, path) for path in found]

    def _npy(self, request: ImportRequest, path: Path) -> Outputs:
        side = number(request, "side", SIDE, 2, 65_536)
        values = check_points(str(path), read_named(request, path), request.num_keypoints)
        check_range(str(path), values, 0.0, side - 1, f"(x, y), pixels of {side:g}, as --option side=N says")
        keypoints = to_unit(values, "xy", 0.0, side, shift=0.5)
        pixels = _beside(request, path, len(values))
        if pixels is None:
            return _outputs(request, path, keypoints, None)
        cut = bool((pixels % 1 == 0).all())  # truncated numbers are half a pixel too small on average
        landmarks, visible = (pixels + 0.5 * cut) / side, np.ones(pixels.shape[:2], dtype=bool)
        source, truth = str(_truth(path)), request.splits[split_of(request, path) or "regress"]
        if measured_order(source, landmarks, visible, truth, "side") != "xy":
            raise OutputError(f"{source}: its landmarks agree with the task's as (y, x), expected (x, y)")
        return _outputs(request, path, keypoints, landmarks, 0.5 * cut / side + EXACT)

    def _mat(self, request: ImportRequest, path: Path) -> Outputs:
        crop = number(request, "crop", MIDDLE, 0.1, 1)
        values = check_points(str(path), read_named(request, path, path.stem), request.num_keypoints)
        check_range(str(path), values, -0.5, 0.5, "(y, x), the image's centre at 0")
        landmarks = _beside(request, path, len(values))
        if landmarks is not None:
            landmarks = from_middle(landmarks[..., ::-1] + 0.5, crop)
        return _outputs(request, path, from_middle(to_unit(values, "yx", -0.5, 0.5), crop), landmarks)


def _outputs(
    request: ImportRequest,
    path: Path,
    keypoints: NDArray[np.float64],
    landmarks: NDArray[np.float64] | None,
    tolerance: float = EXACT,
) -> Outputs:
    name = f"{path.parent.name}/{path.name}"
    split = split_of(request, path)
    if landmarks is None:
        return Outputs(name, keypoints, split)
    visible = np.ones(landmarks.shape[:2], dtype=bool)
    return Outputs(name, keypoints, split, None, landmarks, visible, tolerance=tolerance)


def _predictions(path: Path) -> list[Path]:
    """The files of keypoints at a path; none for a file of landmarks."""
    if path.is_dir():
        places = [path / name for name in PREDICTED] + [path / split / PREDICTED[0] for split in ("train", "test")]
        found = [place for place in places if place.is_file()]
        if not found:
            raise OutputError(f"{path}: holds no train/{PREDICTED[0]} or test/{PREDICTED[0]}, and no {PREDICTED[1]}")
        return found
    if not path.is_file():
        raise OutputError(f"no file or folder {path}")
    return [] if "gt_kp" in path.name else [path]


def _beside(request: ImportRequest, path: Path, count: int) -> NDArray[np.float64] | None:
    """The landmarks (N, L, 2) in the file beside the keypoints, in its coordinates; None without that file."""
    truth = _truth(path)
    if truth == path or not truth.is_file():
        return None
    landmarks = check_points(str(truth), read_named(request, truth, truth.stem))
    check_count(str(truth), len(landmarks), count, f"the rows of {path.name}")
    return landmarks


def _truth(path: Path) -> Path:
    """The file of landmarks for a file of keypoints."""
    return path.with_name(path.name.replace("pred_kp", "gt_kp"))
