"""Checkpoints of unfinished fits, from which they resume after an interruption.

A checkpoint is one safetensors file with JSON in its header. It is written to a temporary file that then replaces the
previous checkpoint, so that a complete one always exists. It holds no random state: every random draw has its own key.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import signal
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Self

from methods.base import ImageStream, Method, MethodError

if TYPE_CHECKING:
    from torch import Tensor

FILE = "checkpoint.safetensors"
SHA256 = "sha256"  # of the tensors, beside the fit's description in the header
FOLDER = "folder"  # the name of the folder that the checkpoint was written to, in the header too
HISTORY = "history"  # the tensor with a row for each step
LARGEST_HEADER = 1 << 27  # bytes
ATTEMPTS = 10  # to write a checkpoint
SIGNALS = (signal.SIGINT, signal.SIGTERM)
_log = logging.getLogger(__name__)


def digest(names: Sequence[str]) -> str:
    """The sha256 of a sequence of names."""
    return hashlib.sha256(json.dumps(list(names)).encode()).hexdigest()


def content_sha256(tensors: Mapping[str, Tensor]) -> str:
    """The sha256 of contiguous tensors on the CPU: of their names, types, shapes and values."""
    import torch

    found = hashlib.sha256()
    for name in sorted(tensors):
        found.update(f"{name}\0{tensors[name].dtype}\0{tuple(tensors[name].shape)}\0".encode())
        found.update(tensors[name].reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()


def header(path: Path) -> dict[str, Any]:
    """The JSON header of a safetensors file; no tensor is read. Raises ValueError if it is none, and OSError."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        found = json.loads(file.read(length)) if 0 < length < LARGEST_HEADER else None
    if not isinstance(found, dict):
        raise ValueError("no safetensors file")
    return found


def steps_done(path: Path) -> int | None:
    """The number of steps that the fit of a checkpoint has done; None if that cannot be read."""
    try:
        return int(header(path)[HISTORY]["shape"][0])
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return None


def fault(path: Path) -> str:
    """What is wrong with a checkpoint, or ''. Checkpoints of older versions have no sha256 and pass if readable."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        tensors = load(path.read_bytes())
        about = header(path).get("__metadata__", {})
        json.loads(about["fit"])
    except (OSError, SafetensorError, ValueError, KeyError, TypeError, RecursionError):
        return "cannot be read"
    if about.get(SHA256) not in (None, content_sha256(tensors)):
        return "has changed since it was written"
    folder = about.get(FOLDER, path.parent.name)
    return "" if folder == path.parent.name else f"belongs to another fit, {folder}"


class CheckpointFile:
    """The checkpoint of one fit in ``folder``, which the first write creates.

    ``fit`` is plain data that identifies the fit: method (its id), settings, images, K and seed.
    """

    def __init__(self, folder: Path, fit: Mapping[str, Any]) -> None:
        self._folder = folder
        self._path = folder / FILE
        self._fit = json.loads(json.dumps(fit))

    @classmethod
    def of_fit(
        cls, method: Method, images: ImageStream, num_keypoints: int, seed: int, leave_out: Collection[str] = ()
    ) -> Self | None:
        """The checkpoint of a fit in ``method.checkpoints``; None unless both that and ``checkpoint_every`` are set.

        Settings in ``leave_out``, and those that matter in ``predict`` alone, do not identify the fit.
        """
        config = method.config
        if method.checkpoints is None or not config.checkpoint_every:
            return None
        fit = {
            "method": method.card.id,
            "version": method.version,
            "config": config.model_dump(mode="json", exclude={*leave_out, *config.of_predict}),
            "identity": method.identity(),
            "images": digest(images.ids),
            "num_keypoints": num_keypoints,
            "seed": seed,
        }
        return cls(method.checkpoints, fit)

    def read_tensors(self) -> dict[str, Tensor] | None:
        """The stored tensors, on the CPU; None, with a warning, if the file is broken or belongs to another fit."""
        from safetensors import SafetensorError, safe_open

        if not self._path.exists():
            return None
        try:
            with safe_open(self._path, framework="pt", device="cpu") as file:
                about = file.metadata() or {}
                fit = json.loads(about["fit"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
        except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
            self.refuse(type(error).__name__)
            return None
        if fit != self._fit:
            others = ", ".join(sorted(_differing(fit, self._fit)))
            _log.warning(
                "%s belongs to another fit (it differs in %s); this fit starts from the beginning", self._path, others
            )
            return None
        if about.get(SHA256) not in (None, content_sha256(tensors)):  # checkpoints of older versions have none
            self.refuse("it has changed since it was written")
            return None
        return tensors

    def refuse(self, reason: str) -> None:
        """Warn that the file is broken and the fit starts from the beginning."""
        _log.warning("%s is broken (%s); the fit starts from the beginning", self._path, reason)

    def write_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Replace the checkpoint by these tensors. Raises MethodError where they cannot be written."""
        from safetensors.torch import save

        whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        about = {"fit": json.dumps(self._fit), SHA256: content_sha256(whole), FOLDER: self._folder.name}
        data = save(whole, about)
        beside = self._path.with_name(f".{FILE}.{os.getpid()}")
        for last in [False] * (ATTEMPTS - 1) + [True]:
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
                with beside.open("wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                beside.replace(self._path)
                return
            except OSError as error:
                if isinstance(error, FileNotFoundError) and not last:
                    continue  # another process that ends the same fit removed the folder or the file
                with suppress(OSError):
                    beside.unlink(missing_ok=True)
                raise MethodError(
                    f"cannot write checkpoint {self._path}: {error.strerror or error}; make room or make it writable "
                    "and run the same command again, or turn checkpoints off with "
                    f"--set {self._fit['method']}.checkpoint_every=0"
                ) from error


def _differing(one: Any, other: Any) -> set[str]:
    """Names of the entries, at any depth, in which two pieces of plain data differ."""
    if not (isinstance(one, dict) and isinstance(other, dict)):
        return set()
    found: set[str] = set()
    for name in one.keys() | other.keys():
        if one.get(name) != other.get(name):
            found |= _differing(one.get(name), other.get(name)) or {name}
    return found


@dataclass
class Stop:
    """A request to stop: the ``number`` of the received signal, or None.

    ``before`` holds the signals' original handlers.
    """

    number: int | None = None
    before: dict[int, Any] = field(default_factory=dict)

    def obey(self) -> None:
        """Re-raise the deferred signal with its original handler; KeyboardInterrupt if that was SIG_IGN or SIG_DFL."""
        number, self.number = self.number, None
        self.restore()
        if number is not None and callable(signal.getsignal(number)):
            signal.raise_signal(number)
        raise KeyboardInterrupt

    def restore(self) -> None:
        """Restore the signals' original handlers."""
        for number, handler in self.before.items():
            signal.signal(number, handler)
        self.before.clear()


@contextmanager
def deferred_signals(active: bool) -> Iterator[Stop]:
    """Defer Ctrl-C and SIGTERM until the fit calls ``obey`` or ends; a second signal takes effect at once.

    Does nothing unless ``active`` and in the main thread.
    """
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
        if stop.number is not None:  # it came after the last step, or the fit failed before it could obey
            stop.obey()
