"""Read the detector from a checkpoint of AutoLink's released code.

``checkpoints/<dataset>_k<K>_.../model.ckpt`` is a checkpoint of PyTorch Lightning. Only the tensors of its state dict
are read: nothing in it is executed, and a checkpoint that cannot be read without is refused. The detector's layers are
those of ``methods.autolink.network`` under other names; its bilinear interpolation to half the size is the mean of four
pixels.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from methods.archives import load_torch, unusual
from methods.autolink.edges import pixel_grid
from methods.autolink.network import Detector
from methods.base import MethodError
from methods.limits import LimitError

CELLS = 32
GRID = "coord"
_DETECTOR = re.compile(r"(?:encoder\.)?detector\.(.+)")
_NAMES = (
    (re.compile(r"^conv\."), "stages."),
    (re.compile(r"\.conv_res\."), ".shortcut."),
    (re.compile(r"\.net\."), ".path."),
)


def load_detector(path: Path, num_keypoints: int) -> Detector:
    """The detector of a checkpoint, in eval mode. Raises MethodError for another network or another K."""
    state = _detector_state(path, _state_dict(path))
    first, last = state.get("stages.0.path.0.weight"), state.get("stages.6.weight")
    if first is None or last is None or not first.ndim == last.ndim == 4:
        raise MethodError(f"{path}: its detector has {', '.join(list(state)[:3])}, expected the layers of AutoLink's")
    if len(last) != num_keypoints:
        raise MethodError(f"{path}: finds K={len(last)} keypoints, the task has K={num_keypoints}")
    broken = next((name for name, tensor in state.items() if not bool(torch.isfinite(tensor.float()).all())), None)
    if broken is not None:
        raise MethodError(f"{path}: {broken} holds numbers that are not finite; its training went wrong")
    with torch.random.fork_rng(devices=[]):  # the initial weights must not change the caller's random state
        detector = Detector(num_keypoints, len(first), levels=4, reach=0.0)
    try:
        detector.load_state_dict(state, strict=True)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise MethodError(f"{path}: its detector is not that of AutoLink ({reason})") from error
    return detector.float().eval()


def _detector_state(path: Path, state: Mapping[str, Any]) -> dict[str, Tensor]:
    """The detector's tensors under the names of ``methods.autolink.network``, without its grid of coordinates."""
    found = {match[1]: tensor for name, tensor in state.items() if (match := _DETECTOR.fullmatch(str(name)))}
    found = {name: tensor for name, tensor in found.items() if isinstance(tensor, Tensor)}
    odd = next((f"{name} {reason}" for name, tensor in found.items() if (reason := _unusual(tensor))), None)
    if odd is not None:
        raise MethodError(f"{path}: {odd}")
    if not found:
        raise MethodError(
            f"{path}: holds {', '.join(map(str, list(state)[:3]))}, expected encoder.detector.* of AutoLink"
        )
    grid = found.pop(GRID, None)
    expected = pixel_grid(CELLS)
    fits = grid is not None and grid.numel() == expected.numel()
    if grid is None or not fits or not torch.allclose(grid.float().reshape(-1, 2), expected, atol=1e-6):
        got = "none"
        if grid is not None:
            got = f"one of shape {tuple(grid.shape)}, its second row {grid.reshape(-1)[2:4].tolist()}"
        raise MethodError(
            f"{path}: expected the grid {GRID} of {CELLS} x {CELLS} cells, (y, x) from -1 to 1, row by row; got {got}"
        )
    for pattern, ours in _NAMES:
        found = {pattern.sub(ours, name): tensor for name, tensor in found.items()}
    return found


def _unusual(tensor: Tensor) -> str:
    return unusual(tensor) or (f"holds {tensor.dtype}, expected real numbers" if tensor.is_complex() else "")


def _state_dict(path: Path) -> Mapping[str, Any]:
    """The state dict of a checkpoint. Raises MethodError for another file."""
    try:
        loaded = load_torch(path)
    except pickle.UnpicklingError as error:
        name = re.search(r"GLOBAL ([\w.]+)", str(error))
        what = f"an object of {name[1]}" if name else "more than tensors"
        raise MethodError(
            f"{path}: holds {what}, and code in a file is never run; where AutoLink's own code loads it as model, "
            "keep its weights alone: torch.save({'state_dict': model.state_dict()}, 'weights.ckpt')"
        ) from error
    except LimitError as error:
        raise MethodError(f"{path}: {error}") from error
    except Exception as error:  # torch raises half a dozen kinds for a broken file
        raise MethodError(f"{path}: a checkpoint could not be read ({type(error).__name__})") from error
    state = loaded.get("state_dict") if isinstance(loaded, dict) else None
    if not isinstance(state, Mapping):
        raise MethodError(f"{path}: holds no state_dict, expected a checkpoint of PyTorch Lightning (model.ckpt)")
    return state
