"""Partial predictions of an unfinished cell, written in parts, so that a stopped run continues from the last part.

A part is a parquet file named after the row of its first image; it holds the ids of some hundred images, the seconds
that each took, and their keypoints. Parts are written atomically.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.errors import UserError
from benchmarks.records.store import keypoint_column, read_keypoints, write_table
from benchmarks.run.cells import content_hash
from leaderboard.files import cannot_write
from methods.base import MethodError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from methods.base import ImageStream, Method, Report

PART_IMAGES = 256  # a part is written when it has this many images
PART_SECONDS = 60.0  # or when they took this long, whichever comes first
ATTEMPTS = 10  # to write a part


class PartialPredictions:
    """Keypoints predicted so far, of the first images of ``ids``, in a subfolder of ``folder``.

    ``belongs_to`` is plain data with everything else that the keypoints depend on; the name of the subfolder is a hash
    of it and ``ids``.
    """

    def __init__(self, folder: Path, belongs_to: Mapping[str, object], ids: Sequence[str], num_keypoints: int) -> None:
        content = content_hash({**belongs_to, "ids": list(ids), "num_keypoints": num_keypoints})
        self._folder = folder / content[:16]
        self._ids = tuple(ids)
        self._shape = (num_keypoints, 2)
        self._waiting: list[NDArray[np.float64]] = []
        self._waiting_seconds = 0.0
        self._written = 0

    def resume(self) -> tuple[NDArray[np.float64], float]:
        """Read the parts of an earlier run: keypoints (n, K, 2) of the first n images, and the seconds they took.

        Reading ends at the first part that is missing, damaged or of other images; it will be written again.
        """
        found, seconds = [np.empty((0, *self._shape))], 0.0
        self._written = 0
        while (part := self._read(self._written)) is not None:
            found.append(part[0])
            seconds += part[1]
            self._written += len(part[0])
        return np.concatenate(found), seconds

    def add(self, keypoints: NDArray[np.float64], seconds: float) -> None:
        """Add the keypoints (B, K, 2) of the next images. Raises UserError if a part is due and cannot be written."""
        self._waiting.append(keypoints)
        self._waiting_seconds += seconds
        if sum(map(len, self._waiting)) >= PART_IMAGES or self._waiting_seconds >= PART_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write the images that no part holds yet. Raises UserError if that is impossible, such as on a full disk."""
        if not self._waiting:
            return
        keypoints, seconds = np.concatenate(self._waiting), self._waiting_seconds
        self._waiting, self._waiting_seconds = [], 0.0
        path = self._path(self._written)
        columns = {
            "image_id": list(self._ids[self._written : self._written + len(keypoints)]),
            "seconds": [seconds / len(keypoints)] * len(keypoints),
            "keypoints": keypoint_column(keypoints),
        }
        for attempt in range(ATTEMPTS):
            try:
                write_table(path, columns)
                break
            except FileNotFoundError as error:  # another run of the same cell removes the folder when it ends
                if attempt == ATTEMPTS - 1:
                    raise UserError(cannot_write(path, error)) from error
            except OSError as error:
                raise UserError(cannot_write(path, error)) from error
        self._written += len(keypoints)

    def _path(self, first: int) -> Path:
        return self._folder / f"{first:08d}.parquet"

    def _read(self, first: int) -> tuple[NDArray[np.float64], float] | None:
        """The keypoints and seconds of the part that begins at row ``first``; None if it is missing or damaged."""
        try:
            table, keypoints = read_keypoints(self._path(first))
            ids, seconds = table["image_id"].to_pylist(), table["seconds"].to_pylist()
        except Exception:  # pyarrow raises many kinds for files that are damaged or of another layout
            return None
        matches = tuple(ids) == self._ids[first : first + len(ids)] and keypoints.shape == (len(ids), *self._shape)
        return (keypoints, sum(seconds)) if ids and matches and np.isfinite(keypoints).all() else None


def predict_all(
    method: Method,
    images: Callable[[int], ImageStream],
    total: int,
    partial: PartialPredictions,
    stage: Report,
) -> tuple[NDArray[np.float64], float]:
    """Predict the keypoints (N, K, 2) of ``total`` images, continuing from ``partial``; also returns the seconds.

    ``images(first)`` returns the images from row ``first`` on. Raises MethodError if ``predict`` does not return finite
    numbers of shape (B, K, 2), and UserError if they cannot be written.
    """
    begun, seconds = partial.resume()
    found, done = [begun], len(begun)
    stage(done, total)
    if done == total:
        return begun, seconds
    started = time.perf_counter()
    try:
        for batch in images(done):
            keypoints = np.asarray(method.predict(batch), dtype=np.float64)
            expected = (len(batch.ids), *begun.shape[1:])
            if keypoints.shape != expected or not np.isfinite(keypoints).all():
                raise MethodError(
                    f"{method.card.id}: predict gave {keypoints.shape} for images {batch.ids[0]} to {batch.ids[-1]}, "
                    f"expected finite numbers of shape {expected}"
                )
            now = time.perf_counter()
            partial.add(keypoints, now - started)
            found.append(keypoints)
            seconds, started, done = seconds + now - started, now, done + len(keypoints)
            stage(done, total)
    finally:  # after an error or Ctrl-C too
        partial.flush()
    return np.concatenate(found), seconds
