"""The bottleneck of IMM against closed forms, and its networks' shapes."""

from __future__ import annotations

from math import erf
from typing import Any

import numpy as np
import pytest
import torch

from methods.imm.config import IMMConfig
from methods.imm.network import (
    Decoder,
    Network,
    begin_truncated,
    encoder,
    gaussian_maps,
    marginal_means,
    normalisation,
    plane_means,
)


def naive_means(heatmap: np.ndarray) -> tuple[float, float]:
    """(x, y) of one heatmap (h, w), in float64, by loops over the marginals."""
    found = []
    for axis in (1, 0):
        side = heatmap.shape[axis]
        logits = [float(np.take(heatmap, i, axis).mean()) for i in range(side)]
        shares = [np.exp(logit) / sum(np.exp(other) for other in logits) for logit in logits]
        found.append(sum(share * ((i + 0.5) / side * 2 - 1) for i, share in enumerate(shares)))
    return found[0], found[1]


def test_means_are_those_of_the_marginals() -> None:
    heatmaps = np.random.default_rng(0).standard_normal((2, 3, 5, 8)) * 4
    found = marginal_means(torch.tensor(heatmaps)).numpy()
    for image, keypoint in np.ndindex(2, 3):
        assert found[image, keypoint] == pytest.approx(naive_means(heatmaps[image, keypoint]), abs=1e-6)


def test_means_over_the_plane_weigh_every_cell_on_its_own() -> None:
    heatmap = np.random.default_rng(1).standard_normal((4, 6)) * 3
    shares = np.exp(heatmap) / np.exp(heatmap).sum()
    cells = [
        (share, (column + 0.5) / 6 * 2 - 1, (row + 0.5) / 4 * 2 - 1) for (row, column), share in np.ndenumerate(shares)
    ]
    expected = [sum(share * x for share, x, _ in cells), sum(share * y for share, _, y in cells)]
    assert plane_means(torch.tensor(heatmap)[None, None])[0, 0].numpy() == pytest.approx(np.array(expected), abs=1e-6)


@pytest.mark.parametrize("means", [marginal_means, plane_means])
def test_a_sharp_peak_is_found_at_the_centre_of_its_cell_and_a_flat_map_in_the_middle(means: Any) -> None:
    heatmaps = torch.zeros(1, 2, 16, 16)
    heatmaps[0, 0, 3, 11] = 1e4
    assert means(heatmaps)[0].numpy() == pytest.approx(
        np.array([[2 * 11.5 / 16 - 1, 2 * 3.5 / 16 - 1], [0, 0]]), abs=1e-6
    )


def test_two_columns_alike_give_the_place_between_them() -> None:
    heatmaps = torch.full((1, 1, 8, 8), -1e4)
    heatmaps[..., 2], heatmaps[..., 6] = 0, 0
    assert marginal_means(heatmaps)[0, 0, 0].item() == pytest.approx(2 * 4.5 / 8 - 1, abs=1e-6)


def test_gaussian_has_its_height_place_and_width() -> None:
    points = torch.tensor([[[2 * 5.5 / 16 - 1, 2 * 9.5 / 16 - 1]]])
    maps = gaussian_maps(points, 16, 0.1)
    assert maps.shape == (1, 1, 16, 16)
    assert maps[0, 0, 9, 5].item() == pytest.approx(1)
    step = 2 / 16
    assert maps[0, 0, 9, 7].item() == pytest.approx(np.exp(-((2 * step) ** 2) / (2 * 0.1**2)), rel=1e-4)
    assert maps[0, 0, 10, 6].item() == pytest.approx(np.exp(-2 * step**2 / (2 * 0.1**2)), rel=1e-4)
    assert maps.sum().item() == pytest.approx(2 * np.pi * 0.1**2 / step**2, rel=1e-3)


