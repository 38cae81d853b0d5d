"""Checkpoints of the encoder of AutoLink (He et al., NeurIPS 2022), or keypoints that it found.

The detector of ``checkpoints/<dataset>_k<K>_.../model.ckpt`` (``methods.autolink.released``) is run over the images of
both splits, at 128 x 128 pixels in [-1, 1].

The released code writes no keypoints; ``det_keypoints`` (or ``keypoints``) of its test step, saved with numpy.savez or
torch.save, are read too. Either way a keypoint is the mean of a softmax over 32 x 32 cells, whose coordinates run from
-1 in the first to 1 in the last: (y, x). It is converted as in the released evaluation, value / 2 + 0.5, although -1
and 1 are the centres of the outer cells, because a regression about the corner without bias depends on that.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from methods.adapters.base import SPLITS, FormatCard, ImportRequest, OutputError, OutputFormat, Outputs
from methods.adapters.checks import check_points
from methods.adapters.conventions import check_range, to_unit
from methods.adapters.requests import read_named, split_of
from methods.base import MethodError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from methods.autolink.network import Detector
    from methods.base import ImageStream

CELLS, SIDE = 32, 128


class AutoLinkOutputs(OutputFormat):
    """Runs a checkpoint, or reads arrays of keypoints, one file per split."""

    card: ClassVar[FormatCard] = FormatCard(
        id="autolink",
        name="AutoLink",
        summary="a checkpoint of the encoder (model.ckpt), or det_keypoints (He et al. 2022)",
        systems=("he2022autolink",),
        files="model.ckpt; or train.npz and test.npz (.npy, .pt, .mat) with det_keypoints (N, K, 2) in split order",
        order="yx",
        range="[-1, 1]",
        pixels="value / 2 + 0.5, as the released evaluation has it",
        remark=f"-1 and 1 are the centres of the first and last of {CELLS} cells, so a converted point is off by up to "
        f"half a cell (1/{2 * CELLS} of the side) at the border; the numbers of autolink/* depend on that, "
        "and the backward errors of sanchez; other regressions are about the centre or have a bias, which corrects it",
        code="https://github.com/xingzhehe/AutoLink-Self-supervised-Learning-of-Human-Skeletons-and-Object-Outlines-by-"
        "Linking-Keypoints",
    )
    runs_models: ClassVar[bool] = True

    def read(self, request: ImportRequest) -> list[Outputs]:
        """Read arrays of keypoints, or run a checkpoint over both splits. Raises OutputError for another network."""
        checkpoints = [path for path in request.paths if path.suffix == ".ckpt"]
        if not checkpoints:
            return [self._array(request, path) for path in request.paths]
        if len(request.paths) > 1:
            raise OutputError(f"{', '.join(map(str, request.paths))}: expected one checkpoint alone, or arrays")
        return self._run(request, checkpoints[0])

    def _array(self, request: ImportRequest, path: Path) -> Outputs:
        values = read_named(request, path, "det_keypoints", "keypoints")
        values = check_points(str(path), values, request.num_keypoints)
        check_range(str(path), values, -1.0, 1.0, self.card.range)
        return Outputs(path.name, to_unit(values, "yx", -1.0, 1.0), split_of(request, path))

    def _run(self, request: ImportRequest, path: Path) -> list[Outputs]:
        from methods.autolink.released import load_detector

        try:
            detector = load_detector(path, request.num_keypoints).to(request.device)
        except MethodError as error:
            raise OutputError(str(error)) from error
        notes = (f"run over images of {SIDE} x {SIDE} pixels as this benchmark resamples them",)
        outputs = []
        for split in SPLITS:
            ids, keypoints = _locate(detector, request.images(split, SIDE), request.device)
            check_points(f"{path}, run over split '{split}'", keypoints, request.num_keypoints)
            outputs.append(Outputs(path.name, to_unit(keypoints, "yx", -1.0, 1.0), split, ids, notes=notes))
        return outputs


def _locate(detector: Detector, images: ImageStream, device: str) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """Ids and keypoints (N, K, 2) of all images, in the detector's own coordinates."""
    import torch

    ids: list[str] = []
    rows: list[NDArray[np.float64]] = []
    with torch.inference_mode():
        for batch in images:
            pixels = torch.from_numpy(batch.pixels).to(device) * 2 - 1
            rows.append(detector(pixels).double().cpu().numpy())
            ids += batch.ids
    return tuple(ids), np.concatenate(rows)
