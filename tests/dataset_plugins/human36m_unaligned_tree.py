"""A synthetic tree of h36m-fetch's output, with what else may lie in it."""

from __future__ import annotations

import random
from pathlib import Path

import h5py
import numpy as np
from PIL import Image

from datasets import human36m_unaligned
from datasets.base import Split
from tests.dataset_plugins.human36m_tree import FIT, TEST

TAKES, OTHERS = ("Walking-2", "Directions-1"), ("WalkingDog-1", "WalkTogether-1", "Sitting-1")
HEIGHTS = {"60457274": 1002, "54138969": 1002, "58860488": 1000, "55011271": 1000}
FRAMES = (11, 1, 6)
ONE = "S1/Directions-1/54138969/000001"
PIXELS = "S11/Walking-2/60457274/000006"


def poses(seed: int) -> np.ndarray:
    """Poses (12, 32, 2) in whole pixels and a half, some near each border, the first beyond one."""
    generator = np.random.default_rng(seed)
    centres = generator.integers(100, 900, (12, 1, 2))
    spread = generator.integers(60, 400, (12, 1, 2))
    drawn = (centres + generator.uniform(-0.5, 0.5, (12, 32, 2)) * spread).round() + 0.5
    drawn[0, 3] = (-30.5, 500.5)
    return drawn


def annot(root: Path, take: str = "S1/Directions-1") -> Path:
    """The annotations of a take."""
    return root / "processed" / take / "annot.h5"


def plant(root: Path) -> Path:
    """The tree, its folders and rows in a random order, with actions that are none of the six; few images."""
    shuffled = random.Random(0)
    takes = [f"{subject}/{take}" for subject in FIT + TEST for take in TAKES + OTHERS]
    for seed, take in enumerate(shuffled.sample(takes, len(takes))):
        annot(root, take).parent.mkdir(parents=True)
        (annot(root, take).parent / "imageSequence").mkdir()
        rows = [(int(camera), frame) for camera in HEIGHTS for frame in FRAMES]
        with h5py.File(annot(root, take), "w") as file:
            file["pose/2d"] = poses(seed)
            file["camera"], file["frame"] = np.array(shuffled.sample(rows, len(rows))).T
            file["pose/3d"] = np.zeros((12, 32, 3))
    for image_id in (ONE, PIXELS):
        paint(root, image_id, Image.new("RGB", (1000, 1002), (90, 90, 90)))
    return root


def paint(root: Path, image_id: str, photo: Image.Image) -> Path:
    """Save a photo as the image of an id."""
    subject, take, camera, frame = image_id.split("/")
    path = root / "processed" / subject / take / "imageSequence" / camera / f"img_{frame}.jpg"
    path.parent.mkdir(parents=True, exist_ok=True)
    photo.save(path, format="PNG")  # Pillow goes by content; nothing is lost
    return path


def opened(
    root: Path | None, fit: int = 144, regress: int = 20, test: int = 24
) -> human36m_unaligned.Human36mUnaligned:
    """The dataset, expecting the tree's counts unless told otherwise."""
    counts: dict[Split, int] = {"fit": fit, "regress": regress, "test": test}
    card = human36m_unaligned.HUMAN36M_UNALIGNED().card.model_copy(update={"counts": counts})
    return human36m_unaligned.Human36mUnaligned(card, root)
