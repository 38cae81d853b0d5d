"""Imports for the tasks of the suites: the mini tasks, and real landmarks if they are available."""

import json
import os
import shlex
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from benchmarks.cli import app
from benchmarks.errors import UserError
from benchmarks.importing.tasks import TaskData, open_task
from methods.imported import read_predictions
from metrics.points import Points
from metrics.protocols import PROTOCOLS
from metrics.scoring import score_all
from tests.custom_data import coco, write_coco


def call(*arguments):
    result = CliRunner().invoke(app, [*map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def keypoints_of(data: TaskData, split, noise=0.02):
    """The table of a split, and keypoints: noisy means of landmarks, rounded to pixel centres of 512."""
    table = data.table(split)
    mix = np.random.default_rng(1).dirichlet(np.ones(table.landmarks.shape[1]), data.task.num_keypoints)
    seen = np.where(table.visible[..., None], table.landmarks, 0.5)
    points = np.einsum("kl,nlc->nkc", mix, seen)
    points += np.random.default_rng(len(split)).normal(0, noise, points.shape)
    return table, (np.clip(np.floor(points * 512), 0, 511) + 0.5) / 512


def test_results_on_own_data_are_imported_run_and_ranked(tmp_path):
    """Detections of both eyes, half a pixel off, on photographs annotated in COCO's format."""
    document = coco(20)
    for entry in document["annotations"]:  # eyes that move, so that a detection is worth something
        number = entry["image_id"]
        entry["bbox"] = [0, 0, 60, 40]
        entry["keypoints"] = [5 + number % 20, 3 + number % 11, 2, 40 + number % 15, 25 + number % 9, 2]
    annotations = write_coco(tmp_path / "birds.json", document)
    detections = [
        {
            "image_id": entry["image_id"],
            "category_id": 1,
            "keypoints": [value if place % 3 == 2 else value + 0.5 for place, value in enumerate(entry["keypoints"])],
            "score": 0.9,
        }
        for entry in document["annotations"]
    ]
    results = tmp_path / "results.json"
    results.write_text(json.dumps(detections))
    on = ("--dataset", f"coco:{annotations}", "--keypoints", 2, "--output", tmp_path / "runs")
    out = call("import", "coco_results", results, annotations, "--method", "Mine", *on)
    command = shlex.split(out.splitlines()[-1])[3:]
    call(*command, "--no-mlflow", "--device", "cpu")
    (path,) = (tmp_path / "runs" / "cells").glob("imported_mine--*/result.json")
    (grid,) = (tmp_path / "runs" / "cells").glob("grid--*/result.json")
    mine, floor = (json.loads(found.read_text())["scores"][0]["value"] for found in (path, grid))
    assert mine < 0.2 * floor


@pytest.mark.parametrize(
    "on", [(), ("--task", "cub_001", "--keypoints", 4), ("--dataset", "mini_cub_001"), ("--keypoints", 4)], ids=str
)
def test_an_import_names_a_task_or_a_dataset_with_its_number_of_keypoints(tmp_path, on):
    (tmp_path / "k.npz").touch()
    with pytest.raises(
        UserError, match="name a --task, or a --dataset with --keypoints|mini_cub_001 needs --keypoints"
    ):
        call("import", "neutral", tmp_path / "k.npz", "--method", "Mine", *on)


def test_a_drawn_task_is_imported_run_and_ranked(tmp_path):
    data = open_task("cub_001", "mini", None)
    files = []
    for split in ("regress", "test"):
        table, points = keypoints_of(data, split)
        files.append(tmp_path / f"{split}.npz")
        np.savez(files[-1], image_id=np.array(table.ids), keypoints=points)
    options = ("--task", "cub_001", "--profile", "mini", "--output", tmp_path)
    out = call("import", "neutral", *files, "--method", "Mine", *options)
    assert f"run --method imported:{tmp_path / 'imports' / 'mine'} --task cub_001 --profile mini" in out
    call("run", "--method", f"imported:{tmp_path / 'imports' / 'mine'}", *options, "--no-mlflow", "--device", "cpu")
    board = call("leaderboard", "--task", "cub_001", "--profile", "mini", "--runs", tmp_path, "--format", "json")
    rows = {row["method"]: row for row in json.loads(board)}
    assert rows["imported_mine"]["kind"] == "scored"
    assert rows["imported_mine"]["value"] < rows["grid"]["value"]


@pytest.mark.parametrize("task", ["celeba_aligned", "taichi"])
def test_real_landmarks_bring_shuffled_rows_back_to_their_images(task, tmp_path):
    """Many real images have identical landmarks, and exchanging these images changes no error.

    A thousand of 19,000 faces share their landmarks with another, and a fifth of the Tai-Chi frames.
    """
    if "KEYPOINTS_DATA_ROOT" not in os.environ:
        pytest.skip("KEYPOINTS_DATA_ROOT is not set")
    data = open_task(task, "paper", Path(os.environ["KEYPOINTS_DATA_ROOT"]))
    truth = {split: keypoints_of(data, split) for split in ("regress", "test")}
    for split, (table, points) in truth.items():
        (tmp_path / split).mkdir()
        rows = np.random.default_rng(0).permutation(len(table.ids))
        landmarks = np.where(table.visible[..., None], table.landmarks, -1 / 256)[rows]
        kept = {"source_keypoints": points[rows].astype(np.float32), "target_keypoints": landmarks}
        for name, values in kept.items():
            torch.save(torch.tensor(values[..., ::-1].copy()), tmp_path / split / f"{name}.pt")
        if task == "taichi":  # the released loader counts joints with both coordinates above 0
            torch.save(torch.tensor((landmarks > 0).all(axis=2)), tmp_path / split / "visible.pt")
    out = call(
        *("import", "stable_keypoints", tmp_path / "regress", f"test:{tmp_path / 'test'}", "--task", task),
        *("--profile", "paper", "--method", "Mine", "--output", tmp_path),
    )
    assert "share all their landmarks" in out
    ids, found = read_predictions(tmp_path / "imports" / "mine" / f"{task}.paper.parquet")
    places = {image_id: row for row, image_id in enumerate(ids)}
    given = {
        split: found.keypoints[[places[image_id] for image_id in table.ids]] for split, (table, _) in truth.items()
    }
    assert 0 < (np.abs(given["regress"] - truth["regress"][1]) > 1e-6).any(axis=(1, 2)).mean() < 0.2
    sides = [
        [
            Points(points[split], table.landmarks, table.visible, table.groups, table.ids)
            for split, (table, _) in truth.items()
        ]
        for points in (given, {split: points for split, (_, points) in truth.items()})
    ]
    protocol = [PROTOCOLS[data.task.protocols[0]]]
    ours, theirs = (score_all(protocol, *side, resamples=10, interocular=(0, 1))[0].value for side in sides)
    assert ours == pytest.approx(theirs, rel=1e-6)
