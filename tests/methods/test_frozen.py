"""What frozen parts were trained on, and the numbers of parameters."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest

from benchmarks.registry import METHODS, method_class
from methods.diffusion.weights import MINI_MODEL
from methods.frozen import DIFFUSION, DRAWINGS, IMAGENET, LAION_2B, LVD_142M, NOTHING, PERCEPTUAL, VIT, FrozenData


def size_of(file: Path) -> int:
    """The number of values in a safetensors file, from its header alone."""
    with file.open("rb") as opened:
        header = json.loads(opened.read(struct.unpack("<Q", opened.read(8))[0]))
    header.pop("__metadata__", None)
    return sum(int(np.prod(entry["shape"])) for entry in header.values())


def test_a_dataset_is_found_by_the_beginning_of_its_id():
    assert [LAION_2B.contains(name) for name in ("celeba_aligned", "mini_celeba_aligned", "taichi")] == [
        "may contain", "no", "not known"
    ]  # fmt: skip
    assert [IMAGENET.contains(name) for name in ("cub_001", "celeba_wild", "mini_cub_001")] == [
        "may contain", "not known", "no"
    ]  # fmt: skip
    assert [LVD_142M.contains(name) for name in ("deepfashion", "mini_deepfashion", "human36m")] == [
        "may contain", "no", "not known"
    ]  # fmt: skip
    assert {data.contains("anything") for data in (DRAWINGS, NOTHING)} == {"no"}
    assert FrozenData(name="x").contains("cub_001") == "not known"


OWN = [entry.name for entry in METHODS.entries.values() if entry.owner.endswith("/__init__.py")]


@pytest.mark.parametrize("name", OWN)
def test_every_method_of_the_repository_says_what_its_frozen_part_saw(name):
    cls = method_class(name)
    for profile in ("mini", "paper"):
        assert cls.frozen_data(cls.config_for(profile, {})) is not None


def test_no_data_is_named_without_its_source():
    for data in (*DIFFUSION.values(), *PERCEPTUAL.values(), *VIT.values()):
        assert data == NOTHING or all((data.part, data.source, data.name))


def test_a_model_of_a_folder_is_not_known():
    cls = method_class("dift_kmeans")
    assert cls.frozen_data(cls.config_for("paper", {"model": "/some/folder"})) is None


def test_the_mini_model_has_the_parameters_of_its_files():
    from methods.diffusion.loading import PipelineSettings
    from methods.diffusion.pipeline import FrozenPipeline
    from methods.diffusion.weights import ModelFiles

    pipeline = FrozenPipeline(PipelineSettings(ModelFiles("mini", None, "stable_keypoints")), "cpu")
    files = [MINI_MODEL / part / "diffusion_pytorch_model.safetensors" for part in ("unet", "vae")]
    assert pipeline.parameters() == sum(map(size_of, files))
