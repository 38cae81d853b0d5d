"""The hourglasses of LMDIS: shapes, the pooling of descriptors, and the maps from which images are drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from methods.lmdis import LMDISConfig
from methods.lmdis.network import Hourglass, Network, decoded_maps, pooled

SMALL: dict[str, Any] = {
    "preset": "mini",
    "image_size": 32,
    "padding": 4,
    "stem": 0,
    "detector_channels": 4,
    "feature_channels": 4,
    "most_channels": 8,
}


def small(**settings: Any) -> Network:
    torch.manual_seed(0)
    return Network(LMDISConfig(**{**SMALL, **settings}), 3).eval()


def test_descriptors_are_pooled_by_the_maps_as_they_are() -> None:
    generator = np.random.default_rng(0)
    maps, features = generator.random((2, 3, 4, 5)), generator.standard_normal((2, 6, 4, 5))
    found = pooled(torch.tensor(maps), torch.tensor(features)).numpy()
    for image, part, channel in np.ndindex(2, 3, 6):
        expected = np.average(features[image, channel], weights=maps[image, part])
        assert found[image, part, channel] == pytest.approx(expected, abs=1e-12)


def test_a_map_of_zeros_has_a_descriptor_of_zeros() -> None:
    assert not pooled(torch.zeros(1, 2, 3, 3), torch.rand(1, 4, 3, 3)).any()


def test_decoded_maps_are_shares_of_gaussian_densities_and_of_a_background_of_one() -> None:
    points = np.array([[[0.3, -0.2], [-0.5, 0.5]], [[0.0, 0.0], [0.9, 0.1]]])
    found = decoded_maps(torch.tensor(points), 10, 0.2).numpy()
    y, x = np.mgrid[0.5:10, 0.5:10] / 10
    for image in range(2):
        places = (points[image] + 1) / 2
        weights = [multivariate_normal(place, 0.2**2).pdf(np.stack([x, y], -1)) for place in places]
        stacked = np.stack([*weights, np.ones((10, 10))])
        assert found[image] == pytest.approx(stacked / stacked.sum(0), abs=1e-7)


def test_a_keypoint_far_away_leaves_the_background() -> None:
    found = decoded_maps(torch.tensor([[[50.0, 50.0]]]), 4, 0.1)
    assert found[0, 0].abs().max() == 0 and (found[0, 1] == 1).all()


def test_an_hourglass_keeps_the_side_and_sees_far() -> None:
    torch.manual_seed(0)
    network = Hourglass(3, 5, [[4, 4], [8], [8]], 2, "group", linear=True).eval()
    pixels = torch.rand(1, 3, 16, 16, requires_grad=True)
    given = network(pixels)
    assert given.shape == (1, 5, 16, 16)
    given[0, :, 0, 0].square().sum().backward()
    assert pixels.grad is not None and pixels.grad[..., 15].abs().max() > 0


def test_paper_preset_has_the_papers_networks() -> None:
    network = Network(LMDISConfig(), 10)
    widths = {
        name: [
            module.out_channels for module in getattr(network, name).modules() if isinstance(module, torch.nn.Conv2d)
        ]
        for name in ("detector", "features", "decoder")
    }
    assert widths["detector"].count(11) == 1 and widths["detector"][-1] == 11 and max(widths["detector"]) == 64
    assert max(widths["features"]) == 512 and widths["features"][-1] == 64
    assert max(widths["decoder"]) == 512 and widths["decoder"][-1] == 3
    first = next(module for module in network.decoder.modules() if isinstance(module, torch.nn.Conv2d))
    assert first.in_channels == 5 * (11 + 64)
    assert network.describe.weight.shape == (11, 64, 8) and network.recall.weight.shape == (11, 8, 64)


@torch.no_grad()
@pytest.mark.parametrize(("stem", "side", "padding"), [(0, 32, 4), (1, 32, 8), (0, 16, 0)])
def test_maps_are_shares_and_drawings_have_the_maps_resolution(stem: int, side: int, padding: int) -> None:
    network = small(stem=stem, image_size=side, padding=padding)
    padded = network.padded(torch.rand(2, 3, side, side))
    detected = network.detect(padded)
    assert detected.maps.shape == (2, 4, *[(side + 2 * padding) // 2**stem] * 2)
    torch.testing.assert_close(detected.maps.sum(1), torch.ones_like(detected.maps[:, 0]))
    assert detected.points.shape == detected.deviations.shape == (2, 3, 2)
    drawn = network.draw(padded, detected)
    assert drawn.shape == (2, 3, *[side // 2**stem] * 2) and drawn.min() >= 0 and drawn.max() <= 1


@torch.no_grad()
def test_drawings_depend_on_the_points() -> None:
    network = small()
    padded = network.padded(torch.rand(2, 3, 32, 32))
    detected = network.detect(padded)
    other = detected._replace(points=detected.points + 0.3)
    assert not torch.allclose(network.draw(padded, detected), network.draw(padded, other))


@pytest.mark.parametrize("outside", ["border", "mirrored"])
def test_padding_continues_the_border(outside: str) -> None:
    network = small(outside=outside)
    pixels = torch.rand(1, 3, 32, 32)
    padded = network.padded(pixels)
    assert torch.equal(padded[..., 4:-4, 4:-4], pixels)
    expected = pixels[..., :1].expand(-1, -1, -1, 4) if outside == "border" else pixels[..., 1:5].flip(3)
    assert torch.equal(padded[..., 4:-4, :4], expected)
