"""The shipped mini model and preset: Stable Keypoints finds keypoints that are worth something."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.pretrain import report
from benchmarks.regress.cells import opened
from methods.stable_keypoints import StableKeypoints

FOLDER = Path("methods/stable_keypoints/mini_model")


@pytest.mark.slow
def test_stable_keypoints_halves_the_error_of_the_mean_pose() -> None:
    """With a quarter of the steps of the main job, on 24 images of each split; random tokens must lose too."""
    few = {"selection_images": 6}
    with opened() as bench:
        grid, random_tokens, optimised = (
            bench.run(method, "celeba_wild_k8", settings, limit=24)[0].scores[0].value
            for method, settings in [("grid", {}), ("random_tokens", few), ("stable_keypoints", few | {"steps": 15})]
        )
    assert optimised <= grid / 2
    assert optimised < random_tokens


def test_model_fits_the_repository_and_is_safetensors_alone() -> None:
    files = [path for path in FOLDER.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 25e6
    assert {path.suffix for path in files} <= {".json", ".safetensors", ".md", ".png", ".csv", ".txt"}
    assert StableKeypoints(StableKeypoints.config_for("mini", {})).image_size == 64


def test_words_point_at_parts_in_every_layer_and_colours_change_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measured anew on 16 drawings and 3 short redraws; report.json has 200 and 48.

    Three of the four layers lie under the bar of 8 % of the side there; the first, at 9.7 %, does not.
    """
    inspector = report.Inspector(FOLDER, "cpu", 150, 16)
    found = inspector.attention()
    known = json.loads((FOLDER / "report.json").read_text())
    assert list(found["layers"]) == list(known["layers"])
    assert [layer["map_side"] for layer in found["layers"].values()] == [16, 16, 16, 32]
    for layer in (*found["layers"].values(), found["average_of_layers"]):
        assert layer["word_to_part_distance_median"] < 0.5 * layer["word_to_other_image_part_median"]
        assert layer["attention_entropy_nats"] < layer["attention_entropy_uniform_nats"]
    distances = [layer["word_to_part_distance_median"] for layer in found["layers"].values()]
    assert max(distances[2:]) < 0.08 and found["average_of_layers"]["word_to_part_distance_median"] < 0.08
    under_the_bar = [layer["word_to_part_distance_median"] < 0.08 for layer in known["layers"].values()]
    assert under_the_bar == [False, True, True, True]
    monkeypatch.setattr(report, "SWAP_STEPS", 10)
    swap = inspector.colour_swap(count=3)
    assert swap["inside"] > 2 * swap["outside"]
