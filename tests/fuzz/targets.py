"""One target for each reader: how its files are made, how they are read, and the modules that read them."""

from __future__ import annotations

import importlib
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.fuzz import files, tensors

Read = Callable[[], object]
Make = Callable[[random.Random, Path], Read]
POINTS = np.random.default_rng(0).random((7, 4, 2))
LANDMARKS = np.random.default_rng(1).random((7, 5, 2))
IDS = [f"test/{row:05d}.png" for row in range(7)]
SCORE = ("benchmarks.score.sources", "methods.adapters.arrays")


@dataclass(frozen=True)
class Target:
    """``make(rng, folder)`` writes files and returns the call that reads them; ``modules`` hold the reader."""

    name: str
    make: Make
    modules: tuple[str, ...]

    def prepare(self) -> None:
        """Import the modules, and read some files, so that libraries are loaded before memory is limited."""
        import tempfile

        import scipy.io
        import torch

        assert scipy.io and torch
        for name in self.modules:
            importlib.import_module(name)
        for number in range(3):
            with tempfile.TemporaryDirectory() as folder:
                try:
                    self.make(random.Random(f"prepare {number}"), Path(folder))()
                except Exception:  # only what is loaded matters here
                    continue

    def files(self) -> list[str]:
        """The files of the modules."""
        return [str(importlib.import_module(name).__file__) for name in self.modules]


TARGETS: dict[str, Target] = {}


def target(name: str, *modules: str) -> Callable[[Make], Make]:
    """Register a target."""

    def register(make: Make) -> Make:
        TARGETS[name] = Target(name, make, modules)
        return make

    return register


def scored(path: Path, rng: random.Random, keys: tuple[str, str] = ("", "")) -> Read:
    """Read a file as each of the inputs that ``score`` takes; ``keys`` are those of keypoints and landmarks."""
    from benchmarks.score.inputs import read_inputs
    from benchmarks.score.options import ScoreOptions
    from methods.adapters.arrays import read_labels

    good, truth = path.parent / "good.npy", path.parent / "truth.npy"
    np.save(good, POINTS)
    np.save(truth, LANDMARKS)
    options: dict[str, Any] = {
        "fit_pred": str(good),
        "test_pred": str(good),
        "fit_gt": str(truth),
        "test_gt": str(truth),
    }
    option = rng.choice((*["fit_pred"] * 5, *["fit_gt"] * 3, "fit_visible", "groups"))
    key = rng.choice(("", *[keys[option == "fit_gt"]] * 9))
    options[option] = name = f"{path}{key}"
    if rng.random() < 0.1:
        return lambda: read_labels(name)
    if rng.random() < 0.05:
        options |= {"order": "yx", "range": rng.choice(("symmetric", "centred", "pixels:64,64", "unit"))}
    if rng.random() < 0.03:
        options["boxes"] = f"{name},{name}"
    return lambda: read_inputs(ScoreOptions(**options), None)


@target("score npy", *SCORE)
def _npy(rng: random.Random, folder: Path) -> Read:
    return scored(files.npy(rng, folder / "a.npy", rng.choice((POINTS, POINTS.reshape(7, 8)))), rng)


@target("score npz", *SCORE, "methods.archives")
def _npz(rng: random.Random, folder: Path) -> Read:
    arrays = {"keypoints": POINTS, "image_id": np.array(IDS), "b": LANDMARKS}
    return scored(files.npz(rng, folder / "a.npz", arrays), rng, (":keypoints", ":b"))


@target("score mat", *SCORE, "methods.adapters.matlab")
def _mat(rng: random.Random, folder: Path) -> Read:
    values = {"keypoints": POINTS, "gt": LANDMARKS, "s": {"x": POINTS, "name": "text"}}
    return scored(files.mat(rng, folder / "a.mat", values), rng, (":keypoints", ":gt"))


@target("score csv", *SCORE, "methods.adapters.tables", "methods.adapters.headings")
def _csv(rng: random.Random, folder: Path) -> Read:
    rows = [[repr(float(number)) for number in row] for row in POINTS.reshape(7, 8)]
    if rng.random() < 0.5:
        rows = [[name, *row] for name, row in zip(IDS, rows, strict=True)]
        rows.insert(
            0, ["image_id", *(f"{rng.choice(('', 'kp_'))}{axis}{number}" for number in range(4) for axis in "xy")]
        )
    return scored(files.text(rng, folder / rng.choice(("a.csv", "a.csv", "a.txt")), rows), rng)


@target("score parquet", *SCORE, "methods.adapters.tables")
def _parquet(rng: random.Random, folder: Path) -> Read:
    columns: dict[str, Any] = {"image_id": IDS, "split": ["test"] * 7}
    flat = POINTS.reshape(7, 8)
    if rng.random() < 0.6:
        columns["keypoints"] = rng.choice((flat.tolist(), POINTS.tolist()))
    else:
        columns |= {f"{'xy'[n % 2]}{n // 2}": flat[:, n].tolist() for n in range(8)}
    key = ":keypoints" if "keypoints" in columns else rng.choice(("", "", ":image_id", ":x0"))
    return scored(files.parquet(rng, folder / "a.parquet", columns), rng, (key, key))


@target("score pt", *SCORE, "methods.archives")
def _pt(rng: random.Random, folder: Path) -> Read:
    values: Any = POINTS if rng.random() < 0.6 else {"keypoints": POINTS, "gt": LANDMARKS}
    key = ":keypoints" if isinstance(values, dict) else ""
    return scored(tensors.torch_file(rng, folder / "a.pt", values), rng, (key, key))


def adapted(adapter: Any, splits: Any, *paths: Path, **options: str) -> Read:
    """Read paths with an adapter and join the keypoints to the images."""
    from benchmarks.importing.joining import join
    from tests.methods.adapters.requests import request

    return lambda: join(adapter.read(request(*paths, splits=splits, options=options)), splits)


