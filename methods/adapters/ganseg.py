"""Keypoints of GANSeg (He et al., CVPR 2022).

``test_seg.py`` saves nothing, but computes ``train_X`` (N, K, 2) and ``train_y`` (N, L, 2), ``test_X`` and ``test_y``.
The adapter reads all four as saved with numpy.savez or torch.save. A keypoint is the mean of a part's map over the
pixels of the 128 x 128 image, whose coordinates run from 0 in the first to 128 in the last: (y, x), so that pixel
``i`` is written as ``i * 128 / 127``. Landmarks are (y, x) pixels of that image, or of 256 pixels for Tai-Chi, where
-1 marks a missing one.

Its data loaders shuffle, so images are found by their landmarks.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from methods.adapters.arrays import names_in
from methods.adapters.base import (
    MOVED,
    FormatCard,
    ImportRequest,
    OutputError,
    OutputFormat,
    Outputs,
    Split,
    SplitTruth,
)
from methods.adapters.checks import check_count, check_points
from methods.adapters.conventions import check_range, measured_order, to_unit
from methods.adapters.requests import ROWS, in_order, number, read_array

if TYPE_CHECKING:
    from numpy.typing import NDArray

NAMES: dict[str, Split] = {"train": "regress", "test": "test"}
SIDE = 128


class GanSeg(OutputFormat):
    """Arrays of both splits, in one file or several."""

    card: ClassVar[FormatCard] = FormatCard(
        id="ganseg",
        name="GANSeg",
        summary="part centroids and landmarks, train_X, train_y, test_X, test_y (He et al. 2022)",
        systems=("he2022ganseg",),
        files="one or more .npz, .pt or .mat with train_X, train_y, test_X and test_y of test_seg.py",
        order="yx",
        range="[0, 128], pixels of the image (--option side=N for another size)",
        pixels="pixel i of n is i * n / (n - 1)",
        remark=MOVED,
        code="https://github.com/xingzhehe/GANSeg",
    )
    options: ClassVar[Mapping[str, str]] = {
        "side": f"pixels of the image's side; default {SIDE}",
        "landmark_side": "pixels of the side in which landmarks are; default: side (256 for Tai-Chi)",
        "rows": ROWS,
    }

    def read(self, request: ImportRequest) -> list[Outputs]:
        """Read keypoints of each split, and the landmarks of the same rows. Raises OutputError without landmarks."""
        ordered = in_order(request)
        where: dict[str, Path] = {}
        for path in request.paths:
            for name in names_in(path):
                if where.setdefault(name, path) != path:
                    raise OutputError(f"{name} is in {where[name]} and in {path}; expected each array once")
        found = [name for name in NAMES if f"{name}_X" in where]
        if not found:
            held = ", ".join(list(where)[:8]) or "one array without a name"
            raise OutputError(f"{request.paths[0]}: holds {held}, expected train_X, train_y, test_X and test_y")
        return [self._read(request, name, where, ordered) for name in found]

    def _read(self, request: ImportRequest, name: str, where: Mapping[str, Path], ordered: bool) -> Outputs:
        split, side = NAMES[name], number(request, "side", SIDE, 2, 65_536)
        path = where[f"{name}_X"]
        source = f"{path}:{name}_X"
        values = check_points(source, _pairs(request, source), request.num_keypoints)
        check_range(source, values, 0.0, side, f"(y, x), pixels of {side:g}, as --option side=N says")
        keypoints = to_unit(values * (side - 1) / side, "yx", 0.0, side, shift=0.5)
        if f"{name}_y" not in where:
            if ordered:
                return Outputs(path.name, keypoints, split)
            raise OutputError(
                f"{path}: has {name}_X without {name}_y, and GANSeg's loaders shuffle; save {name}_y too, "
                "or give --option rows=task if you read the images in the order of the split"
            )
        pixels = number(request, "landmark_side", side, 1, 65_536)
        source = f"{where[f'{name}_y']}:{name}_y"
        landmarks, visible = _landmarks(source, _pairs(request, source), pixels, request.splits[split])
        check_count(source, len(landmarks), len(values), f"the rows of {name}_X")
        return Outputs(path.name, keypoints, split, landmarks=landmarks, visible=visible)


def _pairs(request: ImportRequest, source: str) -> NDArray[Any]:
    """Read an array (N, K, 2), or (N, 2K), which test_seg.py computes for MAFL."""
    values = np.asarray(read_array(request, source).values)
    return values.reshape(len(values), -1, 2) if values.ndim == 2 and values.shape[1] % 2 == 0 else values


def _landmarks(
    source: str, values: NDArray[Any], side: float, truth: SplitTruth
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Landmarks (N, L, 2) as (x, y) in sides of the image, checked against the task, and their visibility (N, L)."""
    pixels = check_points(source, values)
    visible = np.asarray((np.abs(pixels + 1) > 1e-6).all(axis=2))
    landmarks = pixels / side
    if measured_order(source, landmarks, visible, truth, "landmark_side") != "yx":
        raise OutputError(
            f"{source}: its landmarks agree with the task's as (x, y), expected (y, x), the order of GANSeg"
        )
    return np.ascontiguousarray(landmarks[..., ::-1]), visible