def test_points_learn_from_their_gaussians() -> None:
    points = torch.tensor([[[0.1, -0.2]]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda given: gaussian_maps(given, 8, 0.3), points)


@pytest.mark.parametrize("normalisation", ["batch", "group"])
def test_paper_preset_has_the_papers_shapes(normalisation: Any) -> None:
    config = IMMConfig(features="pixels", normalisation=normalisation)
    assert encoder(config)(torch.rand(2, 3, 128, 128)).shape == (2, 256, 16, 16)
    strides = [module.stride[0] for module in encoder(config).modules() if isinstance(module, torch.nn.Conv2d)]
    sizes = [module.kernel_size[0] for module in encoder(config).modules() if isinstance(module, torch.nn.Conv2d)]
    assert strides == [1, 1, 2, 1, 2, 1, 2, 1] and sizes == [7, 3, 3, 3, 3, 3, 3, 3]
    decoder = Decoder(266, config)
    widths = [module.out_channels for module in decoder.modules() if isinstance(module, torch.nn.Conv2d)]
    assert widths == [256, 256, 128, 128, 64, 64, 32, 3]  # two a block of 16, 32 and 64 px, then one, then colours
    assert {module.kernel_size for module in decoder.modules() if isinstance(module, torch.nn.Conv2d)} == {(3, 3)}
    assert sum(isinstance(module, torch.nn.ReLU) for module in decoder.modules()) == 7
    assert decoder(torch.rand(2, 266, 16, 16)).shape == (2, 3, 128, 128)


def small(**settings: Any) -> Network:
    torch.manual_seed(0)
    given: dict[str, Any] = {
        "preset": "mini",
        "features": "pixels",
        "image_size": 32,
        "channels": 8,
        "decoder_channels": 16,
    }
    return Network(IMMConfig(**{**given, **settings}), 3, 1).eval()


@torch.no_grad()
def test_nothing_of_the_target_but_its_points_reaches_the_drawing() -> None:
    network: Any = small()
    generator = torch.Generator().manual_seed(1)
    source, target, other = (torch.rand(2, 3, 32, 32, generator=generator) for _ in range(3))
    drawn, points = network(source, target)
    assert torch.equal(points, network.points(target))
    network.points = lambda _: points
    assert torch.equal(network(source, other)[0], drawn)
    assert not torch.equal(network(other, target)[0], drawn)


@torch.no_grad()
def test_sharper_heatmaps_move_points_from_the_middle() -> None:
    pixels = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    weak, strong = small(sharpness=0.1).points(pixels), small(sharpness=20).points(pixels)
    assert weak.abs().max() < 0.1 * strong.abs().max()


def test_batch_normalisation_is_that_of_tf_layers() -> None:
    layer: Any = normalisation("batch", 32).train()
    given = torch.rand(5, 32, 4, 4, generator=torch.Generator().manual_seed(0)) / 100
    mean, variance = given.mean((0, 2, 3)), given.var((0, 2, 3), correction=0)
    expected = (given - mean.view(1, -1, 1, 1)) / (variance.view(1, -1, 1, 1) + 0.001).sqrt()
    torch.testing.assert_close(layer(given), expected)
    torch.testing.assert_close(layer.running_mean, 0.01 * mean)


def test_weights_begin_with_the_deviation_asked_for_cut_off_at_two() -> None:
    network = small(channels=16, decoder_channels=64)
    begin_truncated(network, 0.01)
    convolutions = [module for module in network.modules() if isinstance(module, torch.nn.Conv2d)]
    weights = torch.cat([module.weight.detach().flatten() for module in convolutions])
    density = np.exp(-2) / np.sqrt(2 * np.pi)
    expected = 0.01 * np.sqrt(1 - 4 * density / erf(np.sqrt(2)))  # a normal variable between -2 and 2
    assert weights.std().item() == pytest.approx(expected, rel=0.02)
    assert 0.0199 < weights.abs().max().item() <= 0.02
    assert weights.mean().item() == pytest.approx(0, abs=2e-4)
    assert not any(module.bias.any() for module in convolutions if module.bias is not None)
