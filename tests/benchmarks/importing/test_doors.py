"""The same keypoints give the same row of the leaderboard, whichever file format and command they come through.

Every coordinate is a pixel centre of 512 in the middle half of the image, so that each format holds it exactly.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from scipy.io import savemat

from methods.adapters import FORMATS
from tests.benchmarks.importing.toys import write
from tests.dataset_plugins.reading.frame_files import old_frame, old_pickle
from tests.methods.adapters.test_dlc import columns, write_csv

K = 3
SPLITS = {"regress": "train", "test": "test"}
Arguments = list[Any]


class Keypoints:
    """Ids, keypoints (N, K, 2) and landmarks (N, L, 2) of both splits of the toy task; ``yx`` has y first."""

    def __init__(self, toys: Any) -> None:
        dataset = toys.squares(None)
        self.ids = {split: list(dataset.split(split)) for split in SPLITS}
        draw = np.random.default_rng(7)
        self.xy = {split: (draw.integers(128, 384, (len(ids), K, 2)) + 0.5) / 512 for split, ids in self.ids.items()}
        self.yx = {split: points[..., ::-1].copy() for split, points in self.xy.items()}
        self.landmarks = {
            split: np.stack([dataset.annotation(image_id).landmarks for image_id in ids])
            for split, ids in self.ids.items()
        }
        self.all_ids = [*self.ids["regress"], *self.ids["test"]]
        self.flat = np.concatenate([self.xy["regress"], self.xy["test"]]).reshape(-1, 2 * K)


def parquet(made: Keypoints) -> Arguments:
    pq.write_table(pa.table({"image_id": made.all_ids, "keypoints": made.flat.tolist()}), "k.parquet")
    return ["k.parquet"]


def npz(made: Keypoints) -> Arguments:
    np.savez("k.npz", image_id=np.array(made.all_ids), keypoints=made.flat.reshape(-1, K, 2))
    return ["k.npz"]


def csv(made: Keypoints) -> Arguments:
    lines = [",".join(["image_id", *(f"{axis}{point}" for point in range(K) for axis in "xy")])]
    lines += [",".join([name, *map(repr, row)]) for name, row in zip(made.all_ids, made.flat.tolist(), strict=True)]
    Path("k.csv").write_text("\n".join(lines))
    return ["k.csv"]


def stable_keypoints(made: Keypoints) -> Arguments:
    for split, points in made.yx.items():
        Path(split).mkdir()
        rows = np.random.default_rng(len(points)).permutation(len(points))
        landmarks = made.landmarks[split][..., ::-1].copy()
        torch.save(torch.tensor(points[rows], dtype=torch.float32), f"{split}/source_keypoints.pt")
        torch.save(torch.tensor(landmarks[rows], dtype=torch.float32), f"{split}/target_keypoints.pt")
    return ["regress", "test:test"]


def motion_cosegmentation(made: Keypoints) -> Arguments:
    for split, name in SPLITS.items():
        pixels = (made.xy[split] * 512 - 0.5).astype(np.float32)
        frame = old_frame({"file_name": made.ids[split], "value": list(pixels)})
        Path(f"toy_{name}_pred.pkl").write_bytes(old_pickle(frame))
    return ["toy_train_pred.pkl", "toy_test_pred.pkl", "--option", "side=512"]


def autolink(made: Keypoints) -> Arguments:
    for split, name in SPLITS.items():
        np.save(f"{name}.npy", (2 * made.yx[split] - 1).astype(np.float32))
    return ["train.npy", "test.npy"]


def lmdis(made: Keypoints) -> Arguments:
    for split, name in SPLITS.items():
        Path(f"test.{name}").mkdir()
        savemat(f"test.{name}/posterior_param.mat", {"encoded": {"structure_param": made.yx[split]}})
    return ["test.train", "test.test", "--option", "crop=1"]


def scops(made: Keypoints) -> Arguments:
    for split, name in SPLITS.items():
        Path(name).mkdir()
        np.save(f"{name}/pred_kp.npy", made.xy[split] * 512 - 0.5)
    return ["train", "test", "--option", "side=512"]


def unsupervised_disentangling(made: Keypoints) -> Arguments:
    for split, name in SPLITS.items():
        Path(name).mkdir()
        np.savez(f"{name}/keypoints_predicted.npz", keypoints_predicted=in_two_cells(made.yx[split]))
    return ["train", "test", "--option", "cells=2"]


def imm(made: Keypoints) -> Arguments:
    for split, name in SPLITS.items():
        np.savez(f"{name}.npz", gauss_yx=in_two_cells(made.yx[split]))
    return ["train.npz", "test.npz", "--option", "cells=2", "--option", "crop=1", "--option", "rows=task"]


def ganseg(made: Keypoints) -> Arguments:
    pixels = {f"{name}_X": in_two_cells(made.yx[split]) + 1 for split, name in SPLITS.items()}  # of 2 x 2 pixels
    np.savez("all.npz", **pixels)
    return ["all.npz", "--option", "side=2", "--option", "rows=task"]


def coco_results(made: Keypoints) -> Arguments:
    pixels = np.concatenate([made.flat.reshape(-1, K, 2) * 512 - 0.5, np.full((len(made.flat), K, 1), 0.9)], axis=2)
    found = [
        {"image_id": name, "category_id": 1, "keypoints": row.ravel().tolist(), "score": 0.5}
        for name, row in zip(made.all_ids, pixels, strict=True)
    ]
    Path("results.json").write_text(json.dumps(found))
    return ["results.json", "--option", "size=512,512"]


def dlc(made: Keypoints) -> Arguments:
    pixels = np.concatenate([made.flat.reshape(-1, K, 2) * 512 - 0.5, np.full((len(made.flat), K, 1), 0.9)], axis=2)
    write_csv(Path("dlc.csv"), made.all_ids, pixels.reshape(len(pixels), -1), columns(("a", "b", "c")))
    return ["dlc.csv", "--option", "size=512,512"]


def in_two_cells(points: Any) -> Any:
    """Points in the middle half of the image, from -1 in the centre of the first of two cells to 1 in the other."""
    return 4 * points - 2


IMPORTED: dict[str, Callable[[Keypoints], Arguments]] = {
    "neutral": parquet,
    "stable_keypoints": stable_keypoints,
    "motion_cosegmentation": motion_cosegmentation,
    "autolink": autolink,
    "lmdis": lmdis,
    "scops": scops,
    "unsupervised_disentangling": unsupervised_disentangling,
    "imm": imm,
    "ganseg": ganseg,
    "coco_results": coco_results,
    "dlc": dlc,
}


def by_id(made: Keypoints, write: Callable[[Keypoints], Arguments]) -> Arguments:
    return ["--predictions", *write(made)]


def in_order(made: Keypoints, suffix: str) -> Arguments:
    """An array for each split: npy as they are, mat with y first in [-1, 1], pt in pixels."""
    for split in SPLITS:
        if suffix == "npy":
            np.save(f"{split}.npy", made.xy[split])
        elif suffix == "mat":
            savemat(f"{split}.mat", {"points": 2 * made.yx[split] - 1})
        else:
            torch.save(torch.tensor(512 * made.xy[split], dtype=torch.float32), f"{split}.pt")
    how = {"npy": [], "mat": ["--order", "yx", "--range", "symmetric"], "pt": ["--range", "pixels:512"]}[suffix]
    return ["--fit-pred", f"regress.{suffix}", "--test-pred", f"test.{suffix}", *how]


SCORED: dict[str, Callable[[Keypoints], Arguments]] = {
    "parquet": lambda made: by_id(made, parquet),
    "npz": lambda made: by_id(made, npz),
    "csv": lambda made: by_id(made, csv),
    "npy": lambda made: in_order(made, "npy"),
    "mat": lambda made: in_order(made, "mat"),
    "pt": lambda made: in_order(made, "pt"),
}


def enter(call: Any, door: str, name: str, made: Keypoints, output: Path) -> None:
    """Keep the keypoints in a run directory through a door."""
    on = ("--task", "toy", "--method", "Mine")
    if door == "score":
        status, _, err = call("score", *SCORED[name](made), *on, "--record", output, "--resamples", 10)
        assert status == 0, err
        return
    arguments = {"npz": npz, "csv": csv}.get(name, IMPORTED.get(name, parquet))(made)
    status, _, err = call("import", name if name in FORMATS else "neutral", *arguments, *on, "--output", output)
    assert status == 0, err
    imported = f"imported:{output / 'imports' / 'mine'}"
    run = ("--task", "toy", "--output", output, "--no-floors", "--no-mlflow", "--device", "cpu")
    status, _, err = call("run", "--method", imported, *run)
    assert status == 0, err


def rows(call: Any, output: Path) -> list[dict[str, Any]]:
    """The rows of the leaderboard without seconds and commits."""
    status, out, err = call("leaderboard", "--task", "toy", "--runs", output, "--format", "json", "--protocol", "all")
    assert status == 0, err
    return [{key: row[key] for key in row.keys() - {"seconds", "commits"}} for row in json.loads(out)]


DOORS = [("import", name) for name in (*FORMATS, "npz", "csv")] + [("score", name) for name in SCORED]


@pytest.fixture(scope="module")
def known() -> list[list[dict[str, Any]]]:
    """The rows of the first door, which the first test fills in; the rows of every other door must equal them."""
    return []


@pytest.mark.parametrize(("door", "name"), DOORS, ids=lambda part: part)
def test_every_door_gives_the_same_row(
    call: Any, toys: Any, tmp_path: Path, known: list[list[dict[str, Any]]], door: str, name: str
) -> None:
    if not known:
        enter(call, "import", "neutral", Keypoints(toys), tmp_path / "first")
        known.append(rows(call, tmp_path / "first"))
        (tmp_path / "k.parquet").unlink()
    enter(call, door, name, Keypoints(toys), tmp_path / "runs")
    found = rows(call, tmp_path / "runs")
    assert [(row["label"], row["method"], row["kind"]) for row in found] == [("Mine", "imported_mine", "scored")]
    assert found == known[0]


def test_the_same_keypoints_under_one_name_are_one_row_and_one_cell(call: Any, toys: Any, tmp_path: Path) -> None:
    seen = []
    for door, name in (("import", "scops"), ("score", "mat"), ("import", "csv")):
        enter(call, door, name, Keypoints(toys), tmp_path / "runs")
        seen.append(rows(call, tmp_path / "runs"))
    assert seen[0] == seen[1] == seen[2] and len(seen[0]) == 1
    assert len(list((tmp_path / "runs" / "cells").iterdir())) == 1


def moved(points: Any, value: float) -> Any:
    """The points with one coordinate replaced."""
    changed = points.copy()
    changed[3, 1, 0] = value
    return changed


@pytest.mark.parametrize("door", ["import", "score"])
@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"change": lambda points: moved(points, 1.011)}, "outside the image"),
        ({"change": lambda points: moved(points, np.nan)}, "keypoint 1 is not finite (1 of 252 points are not)"),
        ({"change": lambda points: 256 * points}, "the values run from"),
        ({"change": lambda points: points[..., ::-1]}, "y seems to come before x: read as (y, x) they explain 100%"),
        ({"change": lambda points: points[:, :2]}, "K=3"),
        ({"splits": ("regress",)}, "no keypoints for 44 of 44 images of split 'test'"),
        ({"splits": ("regress", "test", "fit")}, None),  # images that are of neither split are noted
        ({"change": lambda points: moved(points, 1.009)}, None),
    ],
)
def test_both_doors_refuse_the_same(
    call: Any, toys: Any, tmp_path: Path, door: str, changes: dict[str, Any], says: str | None
) -> None:
    write(tmp_path / "k.parquet", toys, "many", **changes)
    on = ("--task", "toy_many", "--method", "Mine")
    if door == "import":
        status, out, err = call("import", "neutral", "k.parquet", *on)
    else:
        status, out, err = call("score", "--predictions", "k.parquet", *on, "--record", "runs", "--resamples", 10)
    if says is None:
        assert status == 0
        assert ("6 rows belong to no image of the task, first 'fit/" in out) == ("splits" in changes)
    else:
        assert (status, out) == (2, "")
        assert says in err and "k.parquet" in err.replace("--record: 2 keypoints", "k.parquet")
        assert not (tmp_path / "runs").exists()


def test_without_a_record_a_doubtful_order_is_noted(call: Any, toys: Any, tmp_path: Path) -> None:
    write(tmp_path / "k.parquet", toys, "many", change=lambda points: points[..., ::-1])
    status, out, _ = call("score", "--predictions", "k.parquet", "--task", "toy_many", "--resamples", 10)
    assert status == 0
    assert "y seems to come before x: read as (y, x) they explain 100%" in out
