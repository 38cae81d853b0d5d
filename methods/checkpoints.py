"""A fit on its way, kept so that it can go on after it was broken off.

A checkpoint is one safetensors file with JSON in its header, written beside the one before and renamed over it, so
that there is always a whole one. It needs no random state: every draw is keyed by what it is for.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from methods.base import MethodError

if TYPE_CHECKING:
    from torch import Tensor

FILE = "checkpoint.safetensors"
SIGNALS = (signal.SIGINT, signal.SIGTERM)
_log = logging.getLogger(__name__)


def digest(names: Sequence[str]) -> str:
    """sha256 of names in their order."""
    return hashlib.sha256(json.dumps(list(names)).encode()).hexdigest()


class CheckpointFile:
    """The checkpoint of one fit in ``folder``, which is made when there is something to keep.

    ``fit`` is plain data that says which fit: method (its id), settings, images, K and seed.
    """

    def __init__(self, folder: Path, fit: Mapping[str, Any]) -> None:
        self._folder = folder
        self._path = folder / FILE
        self._fit = json.loads(json.dumps(fit))

    def read_tensors(self) -> dict[str, Tensor] | None:
        """The tensors kept, on the CPU; None, with a line that says why, for a broken file or one of another fit."""
        from safetensors import SafetensorError, safe_open

        if not self._path.exists():
            return None
        try:
            with safe_open(self._path, framework="pt", device="cpu") as file:
                fit = json.loads((file.metadata() or {})["fit"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
        except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
            self.refuse(type(error).__name__)
            return None
        if fit != self._fit:
            others = ", ".join(sorted(_differing(fit, self._fit)))
            _log.warning("%s is of another fit (%s); this one begins anew", self._path, others)
            return None
        return tensors

    def refuse(self, reason: str) -> None:
        """Say that the file is broken, and that there is therefore no checkpoint."""
        _log.warning("%s is broken (%s); the fit begins anew", self._path, reason)

    def write_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Keep tensors in place of the last. Raises MethodError where the disk does not take them."""
        from safetensors.torch import save

        whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        data = save(whole, {"fit": json.dumps(self._fit)})
        beside = self._path.with_name(f".{FILE}.{os.getpid()}")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with beside.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self._path)
        except OSError as error:
            with suppress(OSError):
                beside.unlink(missing_ok=True)
            raise MethodError(
                f"cannot write checkpoint {self._path}: {error.strerror or error}; make room and run again, "
                f"or keep none with --set {self._fit['method']}.checkpoint_every=0"
            ) from error

    def remove(self) -> None:
        """Leave nothing behind: the fit is complete."""
        for file in self._folder.glob(f"*{FILE}*"):
            file.unlink(missing_ok=True)
        if self._folder.is_dir() and not any(self._folder.iterdir()):
            self._folder.rmdir()


def _differing(one: Any, other: Any) -> set[str]:
    """Names of the entries, at any depth, that two pieces of plain data do not share."""
    if not (isinstance(one, dict) and isinstance(other, dict)):
        return set()
    found: set[str] = set()
    for name in one.keys() | other.keys():
        if one.get(name) != other.get(name):
            found |= _differing(one.get(name), other.get(name)) or {name}
    return found


@dataclass
class Stop:
    """Whether the fit was told to stop, and by which signal."""

    number: int | None = None
    before: dict[int, Any] = field(default_factory=dict)

    def obey(self) -> None:
        """Do now what the signal would have done, or raise KeyboardInterrupt where that is nothing or death."""
        number = self.number
        self.restore()
        if number is not None and callable(signal.getsignal(number)):
            signal.raise_signal(number)
        raise KeyboardInterrupt

    def restore(self) -> None:
        """Give the signals back to whom they belonged."""
        for number, handler in self.before.items():
            signal.signal(number, handler)
        self.before.clear()


@contextmanager
def held_back(active: bool) -> Iterator[Stop]:
    """Put Ctrl-C and SIGTERM off until the fit obeys; the second one counts at once. In the main thread alone."""
    stop = Stop()
    if not active or threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def note(number: int, frame: FrameType | None) -> None:
        again = stop.number is not None
        stop.number = number
        if again:
            stop.obey()

    stop.before = {number: signal.signal(number, note) for number in SIGNALS}
    try:
        yield stop
    finally:
        stop.restore()
