"""Readers of arrays in six file formats, for the adapters and for ``score``; no file is ever executed.

``FILE:KEY`` (or ``FILE::KEY``) names one of several arrays in a file.
"""

from __future__ import annotations

import math
import pickle
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from methods import limits
from methods.adapters.base import OutputError, first_line
from methods.adapters.headings import point_columns
from methods.adapters.matlab import check_matlab
from methods.adapters.tables import ID, columns_of, read_csv, read_parquet, read_text
from methods.archives import load_torch, members, unusual
from methods.base import SCORES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Values = NDArray[Any]
    Loaded = tuple[Values, list[str] | None, list[str] | None]  # values, image ids, headings of columns
    Load = Callable[[str | None], Loaded]


@dataclass(frozen=True)
class Array:
    """An array in the number type of its file; ``ids`` of images and ``headings`` of columns if the file has them."""

    name: str
    values: Values
    ids: list[str] | None
    headings: list[str] | None = None


@dataclass(frozen=True)
class _Contents:
    """The arrays of an open file: their names, and a loader that takes a name and returns values, ids and headings.

    Without a key the array is one of ``default``; None means that the file is a single array without a name.
    """

    names: Sequence[str]
    default: Sequence[str] | None
    load: Load


def read_array(text: str) -> Array:
    """Read the array that ``FILE``, ``FILE:KEY`` or ``FILE::KEY`` names.

    Raises OutputError for a missing or broken file, an unknown file format, an array that does not hold numbers, and
    a key that is missing or unknown (with the keys that the file has).
    """
    path, key = parse_source(text)
    with _opened(path) as contents:
        values, ids, headings = contents.load(_choose(path, contents, key))
        if values.dtype.kind not in "biuf":
            raise OutputError(f"{text}: got an array of {values.dtype}, expected numbers")
        limits.check(8 * values.size, limits.BYTES, "bytes in memory")
    return Array(text, values, ids, headings)


def read_scores(array: Array) -> Values | None:
    """The scores (N, K) beside an array of keypoints: columns such as score_0, or the array ``scores`` of its file.

    None without scores. Raises OutputError as ``read_array`` does.
    """
    if (named := point_columns(array.name, array.headings)) is not None:
        return None if named.scores is None else array.values[:, named.scores]
    path, key = parse_source(array.name)
    with _opened(path) as contents:
        if SCORES not in contents.names or key == SCORES:
            return None
    return read_array(f"{path}::{SCORES}").values


def names_in(path: Path) -> tuple[str, ...]:
    """The names of the arrays in a file; empty for a single array without a name. Raises OutputError as above."""
    with _opened(path) as contents:
        return tuple(contents.default or ())


def read_labels(text: str) -> list[str]:
    """Read one name per row: the lines of a text file (.txt, .csv), or a column (N,) of a file of arrays."""
    path, key = parse_source(text)
    if path.suffix.lower() in (".txt", ".csv"):
        return read_text(path).splitlines()
    with _opened(path) as contents:
        values, *_ = contents.load(_choose(path, contents, key))
        return _names(text, values)


def parse_source(text: str) -> tuple[Path, str | None]:
    """Split ``FILE:KEY`` into file and key. A colon of the path itself (C:\\x.npz, 12:30.npz) separates no key."""
    if not Path(text).is_file():
        for separator in ("::", ":"):
            path, found, key = text.rpartition(separator)
            if found and key and Path(path).suffix.lower() in _FORMATS:
                return Path(path), key
    return Path(text), None


@contextmanager
def _opened(path: Path) -> Iterator[_Contents]:
    """The contents of a file of a known format."""
    suffix = path.suffix.lower()
    if suffix not in _FORMATS:
        raise OutputError(f"{path}: expected a file that ends in {', '.join(_FORMATS)}")
    if not path.is_file():
        raise OutputError(f"no file {path}")
    opener, what, cure = _FORMATS[suffix]
    with reading(path, what, cure):
        yield opener(path)


@contextmanager
def reading(path: Path, what: str, cure: str) -> Iterator[None]:
    """Turn an exception of any library that reads the file (``what``) into an OutputError with the ``cure``."""
    try:
        yield
    except OutputError:
        raise
    except limits.LimitError as error:
        raise OutputError(f"{path}: {error}") from error
    except pickle.UnpicklingError as error:
        raise OutputError(f"{path}: holds more than tensors, and code in a file is never run; {cure}") from error
    except NotImplementedError as error:  # SciPy raises it for MATLAB 7.3, which is HDF5
        raise OutputError(f"{path}: MATLAB 7.3 files are not read; save it with save(..., '-v7')") from error
    except Exception as error:  # the libraries raise many types for a broken file
        if isinstance(error, OSError) and error.strerror:
            raise OutputError(f"cannot read {path}: {error.strerror}") from error
        reason = first_line(error).split(".")[0][:100]
        raise OutputError(f"{path}: {what} could not be read ({reason}); {cure}") from error


