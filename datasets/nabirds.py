"""NABirds: North American birds in the file layout of CUB-200-2011, with eleven parts and the official split.

Layout, as the official archive unpacks, under ``<data root>/nabirds``: the text files of ``datasets.reading.cub_files``
and ``parts/parts.txt``, which has the number of each part. An image's id is text, such as
0000139e-21dc-4d0c-bfe1-4cae3c85c829, and its folder is the number of its class.

Birds are cut out as those of ``datasets.cub`` are. Part coordinates are used unchanged, as distances from the image's
edges: no published document says whether they count pixels from 0 or from 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from datasets.base import DatasetCard, Split
from datasets.cub import BORDER, PADDING_PERCENT, padded_squares
from datasets.photos import FILL
from datasets.reading.cub_files import TEXT_FILES, Birds, cut_out, read_birds, read_image_list
from datasets.reading.table import Table, TableDataset
from datasets.text import read_lines, refuse, refuse_entry

if TYPE_CHECKING:
    from numpy.typing import NDArray

PARTS = (
    *("bill", "crown", "nape", "left eye", "right eye", "belly", "breast", "back", "tail"),
    *("left wing", "right wing"),
)


class NABirds(TableDataset):
    """The official train images, to learn on and to regress on, and the official test images.

    An id is the image's path under ``images/``, and its group is its class.
    """

    def __init__(self, card: DatasetCard, root: Path | None = None) -> None:
        super().__init__(root)
        self.card = card

    @property
    def folder(self) -> Path:
        """The folder that the official archive unpacks to."""
        return Path(self.root or "") / "nabirds"

    def annotation_files(self, name: Split) -> Iterator[Path]:
        """The four text files of CUB's layout, and the numbers of the parts."""
        yield from (self.folder / file for file in (*TEXT_FILES, "parts/parts.txt"))

    def image_folders(self) -> Iterator[Path]:
        """The one folder that holds the folders of all classes."""
        yield self.folder / "images"

    def path(self, image_id: str) -> Path:
        """The photo of a bird."""
        return self.folder / "images" / image_id

    def read(self, name: Split) -> Table:
        """A split in the order of ``images.txt``."""
        if name == "regress":
            return self.table("fit")
        birds, is_train = self._birds
        chosen = birds.where(is_train == (name == "fit"))
        groups = tuple(image_id.split("/")[0] for image_id in chosen.names)
        return cut_out(chosen, groups, padded_squares(chosen.boxes))

    @cached_property
    def _birds(self) -> tuple[Birds, NDArray[np.bool_]]:
        images = read_image_list(self.folder / "images.txt", numbered=False)
        return read_birds(self.folder, images, read_part_numbers(self.folder / "parts/parts.txt"))


def read_part_numbers(path: Path) -> tuple[int, ...]:
    """The number of each of PARTS. Raises DatasetError for a line that is not a new number and a new part."""
    found: dict[str, int] = {}
    for line, text in enumerate(read_lines(path), start=1):
        number, _, name = text.strip().partition(" ")
        if not text.strip():
            continue
        if not (number.isdecimal() and len(number) < 4) or name.strip() not in PARTS:
            refuse(path, line, text, f"a number and one of the parts {', '.join(PARTS)}")
        if name.strip() in found or int(number) in found.values():
            refuse(path, line, text, "a number and a part that no earlier line has")
        found[name.strip()] = int(number)
    if absent := [name for name in PARTS if name not in found]:
        refuse_entry(path, "the file", f"no line for the part '{absent[0]}'", f"a line for each of {len(PARTS)} parts")
    return tuple(found[name] for name in PARTS)


NABIRDS = partial(
    NABirds,
    DatasetCard(
        id="nabirds",
        title="NABirds, North American birds of 555 categories",
        landmark_names=PARTS,
        protocols=("birds",),
        left_right_pairs=((3, 4), (9, 10)),
        has_visibility=True,
        has_boxes=True,
        counts={"fit": 23929, "regress": 23929, "test": 24633},
        licence="non-commercial research and education only, by the terms of the Cornell Lab of Ornithology, no "
        "redistribution; images belong to their photographers",
        citation="Van Horn, Branson, Farrell, Haber, Barry, Ipeirotis, Perona, Belongie: Building a Bird Recognition "
        "App and Large Scale Dataset with Citizen Scientists. CVPR 2015",
        how_to_get="request nabirds.tar.gz at https://dl.allaboutbirds.org/nabirds and unpack it into the data root "
        "(--data-root or KEYPOINTS_DATA_ROOT)",
        preprocessing=f"box padded by {PADDING_PERCENT} % of its sides, squared about its centre, whole pixels half to "
        f"even, fill {FILL[0]}, Pillow bilinear; part coordinates as they stand",
        tree="nabirds/\n"
        "  images.txt  train_test_split.txt  bounding_boxes.txt\n"
        "  parts/parts.txt  parts/part_locs.txt\n"
        "  images/0295/*.jpg  ...  images/1010/*.jpg",
        remarks=(
            BORDER,
            "PDiscoFormer and PDiscoNet report NABirds with K = 4, 8 and 11 on the official 24,633 test images; they "
            "learn with class labels, so their rows are supervised by these",
            "NABirds has eleven parts and CUB fifteen: its bill is CUB's beak; throat, forehead and legs have no "
            "counterpart, so errors on the two datasets are not comparable",
            "images of a class may be near copies of each other, as several photographs of one bird; groups are "
            "classes, so intervals allow for it",
        ),
    ),
)
