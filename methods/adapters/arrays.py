"""What adapters of arrays share: the names of a file's arrays, the split a path is of, and changes of frame."""

from __future__ import annotations

import pickle
import re
import warnings
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from methods.adapters.base import ImportRequest, OutputError, Split, SplitTruth

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

ARRAYS = (".npz", ".npy", ".mat", ".pt")
CENTRAL = "fraction of the image's side, in its middle, that the system saw (1: the whole image)"
ROWS = "'task' where the rows are in the order of the task's split"
_WORDS: dict[str, Split] = {"train": "regress", "regress": "regress", "test": "test"}
_FARTHEST = 0.05  # of the image's side: mean landmarks that are further apart are not of the same images


def names_in(path: Path) -> tuple[str, ...]:
    """Names of the arrays in a file, none where it holds a single one without a name.

    Raises OutputError for a file that is missing, broken, or of another kind; nothing in it is executed.
    """
    if path.suffix.lower() not in ARRAYS:
        raise OutputError(f"{path}: expected a file that ends in {', '.join(ARRAYS)}")
    if not path.is_file():
        raise OutputError(f"no file {path}")
    try:
        return _NAMES.get(path.suffix.lower(), _none)(path)
    except pickle.UnpicklingError as error:
        raise OutputError(f"{path}: holds more than tensors, and code in a file is never run; save tensors") from error
    except NotImplementedError as error:  # SciPy's answer to MATLAB 7.3, which is HDF5
        raise OutputError(f"{path}: a MATLAB 7.3 file, which is not read; save it with save(..., '-v7')") from error
    except Exception as error:  # a broken file may fail anywhere in there
        raise OutputError(f"{path}: no arrays that could be read ({type(error).__name__}); save them again") from error


def read_named(request: ImportRequest, path: Path, *wanted: str) -> NDArray[Any]:
    """The first of the wanted arrays that the file has, or the only one it has.

    Raises OutputError naming those that it has instead.
    """
    names = names_in(path)
    chosen = next((name for name in wanted if name in names), None)
    if chosen is None and len(names) > 1:
        raise OutputError(f"{path}: holds {', '.join(names[:8])}, expected {' or '.join(wanted)}")
    if chosen is None and names:
        chosen = names[0]
    return np.asarray(request.read_array(str(path) if chosen is None else f"{path}:{chosen}").values)


def split_of(request: ImportRequest, path: Path) -> Split | None:
    """The split that a path is of: as the user said, else by the last 'train' or 'test' in its names, else None."""
    for named in (path, *path.parents):
        if named in request.split_of:
            return request.split_of[named]
    for name in (path.stem, path.parent.name):
        words = [word for word in re.split(r"[^a-z]+", name.lower()) if word in _WORDS]
        if words:
            return _WORDS[words[-1]]
    return None


def number(request: ImportRequest, name: str, default: float, low: float, high: float) -> float:
    """An option that is a number, ``low`` to ``high``. Raises OutputError for any other."""
    text = request.options.get(name)
    if text is None:
        return default
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        raise OutputError(f"--option {name}={text}: expected a number from {low:g} to {high:g}")
    return value


def whole_number(request: ImportRequest, name: str, default: int, low: int, high: int) -> int:
    """An option that is a whole number, ``low`` to ``high``. Raises OutputError for any other."""
    value = number(request, name, default, low, high)
    if value % 1:
        raise OutputError(f"--option {name}={request.options[name]}: expected a whole number")
    return int(value)


def in_order(request: ImportRequest) -> bool:
    """Whether the user vouches for the order of rows (``rows=task``). Raises OutputError for another value."""
    given = request.options.get("rows")
    if given not in (None, "task"):
        raise OutputError(f"--option rows={given}: expected task, where the rows are in the order of the task's split")
    return given == "task"


def from_endpoints(values: Floats, cells: int) -> Floats:
    """Points (N, K, 2), (y, x) in [-1, 1], where -1 and 1 are the centres of the first and last of ``cells`` cells.

    Returns (x, y) in [0, 1], where cell ``i`` has its centre at ``(i + 0.5) / cells``.
    """
    index = (values[..., ::-1] + 1) / 2 * (cells - 1)
    return np.ascontiguousarray((index + 0.5) / cells)


def from_middle(points: Floats, fraction: float) -> Floats:
    """Points in [0, 1] of the central part of an image, as points in [0, 1] of the image."""
    return 0.5 + (points - 0.5) * fraction


def measured_order(
    source: str, landmarks: Floats, visible: NDArray[np.bool_], truth: SplitTruth, option: str
) -> Literal["xy", "yx"]:
    """The order of two numbers in which landmarks (N, L, 2), in [0, 1], lie where the task's do, on average.

    ``option`` is the name of the one that says of how many pixels the side is that they were divided by.
    Raises OutputError where the number of landmarks differs, or they lie elsewhere in either order.
    """
    if landmarks.shape[1] != truth.landmarks.shape[1]:
        found, expected = landmarks.shape[1], truth.landmarks.shape[1]
        raise OutputError(f"{source}: got {found} landmarks an image, the task has {expected}; import it for its task")
    seen = visible.any(axis=0) & truth.visible.any(axis=0)
    theirs = np.array([landmarks[visible[:, one], one].mean(axis=0) for one in np.flatnonzero(seen)])
    ours = np.array([truth.landmarks[truth.visible[:, one], one].mean(axis=0) for one in np.flatnonzero(seen)])
    apart = {"xy": float(np.abs(theirs - ours).mean()), "yx": float(np.abs(theirs[:, ::-1] - ours).mean())}
    best: Literal["xy", "yx"] = "xy" if apart["xy"] <= apart["yx"] else "yx"
    if apart[best] > _FARTHEST:
        raise OutputError(
            f"{source}: its landmarks lie {apart[best]:.3f} of the image's side from the task's on average (read as x, "
            f"y: {apart['xy']:.3f}, as y, x: {apart['yx']:.3f}), expected below {_FARTHEST:g}; other images "
            f"or crops, or pixels of another size (--option {option}=N)?"
        )
    return best


def _none(path: Path) -> tuple[str, ...]:
    return ()


def _npz(path: Path) -> tuple[str, ...]:
    with zipfile.ZipFile(path) as archive:
        return tuple(name.removesuffix(".npy") for name in archive.namelist())


def _mat(path: Path) -> tuple[str, ...]:
    from scipy.io import whosmat

    return tuple(name for name, _, _ in whosmat(path))


def _pt(path: Path) -> tuple[str, ...]:
    import torch

    with warnings.catch_warnings(action="ignore"):
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    return tuple(map(str, loaded)) if isinstance(loaded, dict) else ()


_NAMES = {".npz": _npz, ".mat": _mat, ".pt": _pt}
