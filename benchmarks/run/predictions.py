"""Partial predictions of an unfinished cell, written in parts, so that a stopped run continues from the last part.

A part is a parquet file named after its rows; it holds the ids of some hundred images, the seconds that each took and
in which the method waited for it, their keypoints, where they were made, and its own name. Parts are written
atomically. Several processes may write the parts of different rows.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.errors import UserError
from benchmarks.records.store import keypoint_columns, read_keypoints, write_table
from benchmarks.run.cells import content_hash
from benchmarks.run.images import BATCH_SIZE
from benchmarks.run.units.parts import About, part_name, parts_by_first, write_about
from leaderboard.files import cannot_write
from methods.base import MethodError
from methods.prefetch import seconds_waited
from methods.presence import Found, fault, predict, together

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from methods.base import ImageStream, Method, Report

PART_IMAGES = 256  # a part is written when it has this many images
PART_SECONDS = 60.0  # or when they took this long, whichever comes first
ATTEMPTS = 10  # to write a part, and to complete the parts of some rows


@dataclass
class Rows:
    """Keypoints of consecutive images, with any scores, the seconds that they took, and where they were made.

    ``waited`` is the part of ``seconds`` in which the method waited for images, NaN if parts of an older version do not
    say it. ``machines`` has the JSON of each machine, and ``peak_memory_mb`` the largest of the processes.
    """

    found: Found
    seconds: float = 0.0
    machines: set[str] = field(default_factory=set)
    peak_memory_mb: float = 0.0
    waited: float = 0.0

    def __len__(self) -> int:
        return len(self.found)

    @property
    def keypoints(self) -> NDArray[np.float64]:
        """Keypoints (n, K, 2)."""
        return self.found.keypoints


class PartialPredictions:
    """Keypoints predicted so far of the images ``ids``, in a subfolder of ``folder``.

    ``belongs_to`` is plain data with everything else that the keypoints depend on; the name of the subfolder is a hash
    of it and ``ids``. ``made_on`` tells the machine and the peak memory of this process, for the parts that it writes.
    ``split`` is the split that has the images. Parts that were written before the time ``since`` of the file system do
    not count.
    """

    def __init__(
        self,
        folder: Path,
        belongs_to: Mapping[str, object],
        ids: Sequence[str],
        num_keypoints: int,
        made_on: Callable[[], tuple[dict[str, Any], float]] = lambda: ({}, 0.0),
        split: str = "test",
        since: float = 0.0,
    ) -> None:
        content = content_hash({**belongs_to, "ids": list(ids), "num_keypoints": num_keypoints})
        self._folder = folder / content[:16]
        self._about = About(
            name=self._folder.name,
            belongs_to=dict(belongs_to),
            split=split,
            images=len(ids),
            num_keypoints=num_keypoints,
        )
        self._made_on = made_on
        self._since = since
        self.shape = (num_keypoints, 2)
        self._unwritten: list[Found] = []
        self._seconds = self._waited = 0.0
        self._written = 0
        self.ids = tuple(ids)

    def resume(self, first: int = 0, last: int | None = None) -> Rows:
        """Read the parts of the rows from ``first`` on, up to ``last`` or the end; what is added goes on from there.

        Reading ends at the first part that is missing, damaged or of other images; it will be written again.
        """
        last = len(self.ids) if last is None else last
        found = [Rows(Found(np.empty((0, *self.shape))))]
        self._written, there = first, parts_by_first(_names(self._folder))
        while self._written < last and (part := self._read(self._written, there)) is not None:
            part.found = part.found.rows(slice(last - self._written))
            found.append(part)
            self._written += len(part)
        return Rows(
            together([each.found for each in found]),
            sum(each.seconds for each in found),
            set().union(*(each.machines for each in found)),
            max(each.peak_memory_mb for each in found),
            sum(each.waited for each in found),
        )

    def add(self, found: Found, seconds: float, waited: float = 0.0) -> None:
        """Add the keypoints of the next images. Raises UserError if a part is due and cannot be written."""
        self._unwritten.append(found)
        self._seconds += seconds
        self._waited += waited
        if sum(map(len, self._unwritten)) >= PART_IMAGES or self._seconds >= PART_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write the images that no part holds yet, unless another process has written a part for the first of them.

        Raises UserError if that is impossible, such as on a full disk.
        """
        if not self._unwritten:
            return
        found, seconds, waited = together(self._unwritten), self._seconds, self._waited
        self._unwritten, self._seconds, self._waited = [], 0.0, 0.0
        if self._read(self._written, parts_by_first(_names(self._folder))) is None:
            self._write(found, seconds, waited)
        self._written += len(found)

    def _write(self, found: Found, seconds: float, waited: float) -> None:
        """Write a part for the row ``_written`` and those after it. Raises UserError if that is impossible."""
        machine, memory = self._made_on()
        count = len(found)
        path = self._folder / part_name(self._written, self._written + count)
        columns = {
            "part": [place(path)] * count,
            "image_id": list(self.ids[self._written : self._written + count]),
            "seconds": [seconds / count] * count,
            "seconds_waiting": [waited / count] * count,
            "machine": [json.dumps(machine, sort_keys=True)] * count,
            "peak_memory_mb": [memory] * count,
            **keypoint_columns(found.keypoints, found.scores),
        }
        for attempt in range(ATTEMPTS):
            try:
                write_about(self._folder, self._about)
                write_table(path, columns)
                break
            except FileNotFoundError as error:  # another run of the same cell removes the folder when it ends
                if attempt == ATTEMPTS - 1:
                    raise UserError(cannot_write(path, error)) from error
            except OSError as error:
                raise UserError(cannot_write(path, error)) from error

    def _read(self, first: int, there: Mapping[int, Sequence[int]]) -> Rows | None:
        """The longest whole part of those ``there`` that begin at row ``first``; None if there is none."""
        for last in there.get(first, ()):
            path = self._folder / part_name(first, last)
            try:
                if path.stat().st_mtime < self._since:
                    continue
                ids, rows = read_part(path)
            except (OSError, ValueError):
                continue
            if ids == self.ids[first:last] and rows.keypoints.shape[1:] == self.shape:
                return rows
        return None


