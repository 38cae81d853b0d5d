"""LMDIS as a method: settings, weights of the losses, and points that follow a moving spot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from methods.lmdis import LMDIS, LMDISConfig
from methods.lmdis.network import Network
from tests.methods.lmdis.test_network import SMALL
from tests.methods.tiny_pipeline import ArrayImages

PLAIN: dict[str, Any] = {**SMALL, "batch_size": 4, "colour": 0.0}


def spots(count: int, side: int = 32, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Images (count, 3, side, side) of one bright spot on dark ground, and its places (count, 2) as (x, y)."""
    places = np.random.default_rng(seed).uniform(0.3, 0.7, (count, 2))
    axis = (np.arange(side) + 0.5) / side
    columns = np.exp(-((axis - places[:, :1]) ** 2) / (2 * 0.08**2))
    rows = np.exp(-((axis - places[:, 1:]) ** 2) / (2 * 0.08**2))
    pixels = np.repeat((rows[:, :, None] * columns[:, None, :])[:, None], 3, axis=1)
    return pixels.astype(np.float32), places


def quiet(done: int, total: int, **scalars: float) -> None:
    """A report that is ignored."""


def fitted(seed: int = 1, **settings: Any) -> LMDIS:
    method = LMDIS(LMDISConfig(**{**PLAIN, "steps": 3, **settings}))
    method.fit(ArrayImages(spots(6)[0], 2), 3, seed, quiet)
    return method


def bits(method: LMDIS) -> dict[str, bytes]:
    return {name: tensor.contiguous().numpy().tobytes() for name, tensor in method._learned().state_dict().items()}


def test_points_follow_the_only_thing_that_moves() -> None:
    method = LMDIS(LMDISConfig(**{**PLAIN, "steps": 150}))
    method.fit(ArrayImages(spots(40)[0], 4), 1, 0, quiet)
    pixels, places = spots(30, seed=1)
    found = method.predict(ArrayImages(pixels, 30).load(range(30)))[:, 0]
    for axis in range(2):
        assert np.corrcoef(places[:, axis], found[:, axis])[0, 1] > 0.9


def test_the_same_seed_gives_the_same_bits() -> None:
    assert bits(fitted()) == bits(fitted()) != bits(fitted(seed=2))


@pytest.mark.parametrize(("taken", "factor"), [(0, 1), (29, 1), (30, 10), (59, 10), (60, 100), (89, 100)])
def test_reconstruction_weighs_more_in_each_third_of_the_steps(taken: int, factor: float) -> None:
    method = LMDIS(LMDISConfig(**{**PLAIN, "steps": 90}))
    network: Any = method._new_network(3, 0).train()
    network.taken.fill_(taken)
    batch = ArrayImages(spots(4)[0]).load(range(4))
    found = method.losses(network, batch, torch.tensor(batch.pixels), np.random.default_rng(3))
    config = method.config
    expected = (
        config.reconstruction_weight * factor * found["reconstruction"]
        + config.equivariance_weight * found["equivariance"]
        + config.concentration_weight * found["concentration"]
        + config.separation_weight * found["separation"]
    )
    assert found["loss"].item() == pytest.approx(expected.item(), rel=1e-5)
    assert network.taken.item() == taken + 1


def test_weights_of_the_paper_give_the_released_codes_loss() -> None:
    """That code measures squared distances in halves of 96 pixels and divides them by 80 / 96."""
    pixels = 5.0
    theirs = 1e4 * (pixels / 48) ** 2 / (80 / 96)
    assert LMDISConfig().equivariance_weight * (pixels / 80) ** 2 == pytest.approx(theirs, rel=1e-12)


def test_without_a_warp_detector_and_its_copy_agree() -> None:
    still = {"bend": 0.0, "rotation_degrees": 0.0, "scale": 1.0, "translation": 0.0, "zoom": 1.0}
    method = LMDIS(LMDISConfig(**{**PLAIN, **still, "normalisation": "group"}))
    network = method._new_network(3, 0).train()
    batch = ArrayImages(spots(4)[0]).load(range(4))
    found = method.losses(network, batch, torch.tensor(batch.pixels), np.random.default_rng(3))
    assert found["equivariance"].item() == pytest.approx(0, abs=1e-7)


def test_a_keypoint_in_the_middle_is_in_the_middle_whatever_the_padding(monkeypatch: pytest.MonkeyPatch) -> None:
    method = LMDIS(LMDISConfig(**PLAIN))
    network: Any = method._new_network(1, 0)
    maps = torch.full((1, 2, 40, 40), -1e4)
    maps[0, 1] = 0
    maps[0, 0, 19:21, 12] = 1e4  # column 12 of 40 is column 8 of the image's 32
    monkeypatch.setattr(network.detector, "forward", lambda padded: maps)
    found = method.locate(network, torch.rand(1, 3, 32, 32))
    assert found[0, 0].tolist() == pytest.approx([8.5 / 32, 0.5], abs=1e-6)


def test_steps_taken_are_kept(tmp_path: Path) -> None:
    method = fitted()
    method.save(tmp_path)
    loaded = LMDIS(method.config)
    loaded.load(tmp_path)
    assert bits(loaded) == bits(method)
    network = loaded._learned()
    assert isinstance(network, Network) and network.taken.item() == 3


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"image_size": 40, "stem": 0}, "image_size is 40, expected a multiple of 16"),
        ({"image_size": 48, "stem": 1}, "image_size is 48, expected a multiple of 32"),
        ({"padding": 5, "stem": 0}, r"image_size \+ 2 x padding is 74, expected a multiple of 8"),
        ({"image_size": 16, "padding": 16, "stem": 0}, r"padding is 16, expected less than image_size \(16\)"),
        ({"decoded_deviations": ()}, "decoded_deviations"),
        ({"scale": 0.9}, "scale"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings: dict[str, object], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        LMDIS.config_for("mini", settings)
