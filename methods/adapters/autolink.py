"""Checkpoints of the encoder of AutoLink (He et al., NeurIPS 2022), or keypoints that it found.

``checkpoints/<dataset>_k<K>_.../model.ckpt`` is a checkpoint of PyTorch Lightning. Only the tensors of its state dict
are read: nothing in it is executed, and a checkpoint that cannot be read that way is refused. Its detector is run over
the images of both splits, at 128 x 128 pixels in [-1, 1]. The layers are those of ``methods.autolink``, under other
names; halving by bilinear interpolation is the mean of four pixels.

The released code writes no keypoints; ``det_keypoints`` (or ``keypoints``) of its test step, saved with numpy.savez or
torch.save, are read too. Either way a keypoint is the mean of a softmax over 32 x 32 cells, whose coordinates run from
-1 in the first to 1 in the last: (y, x). It is converted as in the released evaluation, value / 2 + 0.5, although -1
and 1 are the centres of the outer cells, because a regression about the corner without bias depends on that.
"""

from __future__ import annotations

import pickle
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from methods.adapters.base import SPLITS, FormatCard, ImportRequest, OutputError, OutputFormat, Outputs
from methods.adapters.checks import check_points
from methods.adapters.conventions import check_range, to_unit
from methods.adapters.requests import read_named, split_of

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from methods.autolink.network import Detector
    from methods.base import ImageStream

CELLS, SIDE = 32, 128
GRID = "coord"
_DETECTOR = re.compile(r"(?:encoder\.)?detector\.(.+)")
_NAMES = (
    (re.compile(r"^conv\."), "stages."),
    (re.compile(r"\.conv_res\."), ".shortcut."),
    (re.compile(r"\.net\."), ".path."),
)


class AutoLinkOutputs(OutputFormat):
    """A checkpoint, which is run, or arrays of keypoints, one file per split."""

    card: ClassVar[FormatCard] = FormatCard(
        id="autolink",
        name="AutoLink",
        summary="a checkpoint of the encoder (model.ckpt), or det_keypoints (He et al. 2022)",
        systems=("he2022autolink",),
        files="model.ckpt; or train.npz and test.npz (.npy, .pt, .mat) with det_keypoints (N, K, 2) in split order",
        order="yx",
        range="[-1, 1]",
        pixels="value / 2 + 0.5, as the released evaluation has it",
        remark=f"-1 and 1 are the centres of the first and last of {CELLS} cells, so that a point as drawn lies up to "
        f"half a cell (1/{2 * CELLS} of the side) off at the border; regressions about the centre or with a bias are "
        "unaffected",
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
        detector = load_detector(path, request.num_keypoints).to(request.device)
        notes = (f"run over images of {SIDE} x {SIDE} pixels as this benchmark resamples them",)
        outputs = []
        for split in SPLITS:
            ids, keypoints = _locate(detector, request.images(split, SIDE), request.device)
            check_points(f"{path}, run over split '{split}'", keypoints, request.num_keypoints)
            outputs.append(Outputs(path.name, to_unit(keypoints, "yx", -1.0, 1.0), split, ids, notes=notes))
        return outputs


def load_detector(path: Path, num_keypoints: int) -> Detector:
    """The detector of a checkpoint, in eval mode. Raises OutputError where it is another network, or of another K."""
    import torch

    from methods.autolink.network import Detector

    state = _detector_state(path, _state_dict(path))
    first, last = state.get("stages.0.path.0.weight"), state.get("stages.6.weight")
    if first is None or last is None or not first.ndim == last.ndim == 4:
        raise OutputError(f"{path}: its detector has {', '.join(list(state)[:3])}, expected the layers of AutoLink's")
    if len(last) != num_keypoints:
        raise OutputError(f"{path}: finds K={len(last)} keypoints, the task has K={num_keypoints}")
    broken = next((name for name, tensor in state.items() if not bool(torch.isfinite(tensor.float()).all())), None)
    if broken is not None:
        raise OutputError(f"{path}: {broken} holds numbers that are not finite; its training went wrong")
    with torch.random.fork_rng(devices=[]):  # its first weights are drawn, and no draw of the caller's should change
        detector = Detector(num_keypoints, len(first), levels=4, reach=0.0)
    try:
        detector.load_state_dict(state, strict=True)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise OutputError(f"{path}: its detector is not that of AutoLink ({reason})") from error
    return detector.float().eval()


def _detector_state(path: Path, state: Mapping[str, Any]) -> dict[str, Tensor]:
    """The detector's tensors under the names of ``methods.autolink``, without its grid of coordinates."""
    import torch

    from methods.autolink.edges import pixel_grid

    found = {match[1]: tensor for name, tensor in state.items() if (match := _DETECTOR.fullmatch(str(name)))}
    found = {name: tensor for name, tensor in found.items() if isinstance(tensor, torch.Tensor)}
    if not found:
        raise OutputError(
            f"{path}: holds {', '.join(map(str, list(state)[:3]))}, expected encoder.detector.* of AutoLink"
        )
    grid = found.pop(GRID, None)
    expected = pixel_grid(CELLS)
    if grid is None or grid.numel() != expected.numel() or not torch.allclose(grid.reshape(-1, 2), expected, atol=1e-6):
        got = (
            "none"
            if grid is None
            else f"one of shape {tuple(grid.shape)}, its second row {grid.reshape(-1)[2:4].tolist()}"
        )
        raise OutputError(
            f"{path}: expected the grid {GRID} of {CELLS} x {CELLS} cells, (y, x) from -1 to 1, row by row; got {got}"
        )
    for pattern, ours in _NAMES:
        found = {pattern.sub(ours, name): tensor for name, tensor in found.items()}
    return found


def _state_dict(path: Path) -> Mapping[str, Any]:
    """The state dict of a checkpoint; nothing else of it is looked at."""
    import torch

    try:
        with warnings.catch_warnings(action="ignore"):
            loaded = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        name = re.search(r"GLOBAL ([\w.]+)", str(error))
        what = f"an object of {name[1]}" if name else "more than tensors"
        raise OutputError(
            f"{path}: holds {what}, and code in a file is never run; where AutoLink's own code loads it as model, "
            "keep its weights alone: torch.save({'state_dict': model.state_dict()}, 'weights.ckpt')"
        ) from error
    except Exception as error:  # torch raises half a dozen kinds for a broken file
        raise OutputError(f"{path}: no checkpoint that could be read ({type(error).__name__})") from error
    state = loaded.get("state_dict") if isinstance(loaded, dict) else None
    if not isinstance(state, Mapping):
        raise OutputError(f"{path}: holds no state_dict, expected a checkpoint of PyTorch Lightning (model.ckpt)")
    return state


def _locate(detector: Detector, images: ImageStream, device: str) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """Ids and keypoints (N, K, 2) of all images, as the detector has them."""
    import torch

    ids: list[str] = []
    rows: list[NDArray[np.float64]] = []
    with torch.inference_mode():
        for batch in images:
            pixels = torch.from_numpy(batch.pixels).to(device) * 2 - 1
            rows.append(detector(pixels).double().cpu().numpy())
            ids += batch.ids
    return tuple(ids), np.concatenate(rows)