def _choose(path: Path, contents: _Contents, key: str | None) -> str | None:
    """The name of the array to load: the key, or the only array of the file; None for an array without a name."""
    if key is not None:
        if key in contents.names:
            return key
        if not contents.names:
            raise OutputError(f"{path}:{key}: holds one array without a key; leave out ':{key}'")
        raise OutputError(f"{path}: no array '{key}'; it holds {', '.join(contents.names[:8]) or 'none'}")
    if contents.default is None:
        return None
    if len(contents.default) != 1:
        names = ", ".join(contents.default[:8])
        raise OutputError(
            f"{path} holds {names}; name one, as in {path}:{contents.default[0]}" if names else f"{path} holds no array"
        )
    return contents.default[0]


def _numpy(path: Path) -> _Contents:
    """An .npy file is memory-mapped, so that converting it to float64 needs no second copy in memory."""
    found = members(path)
    if found is None:
        loaded = np.load(path, mmap_mode="r", allow_pickle=False)
        return _Contents((), None, lambda _: (np.asanyarray(loaded), None, None))

    names = [member.filename.removesuffix(".npy") for member in found]

    def load(name: str | None) -> Loaded:
        ids = _names(path, _member(path, ID)) if ID in names else None
        return _member(path, str(name)), ids, None

    return _Contents(names, _without_scores(name for name in names if name != ID), load)


def _member(path: Path, name: str) -> Values:
    """One array of an archive. Its header says how much memory it needs before it is unpacked."""
    from numpy.lib import format

    with np.load(path, allow_pickle=False) as file:
        inner = f"{name}.npy" if f"{name}.npy" in file.zip.namelist() else name
        with file.zip.open(inner) as stream:
            try:
                version = format.read_magic(stream)
                read = format.read_array_header_1_0 if version == (1, 0) else format.read_array_header_2_0
                shape, _, dtype = read(stream)
            except ValueError as error:
                raise OutputError(f"{path}: member '{name}' is no array; {_SAVE_NUMPY}") from error
        count = math.prod(shape)
        size = _text_bytes(dtype, count) if dtype.kind in "SU" else count * max(8, dtype.itemsize)
        limits.check(size, limits.BYTES, f"bytes in '{name}'")
        return np.asarray(file[name])


def _names(source: str | Path, values: Values) -> list[str]:
    """An array (N,) of names or numbers as text."""
    if values.ndim != 1:
        raise OutputError(f"{source}: got an array of shape {values.shape}, expected one name or number per row")
    limits.check(_text_bytes(values.dtype, values.size), limits.BYTES, "bytes in memory")
    text = np.ascontiguousarray(values.astype(str))
    if text.dtype.itemsize and text.size and int(text.view(np.uint32).max()) > sys.maxunicode:
        raise OutputError(f"{source}: has names with characters that do not exist; {_SAVE_NUMPY}")  # numpy reads them
    return [str(value) for value in text.tolist()]


def _text_bytes(dtype: np.dtype[Any], count: int) -> int:
    """The memory of an array of names as a list of text."""
    return count * (64 + 8 * dtype.itemsize)


def _matlab(path: Path) -> _Contents:
    from scipy.io import loadmat, whosmat

    check_matlab(path)
    names = [name for name, _, _ in whosmat(path)]

    def load(name: str | None) -> Loaded:
        check_matlab(path, str(name))
        return np.asarray(loadmat(path, variable_names=[str(name)])[str(name)]), None, None

    return _Contents(names, _without_scores(names), load)


def _torch(path: Path) -> _Contents:
    import torch

    loaded = load_torch(path)
    found = loaded if isinstance(loaded, dict) else {"": loaded}
    tensors = {str(name): value.detach() for name, value in found.items() if isinstance(value, torch.Tensor)}
    if not tensors:
        raise OutputError(f"{path}: holds a {type(loaded).__name__}, expected a tensor; {_SAVE_TORCH}")

    def load(name: str | None) -> Loaded:
        tensor = tensors[name or ""]
        if reason := unusual(tensor):
            raise OutputError(f"{path}:{name} {reason}" if name else f"{path} {reason}")
        return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy(), None, None

    if not isinstance(loaded, dict):
        return _Contents((), None, load)
    return _Contents(list(tensors), _without_scores(tensors), load)


def _csv(path: Path) -> _Contents:
    return _Contents((), None, lambda _: read_csv(path))


def _parquet(path: Path) -> _Contents:
    names, lists = columns_of(path)
    return _Contents(names, _without_scores(lists) or None, lambda name: read_parquet(path, name))


def _without_scores(names: Iterable[str]) -> list[str]:
    """The names of arrays without that of the scores, unless it is the only one."""
    found = list(names)
    return [name for name in found if name != SCORES] or found


_SAVE_NUMPY = "save numbers of one shape, and names as numpy.array(names, dtype=str), with numpy.save or numpy.savez"
_SAVE_TORCH = "save the tensor alone, or a dictionary of tensors, with torch.save"
_FORMATS: dict[str, tuple[Callable[[Path], _Contents], str, str]] = {
    ".npz": (_numpy, "arrays of numbers", _SAVE_NUMPY),
    ".npy": (_numpy, "an array of numbers", _SAVE_NUMPY),
    ".mat": (_matlab, "a MATLAB file", "save it again"),
    ".csv": (_csv, "a table", "save it again"),
    ".parquet": (_parquet, "a parquet file", "save it again"),
    ".pt": (_torch, "a tensor", _SAVE_TORCH),
}
