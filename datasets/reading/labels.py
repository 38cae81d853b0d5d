"""The labels of custom data as a reader returns them, and counts of what it leaves out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from datasets.base import DatasetError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Labels:
    """N labelled objects or frames in pixels of their images; pixel i is i, boxes are distances from the edges.

    ``names`` are those of the images, ``places`` say where each row is written, ``files`` are the images, ``points``
    (N, L, 2) and ``boxes`` (N, 4; x, y, width, height) are in pixels of the image, ``stated`` the (width, height) that
    the annotations give, None where they give none, ``videos`` the video of each row, empty where they name none.
    """

    ids: tuple[str, ...]
    names: tuple[str, ...]
    places: tuple[str, ...]
    files: tuple[Path, ...]
    points: Floats
    visible: NDArray[np.bool_]
    boxes: Floats | None
    stated: tuple[tuple[int, int] | None, ...]
    videos: tuple[str, ...] = ()

    def only(self, rows: Sequence[int]) -> Labels:
        """The labels of these rows."""
        keep = np.array(rows, dtype=np.intp)
        return Labels(
            ids=tuple(self.ids[row] for row in rows),
            names=tuple(self.names[row] for row in rows),
            places=tuple(self.places[row] for row in rows),
            files=tuple(self.files[row] for row in rows),
            points=self.points[keep],
            visible=self.visible[keep],
            boxes=None if self.boxes is None else self.boxes[keep],
            stated=tuple(self.stated[row] for row in rows),
            videos=tuple(self.videos[row] for row in rows) if self.videos else (),
        )


class LeftOut:
    """Counts what is left out of a file or folder, by reason; ``noun`` names its entries in the plural."""

    def __init__(self, source: Path, noun: str) -> None:
        self._source = source
        self._noun = noun
        self._reasons: dict[str, list[str]] = {}
        self._broken: list[str] = []

    def add(self, reason: str, which: str) -> None:
        """Count one more of a reason such as 'crowds'."""
        self._reasons.setdefault(reason, []).append(which)

    @contextmanager
    def broken(self) -> Iterator[None]:
        """Count an entry that a DatasetError is raised for."""
        try:
            yield
        except DatasetError as error:
            self._broken.append(str(error))

    def check(self, used: int) -> None:
        """Raise DatasetError with the first broken entry if at least half of the entries are broken."""
        if self._broken and len(self._broken) >= used:
            more = len(self._broken) - 1
            raise DatasetError(self._broken[0] + (f" (and {more} more of the {self._noun})" if more else ""))

    def remarks(self) -> tuple[str, ...]:
        """One for each reason, with the first entry that was left out for it."""
        found = [f"left out: {reason}: {len(which)} (first {which[0]})" for reason, which in self._reasons.items()]
        if self._broken:
            first = self._broken[0].removeprefix(f"{self._source}, ")
            found.append(f"left out: {self._noun} that cannot be used: {len(self._broken)} (first {first})")
        return tuple(found)
