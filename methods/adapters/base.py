"""The contract of an output format: files that somebody's system wrote in, keypoints of images out.

An adapter knows one format. It reads the files, checks what they hold against what the format says (range, order,
number of rows, finite numbers), and hands on keypoints with whatever says which images they belong to: names,
landmarks of the same rows, or nothing but their order. Which row is which image is settled by the caller.

Coordinates leave an adapter as float64 (x, y) in [0, 1]; pixel ``i`` of ``n`` has its centre at ``(i + 0.5) / n``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from methods.base import ImageStream

Split = Literal["regress", "test"]
SPLITS: tuple[Split, ...] = ("regress", "test")


# The remark of a format whose points are stretched about the image's centre.
MOVED = (
    "points are moved into the frame of the whole image, and a regression about its corner without bias (autolink/*) "
    "depends on that: in the file's own frame it gives other numbers"
)


class OutputError(Exception):
    """A mistake that the user can mend (files of another format, rows that fit nothing): shown as one line."""


class FormatCard(BaseModel):
    """What a format is, and the conventions that its adapter checks.

    ``systems`` are ids of the systems that write it; ``files`` says what to hand over; ``order`` is that of a
    point's two numbers in the file; ``range`` and ``pixels`` say what the numbers mean ('[-1, 1]'; 'pixel i is i');
    ``remark`` is what a reader of the numbers must know beside that.
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


class NamedArray(Protocol):
    """An array as a file has it: ``values``, and ``ids`` where the file names its images (a column 'image_id')."""

    @property
    def name(self) -> str: ...

    @property
    def values(self) -> NDArray[Any]: ...

    @property
    def ids(self) -> list[str] | None: ...


@dataclass(frozen=True)
class SplitTruth:
    """The images of a split of the task, in its order, with their landmarks.

    ``landmarks`` is (N, L, 2) float64, (x, y) in [0, 1]; ``visible`` is (N, L) bool. Rows of one that is not visible
    mean nothing.
    """

    ids: tuple[str, ...]
    landmarks: NDArray[np.float64]
    visible: NDArray[np.bool_]


@dataclass(frozen=True)
class ImportRequest:
    """What an adapter is given.

    ``paths`` are the files and folders in the order written; ``split_of`` has those that the user said belong to a
    split (``test:FILE``), and ``options`` the user's ``NAME=VALUE`` (see ``OutputFormat.options``).
    ``images(split, size)`` decodes the images of a split as squares of ``size`` pixels, for a checkpoint that must be
    run. ``read_frame`` reads the columns of a pickled data frame, and ``read_array`` an array of numbers from
    ``FILE`` or ``FILE:KEY`` (.npy, .npz, .mat, .pt with tensors, .csv, .parquet); neither executes anything.
    """

    paths: tuple[Path, ...]
    num_keypoints: int
    splits: Mapping[Split, SplitTruth]
    images: Callable[[Split, int], ImageStream]
    read_frame: Callable[[Path], Mapping[str, Any]]
    read_array: Callable[[str], NamedArray]
    device: str = "cpu"
    split_of: Mapping[Path, Split] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Outputs:
    """Keypoints of some images as one file (or several that belong together) has them.

    ``source`` is the file for messages; ``keypoints`` is (N, K, 2) float64, (x, y) in [0, 1]; ``split`` is the
    split they are of, where that is known; ``names`` are the images' as the file has them; ``landmarks`` (N, L, 2)
    and ``visible`` (N, L) are those of the same rows, (x, y) in [0, 1], to find the images by, where the file has no
    names; ``tolerance`` is how far apart the same landmark may lie in the file and in the dataset, in image sides (more
    than the default where the file has rounded them). ``notes`` are what a reader of the result must know.
    """

    source: str
    keypoints: NDArray[np.float64]
    split: Split | None = None
    names: tuple[str, ...] | None = None
    landmarks: NDArray[np.float64] | None = None
    visible: NDArray[np.bool_] | None = None
    notes: tuple[str, ...] = ()
    tolerance: float = 1e-5


class OutputFormat(ABC):
    """Reads the files of one format. A heavy import belongs inside the function that needs it.

    ``options`` are the names of the user's settings that the adapter knows, each with what it means; ``runs_models``
    says that it may run a checkpoint, and so wants the device that the user means.
    """

    card: ClassVar[FormatCard]
    options: ClassVar[Mapping[str, str]] = {}
    runs_models: ClassVar[bool] = False

    @abstractmethod
    def read(self, request: ImportRequest) -> list[Outputs]:
        """The keypoints in the files, checked. Raises OutputError, naming the file and what was found in it."""
