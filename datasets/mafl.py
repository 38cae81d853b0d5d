"""MAFL as papers on faces report it: learned on CelebA's training images, measured on MAFL's lists.

Layout: that of the aligned faces of ``datasets.celeba``, with CelebA's partition in ``celeba/Eval`` or ``celeba/Anno``
and, for 68 landmarks, the file that Mallis et al. released in ``celeba/MaflGroundtruthLandmarks.pickle``: a dictionary
of arrays (68, 2), in pixels of the aligned image, by the image's name.

Keypoints are learned on CelebA's own training images without those of MAFL's testing list. The regression is fitted on
MAFL's training list, of which 15,461 images are among those to learn on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from datasets.base import DatasetCard, DatasetError, Split
from datasets.celeba import ALIGNED, ALIGNED_SIZE, Celeba
from datasets.reading.frames import read_arrays
from datasets.text import numbers_by_name, read_lines, read_names

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from datasets.reading.table import Table

PARTITION = "list_eval_partition.txt"
POINTS_FILE = "MaflGroundtruthLandmarks.pickle"
# Partners on the other side in the 68 points of 300-W: jaw, brows, nostrils, eyes, outer and inner lips.
PAIRS_68 = (
    *((number, 16 - number) for number in range(8)),
    *((number, 43 - number) for number in range(17, 22)),
    *((31, 35), (32, 34), (36, 45), (37, 44), (38, 43), (39, 42), (40, 47), (41, 46)),
    *((48, 54), (49, 53), (50, 52), (55, 59), (56, 58), (60, 64), (61, 63), (65, 67)),
)
_CELEBA: DatasetCard = ALIGNED.args[0]
_SQUASHED = "Errors are measured in the squashed square; Mallis et al. measure them in pixels of the 178 x 218 image."


class Mafl(Celeba):
    """Aligned faces with five landmarks: CelebA's training images to learn on, MAFL's lists to measure on."""

    def annotation_files(self, name: Split) -> Iterator[Path]:
        """For the images to learn on also the partition and MAFL's testing list."""
        if name == "fit":
            yield self._partition
            name = "test"
        yield from super().annotation_files(name)

    def read(self, name: Split) -> Table:
        """The faces of CelebA's training images, in the order of the partition, or those of a list of MAFL."""
        return self.table_of(*self.read_faces(name))

    def read_faces(self, name: Split) -> tuple[tuple[str, ...], NDArray[np.float64], NDArray[np.int_]]:
        """Names, landmarks (N, L, 2) in pixels, and width and height (N, 2)."""
        names = self.learned() if name == "fit" else self.listed(name)
        return names, self.read_landmarks(names), np.tile(ALIGNED_SIZE, (len(names), 1))

    def learned(self) -> tuple[str, ...]:
        """The names of CelebA's training images, 0 in the partition, without those of MAFL's testing list."""
        names = [line.split()[0] for line in read_lines(self._partition) if line.strip()]
        parts = numbers_by_name(self._partition, names, 1)
        tested = set(self.listed("test"))
        return tuple(name for name in names if parts[name][0] == 0 and name not in tested)

    def listed(self, name: Split) -> tuple[str, ...]:
        """The names of MAFL's training list ("regress") or testing list ("test")."""
        return read_names(self.folder / "MAFL" / ("testing.txt" if name == "test" else "training.txt"))

    @property
    def _partition(self) -> Path:
        places = [self.folder / folder / PARTITION for folder in ("Eval", "Anno")]
        return next((path for path in places if path.exists()), places[0])


class Mafl68(Mafl):
    """The same faces with 68 landmarks on MAFL's lists; fit is regress, as no other image has these landmarks."""

    def annotation_files(self, name: Split) -> Iterator[Path]:
        """List and file of points; persons if that file exists."""
        yield self.folder / "MAFL" / ("testing.txt" if name == "test" else "training.txt")
        yield self._points_file
        if self.person_file.exists():
            yield self.person_file

    def read(self, name: Split) -> Table:
        """The faces of a list; fit is regress."""
        return self.table("regress") if name == "fit" else super().read(name)

    def read_landmarks(self, names: Sequence[str]) -> NDArray[np.float64]:
        """The 68 landmarks (N, 68, 2) of faces, in pixels. Raises DatasetError for a face without 68 finite points."""
        found = self._points
        for name in names:
            shape = found[name].shape if name in found else None
            if shape != (68, 2) or not np.isfinite(found[name]).all():
                got = "nothing" if shape is None else f"{shape}" if shape != (68, 2) else "points that are not finite"
                raise DatasetError(
                    f"{self._points_file}: got {got} for {name}, expected 68 finite points (68, 2); get the file again"
                )
        return np.array([found[name] for name in names], dtype=np.float64)

    @cached_property
    def _points(self) -> Mapping[str, NDArray[Any]]:
        return read_arrays(self._points_file)

    @property
    def _points_file(self) -> Path:
        return self.folder / POINTS_FILE


def _card(id: str, title: str, counts: tuple[int, int, int], **more: Any) -> DatasetCard:
    """CelebA's card of aligned faces with other counts, and without its digests."""
    splits: tuple[Split, ...] = ("fit", "regress", "test")
    changes = {"id": id, "title": title, "counts": dict(zip(splits, counts, strict=True)), "digests": {}}
    return _CELEBA.model_copy(update={**changes, "mini_counterpart": "mini_celeba_aligned", **more})


_TREE = f"""{_CELEBA.tree}
  Eval/{PARTITION} (or Anno/{PARTITION})"""
MAFL = partial(
    Mafl,
    _card(
        "mafl",
        "MAFL, learned on CelebA's training images, five landmarks",
        (161962, 19000, 1000),
        how_to_get=f"{_CELEBA.how_to_get}; {PARTITION} is in CelebA's folder Eval",
        tree=_TREE,
        remarks=(
            _CELEBA.remarks[0],
            _SQUASHED,
            "161,962 images to learn on: CelebA's 162,770 training images without the 808 of them that MAFL tests on. "
            "15,461 of them are in MAFL's training list, on which the regression is fitted.",
            "IMM regresses on 17,100 of MAFL's training images; the sets that other papers learn on differ.",
        ),
    ),
    False,
)
MAFL_68 = partial(
    Mafl68,
    _card(
        "mafl_68",
        "MAFL with 68 landmarks",
        (19000, 19000, 1000),
        landmark_names=tuple(f"point {number}" for number in range(68)),
        protocols=("sanchez/backward_mallis", "sanchez/backward", "sanchez/forward", "strict/interocular"),
        left_right_pairs=PAIRS_68,
        interocular=(36, 45),
        how_to_get=f"{_CELEBA.how_to_get}; {POINTS_FILE} is in data/CelebA of "
        "https://github.com/dimitrismallis/KeypointsToLandmarks, and belongs into celeba/",
        tree=f"{_CELEBA.tree}\n  {POINTS_FILE}",
        mini_counterpart=None,
        remarks=(
            _CELEBA.remarks[0],
            _SQUASHED,
            "The points are Mallis et al.'s own, not people's; numbered from 0 as in 300-W, 36 and 45 are the outer "
            "corners of the eyes.",
            "Learn on mafl (fit_on) as papers do; a method fitted on this dataset sees MAFL's training list alone.",
            "A backward error over 68 points regresses from 136 numbers, over five from 10: they are not comparable.",
        ),
    ),
    False,
)
