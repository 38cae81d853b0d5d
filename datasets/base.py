"""The contract of a dataset: ids, images decoded when asked for, landmarks, visibility and groups.

Coordinates are float64 (x, y) in [0, 1] of the square image that a method sees. A missing landmark is a
False in ``visible``, never a sentinel value.
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
    """Data that is missing or broken: what, where, got, expected, and what to do, in one line."""


class Archive(BaseModel):
    """A file that may be downloaded directly: its address, sha256, and the folder it unpacks to."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str
    sha256: str
    folder: str


class DatasetCard(BaseModel):
    """What a reader must know about a dataset.

    ``left_right_pairs`` are index pairs into ``landmark_names``; ``interocular`` the two landmarks whose
    distance normalises face errors; ``has_boxes`` says whether annotations carry the object's box; ``counts`` the
    number of images each split must have. ``tree`` shows the files expected under the data root, ``archive`` is set
    where the licence allows a direct download, ``digests`` are reference digests of splits, computed on the
    files at hand, and ``remarks`` are what a user of the numbers has to know.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    title: str
    landmark_names: tuple[str, ...]
    left_right_pairs: tuple[tuple[int, int], ...] = ()
    interocular: tuple[int, int] | None = None
    has_visibility: bool = False
    has_boxes: bool = False
    counts: dict[Split, int]
    licence: str
    citation: str
    how_to_get: str
    preprocessing: str
    tree: str = ""
    archive: Archive | None = None
    digests: dict[Split, str] = {}
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Annotation:
    """Landmarks (L, 2) float64, ``visible`` (L,) bool, and the identity, video or subject they belong to.

    ``box`` is the object's (x, y, width, height) in image sides, where the dataset's card says it has boxes.
    """

    landmarks: NDArray[np.float64]
    visible: NDArray[np.bool_]
    group: str
    box: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class Sample:
    """One image, (size, size, 3) uint8 RGB, with its annotation."""

    id: str
    image: NDArray[np.uint8]
    annotation: Annotation


class KeypointDataset(ABC):
    """Images with annotated landmarks in three splits: fit (no labels used), regress and test.

    Constructing one reads nothing; ``root`` is the user's data root, None where none is configured.
    """

    card: DatasetCard

    def __init__(self, root: Path | None = None) -> None:
        self.root = root

    @abstractmethod
    def available(self) -> tuple[bool, str]:
        """Whether the data is there, and if not what is missing, where it was looked for and how to get it."""

    def annotated(self) -> tuple[bool, str]:
        """The same for the annotations alone: all that scoring takes."""
        return self.available()

    @abstractmethod
    def split(self, name: Split) -> tuple[str, ...]:
        """Ids of a split in a fixed order. Raises DatasetError where the count differs from the card."""

    @abstractmethod
    def image(self, image_id: str, size: int) -> NDArray[np.uint8]:
        """The image as (size, size, 3) uint8 RGB; may be called from several threads at once.

        Raises DatasetError where it cannot be decoded.
        """

    @abstractmethod
    def annotation(self, image_id: str) -> Annotation:
        """Landmarks of an image. Raises DatasetError for an id without annotations."""

    def object_box(self, image_id: str) -> Box | None:
        """The object's box in an image, None where the dataset knows none; that of the annotation, cut to the image.

        Raises DatasetError for an id without annotations.
        """
        box = self.annotation(image_id).box
        if box is None:
            return None
        x, y, width, height = (float(value) for value in box)
        x0, y0, x1, y1 = (min(max(value, 0.0), 1.0) for value in (x, y, x + width, y + height))
        return x0, y0, x1, y1

    def files(self, image_id: str) -> tuple[Path, ...]:
        """The files that an image (and an annotation that has a file of its own) is read from, where there are any."""
        return ()

    @abstractmethod
    def digest(self, name: Split) -> str:
        """sha256 over the split's ids, annotations and preprocessing; any change of them changes it."""

    def sample(self, image_id: str, size: int) -> Sample:
        """Image and annotation together."""
        return Sample(image_id, self.image(image_id, size), self.annotation(image_id))

    def check_count(self, name: Split, ids: tuple[str, ...]) -> tuple[str, ...]:
        """The ids, or a DatasetError naming both numbers where the card expects another count."""
        expected = self.card.counts[name]
        if len(ids) != expected:
            raise DatasetError(
                f"{self.card.id}: split '{name}' has {len(ids)} images, expected {expected}, under {self.root}; "
                f"{self.card.how_to_get}"
            )
        return ids