def read_part(path: Path) -> tuple[tuple[str, ...], Rows]:
    """The ids of a part's images, and what was predicted for them.

    Raises ValueError, with the reason, if the part is missing, damaged or was written to another place.
    """
    try:
        table, found = read_keypoints(path)
        ids, seconds = tuple(table["image_id"].to_pylist()), table["seconds"].to_pylist()
        waited = table["seconds_waiting"].to_pylist() if "seconds_waiting" in table.column_names else [math.nan]
        machines, memory = set(table["machine"].unique().to_pylist()), max(table["peak_memory_mb"].to_pylist())
        places = table["part"].unique().to_pylist()
    except Exception as error:  # pyarrow raises many kinds for files that are damaged or of another layout
        raise ValueError("cannot be read") from error
    if places != [place(path)]:
        raise ValueError(f"belongs to another place, {places[0]}")
    if path.name != part_name(first := int(path.name[: path.name.index("-")]), first + len(ids)):
        raise ValueError(f"has {len(ids)} images, expected those that its name tells")
    if wrong := fault(found.keypoints, found.scores):
        raise ValueError(f"is damaged: {wrong}")
    return ids, Rows(found, sum(seconds), machines, memory, sum(waited))


def place(path: Path) -> str:
    """The place of a part as the part itself names it: its folder, which tells what it belongs to, and its rows."""
    return f"{path.parent.name}/{path.name}"


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208 - names alone
    except (FileNotFoundError, NotADirectoryError):
        return []


def predict_rows(
    method: Method,
    images: Callable[[int, int], ImageStream],
    first: int,
    last: int,
    partial: PartialPredictions,
    stage: Report,
) -> None:
    """Predict the keypoints of the rows ``first`` to ``last`` (exclusive), continuing from ``partial``.

    ``images(first, last)`` returns the images of these rows. Batches begin at multiples of BATCH_SIZE whatever the
    rows are, because a model may round differently in a smaller batch; what is beside the rows is left out. Raises
    MethodError if ``predict`` breaks its contract, and UserError if keypoints cannot be written.
    """
    for _ in range(ATTEMPTS):  # again if another process wrote parts that begin at other rows
        done = first + len(partial.resume(first, last))
        if done == last:
            return
        stage(done, len(partial.ids))
        _predict_from(done, method, images, last, partial, stage)


def _predict_from(
    done: int,
    method: Method,
    images: Callable[[int, int], ImageStream],
    last: int,
    partial: PartialPredictions,
    stage: Report,
) -> None:
    """The same for the rows from ``done`` on, which no part holds."""
    total = len(partial.ids)
    row = done - done % BATCH_SIZE
    end = min(total, last + -last % BATCH_SIZE)
    started, waited = time.perf_counter(), seconds_waited()
    scored: bool | None = None
    try:
        for batch in images(row, end):
            found = predict(method, batch, partial.shape[0])
            if scored not in (None, found.scores is not None):
                raise MethodError(
                    f"{method.card.id}: predict gave scores for some images only (changed at image {batch.ids[0]}), "
                    "expected scores for all or for none"
                )
            scored = found.scores is not None
            now, waited_now = time.perf_counter(), seconds_waited()
            own = found.rows(slice(done - row, last - row))
            partial.add(own, now - started, waited_now - waited)
            started, waited, done, row = now, waited_now, done + len(own), row + len(found)
            stage(done, total)
    finally:  # after an error or Ctrl-C too
        partial.flush()
