"""CUB-200-2011 birds: the official layout, the official split, one deterministic square crop an image.

Crop (as in the loader that Stable Keypoints released, without its random jitter and flip): the box (x, y, w, h) grows
by 5 % of w (h) on each side, then the short side grows about the centre to a square; side, left and top are rounded to
whole pixels, half to even. What lies outside the image is mid-grey: the published loader fills with 1 of 255, an almost
black border that it meant to be white. The square is resized bilinearly (antialiased) to the size asked for.

Landmarks: part coordinates count pixels from 1, as the published loader reads them, so x is the pixel whose centre is
``x - 0.5`` from the image's left edge, and ``(x - 0.5 - left) / side`` in the crop. Box corners are used unchanged, as
distances from the image's edges (some are 0, so they cannot count from 1).
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from datasets.base import DatasetCard, DatasetError, Split
from datasets.photos import FILL
from datasets.reading.cub_files import TEXT_FILES, BirdDataset, Birds, bird_card, cut_out, read_birds, read_image_list
from datasets.reading.table import Table

if TYPE_CHECKING:
    from numpy.typing import NDArray

PADDING_PERCENT = 5
BORDER = f"what lies outside the photo is {FILL[0]} of 255 here; Stable Keypoints' released loader fills with 1"
HALF_PIXEL = (
    "parts count pixels from 1 and name their centres, so half a pixel of the photo is taken off before dividing by "
    "the crop's side; Stable Keypoints' released loader takes off a whole one"
)


class Cub(BirdDataset):
    """Some classes of CUB-200-2011: fit and regress are the official train images, test the official test images.

    The group of an image is its class, or the image itself if the set has one class. A malformed file, an image without
    a row or with too many, and a count that differs from the card are DatasetErrors.
    """

    def present(self) -> tuple[bool, str]:
        """Whether the official files are there and list every class, and each has a folder of images."""
        found, message = self.annotated()
        return super().present() if found else (found, message)

    def annotated(self) -> tuple[bool, str]:
        """Whether the official files are there and list every class; files of a part of the archive do not."""
        found, message = super().annotated()
        if not found:
            return found, message
        try:
            return bool(self._images), ""
        except DatasetError as error:
            return False, f"{self.card.id}: {error}"

    def annotation_files(self, name: Split) -> tuple[Path, ...]:
        """The four official text files."""
        return tuple(self.folder / file for file in TEXT_FILES)

    def read(self, name: Split) -> Table:
        """A split in the order of ``images.txt``'s numbers."""
        if name == "regress":
            return self.table("fit")
        birds, is_train = self._birds
        return self.cut(birds.where(is_train == (name == "fit")))

    def cut(self, birds: Birds) -> Table:
        """The birds in padded squares about their boxes."""
        centred = replace(birds, parts=birds.parts - 0.5)
        return cut_out(centred, self.groups(birds.names), padded_squares(birds.boxes))

    @cached_property
    def _images(self) -> dict[str, str]:
        path = self.folder / "images.txt"
        images = {number: name for number, name in read_image_list(path).items() if name.startswith(self.prefixes)}
        listed = {name[:4] for name in images.values()}
        absent = [prefix for prefix in self.prefixes if prefix not in listed]
        if absent:
            more = f" and {len(absent) - 1} more" if len(absent) > 1 else ""
            raise DatasetError(
                f"{path}: lists no image of class {absent[0]}*{more}, so the annotation files are those of a subset; "
                f"{self.card.how_to_get}"
            )
        return images

    @cached_property
    def _birds(self) -> tuple[Birds, NDArray[np.bool_]]:
        return read_birds(self.folder, self._images)


def padded_squares(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Left, top and side, whole pixels (N, 3), of the padded squares about boxes (N, 4) of x, y, width and height."""
    corner, extent = boxes[:, :2], boxes[:, 2:]
    # Whole numbers are multiplied first, so that ties stay exact.
    side = np.rint(extent.max(axis=1, keepdims=True) * (100 + 2 * PADDING_PERCENT) / 100)
    return np.concatenate([np.rint(corner + extent / 2 - side / 2), side], axis=1)


def _card(id: str, title: str, counts: tuple[int, int], digests: tuple[str, str]) -> DatasetCard:
    preprocessing = (
        f"box padded by {PADDING_PERCENT} % of its sides, squared about its centre, whole pixels half to even, "
        f"fill {FILL[0]}, Pillow bilinear; parts count pixels from 1"
    )
    remark = (
        "Stable Keypoints' published numbers stand on CMR's lists, which keep most of these train images and about "
        f"half of the test images; {id}_cmr is that set"
    )
    return bird_card(id, title, counts, preprocessing, digests, remarks=(BORDER, HALF_PIXEL, remark))


_CARD_001 = _card(
    "cub_001",
    "CUB-200-2011 class 001, black-footed albatross",
    (30, 30),
    (
        "ed05e0e76290520e6f41f56a64a95cf33c9fdc35de30269ae1dbb00de6378114",
        "90a9cf8bd228287c6a8abd6f02746395387128e2c5651295203b49f6727539e4",
    ),
)
_CARD_002 = _card(
    "cub_002",
    "CUB-200-2011 class 002, Laysan albatross",
    (30, 30),
    (
        "0380e016f5f3a8bad218ead5134345df0c8cd56b828161cf967db70dd5247211",
        "eae4b959f210ad0eb16bebbb8528badda7481c7d5a8c02fd446141ca41bc7cac",
    ),
)
_CARD_003 = _card(
    "cub_003",
    "CUB-200-2011 class 003, sooty albatross",
    (30, 28),
    (
        "9ff84e7024105852b4eb74d49401508b850b5d65e08b16d1bdbfee5b8fc53bfb",
        "0e1feb4849038d49cf451cbde97743bf92fa306e5f9bf72aa6564371e64db502",
    ),
)
_CARD_ALL = _card(
    "cub_all",
    "CUB-200-2011, all 200 classes",
    (5994, 5794),
    (
        "252cf62e62bf217389911aa9bdf9ba411e9dc1ba968fb3a1eeb39694baddaa34",
        "43fce5146d0f919fdc0e0cb264ae324e92a1b7318fd7e303e64fdb59ee3fc86b",
    ),
)
CUB_001 = partial(Cub, _CARD_001, range(1, 2))
CUB_002 = partial(Cub, _CARD_002, range(2, 3))
CUB_003 = partial(Cub, _CARD_003, range(3, 4))
CUB_ALL = partial(Cub, _CARD_ALL, range(1, 201))