@target("import neutral", "methods.adapters.neutral", "benchmarks.importing.joining")
def _neutral(rng: random.Random, folder: Path) -> Read:
    from methods.adapters.neutral import Neutral
    from tests.methods.adapters.foreign import keypoints, splits

    made = splits()
    ids = [each for truth in made.values() for each in truth.ids]
    flat = keypoints(len(ids)).reshape(len(ids), 8)
    kind = rng.choice(("csv", "npz", "parquet"))
    path = folder / f"a.{kind}"
    if kind == "csv":
        heading = ["image_id", *(f"{axis}{number}" for number in range(4) for axis in "xy")]
        files.text(
            rng, path, [heading, *([name, *map(repr, row)] for name, row in zip(ids, flat.tolist(), strict=True))]
        )
    elif kind == "npz":
        files.npz(rng, path, {"image_id": np.array(ids), "keypoints": flat.reshape(-1, 4, 2)})
    else:
        files.parquet(rng, path, {"image_id": ids, "keypoints": flat.tolist()})
    return adapted(Neutral(), made, path)


@target("import lmdis", "methods.adapters.lmdis", "methods.adapters.matlab")
def _lmdis(rng: random.Random, folder: Path) -> Read:
    from methods.adapters.lmdis import Lmdis
    from tests.methods.adapters.foreign import keypoints, splits

    paths = [folder / f"test.{name}" for name in ("train", "test")]
    for path, count in zip(paths, (20, 12), strict=True):
        files.mat(rng, path / "posterior_param.mat", {"encoded": {"structure_param": keypoints(count)}})
    truth = splits()["regress"].landmarks * 100
    if rng.random() < 0.5:
        paths.append(files.mat(rng, folder / "train.mat", {"gt": truth[..., ::-1], "hw": np.full((20, 2), 100.0)}))
    return adapted(Lmdis(), splits(), *paths, **({"crop": "1"} if rng.random() < 0.5 else {}))


@target(
    "import pickle", "methods.adapters.motion_cosegmentation", "datasets.reading.frames", "datasets.reading.pickles"
)
def _pickle(rng: random.Random, folder: Path) -> Read:
    from methods.adapters.motion_cosegmentation import MotionCosegmentation
    from tests.methods.adapters.foreign import keypoints, splits

    paths = []
    for part, count in (("train", 20), ("test", 12)):
        names = [f"{row:05d}.png" for row in range(count)]
        columns = {"file_name": names, "value": list((keypoints(count) * 255).astype(np.float32))}
        paths.append(files.frame_pickle(rng, folder / f"a_{part}_pred.pkl", columns))
    return adapted(MotionCosegmentation(), splits(), *paths)


@target("import coco", "methods.adapters.coco_results", "methods.adapters.placing")
def _coco_results(rng: random.Random, folder: Path) -> Read:
    from methods.adapters.coco_results import CocoResults
    from tests.methods.adapters.test_coco_results import World

    world = World()
    results = files.plain_json(rng, folder / "results.json", world.results)
    annotations = files.plain_json(rng, folder / "annotations.json", world.annotations)
    return adapted(CocoResults(), world.splits, results, annotations)


@target("import dlc csv", "methods.adapters.dlc", "methods.adapters.dlc_tables")
def _dlc_csv(rng: random.Random, folder: Path) -> Read:
    from methods.adapters.dlc import Dlc
    from tests.methods.adapters import test_dlc as dlc
    from tests.methods.adapters.foreign import keypoints

    made = dlc.task()
    ids = [image for found in made.values() for image in found.ids]
    numbered = rng.random() < 0.5
    points = dlc.pixels(keypoints(80 if numbered else len(ids)))
    path = folder / f"bird one{dlc.SCORER}.csv"
    dlc.write_csv(path, range(80) if numbered else ids, dlc.rows(points))
    labels = dlc.labels(folder, made)
    for each in (path, labels):
        files.text(rng, each, [line.split(",") for line in each.read_text().splitlines()])
    return adapted(Dlc(), made, path, labels)


@target("import dlc h5", "methods.adapters.dlc_tables")
def _dlc_h5(rng: random.Random, folder: Path) -> Read:
    import pickle

    from methods.adapters.dlc import Dlc
    from tests.methods.adapters import test_dlc as dlc
    from tests.methods.adapters.foreign import keypoints

    made = dlc.task()
    path, count = folder / f"bird one{dlc.SCORER}.h5", 80
    values = dlc.rows(dlc.pixels(keypoints(count)))
    if rng.random() < 0.5:
        table = np.zeros(count, dtype=[("index", "<i8"), ("values_block_0", "<f8", (12,))])
        table["index"], table["values_block_0"] = range(count), values
        kinds = {"d/table": {"values_block_0_kind": pickle.dumps(dlc.columns(), rng.choice((0, 2, 4)))}}
        arrays = {"d/table": table}
        attributes: Any = {name: {key: np.void(value) for key, value in found.items()} for name, found in kinds.items()}
    else:
        arrays = {"k/block0_values": values, "k/axis1": np.arange(count)}
        for level, column in enumerate(zip(*dlc.columns(), strict=True)):
            known = sorted(set(column))
            arrays[f"k/block0_items_level{level}"] = np.array(known, "S")
            arrays[f"k/block0_items_label{level}"] = np.array([known.index(each) for each in column], np.int8)
        attributes = {"k": {"nblocks": 1, "block0_items_nlevels": rng.choice((3, 3, 3, 2, 4, -1, 2**31))}}
    return adapted(Dlc(), made, files.h5(rng, path, arrays, attributes), dlc.labels(folder, made))
