"""Tensors of the evaluation of IMM (Jakab et al., NeurIPS 2018).

Its ``scripts/test.py`` saves nothing, but computes for each set of images ``gauss_yx`` (N, K, 2) and
``future_landmarks`` (N, L, 2). The adapter reads both as saved with numpy.savez, one file per set.

A keypoint is the mean of a softmax over the rows, and over the columns, of a map of 16 x 16 cells whose coordinates
run from -1 in the first to 1 in the last: (y, x), -1 and 1 at the centres of the outer cells. Landmarks are pixels of
the 128 x 128 crop, without a shift by half a pixel. The crop is the central 0.8 of the squashed image.

Rows are in the order of CelebA's list of landmarks, not of MAFL's, so images are found by their landmarks. The last
tenth of MAFL's training images is a separate set, ``train10``, which ``scripts/test.py`` leaves out; it is needed too.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from methods.adapters.arrays import names_in
from methods.adapters.base import MOVED, FormatCard, ImportRequest, OutputError, OutputFormat, Outputs, Split
from methods.adapters.checks import check_count, check_points
from methods.adapters.conventions import check_range, from_endpoints, from_middle, measured_order
from methods.adapters.requests import CENTRAL, ROWS, in_order, number, read_array, read_named, split_of, whole_number

if TYPE_CHECKING:
    from numpy.typing import NDArray

KEYPOINTS, LANDMARKS = "gauss_yx", "future_landmarks"
CELLS, SIDE, MIDDLE = 16, 128, 0.8


class Imm(OutputFormat):
    """One file of tensors per split, with 'train' or 'test' in its name."""

    card: ClassVar[FormatCard] = FormatCard(
        id="imm",
        name="IMM",
        summary=f"{KEYPOINTS} and {LANDMARKS} of the evaluation (Jakab et al. 2018)",
        systems=("jakab2018",),
        files=f"train.npz (with train10.npz) and test.npz, or .pt, .mat, with {KEYPOINTS} and {LANDMARKS} (N, L, 2)",
        order="yx",
        range="[-1, 1] of the central 0.8 of the image (--option crop=1 for the whole image)",
        pixels="-1 and 1 are the centres of the first and last of 16 cells (--option cells=N)",
        remark=MOVED,
        code="https://github.com/tomasjakab/imm",
    )
    options: ClassVar[Mapping[str, str]] = {
        "crop": f"{CENTRAL}; default {MIDDLE:g}",
        "cells": f"side of the map that keypoints are found on; default {CELLS}",
        "side": f"side of the crop in pixels, in which landmarks are; default {SIDE}",
        "rows": ROWS,
    }

    def read(self, request: ImportRequest) -> list[Outputs]:
        """Read keypoints, and the landmarks of the same rows. Raises OutputError for a file without landmarks."""
        ordered = in_order(request)
        return [self._read(request, path, ordered) for path in request.paths]

    def _read(self, request: ImportRequest, path: Path, ordered: bool) -> Outputs:
        source, crop = str(path), number(request, "crop", MIDDLE, 0.1, 1)
        values = check_points(source, read_named(request, path, KEYPOINTS), request.num_keypoints)
        check_range(source, values, -1.0, 1.0, self.card.range)
        cells = whole_number(request, "cells", CELLS, 2, 4096)
        keypoints = from_middle(from_endpoints(values, cells), crop)
        split = split_of(request, path)
        if LANDMARKS not in names_in(path):
            if ordered:
                return Outputs(path.name, keypoints, split)
            raise OutputError(
                f"{path}: has no {LANDMARKS}, and IMM's rows are in CelebA's order, not the task's; save both tensors, "
                "or give --option rows=task if the rows are in the order of the split"
            )
        side = number(request, "side", SIDE, 2, 4096)
        landmarks = self._landmarks(request, path, split, len(values), side)
        visible = np.ones(landmarks.shape[:2], dtype=bool)
        notes: tuple[str, ...] = ()
        if split and len(values) < len(request.splits[split].ids):
            notes = (f"{path.name}: has {len(values):,} rows; IMM keeps a tenth of MAFL's training images as train10",)
        return Outputs(path.name, keypoints, split, None, from_middle(landmarks, crop), visible, notes)

    def _landmarks(
        self, request: ImportRequest, path: Path, split: Split | None, count: int, side: float
    ) -> NDArray[np.float64]:
        """Landmarks (N, L, 2) as (x, y) in sides of the crop, in the order that agrees with the task."""
        source = f"{path}:{LANDMARKS}"
        landmarks = check_points(source, np.asarray(read_array(request, source).values)) / side
        check_count(source, len(landmarks), count, f"the rows of {KEYPOINTS}")
        crop = number(request, "crop", MIDDLE, 0.1, 1)
        visible = np.ones(landmarks.shape[:2], dtype=bool)
        truth = request.splits[split or "regress"]
        order = measured_order(source, from_middle(landmarks, crop), visible, truth, "side")
        return landmarks if order == "xy" else landmarks[..., ::-1]
