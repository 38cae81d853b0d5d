"""AutoLink's keypoints give the same numbers by ``score``, by ``import`` and ``run``, and by the released formula."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from benchmarks.cli import app
from benchmarks.importing.tasks import TaskData, open_task

FAMILIES = ("autolink/", "autolink_released/", "sk/")


def call(*arguments):
    result = CliRunner().invoke(app, [*map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def detected(data: TaskData, split):
    """det_keypoints (N, K, 2) as the released detector has them: float32, (y, x) in [-1, 1], up to the border."""
    landmarks = data.table(split).landmarks
    mix = np.random.default_rng(1).dirichlet(np.ones(landmarks.shape[1]), data.task.num_keypoints)
    points = np.einsum("kl,nlc->nkc", mix, landmarks)
    points += np.random.default_rng(len(split)).normal(0, 0.05, points.shape)
    spread = 0.5 + 1.6 * (points - points.mean((0, 1))) / np.ptp(points, axis=(0, 1))
    return (2 * np.clip(spread[..., ::-1], 0, 1) - 1).astype(np.float32)


def released(data: TaskData, arrays):
    """autolink/interocular by the released formula in float64: det * 0.5 + 0.5, about the corner, no bias."""
    (x, y), (x_test, y_test) = (
        (arrays[split].astype(np.float64) * 0.5 + 0.5, data.table(split).landmarks) for split in ("regress", "test")
    )
    design, target = x.reshape(len(x), -1), y.reshape(len(y), -1)
    beta = np.linalg.inv(design.T @ design) @ design.T @ target
    apart = np.linalg.norm((x_test.reshape(len(x_test), -1) @ beta).reshape(y_test.shape) - y_test, axis=2)
    eyes = np.linalg.norm(y_test[:, 0] - y_test[:, 1], axis=1)
    return 100 * float((apart.mean(axis=1) / eyes).mean())


def by_family(scores):
    return {score["protocol"]: score["value"] for score in scores if score["protocol"].startswith(FAMILIES)}


@pytest.mark.parametrize("task", ["celeba_aligned", "deepfashion", "human36m"])
def test_score_and_import_agree(tmp_path, task):
    data = open_task(task, "mini", None)
    arrays = {split: detected(data, split) for split in ("regress", "test")}
    files = {split: tmp_path / f"{name}.npy" for split, name in (("regress", "train"), ("test", "test"))}
    for split, array in arrays.items():
        np.save(files[split], array)
    on = ("--task", task, "--profile", "mini")
    read = ("--fit-pred", files["regress"], "--test-pred", files["test"], "--range", "symmetric", "--order", "yx")
    scored = by_family(json.loads(call("score", *on, *read, "--format", "json", "--resamples", 20))["scores"])
    runs = tmp_path / "runs"
    call("import", "autolink", *files.values(), *on, "--method", "Theirs", "--output", runs)
    imported = f"imported:{runs / 'imports' / 'theirs'}"
    call("run", "--method", imported, *on, "--output", runs, "--no-floors", "--no-mlflow", "--device", "cpu")
    (path,) = (runs / "cells").glob("imported_theirs--*/result.json")
    assert by_family(json.loads(path.read_text())["scores"]) == scored
    assert {name.split("/")[0] for name in scored} == {"autolink", "autolink_released", "sk"}
    if task == "celeba_aligned":
        assert data.dataset.card.interocular == (0, 1)
        assert scored["autolink/interocular"] == pytest.approx(released(data, arrays), rel=1e-9)
        assert scored["autolink_released/interocular"] == pytest.approx(released(data, arrays), rel=1e-2)
