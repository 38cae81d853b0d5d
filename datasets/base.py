"""The interface of a dataset: image ids, lazily decoded images, landmarks, visibility and groups.

Coordinates are float64 (x, y) in [0, 1] of the square image that a method sees. A missing landmark is False in
``visible``; its coordinates are never a sentinel value.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Box = tuple[float, float, float, float]  # x0, y0, x1, y1 in [0, 1]
Split = Literal["fit", "regress", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)


class DatasetError(Exception):
    """Data that is missing or broken; the message is one line: what, where, got, expected, what to do."""


class Archive(BaseModel):
    """A file that may be downloaded directly: its URL, its sha256, and the folder that it unpacks to."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str
    sha256: str
    folder: str


class DatasetCard(BaseModel):
    """Facts about a dataset, for its users and for the harness.

    ``protocols`` names the protocols of tasks on the dataset, the headline first: ids such as 'strict/side', or sets of
    ids such as 'birds' (``metrics.protocols.SETS``). If it is empty, a dataset with ``interocular`` gets the set
    'faces', any other dataset with landmarks the set 'general'. ``mini_counterpart`` is the id of the synthetic dataset
    that replaces this one under the mini profile; it may be None if that id is ``mini_ID``.

    ``left_right_pairs`` are pairs of indices into ``landmark_names``. ``interocular`` are the indices of the two eyes,
    whose distance normalises errors on faces. ``has_boxes`` says whether annotations have the object's box.
    ``has_masks`` says whether ``mask`` gives the object's pixels, if its files are there (``masked``). ``counts``
    is the number of images that each split must have. ``tree`` shows the files expected under the data root.
    ``archive`` is set if the licence allows a direct download. ``digests`` are reference digests of splits, computed
    from the original files. ``remarks`` are cautions for users of the numbers.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    title: str
    landmark_names: tuple[str, ...]
    protocols: tuple[str, ...] = ()
    left_right_pairs: tuple[tuple[int, int], ...] = ()
    interocular: tuple[int, int] | None = None
    has_visibility: bool = False
    has_boxes: bool = False
    has_masks: bool = False
    counts: dict[Split, int]
    licence: str
    citation: str
    how_to_get: str
    preprocessing: str
    tree: str = ""
    archive: Archive | None = None
    digests: dict[Split, str] = {}
    remarks: tuple[str, ...] = ()
    mini_counterpart: str | None = None


@dataclass(frozen=True)
class Annotation:
    """Landmarks (L, 2) float64, ``visible`` (L,) bool, and their ``group``: an identity, video or subject.

    ``box`` is the object's (x, y, width, height) in image sides; it is set if the dataset's card has ``has_boxes``.
    """

    landmarks: NDArray[np.float64]
    visible: NDArray[np.bool_]
    group: str
    box: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class Sample:
    """An image (size, size, 3) uint8 RGB with its annotation."""

    id: str
    image: NDArray[np.uint8]
    annotation: Annotation


@dataclass(frozen=True)
class Choices:
    """The user's choices for custom data: the file of ``--split``, and the names of the two eyes, ``'NAME,NAME'``."""

    split: Path | None = None
    interocular: str | None = None


class KeypointDataset(ABC):
    """Images with annotated landmarks in three splits: fit (labels unused), regress and test.

    The constructor reads no files. ``root`` is the user's data root, None if none is configured.
    """

    card: DatasetCard
    choices = Choices()

    def __init__(self, root: Path | None = None) -> None:
        self.root = root

    def choose(self, choices: Choices) -> None:
        """Set the user's choices before anything is read. Raises DatasetError for a dataset that knows none."""
        raise DatasetError(f"{type(self).__name__} states its own splits and eyes; leave out --split and --interocular")

    @abstractmethod
    def available(self) -> tuple[bool, str]:
        """Whether the data is complete, and else a line: what is missing, where it was expected, and how to get it."""

    def annotated(self) -> tuple[bool, str]:
        """Like ``available``, for the annotations alone, which suffice for scoring."""
        return self.available()

    @abstractmethod
    def split(self, name: Split) -> tuple[str, ...]:
        """Ids of a split in a fixed order. Raises DatasetError if their number differs from the card."""

    @abstractmethod
    def image(self, image_id: str, size: int) -> NDArray[np.uint8]:
        """The image as (size, size, 3) uint8 RGB; several threads may call this at once.

        Raises DatasetError if the image cannot be decoded.
        """

    def seen(self, name: Split) -> NDArray[np.float64] | None:
        """The place (N, 4) of each image of a split in its photograph; None if the dataset does not know it.

        Left, top, width and height are in widths and heights of the photograph.
        """
        return None

    def photo_sizes(self, name: Split) -> NDArray[np.float64] | None:
        """The width and height (N, 2) of the photograph of each image of a split; None if they are unknown."""
        return None

    @abstractmethod
    def annotation(self, image_id: str) -> Annotation:
        """Landmarks of an image. Raises DatasetError for an id without annotations."""

    def object_box(self, image_id: str) -> Box | None:
        """The annotated box of the object, clipped to the image; None if the dataset has none.

        Raises DatasetError for an id without annotations.
        """
        box = self.annotation(image_id).box
        if box is None:
            return None
        x, y, width, height = (float(value) for value in box)
        x0, y0, x1, y1 = (min(max(value, 0.0), 1.0) for value in (x, y, x + width, y + height))
        return x0, y0, x1, y1

    def masked(self) -> bool:
        """Whether ``mask`` can be called for the test images; by default what the card says."""
        return self.card.has_masks

    def mask(self, image_id: str) -> NDArray[np.bool_]:
        """The pixels (H, W) of the image, as a method sees it, that show the object.

        H and W are whatever the dataset has; the mask covers the whole image, so (x, y) in [0, 1] lies on the pixel in
        row ``y * H`` and column ``x * W``, rounded down. Raises DatasetError if there is no mask or it cannot be read.
        """
        raise DatasetError(f"{self.card.id} has no masks of its objects")

    def files(self, image_id: str) -> tuple[Path, ...]:
        """The files that an image is read from, and its annotation if that has a file of its own."""
        return ()

    @abstractmethod
    def digest(self, name: Split) -> str:
        """sha256 of the split's ids, annotations and preprocessing."""

    def sample(self, image_id: str, size: int) -> Sample:
        """Image and annotation together."""
        return Sample(image_id, self.image(image_id, size), self.annotation(image_id))

    def check_count(self, name: Split, ids: tuple[str, ...]) -> tuple[str, ...]:
        """The ids. Raises DatasetError, naming both numbers, if the card expects another count."""
        expected = self.card.counts[name]
        if len(ids) != expected:
            raise DatasetError(
                f"{self.card.id}: split '{name}' has {len(ids)} images, expected {expected}, under {self.root}; "
                f"{self.card.how_to_get}"
            )
        return ids
