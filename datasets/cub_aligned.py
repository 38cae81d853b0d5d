"""CUB-aligned: birds of 158 classes, each cut to its box and facing left, after Lorenz et al. (CVPR 2019).

Rebuilt from the official files of CUB-200-2011. The lists and landmarks that Lorenz et al. released (``train.csv``,
``train_kp.npy``, ``test.csv`` and ``test_kp.npy`` of theRealSuperMario/unsupervised-disentangling, branch
reproducing_baselines) follow from them by these rules, on every one of the 9,365 images:

* 42 classes are left out, mostly seabirds and waterfowl; the split is the official one.
* The crop is a square of side S = max(w, h) about the centre of the box (x, y, w, h). Its right and lower edge are
  x + w/2 + S/2 and y + h/2 + S/2, rounded to whole pixels, half to even.
* It is mirrored if the right eye is visible and the left is not; left and right parts are then exchanged.
* Part coordinates are used unchanged: ((x - left) / S, (y - top) / S), mirrored 1 - (x - left) / S.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from datasets.cub import Cub
from datasets.photos import FILL
from datasets.reading.cub_files import PARTS, Birds, bird_card, cut_out
from datasets.reading.table import Table

EXCLUDED = frozenset(
    (
        *(1, 2, 3, 5, 6, 7, 8, 23, 24, 25, 44, 45, 46, 50, 51, 52, 53, *range(58, 67)),
        *(71, 72, 84, 86, 87, 89, 90, 100, 101, 106, *range(141, 147)),
    )
)
CLASSES = tuple(number for number in range(1, 201) if number not in EXCLUDED)
_LEFT_EYE, _RIGHT_EYE = PARTS.index("left eye"), PARTS.index("right eye")


class CubAligned(Cub):
    """Some classes of CUB-200-2011 as Lorenz et al. cut and turned them; split, ids and groups are those of ``Cub``."""

    def cut(self, birds: Birds) -> Table:
        """The birds in squares about their boxes, mirrored if only the right eye is visible."""
        corner, extent = birds.boxes[:, :2], birds.boxes[:, 2:]
        side = np.rint(extent.max(axis=1, keepdims=True))
        squares = np.concatenate([np.rint(corner + extent / 2 + side / 2) - side, side], axis=1)
        flip = birds.visible[:, _RIGHT_EYE] & ~birds.visible[:, _LEFT_EYE]
        return cut_out(birds, self.groups(birds.names), squares, flip)


_CARD = bird_card(
    "cub_aligned",
    "CUB-200-2011, 158 classes, boxed and facing left (CUB-aligned)",
    (4735, 4630),
    "square of the box's longer side about its centre, right and lower edge whole pixels half to even, mirrored where "
    f"the right eye alone is visible, fill {FILL[0]}, Pillow bilinear; part coordinates as they stand",
    (
        "0dad14297134652a4be43fd75493ce3064fb834d7ddfc5f8f6359f18dece2b71",
        "096efcb7efc668ff1f9b23c961857578553d01d19411c562b6d90005aa19645b",
    ),
    citation="Lorenz, Bereska, Milbich, Ommer: Unsupervised Part-Based Disentangling of Object Shape and Appearance. "
    "CVPR 2019; on Wah, Branson, Welinder, Perona, Belongie: The Caltech-UCSD Birds-200-2011 Dataset. California "
    "Institute of Technology, CNS-TR-2011-001, 2011",
    remarks=(
        "what the published crops show beyond the image's border is unknown; it is mid-grey here",
        "published rows may stand on other images: the public script that makes AutoLink's cub.h5, from which Stable "
        "Keypoints reads CUB-aligned, cuts CMR's 5964 and 2874 images of all classes and mirrors none",
        "cub.h5 has images of 128 pixels, which Stable Keypoints enlarges four times to 512 and so blurs; here images "
        "are cut from the photographs",
        "the classes of CUB-001, CUB-002 and CUB-003 are among the 42 that are left out",
    ),
)
CUB_ALIGNED = partial(CubAligned, _CARD, CLASSES)
