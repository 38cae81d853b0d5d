"""A synthetic tree of Zhang et al.'s Human3.6M, with what else may lie in it."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from datasets.base import DatasetError

SIDE = 24
FIT, TEST = ("S1", "S5", "S6", "S7", "S8", "S9"), ("S11",)
TAKES = {"Walking.54138969": (1, 2, 10), "Directions 1.55011271": (7, 30), "Greeting.60457274": (100,)}
OTHERS = ("WalkingDog.54138969", "WalkTogether 1.54138969", "Sitting.54138969", "DiscussionB.54138969")
ONE = "S1/Walking.54138969/2"
KINDS = {"WithBackground": ".jpg", "BackgroudMask": ".png", "Landmarks": ".mat"}


def points(frame: int) -> np.ndarray:
    """Landmarks (32, 2), x and y in different ranges, some outside the image."""
    return np.random.default_rng(frame).uniform((-0.2, 0.4), (0.6, 1.1), (32, 2))


def person() -> np.ndarray:
    """The mask of a boxed person."""
    mask = np.zeros((SIDE, SIDE), bool)
    mask[5:20, 8:15] = mask[7:9, 3:20] = True
    return mask


def file_of(root: Path, image_id: str, kind: str) -> Path:
    """The image, mask or landmarks of an id."""
    subject, take, frame = image_id.split("/")
    return root / "human_images" / subject / kind / take / (frame + KINDS[kind])


def write(root: Path, image_id: str) -> None:
    """One image with its mask and landmarks."""
    frame = int(image_id.rpartition("/")[2])
    for kind in KINDS:
        file_of(root, image_id, kind).parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(frame).integers(60, 255, (SIDE, SIDE, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file_of(root, image_id, "WithBackground"), quality=95)
    Image.fromarray(person()).save(file_of(root, image_id, "BackgroudMask"))
    savemat(file_of(root, image_id, "Landmarks"), {"keypoints_2d": points(frame)[:, ::-1], "other": 1})


def plant(root: Path) -> Path:
    """The tree, written in a random order, with folders and files that are none of its images."""
    ids = [f"{subject}/{take}/{frame}" for subject in FIT + TEST for take in TAKES for frame in TAKES[take]]
    ids += [f"{subject}/{take}/1" for subject in ("S1", "S11") for take in OTHERS]
    for image_id in random.Random(0).sample(ids, len(ids)):
        write(root, image_id)
    file_of(root, ONE, "Landmarks").with_name("._2.mat").write_bytes(b"\0")
    file_of(root, ONE, "WithBackground").with_name("Thumbs.db").write_bytes(b"\0")
    (root / "human_images/S1/Landmarks/Walking.txt").write_text("a note")
    return root


def refused(call: Callable[[], object], *parts: object) -> None:
    """The call ends in a DatasetError of one line that has every part in it."""
    with pytest.raises(DatasetError) as caught:
        call()
    message = str(caught.value)
    assert "\n" not in message
    for part in parts:
        assert str(part) in message
