"""The method of Thewlis et al.: settings, pairs of warped images, and points that follow a moving spot."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch.nn.functional import avg_pool2d, grid_sample

from methods.thewlis import Thewlis, ThewlisConfig
from methods.thewlis.losses import alignment, diversity, shares
from methods.thewlis.network import Detector
from methods.thewlis.pairs import Pair, drawn
from tests.methods.imm.test_method import spots
from tests.methods.tiny_pipeline import ArrayImages

SMALL: dict[str, Any] = {"preset": "mini", "channels": (8, 8, 8, 8, 16), "batch_size": 4, "checkpoint_every": 0}


def pair(seed: int = 0, count: int = 6, **settings: Any) -> tuple[Pair, ThewlisConfig]:
    """A pair drawn from images of one spot."""
    config = ThewlisConfig(**{**SMALL, "image_size": 64, "colour": 0.0, **settings})
    pixels = torch.tensor(spots(count, 64)[0])
    return drawn(config, pixels, np.random.default_rng(seed)), config


@pytest.mark.parametrize("margin", [0.0, 0.125])
def test_cells_of_the_second_image_show_the_places_of_the_first(margin: float) -> None:
    found, _ = pair(margin=margin)
    side = round(64 * (1 - 2 * margin))
    assert found.first.shape == found.second.shape == (6, 3, side, side)
    assert found.places.shape == (1, side // 2, side // 2, 2) and found.warped.shape == (6, side // 2, side // 2, 2)
    normalised = found.warped / (side / 4)  # from cells about the centre to halves of the cropped image
    shown = grid_sample(found.first, normalised, align_corners=False)
    inside = (normalised.abs() < 0.9).all(-1)[:, None].expand_as(shown)
    assert inside.float().mean() > 0.4
    assert (shown - avg_pool2d(found.second, 2))[inside].abs().max() < 0.05
    assert (avg_pool2d(found.first, 2) - avg_pool2d(found.second, 2))[inside].abs().max() > 0.3


def test_places_are_a_cell_apart_about_the_centre() -> None:
    for margin in (0.0, 0.125):
        places = pair(margin=margin)[0].places[0]
        assert torch.allclose(places[:, 1:] - places[:, :-1], torch.tensor([1.0, 0.0]), atol=1e-5)
        assert torch.allclose(places[1:] - places[:-1], torch.tensor([0.0, 1.0]), atol=1e-5)
        assert places.mean((0, 1)).abs().max() < 1e-5


def test_a_detector_of_the_spot_has_almost_no_distance_and_a_constant_one_has_that_of_the_warp() -> None:
    still = {"rotation_degrees": 4.0, "scale": 0.0, "translation": 0.1, "bend": (0.0, 0.0)}
    found, _ = pair(first_warp=still, second_warp=still)
    images = torch.cat([found.first, found.second])
    bright = avg_pool2d(images[:, :1], 2).double() ** 2
    first, second = (bright / bright.sum((2, 3), keepdim=True)).chunk(2)
    places, warped = found.places.double(), found.warped.double()
    _, followed = alignment(first, second, places, warped)
    peak = torch.zeros_like(first)
    peak[:, :, 16, 16] = 1
    spread, constant = alignment(peak, peak, places, warped)
    expected = (places[0, 16, 16] - warped[:, 16, 16]).square().sum(-1).mean()
    assert spread.item() == 0 and constant.item() == pytest.approx(expected.item(), rel=1e-9)
    assert followed < 0.02 * constant


def test_colours_of_the_two_images_change_apart() -> None:
    plain, changed = pair()[0], pair(colour=0.2)[0]
    assert torch.equal(plain.warped, changed.warped)
    first, second = ((changed[image] - plain[image]).mean((1, 2, 3)) for image in (0, 1))
    assert (first - second).abs().max() > 0.02


def test_the_loss_is_the_alignment_and_the_diversity_of_both_images_by_their_weights() -> None:
    method = Thewlis(ThewlisConfig(**SMALL, spread_weight=0.25, diversity_weight=3.0))
    network = method.build(4).eval()
    pixels = torch.tensor(spots(4)[0])
    batch = ArrayImages(pixels.numpy(), 4).load(range(4))
    found = method.losses(network, batch, pixels, np.random.default_rng(1))
    drawn_again = drawn(method.config, pixels, np.random.default_rng(1))
    first, second = (shares(method.config.sharpness * network(image)) for image in drawn_again[:2])
    spread, distance = alignment(first, second, drawn_again.places, drawn_again.warped)
    apart = diversity(first, method.config.pool) + diversity(second, method.config.pool)
    assert found["loss"].item() == pytest.approx((0.25 * spread + distance + 3 * apart).item(), rel=1e-5)
    assert ThewlisConfig().spread_weight == 1  # the paper's loss


def test_the_detector_has_half_the_side_of_the_image_and_the_channels_of_the_paper() -> None:
    network = Detector(ThewlisConfig(), 10).eval()
    with torch.no_grad():
        assert network(torch.rand(1, 3, 80, 80)).shape == (1, 10, 40, 40)
    widths = [module.out_channels for module in network.modules() if isinstance(module, torch.nn.Conv2d)]
    assert widths == [20, 48, 64, 80, 256, 10]


def test_a_point_follows_the_only_thing_that_moves() -> None:
    method = Thewlis(ThewlisConfig(**{**SMALL, "steps": 150}))
    curves: list[dict[str, float]] = []
    method.fit(ArrayImages(spots(40)[0], 4), 1, 0, lambda done, total, **scalars: curves.append(scalars))
    pixels, places = spots(30, seed=1)
    found = method.predict(ArrayImages(pixels, 30).load(range(30)))[:, 0]
    for axis in range(2):
        assert np.corrcoef(places[:, axis], found[:, axis])[0, 1] > 0.9
    assert np.mean([row["loss"] for row in curves[-20:]]) < 0.5 * np.mean([row["loss"] for row in curves[:20]])
    assert all(row["diversity"] == pytest.approx(0, abs=1e-5) for row in curves)  # of one keypoint


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"image_size": 33}, "multiple of 2"),
        ({"margin": 0.49}, r"margin \(0.49\) leaves nothing of image_size 32, expected less"),
        ({"channels": (8, 8)}, "channels"),
        ({"second_warp": {"turn": 1}}, "turn"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings: dict[str, object], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        Thewlis.config_for("mini", settings)
