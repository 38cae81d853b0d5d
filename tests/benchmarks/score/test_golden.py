"""``score`` on real Tai-Chi landmarks, without images, against values of the literature's formulas."""

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.cli import main

ROOT = Path(os.environ.get("KEYPOINTS_DATA_ROOT") or "/nowhere")
LANDMARKS = ROOT / "taichi" / "landmark"

pytestmark = pytest.mark.skipif(
    not LANDMARKS.is_dir(), reason="set KEYPOINTS_DATA_ROOT to a folder with taichi/landmark/taichi_{train,test}_gt.pkl"
)


def test_keypoints_that_never_move_give_the_mean_pose(tmp_path, monkeypatch, capsys):
    """The sum of 36 mean absolute errors with a bias, on 83,513 and 5,023 joints; and sums of l2 close to 519.3."""
    grid = np.random.default_rng(0).uniform(0, 256, (1, 10, 2))
    for side, rows in (("fit", 5000), ("test", 300)):
        np.save(tmp_path / f"{side}.npy", grid.repeat(rows, axis=0))
    files = [part for side in ("fit", "test") for part in (f"--{side}-pred", str(tmp_path / f"{side}.npy"))]
    options = ["--task", "taichi", "--profile", "paper", "--data-root", str(ROOT), "--range", "pixels:256"]
    command = ["benchmarks", "score", *files, *options, "--format", "json", "--resamples", "100"]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    found = json.loads(capsys.readouterr().out)
    scores = {score["protocol"]: score for score in found["scores"]}
    assert found["landmarks"][:3] == ["nose", "neck", "right shoulder"]
    siarohin = scores["siarohin/cumulative"]
    assert siarohin["value"] == pytest.approx(683.28, abs=0.005)
    assert (siarohin["n_fit"], siarohin["n_test"], sum(siarohin["rows"])) == (5000, 300, 83_513)
    assert sum(scores["sk/cumulative"]["rows"]) == 83_457
    assert scores["sk/cumulative"]["value"] == pytest.approx(519.30, abs=0.03)
    regressed = [score for score in found["scores"] if not score["protocol"].startswith("label_free/")]
    assert len(regressed) >= 6 and all(score["rank_deficient"] for score in regressed)
