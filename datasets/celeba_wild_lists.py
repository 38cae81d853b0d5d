"""CelebA in the wild on the lists of SCOPS, AutoLink and the part-discovery papers, which keep the faces' names.

Layout: the two lists that MPAE ships, ``celeba_wild_lists/{cele_train_lm,MAFL_test_lm}.txt`` under the data root, with
a line ``name,x1,y1,...,x5,y5`` for each face that survives the filter of 30 %, in pixels of the in-the-wild
photograph; and of ``celeba/``, as ``datasets.celeba`` has it, the images or the file of their sizes.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from datasets.base import Split
from datasets.celeba import LANDMARKS, Celeba, face_card
from datasets.text import numbers, read_lines, refuse

if TYPE_CHECKING:
    from numpy.typing import NDArray

FILES: dict[Split, str] = {"fit": "cele_train_lm.txt", "test": "MAFL_test_lm.txt"}


class CelebaWildLists(Celeba):
    """The faces of the lists, named as in CelebA; fit is also regress. Images and groups are those of ``Celeba``."""

    def annotation_files(self, name: Split) -> Iterator[Path]:
        """The list, and image sizes; persons if that file exists."""
        yield self._list(name)
        yield self.size_file if self.size_file.exists() else self.images[0]
        if self.person_file.exists():
            yield self.person_file

    def read_faces(self, name: Split) -> tuple[tuple[str, ...], NDArray[np.float64], NDArray[np.int_]]:
        """Names, landmarks (N, 5, 2) in pixels, and width and height (N, 2), of a list."""
        names, landmarks = read_list(self._list(name))
        return names, landmarks, self.read_sizes(names)

    def _list(self, name: Split) -> Path:
        return self.folder.parent / "celeba_wild_lists" / FILES.get(name, FILES["fit"])


def read_list(path: Path) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """Names and landmarks (N, 5, 2) of a list. Raises DatasetError, naming the line, for any other or a second one."""
    found: dict[str, list[float]] = {}
    for line, text in enumerate(read_lines(path), start=1):
        name, *fields = text.strip().split(",")
        if not name:
            continue
        row = numbers(fields)
        if len(row) != 2 * len(LANDMARKS):
            refuse(path, line, text, f"a name and x, y of {len(LANDMARKS)} landmarks, separated by commas")
        if name in found:
            refuse(path, line, text, "an image that no earlier line has")
        found[name] = row
    return tuple(found), np.reshape([*found.values()], (-1, len(LANDMARKS), 2))


CELEBA_WILD_LISTS = partial(
    CelebaWildLists,
    face_card(
        "celeba_wild_lists",
        "CelebA in the wild, faces of at least 30 % of the image, learned on CelebA's training images",
        (45609, 45609, 283),
        how_to_get="get cele_train_lm.txt and MAFL_test_lm.txt of https://github.com/Jiahao-UTS/MPAE into "
        "celeba_wild_lists/ in the data root (--data-root or KEYPOINTS_DATA_ROOT), and img_celeba of "
        "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html into celeba/Img/, or, to score without the images, "
        "list_imsize_celeba.txt of https://github.com/xingzhehe/GANSeg (data/celeba_wild_raw) into celeba/Anno/",
        preprocessing="the whole image squashed; landmarks are x / width and y / height, without a shift; the lists "
        "leave out faces whose box covers less than 30 % of the original image",
        tree="celeba_wild_lists/{cele_train_lm,MAFL_test_lm}.txt\n"
        "celeba/\n"
        "  Anno/list_imsize_celeba.txt (name, height, width; optional: without it every image's header is read)\n"
        "  Anno/identity_CelebA.txt (optional: persons, for intervals)\n"
        "  Img/img_celeba/000001.jpg ...",
        remarks=(
            "Groups are CelebA's persons where Anno/identity_CelebA.txt is there, else every image is its own.",
            "The faces are those that SCOPS, GANSeg, AutoLink and MPAE learn on and test on. 4,394 of those to learn "
            "from are MAFL training faces, none is a MAFL test face. The 283 test faces are those of celeba_wild.",
            "The regression is fitted on all 45,609 faces; celeba_wild and celeba_wild_autolink fit it on the 5,379 "
            "MAFL training faces that survive the filter, as Stable Keypoints and AutoLink do.",
            "Each image is squashed by its own shape, so one landmark error has another length in each image.",
        ),
    ),
    True,
)
