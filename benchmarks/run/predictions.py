"""Predictions while they are being made: a file that grows by a batch at a time, so that a broken run goes on from it.

The file is a line of JSON that says whose predictions it holds, then a frame for each batch: the row of its first
image, the number of its images, the seconds it took and a CRC-32 (little-endian, ``_FRAME``), then its keypoints as
float64. A frame counts when all of it is there and its sum is right; from the first that does not, the file is cut.
"""

from __future__ import annotations

import json
import os
import struct
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.errors import UserError
from benchmarks.run.cells import content_hash
from methods.base import MethodError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from methods.base import ImageStream, Method, Report

_FRAME = struct.Struct("<QIdI")
_FORMAT = 1


class PartialPredictions:
    """Keypoints of the first images of ``ids``, as far as they have been made, in a file of ``folder``.

    ``belongs_to`` is plain data that says what else they depend on; the same data and ids give the same file.
    """

    def __init__(self, folder: Path, belongs_to: Mapping[str, object], ids: Sequence[str], num_keypoints: int) -> None:
        content = content_hash({**belongs_to, "ids": list(ids), "num_keypoints": num_keypoints})
        self._path = folder / f"{content[:16]}.predictions"
        self._header = json.dumps({"format": _FORMAT, "predictions": content}).encode() + b"\n"
        self._images = len(ids)
        self._shape = (num_keypoints, 2)

    def take_up(self) -> tuple[NDArray[np.float64], float]:
        """What is there of an earlier run: keypoints (n, K, 2) of the first n images, and the seconds they took.

        Cuts off what is damaged, or makes the file. Raises UserError where it cannot be written.
        """
        try:
            data = self._path.read_bytes()
        except OSError:
            data = b""
        if not data.startswith(self._header):
            self._write(self._begin)
            data = self._header
        keypoints, seconds, whole = self._frames(data)
        if whole < len(data):
            self._write(lambda: os.truncate(self._path, whole))
        return keypoints, seconds

    def add(self, first: int, keypoints: NDArray[np.float64], seconds: float) -> None:
        """Append the keypoints (B, K, 2) of a batch, whose first image has row ``first``. Raises UserError."""
        content = np.ascontiguousarray(keypoints, dtype="<f8").tobytes()
        frame = _FRAME.pack(first, len(keypoints), seconds, _checksum(first, len(keypoints), seconds, content))

        def append() -> None:
            self._path.parent.mkdir(parents=True, exist_ok=True)  # another run of the same cell may have ended
            with self._path.open("ab") as file:
                file.write(frame + content)

        self._write(append)

    def _begin(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_bytes(self._header)

    def _frames(self, data: bytes) -> tuple[NDArray[np.float64], float, int]:
        """Keypoints and seconds of the frames that follow each other without fault, and where the last of them ends."""
        found = [np.empty((0, *self._shape))]
        rows, total, offset = 0, 0.0, len(self._header)
        while offset + _FRAME.size <= len(data):
            first, count, seconds, checksum = _FRAME.unpack_from(data, offset)
            end = offset + _FRAME.size + 8 * count * self._shape[0] * self._shape[1]
            content = data[offset + _FRAME.size : end]
            fits = first == rows and 0 < count <= self._images - rows and end <= len(data)
            if not fits or _checksum(first, count, seconds, content) != checksum:
                break
            found.append(np.frombuffer(content, "<f8").reshape(count, *self._shape))
            rows, total, offset = rows + count, total + seconds, end
        return np.concatenate(found), total, offset

    def _write(self, action: Callable[[], object]) -> None:
        try:
            action()
        except OSError as error:
            raise UserError(
                f"cannot keep predictions in {self._path}: {error.strerror or error}; make room, then the same command "
                "goes on from what is there"
            ) from error


def predict_all(
    method: Method,
    images: Callable[[int], ImageStream],
    total: int,
    partial: PartialPredictions,
    stage: Report,
) -> tuple[NDArray[np.float64], float]:
    """Keypoints (N, K, 2) of ``total`` images and the seconds they took; those that ``partial`` holds stay as they are.

    ``images(first)`` are the images from row ``first`` on. Raises MethodError where ``predict`` does not give finite
    numbers of shape (B, K, 2), and UserError where they cannot be kept.
    """
    begun, seconds = partial.take_up()
    found, done = [begun], len(begun)
    stage(done, total)
    if done == total:
        return begun, seconds
    started = time.perf_counter()
    for batch in images(done):
        keypoints = np.asarray(method.predict(batch), dtype=np.float64)
        expected = (len(batch.ids), *begun.shape[1:])
        if keypoints.shape != expected or not np.isfinite(keypoints).all():
            raise MethodError(
                f"{method.card.id}: predict gave {keypoints.shape} for images {batch.ids[0]} to {batch.ids[-1]}, "
                f"expected finite numbers of shape {expected}"
            )
        now = time.perf_counter()
        partial.add(done, keypoints, now - started)
        found.append(keypoints)
        seconds, started, done = seconds + now - started, now, done + len(keypoints)
        stage(done, total)
    return np.concatenate(found), seconds


def _checksum(first: int, count: int, seconds: float, content: bytes) -> int:
    return zlib.crc32(content, zlib.crc32(_FRAME.pack(first, count, seconds, 0)))
