"""The drawing of edges against its formula, edge by edge in float64."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from methods.autolink.edges import draw_edges, pairs, pixel_grid

SIZE = 17


def distance_to_segment(place: np.ndarray, start: np.ndarray, end: np.ndarray) -> float:
    """The distance to a segment by brute force over 20,001 of its points."""
    share = np.linspace(0, 1, 20_001)[:, None]
    return float(np.linalg.norm(place - (start + share * (end - start)), axis=1).min())


def written_out(keypoints: torch.Tensor, weights: torch.Tensor, size: int, thickness: float) -> torch.Tensor:
    """The formula with the drawings of all edges, and torch's own gradient of their maximum."""
    ticks = torch.linspace(-1, 1, size, dtype=keypoints.dtype)
    y, x = torch.meshgrid(ticks, ticks, indexing="ij")
    pictures = []
    number = 0
    for i in range(keypoints.shape[1]):
        for j in range(i + 1, keypoints.shape[1]):
            start, end = keypoints[:, i, :, None, None], keypoints[:, j, :, None, None]
            ahead = end - start
            away = torch.stack([y, x]) - start
            along = ((away * ahead).sum(1) / ahead.square().sum(1)).clamp(0, 1)
            squared = (away - along[:, None] * ahead).square().sum(1)
            pictures.append(weights[number] * torch.exp(-squared / thickness))
            number += 1
    return torch.stack(pictures, dim=1).amax(dim=1, keepdim=True)


def drawn_points(batch: int = 3, count: int = 5, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    keypoints = 2 * torch.rand(batch, count, 2, generator=generator, dtype=torch.float64) - 1
    weights = 0.2 + torch.rand(count * (count - 1) // 2, generator=generator, dtype=torch.float64)
    return keypoints.requires_grad_(True), weights.requires_grad_(True)


def test_every_pair_is_an_edge_once() -> None:
    assert pairs(4).T.tolist() == [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]]


def test_the_grid_runs_from_corner_to_corner_y_first() -> None:
    grid = pixel_grid(3)
    assert grid.tolist() == [[y, x] for y in (-1, 0, 1) for x in (-1, 0, 1)]


def test_one_edge_by_hand() -> None:
    """A horizontal edge in the middle row: bright along it, falling with the squared distance beside and beyond it."""
    keypoints = torch.tensor([[[0.0, -0.5], [0.0, 0.5]]], dtype=torch.float64)
    picture = draw_edges(keypoints, torch.tensor([0.8], dtype=torch.float64), 9, 0.1)[0, 0]
    assert picture[4, 2:7].tolist() == pytest.approx([0.8] * 5)
    assert picture[6, 4].item() == pytest.approx(0.8 * math.exp(-0.25 / 0.1))  # half a unit below
    assert picture[4, 8].item() == pytest.approx(0.8 * math.exp(-0.25 / 0.1))  # half a unit beyond the end
    assert picture[2, 0].item() == pytest.approx(0.8 * math.exp(-0.5 / 0.1))  # beside the corner of the two


def test_the_distance_is_that_of_the_nearest_point() -> None:
    keypoints, weights = drawn_points(1, 3)
    picture = draw_edges(keypoints, weights, SIZE, 0.05)[0, 0].detach().numpy()
    grid, points = pixel_grid(SIZE, dtype=torch.float64).numpy(), keypoints[0].detach().numpy()
    for place in range(0, SIZE * SIZE, 23):
        lines = [
            weight * math.exp(-(distance_to_segment(grid[place], points[i], points[j]) ** 2) / 0.05)
            for weight, i, j in zip(weights.tolist(), *pairs(3).tolist(), strict=True)
        ]
        assert picture.flat[place] == pytest.approx(max(lines), rel=1e-6)


@pytest.mark.parametrize("thickness", [0.002, 0.05])
def test_picture_and_gradients_are_those_of_the_formula(thickness: float) -> None:
    keypoints, weights = drawn_points()
    probe = torch.rand(3, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    ours = draw_edges(keypoints, weights, SIZE, thickness)
    gradients = torch.autograd.grad((ours * probe).sum(), [keypoints, weights])
    theirs = written_out(keypoints, weights, SIZE, thickness)
    expected = torch.autograd.grad((theirs * probe).sum(), [keypoints, weights])
    assert torch.allclose(ours, theirs, rtol=0, atol=1e-13)
    for got, want in zip(gradients, expected, strict=True):
        assert torch.allclose(got, want, rtol=1e-9, atol=1e-11)
        assert want.abs().max() > 1e-3


def test_gradients_are_those_of_finite_differences() -> None:
    keypoints, weights = drawn_points(1, 3, seed=4)
    assert torch.autograd.gradcheck(lambda points, scores: draw_edges(points, scores, 6, 0.3), (keypoints, weights))


def test_keypoints_in_one_place_are_a_point_with_a_finite_gradient() -> None:
    keypoints = torch.full((1, 3, 2), 0.25, dtype=torch.float64, requires_grad=True)
    picture = draw_edges(keypoints, torch.ones(3, dtype=torch.float64), SIZE, 0.05)
    expected = torch.exp(-(pixel_grid(SIZE, dtype=torch.float64) - 0.25).square().sum(dim=1) / 0.05)
    assert torch.allclose(picture.flatten(), expected)
    picture.sum().backward()
    assert keypoints.grad is not None and torch.isfinite(keypoints.grad).all()


def test_a_thicker_edge_is_nowhere_darker_and_a_heavier_one_scales() -> None:
    keypoints, weights = drawn_points()
    thin, thick = (draw_edges(keypoints, weights, SIZE, thickness) for thickness in (0.01, 0.02))
    assert (thick >= thin).all() and (thick > thin).any()
    assert torch.allclose(draw_edges(keypoints, 3 * weights, SIZE, 0.01), 3 * thin)


def test_the_order_of_keypoints_does_not_matter_where_all_edges_weigh_the_same() -> None:
    keypoints, _ = drawn_points()
    weights = torch.ones(10, dtype=torch.float64)
    moved = keypoints[:, [3, 0, 4, 1, 2]]
    assert torch.allclose(draw_edges(keypoints, weights, SIZE, 0.02), draw_edges(moved, weights, SIZE, 0.02))
    turned = draw_edges(keypoints.flip(2), weights, SIZE, 0.02)
    assert torch.allclose(turned, draw_edges(keypoints, weights, SIZE, 0.02).transpose(2, 3))
