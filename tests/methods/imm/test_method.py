"""IMM as a method: settings, loss, and points that follow a moving spot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from methods.base import MethodError
from methods.imm import IMM, IMMConfig
from methods.imm.pairs import border_mask, pairs
from methods.training import warps
from tests.methods.tiny_pipeline import ArrayImages

SMALL = {
    "preset": "mini",
    "image_size": 32,
    "features": "pixels",
    "channels": 8,
    "decoder_channels": 16,
    "least_channels": 8,
    "batch_size": 4,
}


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


def test_points_follow_the_only_thing_that_moves() -> None:
    """Seed 4 is the slowest of the seeds 0 to 7: after 120 steps its points have hardly left the middle (slope 0.1),
    others follow the spot (slope 1). What every seed has is a point linear in the spot's place, which is what a
    regression needs: all correlations are above 0.96, and the error has fallen to 43 % or less.
    """
    method = IMM(IMMConfig(**{**SMALL, "steps": 120}))
    errors: list[float] = []
    images = ArrayImages(spots(40)[0], 4)
    method.fit(images, 1, 4, lambda done, total, **scalars: errors.append(scalars["pixel error"]))
    assert np.mean(errors[-20:]) < 0.5 * np.mean(errors[:20])
    pixels, places = spots(30, seed=1)
    found = method.predict(ArrayImages(pixels, 30).load(range(30)))[:, 0]
    for axis in range(2):
        assert np.corrcoef(places[:, axis], found[:, axis])[0, 1] > 0.9


def test_the_loss_is_the_masked_error_of_the_drawing_over_its_average() -> None:
    method = IMM(IMMConfig(**SMALL))
    network: Any = method._new_network(3, 0).train()
    batch = ArrayImages(spots(4)[0]).load(range(4))
    pixels = torch.tensor(batch.pixels)
    network.balanced.averages.fill_(0.5)
    found = method.losses(network, batch, pixels, np.random.default_rng(3))
    mask = border_mask(32, 10 / 128, 20 / 128)
    generator = np.random.default_rng(3)
    first, second = (
        warps.sampling_grid(warps.draw(warp, 10, 4, generator), 32)
        for warp in (method.config.target_warp, method.config.source_warp)
    )
    source, target, weight = pairs(pixels, mask, (first, second), method.config.outside)
    drawn, _ = network(source, target)
    error = ((drawn - target).detach().numpy() ** 2 * weight.numpy()).mean()
    assert found["pixel error"].item() == pytest.approx(error, rel=1e-4)
    average = 0.99 * 0.5 + 0.01 * error
    assert network.balanced.averages.item() == pytest.approx(average, rel=1e-4)
    assert found["loss"].item() == pytest.approx(1000 * error / average, rel=1e-4)


def test_averages_of_the_loss_are_kept_and_features_are_not(tmp_path: Path) -> None:
    method = IMM(IMMConfig(**{**SMALL, "steps": 2, "features": "mini_vae"}))
    method.fit(ArrayImages(spots(4)[0], 4), 2, 0, quiet)
    method.save(tmp_path)
    loaded = IMM(method.config)
    loaded.load(tmp_path)
    ours: Any = loaded._network
    theirs: Any = method._network
    assert torch.equal(ours.balanced.averages, theirs.balanced.averages)
    assert (ours.balanced.averages > 0).all()
    assert not any("stages" in name for name in ours.state_dict())


def test_auto_is_replaced_by_the_features_at_hand(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    for profile, settings, expected in [
        ("paper", {}, "mini_vae"),
        ("paper", {"features_weights": "vgg.pth"}, "vgg16"),
        ("paper", {"features": "pixels"}, "pixels"),
        ("mini", {"features": "auto"}, "mini_vae"),
    ]:
        config: Any = IMM.config_for(profile, settings)
        assert config.features == expected == config.model_dump()["features"]


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"image_size": 96}, r"image_size is 96, expected map_size \(16\) times a power of 2"),
        ({"image_size": 8}, "image_size is 8, expected"),
        ({"mask_margin": 0.3, "mask_step": 0.3}, "expected at most 0.5"),
        ({"target_warp": {"turn": 1}}, "turn"),
        ({"features": "resnet"}, "features"),
        ({"features": "pixels", "features_weights": "vgg.pth"}, "those of vgg16 or vgg19, got features=pixels"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings: dict[str, object], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        IMM.config_for("mini", settings)


def test_missing_weights_are_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    method = IMM(IMMConfig(**{**SMALL, "features": "vgg16"}))
    with pytest.raises(MethodError, match="imm: no weights of vgg16") as error:
        method.identity()
    assert "\n" not in str(error.value)
