"""Targets of datasets, records and imports; they register themselves beside those of ``tests.fuzz.targets``."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np

from tests.fuzz import files
from tests.fuzz.targets import TARGETS, Read, target

__all__ = ["TARGETS"]


def splits(dataset: Any) -> Read:
    """Read everything of a dataset: the card, all splits, an image, the digest."""

    def read() -> None:
        dataset.available()
        for name in ("fit", "regress", "test"):
            ids = dataset.split(name)
            dataset.digest(name)
            for image_id in ids[:1]:
                dataset.annotation(image_id)
                dataset.image(image_id, 16)

    return read


@target("coco", "datasets.coco", "datasets.reading.custom", "datasets.reading.coco_entries", "datasets.reading.checks")
def _coco(rng: random.Random, folder: Path) -> Read:
    from datasets.coco import Coco
    from tests.custom_data import coco, photo

    for number in range(5):
        photo(folder / f"{number}.png", (20 + number, 10))
    if rng.random() < 0.1:
        files.image(rng, folder / "2.png")
    return splits(Coco(files.plain_json(rng, folder / "birds.json", coco(5))))


@target("dlc", "datasets.dlc", "datasets.reading.custom", "datasets.reading.checks")
def _dlc(rng: random.Random, folder: Path) -> Read:
    from datasets.dlc import open_dlc
    from tests.custom_data import write_dlc

    rows = {f"img{number:03d}.png": f"{20 + number},10.5,30,{11 + number}" for number in range(5)}
    place = write_dlc(folder / "p" / "labeled-data" / "v", rows, columns=rng.choice((1, 1, 3)))
    path = place / "CollectedData_me.csv"
    files.text(rng, path, [line.split(",") for line in path.read_text().splitlines()])
    return splits(open_dlc(str(folder / "p")))


@target("folder", "datasets.folder", "datasets.photos", "datasets.reading.image_files")
def _folder(rng: random.Random, folder: Path) -> Read:
    from datasets.folder import Folder

    for number in range(3):
        files.image(rng, folder / "i" / f"{number}.{rng.choice(('png', 'jpg', 'gif', 'tif', 'webp'))}")
    return splits(Folder(folder / "i"))


@target("photo", "datasets.photos")
def _photo(rng: random.Random, folder: Path) -> Read:
    from datasets.base import DatasetError
    from datasets.photos import look, read_photo, square

    path = files.image(rng, folder / "a.png")

    def read() -> None:
        try:
            look(path)
        except DatasetError:
            read_photo(path, upright=True)
        square(read_photo(path, upright=rng.random() < 0.5), 16)

    return read


@target("taichi", "datasets.taichi", "datasets.reading.frames", "datasets.reading.pickles")
def _taichi(rng: random.Random, folder: Path) -> Read:
    from datasets.taichi import _read_joints
    from tests.dataset_plugins.test_taichi import columns

    path = files.frame_pickle(rng, folder / "taichi_test_gt.pkl", columns("test"))
    return lambda: _read_joints(path)


@target("cub", "datasets.reading.cub_files")
def _cub(rng: random.Random, folder: Path) -> Read:
    from datasets.reading.cub_files import cut_out, read_birds, read_image_list

    names = [f"001.A/bird_{number}.png" for number in range(4)]
    numbers = range(1, 5)
    parts = [[str(n), str(part), "10.0", "12.5", "1"] for n in numbers for part in range(1, 16)]
    tables = {
        "images.txt": [[str(n), name] for n, name in zip(numbers, names, strict=True)],
        "train_test_split.txt": [[str(n), str(n % 2)] for n in numbers],
        "bounding_boxes.txt": [[str(n), "1.0", "2.0", "30.0", "40.0"] for n in numbers],
        "parts/part_locs.txt": parts,
    }
    for name, rows in tables.items():
        if rng.random() < 0.5:
            files.text(rng, folder / name, rows, " ")
        else:
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text("\n".join(map(" ".join, rows)))

    def read() -> None:
        birds, _ = read_birds(folder, read_image_list(folder / "images.txt"))
        cut_out(birds, birds.names, np.tile([0, 0, 50], (len(birds.names), 1)).astype(float))

    return read


@target("celeba", "datasets.celeba", "datasets.text")
def _celeba(rng: random.Random, folder: Path) -> Read:
    from datasets.celeba import WILD
    from tests.dataset_plugins.test_celeba import COLUMNS, small

    names = [f"{number:06d}.jpg" for number in range(1, 8)]
    tables = {
        "MAFL/training.txt": [[name] for name in names[:4]],
        "MAFL/testing.txt": [[name] for name in names[4:6]],
        "Anno/list_landmarks_celeba.txt": [
            ["7"],
            COLUMNS.split(),
            *([name, *map(str, range(10, 20))] for name in names),
        ],
        "Anno/list_bbox_celeba.txt": [
            ["7"],
            ["image_id", "x_1", "y_1", "width", "height"],
            *([name, "1", "2", "60", "80"] for name in names),
        ],
        "Anno/list_imsize_celeba.txt": [*([name, "100", "90"] for name in names)],
        "Anno/identity_CelebA.txt": [[name, str(number)] for number, name in enumerate(names)],
    }
    for name, rows in tables.items():
        path = folder / "celeba" / name
        files.text(rng, path, rows, " ") if rng.random() < 0.25 else None
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("\n".join(map(" ".join, rows)))
    dataset = small(WILD, folder)
    return lambda: [dataset.table(name) for name in ("fit", "test")]


@target("deepfashion", "datasets.deepfashion", "datasets.text")
def _deepfashion(rng: random.Random, folder: Path) -> Read:
    from datasets.deepfashion import DeepFashion
    from tests.dataset_plugins import test_deepfashion as tree

    place = folder / "deepfashion"
    for part in ("train", "test"):
        tree.write(folder, f"data_{part}.json", tree.entries(part))
        tree.write(folder, f"data_{part}.csv", tree.lines(part))
    part = rng.choice(("train", "test"))
    if rng.random() < 0.6:
        files.plain_json(rng, place / f"data_{part}.json", tree.entries(part))
    else:
        files.text(rng, place / f"data_{part}.csv", [line.split(",") for line in tree.lines(part)])
    dataset = DeepFashion(tree.CARD_HERE, folder)
    return lambda: [dataset.table(name) for name in ("regress", "test")]


@target("cub_cmr", "datasets.cub_cmr", "datasets.reading.matlab")
def _cub_cmr(rng: random.Random, folder: Path) -> Read:
    from datasets.cub_cmr import _read_birds

    birds = np.empty((1, 3), dtype=[("rel_path", object), ("bbox", object), ("parts", object)])
    for number in range(3):
        box = {"x1": 10.0, "y1": 12.0, "x2": 50.0, "y2": 60.0 + number}
        birds[0, number] = (f"001.A/b{number}.jpg", box, np.full((3, 15), 20.0))
    path = files.mat(rng, folder / "test_cub_cleaned.mat", {"images": birds})
    return lambda: _read_birds(path, ("001.",))


@target("human36m", "datasets.human36m", "datasets.reading.matlab")
def _human36m(rng: random.Random, folder: Path) -> Read:
    from datasets.human36m import read_landmarks

    path = files.mat(rng, folder / "1.mat", {"keypoints_2d": np.random.default_rng(0).random((32, 2))})
    return lambda: read_landmarks(path)


@target("human36m_unaligned", "datasets.human36m_unaligned")
def _take(rng: random.Random, folder: Path) -> Read:
    from datasets.human36m_unaligned import read_counts, read_take
    from tests.dataset_plugins.human36m_unaligned_tree import poses

    if rng.random() < 0.1:
        counts = files.plain_json(rng, folder / "counts.json", {"fit": 3, "test": 2})
        return lambda: read_counts(counts)
    arrays = {"pose/2d": poses(0), "camera": np.repeat([54138969, 55011271], 6), "frame": np.tile(np.arange(1, 7), 2)}
    path = files.h5(rng, folder / "annot.h5", arrays)
    return lambda: read_take(path)


@target("autolink h5", "datasets.autolink")
def _autolink(rng: random.Random, folder: Path) -> Read:
    from datasets.autolink import CELEBA_WILD
    from tests.dataset_plugins.test_autolink import small

    arrays: dict[str, np.ndarray] = {}
    for part, count in (("train", 9), ("mafl_train", 7), ("mafl_test", 4)):
        arrays[f"{part}_img"] = np.zeros((count, 3, 128, 128), np.uint8)
        arrays[f"{part}_landmark"] = np.random.default_rng(0).uniform(0, 128, (count, 5, 2)).astype(np.float32)
    files.h5(rng, folder / "celeba_wild.h5", arrays)
    return splits(small(CELEBA_WILD, folder))


@target("records", "leaderboard.load")
def _records(rng: random.Random, folder: Path) -> Read:
    from leaderboard.load import load_records, load_results
    from tests.leaderboard.synthetic import record

    made = [record("grid", "taichi", 3.5), record("sk", "taichi", None), record("sk", "cub_001", 2.5, seed=1)]
    plain = [json.loads(each.model_dump_json()) for each in made]
    if rng.random() < 0.5:
        files.plain_json(rng, folder / "wild.mini.json", plain)
        return lambda: load_results(folder)
    for number, each in enumerate(plain):
        files.plain_json(rng, folder / "cells" / str(number) / "result.json", each)
    return lambda: load_records(folder, lambda line: None)


@target("store", "benchmarks.records.store")
def _store(rng: random.Random, folder: Path) -> Read:
    from benchmarks.records.store import Store
    from tests.leaderboard.synthetic import record

    plain = json.loads(record("grid", "taichi", 3.5).model_dump_json())
    files.plain_json(rng, folder / "cells" / "c" / "result.json", plain)
    return lambda: Store(folder).record("c")


@target("imports", "methods.imported", "benchmarks.run.imported")
def _imports(rng: random.Random, folder: Path) -> Read:
    from benchmarks.run.imported import imports
    from methods.imported import read_predictions
    from tests.fuzz.targets import IDS, POINTS

    record = {
        **{
            "method": "mine",
            "supervision": "unsupervised",
            "saw_landmarks": False,
            "task": "taichi",
            "profile": "mini",
        },
        **{
            "dataset": "mini_taichi",
            "num_keypoints": 4,
            "format": "neutral",
            "files": [{"name": "a", "sha256": "0" * 64}],
        },
        **{"counts": {"regress": 3, "test": 4}, "digests": {"regress": "a", "test": "b"}, "predictions_sha256": "c"},
        "notes": ["a note"],
    }
    files.plain_json(rng, folder / "taichi.mini.json", record)
    path = files.parquet(
        rng, folder / "taichi.mini.parquet", {"image_id": IDS, "keypoints": POINTS.reshape(7, 8).tolist()}
    )
    if rng.random() < 0.5:
        return lambda: imports([f"imported:{folder}"])
    return lambda: read_predictions(path)
