"""CelebA in the wild on the lists of SCOPS and MPAE: on a synthetic tree, and on the real lists where they are."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datasets.autolink import CELEBA_WILD as AUTOLINK
from datasets.base import DatasetError
from datasets.celeba import WILD
from datasets.celeba_wild_lists import CELEBA_WILD_LISTS, CelebaWildLists, read_list

FIT = {"000013.jpg": (40, 60), "000007.jpg": (80, 50), "000200.jpg": (64, 64)}
TEST = {"118950.jpg": (30, 90), "061733.jpg": (70, 70)}


def write_tree(root: Path, sizes: bool = True) -> Path:
    """Both lists, and either the file of sizes or the images."""
    random = np.random.default_rng(0)
    folder = root / "celeba_wild_lists"
    folder.mkdir(parents=True)
    for file, faces in (("cele_train_lm.txt", FIT), ("MAFL_test_lm.txt", TEST)):
        lines = []
        for name, (width, height) in faces.items():
            points = random.integers(0, (width, height), (5, 2)).astype(float)
            lines.append(",".join([name, *map(str, points.ravel())]))
        (folder / file).write_text("\n".join([*lines, ""]))
    for name, (width, height) in (FIT | TEST).items():
        path = root / "celeba" / ("Anno/list_imsize_celeba.txt" if sizes else f"Img/img_celeba/{name}")
        path.parent.mkdir(parents=True, exist_ok=True)
        if sizes:
            with path.open("a") as sizes_file:
                sizes_file.write(f"{name} {height} {width}\n")
        else:
            Image.fromarray(random.integers(0, 255, (height, width, 3), dtype=np.uint8)).save(path)
    return root


def small(root: Path) -> CelebaWildLists:
    counts = {"fit": len(FIT), "regress": len(FIT), "test": len(TEST)}
    return CelebaWildLists(CELEBA_WILD_LISTS.args[0].model_copy(update={"counts": counts}), True, root)


@pytest.mark.parametrize("sizes", [True, False])
def test_landmarks_are_shares_of_the_photograph(tmp_path: Path, sizes: bool) -> None:
    root = write_tree(tmp_path, sizes)
    dataset = small(root)
    assert dataset.annotated() == (True, "")
    assert dataset.available()[0] != sizes
    assert dataset.split("fit") == dataset.split("regress") == tuple(FIT)
    assert dataset.split("test") == tuple(TEST)
    for file, faces in (("cele_train_lm.txt", FIT), ("MAFL_test_lm.txt", TEST)):
        for line in (root / "celeba_wild_lists" / file).read_text().splitlines():
            name, *values = line.split(",")
            for index, landmark in enumerate(dataset.annotation(name).landmarks):
                x, y = float(values[2 * index]), float(values[2 * index + 1])
                assert landmark == pytest.approx((x / faces[name][0], y / faces[name][1]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace(",", " ", 1), "cele_train_lm.txt, line 1"),
        (lambda text: text.replace("000007.jpg", "000013.jpg"), "line 2.*no earlier line"),
        (lambda text: text.replace("000200.jpg,", "000200.jpg,x,"), "line 3.*separated by commas"),
        (lambda text: text.replace("000200.jpg,", "000201.jpg,"), "list_imsize_celeba.txt: no row for 000201.jpg"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, change, message: str) -> None:
    path = write_tree(tmp_path) / "celeba_wild_lists" / "cele_train_lm.txt"
    path.write_text(change(path.read_text()))
    with pytest.raises(DatasetError, match=message):
        small(tmp_path).split("fit")


def test_without_sizes_and_images_it_says_what_to_get(tmp_path: Path) -> None:
    (write_tree(tmp_path) / "celeba" / "Anno" / "list_imsize_celeba.txt").unlink()
    found, message = small(tmp_path).annotated()
    assert not found and "list_imsize_celeba.txt" in message


@pytest.fixture(scope="module")
def real() -> Path:
    root = Path(os.environ.get("KEYPOINTS_DATA_ROOT", "nowhere"))
    if not (root / "celeba_wild_lists").is_dir() or not (root / "celeba" / "MAFL").is_dir():
        pytest.skip("KEYPOINTS_DATA_ROOT has no celeba_wild_lists and celeba/MAFL")
    return root


def test_the_real_lists_are_what_the_cards_say(real: Path) -> None:
    fit, points = read_list(real / "celeba_wild_lists" / "cele_train_lm.txt")
    test, _ = read_list(real / "celeba_wild_lists" / "MAFL_test_lm.txt")
    mafl = {
        name: set((real / "celeba" / "MAFL" / name).read_text().split()) for name in ("training.txt", "testing.txt")
    }
    assert (len(fit), len(test), points.shape) == (45609, 283, (45609, 5, 2))
    assert len(mafl["training.txt"].intersection(fit)) == 4394
    assert not mafl["testing.txt"].intersection(fit)
    assert mafl["testing.txt"].issuperset(test)
    lists, autolink, wild = (factory(None).card for factory in (CELEBA_WILD_LISTS, AUTOLINK, WILD))
    assert lists.counts == {"fit": len(fit), "regress": len(fit), "test": len(test)}
    assert (autolink.counts["fit"], autolink.counts["test"]) == (len(fit), len(test))
    assert wild.counts["test"] == len(test)
    for card in (lists, autolink):
        said = " ".join(card.remarks)
        assert "4,394" in said and "none is a MAFL test face" in said


def test_the_real_lists_are_scored_without_images(real: Path, tmp_path: Path) -> None:
    """Sizes are made up: each photograph ends right of and below its last landmark."""
    (tmp_path / "celeba_wild_lists").symlink_to(real / "celeba_wild_lists")
    sizes = tmp_path / "celeba" / "Anno" / "list_imsize_celeba.txt"
    sizes.parent.mkdir(parents=True)
    with sizes.open("w") as file:
        for name in ("cele_train_lm.txt", "MAFL_test_lm.txt"):
            ids, points = read_list(real / "celeba_wild_lists" / name)
            for image_id, (width, height) in zip(ids, points.max(axis=1).astype(int) + 1, strict=True):
                file.write(f"{image_id} {height} {width}\n")
    dataset = CELEBA_WILD_LISTS(tmp_path)
    assert dataset.annotated() == (True, "")
    assert [len(dataset.split(name)) for name in ("fit", "regress", "test")] == [45609, 45609, 283]
    np.testing.assert_allclose(dataset.annotation("118950.jpg").landmarks[0] * (182, 222), (127, 154))
