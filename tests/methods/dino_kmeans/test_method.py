"""Clustered features of a vision transformer: which features are taken, and what is refused."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from methods.base import MethodError
from methods.dino_kmeans import DinoKmeans, DinoKmeansConfig
from methods.features import vit_files
from methods.frozen import FrozenData
from tests.methods.tiny_pipeline import ArrayImages, blobs
from tests.methods.tiny_vit import SIDE, WIDTH, build_vit

K = 3


def config_for(profile: str, **settings: Any) -> DinoKmeansConfig:
    found = DinoKmeans.config_for(profile, settings)
    assert isinstance(found, DinoKmeansConfig)
    return found


def data_of(config: DinoKmeansConfig) -> FrozenData:
    found = DinoKmeans.frozen_data(config)
    assert found is not None
    return found


def ignore(done: int, total: int, **scalars: float) -> None:
    """A report that is ignored."""


def fitted(vit: Path, seed: int = 0, **settings: Any) -> DinoKmeans:
    method = DinoKmeans(DinoKmeansConfig(model=str(vit), image_size=64, clusters_per_keypoint=2, **settings))
    method.fit(ArrayImages(blobs(5)), K, seed, ignore)
    return method


def predicted(method: DinoKmeans) -> np.ndarray:
    return method.predict(ArrayImages(blobs(4, seed=1), prefix="new").load(range(4)))


@pytest.fixture(scope="module")
def vit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_vit(tmp_path_factory.mktemp("vit"))


@pytest.fixture
def mini(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Folder of the mini vision transformer, which is not there yet."""
    monkeypatch.setattr(vit_files, "MINI_VIT", tmp_path / "mini_vit")
    return tmp_path / "mini_vit"


def test_a_random_transformer_is_read_from_its_folder_and_gives_keypoints(vit: Path, tmp_path: Path):
    method = fitted(vit)
    found = predicted(method)
    assert (found.shape, found.dtype) == ((4, K, 2), np.float64)
    assert found.min() >= 0 and found.max() <= 1
    assert predicted(fitted(vit)).tobytes() == found.tobytes()
    assert predicted(fitted(vit, seed=1)).tobytes() != found.tobytes()
    assert method.parameters().own == WIDTH * (K + 1)
    method.save(tmp_path)
    with pytest.raises(MethodError, match="dino_kmeans: the clusters in .* belong to weights"):
        DinoKmeans(DinoKmeansConfig(model=str(build_vit(tmp_path / "other", seed=1)))).load(tmp_path)


def test_the_mini_preset_takes_the_mini_transformer_where_there_is_one(mini: Path, vit: Path):
    without = config_for("mini")
    assert (without.features, without.model, without.layer) == ("mini_vae", None, "down_1")
    shutil.copytree(vit, mini)
    found = config_for("mini")
    assert (found.features, found.model) == ("vit", "mini")
    assert config_for("mini", features="mini_vae") == without
    method = DinoKmeans(config_for("mini", image_size=0))
    assert method.image_size == SIDE
    assert data_of(found).part == "the mini vision transformer"
    assert data_of(without).part == "the mini model's autoencoder"


def test_the_mini_transformer_is_named_where_it_is_asked_for_and_missing(mini: Path):
    method = DinoKmeans(config_for("mini", features="vit"))
    with pytest.raises(MethodError, match=r"dino_kmeans: no usable weights of 'mini' at .*features=mini_vae"):
        method.identity()


def test_the_paper_preset_takes_dinov2_with_registers():
    config = config_for("paper")
    assert (config.features, config.model) == ("vit", "facebook/dinov2-with-registers-base")
    data = data_of(config)
    assert (data.name, data.labels) == ("LVD-142M", "none")
    assert data.contains("cub_001") == "may contain" and data.contains("mini_cub_001") == "no"
    assert DinoKmeans.frozen_data(config_for("paper", model="/a/folder")) is None


def test_a_model_of_the_users_is_never_replaced_by_the_autoencoder(mini: Path, vit: Path):
    config = config_for("mini", model=str(vit))
    assert (config.preset, config.features, config.model) == ("mini", "vit", str(vit))
    assert DinoKmeans(config).image_size == SIDE, "the side of the mini transformer is not that of another one"
    with pytest.raises(ValidationError, match="model is a setting of features vit, got model="):
        DinoKmeansConfig(model=str(vit), features="mini_vae")
    with pytest.raises(ValidationError, match="features"):
        DinoKmeansConfig(features="diffusion")
