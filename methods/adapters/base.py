"""The contract of an adapter: it reads the files of another system and returns keypoints.

An adapter knows one format. It reads the files, checks their numbers against the format (range, order, number of rows,
finite numbers), and returns the keypoints with what identifies their images: the names of the images, the landmarks of
the same rows, or only the order of the rows. The caller finds the image of each row.

Adapters return coordinates as float64 (x, y) in [0, 1]; pixel ``i`` of ``n`` has its centre at ``(i + 0.5) / n``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from methods.base import ImageStream

Split = Literal["regress", "test"]
SPLITS: tuple[Split, ...] = ("regress", "test")
Frame = Literal["seen", "photo"]

# The remark of a format whose points are scaled about the centre of the image.
MOVED = (
    "points are converted to coordinates of the whole image; a regression about its corner without bias (autolink/*) "
    "gives other numbers in the file's own coordinates"
)


class OutputError(Exception):
    """A mistake that the user can correct, such as files of another format; shown as one line."""


def first_line(error: BaseException) -> str:
    """The message of an error on one line, or the name of its type where it has no message."""
    return " ".join(str(error).split()) or type(error).__name__


class FormatCard(BaseModel):
    """A description of a format, with the conventions that its adapter checks.

    ``systems`` holds the ids of the systems that write it; ``files`` names the files to give to ``import``; ``order``
    is the order of a point's two numbers in the file; ``range`` and ``pixels`` say what the numbers mean ('[-1, 1]';
    'pixel i is i'); ``remark`` warns of anything else that affects scores.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    name: str
    summary: str
    systems: tuple[str, ...] = ()
    files: str
    order: Literal["xy", "yx"]
    range: str
    pixels: str
    remark: str = ""
    code: str | None = None


@dataclass(frozen=True)
class SplitTruth:
    """The images of a split of the task, in the order of the split, with their landmarks.

    ``landmarks`` is (N, L, 2) float64, (x, y) in [0, 1]; ``visible`` is (N, L) bool. The coordinates of an invisible
    landmark are arbitrary. ``name`` is used in messages, in place of the name of the split. ``seen`` (N, 4) is the
    place of each image in its photograph, left, top, width and height in widths and heights of the photograph, and
    ``photos`` (N, 2) are the widths and heights of these in pixels; None where they are unknown.
    """

    ids: tuple[str, ...]
    landmarks: NDArray[np.float64]
    visible: NDArray[np.bool_]
    name: str = ""
    seen: NDArray[np.float64] | None = None
    photos: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class ImportRequest:
    """The input of an adapter.

    ``paths`` are the files and folders in the order of the command line; ``split_of`` holds those that the user
    assigned to a split (``test:FILE``), and ``options`` the user's ``NAME=VALUE`` (see ``OutputFormat.options``).
    ``images(split, size)`` decodes the images of a split as squares of ``size`` pixels, for a checkpoint that must be
    run. ``read_frame`` reads the columns of a pickled data frame without executing it. Each file that is read is added
    to ``read``; use ``methods.adapters.requests``, which does that.
    """

    paths: tuple[Path, ...]
    num_keypoints: int
    splits: Mapping[Split, SplitTruth]
    images: Callable[[Split, int], ImageStream]
    read_frame: Callable[[Path], Mapping[str, Any]]
    device: str = "cpu"
    split_of: Mapping[Path, Split] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
    read: set[Path] = field(default_factory=set)


@dataclass(frozen=True)
class Outputs:
    """The keypoints of some images, from one file or from several that belong together.

    ``source`` names the file in messages; ``keypoints`` is (N, K, 2) float64, (x, y) in [0, 1], NaN where none was
    found, and ``scores`` (N, K) says how sure each is, where the file does; ``split`` is the split of the images, where
    it is known; ``names`` are the images' names in the file. Where a file has no names,
    ``landmarks`` (N, L, 2), (x, y) in [0, 1], and ``visible`` (N, L) of the same rows identify the images;
    ``tolerance`` is the largest distance between the same landmark in the file and in the dataset, in image sides
    (larger than the default where the file has rounded them). ``notes`` are shown to the user. ``frame`` is 'seen' for
    keypoints in [0, 1] of the image as methods see it, 'photo' for those in [0, 1] of the whole photograph, which the
    caller converts, and None where the user has not said which.
    """

    source: str
    keypoints: NDArray[np.float64]
    split: Split | None = None
    names: tuple[str, ...] | None = None
    landmarks: NDArray[np.float64] | None = None
    visible: NDArray[np.bool_] | None = None
    notes: tuple[str, ...] = ()
    tolerance: float = 1e-5
    frame: Frame | None = "seen"
    scores: NDArray[np.float64] | None = None


class OutputFormat(ABC):
    """The adapter of one format. Import a heavy library inside the function that needs it.

    ``options`` maps each setting of the user that the adapter knows to its meaning; ``runs_models`` is true for an
    adapter that may run a checkpoint, which needs the user's choice of device.
    """

    card: ClassVar[FormatCard]
    options: ClassVar[Mapping[str, str]] = {}
    runs_models: ClassVar[bool] = False

    @abstractmethod
    def read(self, request: ImportRequest) -> list[Outputs]:
        """Read and check the keypoints of the files. Raises OutputError that names the file and its fault."""
