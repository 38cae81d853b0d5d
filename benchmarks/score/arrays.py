"""Arrays from files of six formats, by whoever wrote them: nothing in a file is ever executed.

A file that holds several arrays is named with the one meant, ``FILE:KEY`` (or ``FILE::KEY``).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from benchmarks.errors import UserError, first_line, unknown
from benchmarks.score.tables import ID, read_csv, read_parquet

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Values = NDArray[Any]
    Read = Callable[[Path, str | None], tuple[Values, list[str] | None]]


@dataclass(frozen=True)
class Array:
    """Numbers as a file has them, float32 on disk still float32; ``ids`` where the file names its images."""

    name: str
    values: Values
    ids: list[str] | None


def read_array(text: str) -> Array:
    """The array that ``FILE``, ``FILE:KEY`` or ``FILE::KEY`` names.

    Raises UserError for a file that is missing, broken or of an unknown kind, for what is no array of numbers, and,
    naming the keys, where the one meant is not clear.
    """
    path, key = parse_source(text)
    if path.suffix.lower() not in _READERS:
        raise UserError(f"{text}: expected a file that ends in {', '.join(_READERS)}")
    if not path.is_file():
        raise UserError(f"no file {path}")
    try:
        values, ids = _READERS[path.suffix.lower()](path, key)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or first_line(error)}") from error
    if values.dtype.kind not in "biuf":
        raise UserError(f"{text}: got an array of {values.dtype}, expected numbers")
    return Array(text, values, ids)


def parse_source(text: str) -> tuple[Path, str | None]:
    """File and key; colons of the path itself (C:\\x.npz, 12:30.npz) are no separators, the last one may be."""
    if not Path(text).is_file():
        for separator in ("::", ":"):
            path, found, key = text.rpartition(separator)
            if found and key and Path(path).suffix.lower() in _READERS:
                return Path(path), key
    return Path(text), None


def read_labels(text: str) -> list[str]:
    """Names, one a row: a text file (.txt, .csv) with one a line, or a column (N,) of a file of arrays."""
    path, key = parse_source(text)
    if path.suffix.lower() in (".txt", ".csv"):
        try:
            return path.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"cannot read {path}: {first_line(error)}") from error
    if path.suffix.lower() not in _READERS or not path.is_file():
        raise UserError(f"no file {path} that ends in .txt, {', '.join(_READERS)}")
    values, _ = _READERS[path.suffix.lower()](path, key)
    if values.ndim != 1:
        raise UserError(f"{text}: got an array of shape {values.shape}, expected one name or number a row")
    return [str(value) for value in values.astype(str).tolist()]


def _choose(path: Path, keys: Iterable[str], key: str | None) -> str:
    """The key asked for, or the only one there is. Raises UserError naming the keys."""
    keys = list(keys)
    if key is not None and key not in keys:
        raise unknown(f"array in {path}", key, keys)
    if key is None and len(keys) != 1:
        held = f"holds {', '.join(keys)}; name one, as in {path}:{keys[0]}" if keys else "holds no array"
        raise UserError(f"{path} {held}")
    return key or keys[0]


def _refuse(path: Path, got: str, cure: str) -> NoReturn:
    raise UserError(f"{path}: {got}; {cure}")


def _numpy(path: Path, key: str | None) -> tuple[Values, list[str] | None]:
    """An .npy is mapped, not read, so that float32 of any length is converted once and held once."""
    cure = "save numbers of one shape, and names as numpy.array(names, dtype=str), with numpy.save or numpy.savez"
    try:
        loaded = np.load(path, mmap_mode="r", allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            if key is not None:
                raise UserError(f"{path}:{key}: an .npy holds one array and no keys; leave out ':{key}'")
            return loaded, None
        with loaded:
            chosen = _choose(path, (name for name in loaded.files if name != ID or key == ID), key)
            ids = loaded[ID].astype(str).tolist() if ID in loaded.files else None
            return loaded[chosen], ids
    except UserError:
        raise
    except Exception as error:  # a broken file may fail anywhere in there
        _refuse(path, f"no arrays of numbers that could be read ({first_line(error).split('.')[0]})", cure)


def _matlab(path: Path, key: str | None) -> tuple[Values, list[str] | None]:
    from scipy.io import loadmat, whosmat

    try:
        chosen = _choose(path, (name for name, _, _ in whosmat(path)), key)
        return np.asarray(loadmat(path, variable_names=[chosen])[chosen]), None
    except NotImplementedError:  # SciPy's answer to MATLAB 7.3, which is HDF5
        _refuse(path, "a MATLAB 7.3 file, which is not read", "save it with save(..., '-v7'), or as .npy")
    except UserError:
        raise
    except Exception as error:  # as above
        _refuse(path, f"no MATLAB file that could be read ({first_line(error)})", "save it again")


def _torch(path: Path, key: str | None) -> tuple[Values, list[str] | None]:
    import pickle

    import torch

    cure = "save the tensor alone, or a dictionary of tensors, with torch.save"
    try:
        with warnings.catch_warnings(action="ignore"):
            loaded = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        _refuse(path, "holds more than tensors, and code in a file is never run", cure)
    except Exception as error:  # as above
        _refuse(path, f"no tensor that could be read ({type(error).__name__})", cure)
    if isinstance(loaded, dict):
        loaded = {str(name): value for name, value in loaded.items() if isinstance(value, torch.Tensor)}
        loaded = loaded[_choose(path, loaded, key)]
    elif key is not None:
        raise UserError(f"{path}:{key}: holds no dictionary of tensors; leave out ':{key}'")
    if not isinstance(loaded, torch.Tensor):
        _refuse(path, f"holds a {type(loaded).__name__}, expected a tensor", cure)
    tensor = loaded.detach().to_dense() if loaded.is_sparse else loaded.detach()
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy(), None


def _csv(path: Path, key: str | None) -> tuple[Values, list[str] | None]:
    if key is not None:
        raise UserError(f"{path}:{key}: a csv holds one table and no keys; leave out ':{key}'")
    return read_csv(path)


def _parquet(path: Path, key: str | None) -> tuple[Values, list[str] | None]:
    return read_parquet(path, lambda keys: _choose(path, keys, key), key)


_READERS: dict[str, Read] = {
    ".npz": _numpy,
    ".npy": _numpy,
    ".mat": _matlab,
    ".csv": _csv,
    ".parquet": _parquet,
    ".pt": _torch,
}
