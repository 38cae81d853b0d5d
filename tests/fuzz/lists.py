"""Targets of datasets that are lists of images, and of the file of ``--split``; they register themselves."""

from __future__ import annotations

import random
from pathlib import Path

from tests.fuzz import files
from tests.fuzz.targets import TARGETS, Read, target

__all__ = ["TARGETS"]


def rewrite(rng: random.Random, path: Path, separator: str = " ", share: float = 0.6) -> None:
    """Change the rows of a text file, or leave it."""
    if rng.random() < share:
        rows = [line.split(separator) for line in path.read_text().splitlines()]
        files.text(rng, path, rows, separator)


@target("nabirds", "datasets.reading.cub_files", "datasets.nabirds")
def _nabirds(rng: random.Random, folder: Path) -> Read:
    from tests.dataset_plugins.test_nabirds import small, write_tree

    write_tree(folder)
    for name in ("images", "train_test_split", "bounding_boxes", "parts/part_locs", "parts/parts"):
        rewrite(rng, folder / "nabirds" / f"{name}.txt", share=0.2)
    return lambda: [small(folder).table(name) for name in ("fit", "test")]


@target("aflw_mtfl", "datasets.aflw_mtfl")
def _aflw_mtfl(rng: random.Random, folder: Path) -> Read:
    from tests.dataset_plugins.test_aflw import small_mtfl, write_mtfl

    write_mtfl(folder)
    rewrite(rng, folder / "mtfl" / rng.choice(("training.txt", "testing.txt")))
    return lambda: [small_mtfl(folder).table(name) for name in ("fit", "test")]


@target("aflw_recrops", "datasets.reading.matlab", "datasets.aflw_recrops")
def _aflw_recrops(rng: random.Random, folder: Path) -> Read:
    from tests.dataset_plugins.test_aflw import small_recrops, write_recrops

    _, points, sizes = write_recrops(folder)
    place = folder / "aflw_release-2"
    if rng.random() < 0.6:
        files.mat(rng, place / "aflw_test_keypoints.mat", {"gt": points, "hw": sizes.astype(float)})
    else:
        rewrite(rng, place / "aflw_test_images.txt")
    return lambda: small_recrops(folder).table("test")


@target("cats", "datasets.cats")
def _cats(rng: random.Random, folder: Path) -> Read:
    from datasets.cats import CATS, LISTS
    from tests.dataset_plugins.test_cats import write_tree

    ids = list(write_tree(folder))
    rewrite(rng, folder / "cats" / f"{rng.choice(ids)}.cat")
    if rng.random() < 0.5:
        for file, names in zip(LISTS.values(), (ids[:20], ids[20:]), strict=True):
            (folder / "cats" / file).write_text("\n".join(names))
            rewrite(rng, folder / "cats" / file, share=0.3)
    return lambda: [CATS(folder).table(name) for name in ("fit", "test")]


@target("celeba_wild_lists", "datasets.celeba", "datasets.celeba_wild_lists")
def _celeba_wild_lists(rng: random.Random, folder: Path) -> Read:
    from tests.dataset_plugins.test_celeba_wild_lists import small, write_tree

    write_tree(folder)
    rewrite(rng, folder / "celeba_wild_lists" / rng.choice(("cele_train_lm.txt", "MAFL_test_lm.txt")), ",")
    return lambda: [small(folder).table(name) for name in ("fit", "test")]


@target("split file", "datasets.reading.splits", "datasets.reading.split_file")
def _split_file(rng: random.Random, folder: Path) -> Read:
    from datasets.reading.image_files import FileHashes
    from datasets.reading.splits import split_as_stated

    names = [f"v{row % 3}/{row}.png" for row in range(9)]
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(name.encode())
    rows = [[name, "test" if row % 3 == 0 else "regress"] for row, name in enumerate(names)]
    form = rng.choice(("list", "sides", "groups"))
    if form == "list":
        path = files.text(rng, folder / "split.txt", [row[:1] for row in rows if row[1] == "test"])
    elif form == "sides":
        path = files.plain_json(rng, folder / "split.json", dict(rows))
    else:
        path = files.text(rng, folder / "split.csv", [["image", "group"], *([name, name[:2]] for name in names)])
    videos = tuple(name[:2] for name in names) if rng.random() < 0.5 else ()
    paths = [folder / name for name in names]
    return lambda: split_as_stated(path, names, names, names, paths, FileHashes(), videos)
