"""The shipped mini model and preset: Stable Keypoints finds keypoints that are worth something."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.pretrain.report import Inspector
from methods.stable_keypoints import StableKeypoints

FOLDER = Path("methods/stable_keypoints/mini_model")


@pytest.mark.slow
def test_stable_keypoints_halves_the_error_of_the_mean_pose(tmp_path: Path) -> None:
    """The main job's own settings on mini celeba_wild, K=8; random tokens must lose to the optimised ones."""
    command = [sys.executable, "-m", "benchmarks", "run", "--method", "stable_keypoints", "--task", "celeba_wild_k8"]
    command += ["--profile", "mini", "--no-mlflow", "--device", "cpu", "--output", str(tmp_path)]
    subprocess.run(command, check=True, timeout=550)
    values = {}
    for path in tmp_path.glob("cells/*/result.json"):
        record = json.loads(path.read_text())
        values[record["method"]] = record["scores"][0]["value"]
    assert values["stable_keypoints"] <= values["grid"] / 2
    assert values["stable_keypoints"] < values["random_tokens"]


def test_model_fits_the_repository_and_is_safetensors_alone() -> None:
    files = [path for path in FOLDER.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 25e6
    assert {path.suffix for path in files} <= {".json", ".safetensors", ".md", ".png", ".csv", ".txt"}
    assert StableKeypoints(StableKeypoints.config_for("mini", {})).image_size == 64


def test_words_point_at_parts_and_colours_change_them() -> None:
    """Measured anew: words point closer to their own part than to another image's, and a colour changes its part."""
    inspector = Inspector(FOLDER, "cpu", 150, 16)
    report, swap = inspector.attention(), inspector.colour_swap()
    assert report["word_to_part_distance_median"] < 0.5 * report["word_to_other_image_part_median"]
    assert report["attention_entropy_nats"] < report["attention_entropy_uniform_nats"]
    assert swap["inside"] > 2 * swap["outside"]
