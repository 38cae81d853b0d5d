"""DeepFashion's real lists and joints, where they are."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest

from datasets.deepfashion import CARD, DEEPFASHION, JOINTS
from metrics.scoring import score
from tests.dataset_plugins.test_deepfashion import JSON
from tests.metrics.worlds import points

DATA_ROOT = os.environ.get("KEYPOINTS_DATA_ROOT")
REAL = Path(DATA_ROOT or "")
real = pytest.mark.skipif(
    not DATA_ROOT or not (REAL / "deepfashion" / JSON).is_file(),
    reason="KEYPOINTS_DATA_ROOT is not set, or has no deepfashion/data_test.json",
)


@real
def test_real_files() -> None:
    dataset = DEEPFASHION(REAL)
    table = dataset.table("test")
    assert dataset.digest("test") == CARD.digests["test"]
    assert table.ids[0] == "WOMEN/Blouses_Shirts/id_00001766/01_4_full.jpg"
    assert (table.landmarks[0, 0] * 256).tolist() == [114.25, 21.75000762939453]
    assert (table.landmarks.min() * 256, table.landmarks.max() * 256) == pytest.approx((-5.7, 251.7), abs=0.1)
    lists = {}
    for part in ("train", "test"):
        with (REAL / "deepfashion" / f"data_{part}.csv").open(encoding="utf-8", newline="") as file:
            lists[part] = [fields["filename"].rpartition("/")[0] for fields in csv.DictReader(file)]
    assert table.groups == tuple(f"person {int(folder[-8:])}" for folder in lists["test"])
    assert len(set(table.groups)) == 1055 and any("1,055 in the test" in remark for remark in CARD.remarks)
    assert [len(lists[part]) for part in ("train", "test")] == [CARD.counts["fit"], CARD.counts["test"]]
    shared = set(lists["test"]) & set(lists["train"])
    assert (len(set(lists["test"])), len(shared)) == (1056, 633)
    assert any("633 of the 1,056" in remark for remark in CARD.remarks)
    entry = json.loads((REAL / "deepfashion" / JSON).read_bytes())[0]
    assert tuple(name.replace("_", " ") for name in entry["joint_order"].values()) == JOINTS
    for left, right in CARD.left_right_pairs:
        assert JOINTS[left].split() == ["left", JOINTS[right].split()[1]] and JOINTS[right].startswith("right")


@real
def test_real_floors() -> None:
    """The mean pose of the test images and the centre, against values found by other code."""
    table = DEEPFASHION(REAL).table("test")
    for at, pose, within, distance in (
        ((0.3, 0.8), table.landmarks.mean(axis=0), 28.29, 12.90),
        ((0.5, 0.5), np.full((17, 2), 0.5), 0.61, 68.54),
    ):
        errors = 256 * np.linalg.norm(table.landmarks - pose, axis=2)
        assert 100 * (errors < 6).mean() == pytest.approx(within, abs=0.005)
        assert errors.mean() == pytest.approx(distance, abs=0.005)
        still = points(np.broadcast_to(at, (len(table.ids), 1, 2)), table.landmarks, table.visible)
        for protocol in ("sk/pck6", "strict/pck6"):
            assert score(protocol, still, still).value == pytest.approx(within, abs=0.005)
        assert score("strict/relative", still, still).value == pytest.approx(distance / 2, abs=0.003)
