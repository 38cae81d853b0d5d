"""MAFL with CelebA's training images to learn on, and with 68 landmarks, on trees of the official layout."""

from __future__ import annotations

import os
import pickle
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from datasets.base import DatasetError
from datasets.celeba import ALIGNED
from datasets.mafl import MAFL, MAFL_68, PAIRS_68, Mafl, Mafl68
from tests.dataset_plugins import test_celeba
from tests.dataset_plugins.test_celeba import (
    ALIGNED_IMAGES,
    EXTRA,
    TEST,
    TRAIN,
    by_hand,
    save_images,
    write,
)

LEARNED = ("000001.jpg", "000002.jpg", "000004.jpg", "000011.jpg")  # two of MAFL's, two of no list of MAFL
PARTITION = {**dict.fromkeys((*TRAIN, *EXTRA), 2), **dict.fromkeys(TEST, 0), **dict.fromkeys(LEARNED, 0)}


def build(root: Path) -> Path:
    test_celeba.build(root)
    rows = "".join(f"{name} {part}\n" for name, part in sorted(PARTITION.items()))
    write(root, "Eval/list_eval_partition.txt", rows)
    write_points(root)
    save_images(root, ALIGNED_IMAGES, dict.fromkeys(LEARNED, (178, 218)), ".png")
    return root


def points(names: tuple[str, ...] = (*TRAIN, *TEST)) -> dict[str, np.ndarray]:
    random = np.random.default_rng(5)
    return {name: random.uniform(-5, 200, (68, 2)) for name in names}


def write_points(root: Path, found: object = None) -> None:
    file = root / "celeba/MaflGroundtruthLandmarks.pickle"
    file.write_bytes(pickle.dumps(points() if found is None else found, protocol=4))


def small(factory: partial[Mafl] | partial[Mafl68], root: Path, fit: int) -> Mafl:
    card, wild = factory.args
    counts = {"fit": fit, "regress": len(TRAIN), "test": len(TEST)}
    return factory.func(card.model_copy(update={"counts": counts}), wild, root)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return build(tmp_path)


def test_keypoints_are_learned_on_training_images_that_mafl_does_not_test_on(root: Path) -> None:
    dataset = small(MAFL, root, len(LEARNED))
    assert dataset.available() == (True, "")
    assert dataset.split("fit") == LEARNED
    assert dataset.split("regress") == TRAIN
    assert dataset.split("test") == TEST
    for name in (*LEARNED, *TRAIN, *TEST):
        assert dataset.annotation(name).landmarks.tolist() == by_hand(
            root / "celeba" / test_celeba.ALIGNED_FILE, name, 178, 218
        )


def test_its_lists_are_those_of_the_aligned_faces(root: Path) -> None:
    ours, aligned = small(MAFL, root, len(LEARNED)), test_celeba.small(ALIGNED, root)
    assert ours.digest("test") == aligned.digest("test")
    assert ours.digest("regress") == aligned.digest("regress")


def test_the_partition_may_lie_beside_the_landmarks(root: Path) -> None:
    (root / "celeba/Eval/list_eval_partition.txt").rename(root / "celeba/Anno/list_eval_partition.txt")
    assert small(MAFL, root, len(LEARNED)).split("fit") == LEARNED


def test_a_tree_without_the_partition_names_the_file(root: Path) -> None:
    (root / "celeba/Eval/list_eval_partition.txt").unlink()
    found, message = small(MAFL, root, len(LEARNED)).available()
    assert not found and "list_eval_partition.txt" in message


def test_sixty_eight_points_are_shares_of_the_aligned_image(root: Path) -> None:
    dataset = small(MAFL_68, root, len(TRAIN))
    assert dataset.available() == (True, "")
    assert dataset.split("fit") == dataset.split("regress") == TRAIN
    assert dataset.split("test") == TEST
    for name, found in points().items():
        assert dataset.annotation(name).landmarks.tolist() == [[x / 178, y / 218] for x, y in found.tolist()]


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (points(TRAIN[1:] + TEST), f"got nothing for {TRAIN[0]}, expected 68 finite points"),
        ({**points(), TRAIN[2]: np.zeros((5, 2))}, rf"got \(5, 2\) for {TRAIN[2]}, expected 68 finite points"),
        ({**points(), TRAIN[2]: np.full((68, 2), np.nan)}, f"got points that are not finite for {TRAIN[2]}"),
        ([1, 2], "holds something else than a dictionary; expected a dictionary of arrays"),
        ({"a": "text"}, "has something else in the place of an array"),
        ({"a": os.system}, "refused '(posix|nt).system'"),
    ],
)
def test_a_broken_file_of_points_is_one_clear_error(root: Path, found: object, message: str) -> None:
    write_points(root, found)
    with pytest.raises(DatasetError, match=message):
        small(MAFL_68, root, len(TRAIN)).split("regress")


def test_pairs_are_mirrored_places_of_a_drawn_face() -> None:
    """Half of the 68 points, drawn in order from right to left as 300-W numbers them; partners mirror each other."""
    jaw = [(-np.cos(angle), np.sin(angle)) for angle in np.linspace(0, np.pi, 17)]
    brows = [(x, -0.6) for x in (-0.8, -0.65, -0.5, -0.35, -0.2, 0.2, 0.35, 0.5, 0.65, 0.8)]
    nose = [(0.0, y) for y in (-0.3, -0.2, -0.1, 0.0)] + [(x, 0.1) for x in (-0.2, -0.1, 0.0, 0.1, 0.2)]
    right = [(-0.7, -0.3), (-0.6, -0.4), (-0.4, -0.4), (-0.3, -0.3), (-0.4, -0.2), (-0.6, -0.2)]
    left = [(0.3, -0.3), (0.4, -0.4), (0.6, -0.4), (0.7, -0.3), (0.6, -0.2), (0.4, -0.2)]
    outer = [(x, 0.4) for x in (-0.4, -0.25, -0.1, 0.0, 0.1, 0.25, 0.4)] + [
        (x, 0.6) for x in (0.25, 0.1, 0.0, -0.1, -0.25)
    ]
    inner = [(x, 0.45) for x in (-0.3, -0.1, 0.0, 0.1, 0.3)] + [(x, 0.55) for x in (0.1, 0.0, -0.1)]
    face = np.array([*jaw, *brows, *nose, *right, *left, *outer, *inner])
    assert face.shape == (68, 2)
    partner = dict(PAIRS_68) | {right: left for left, right in PAIRS_68}
    for number, (x, y) in enumerate(face):
        np.testing.assert_allclose(face[partner.get(number, number)], (-x, y), atol=1e-12)
    assert MAFL_68.args[0].interocular == (36, 45)
