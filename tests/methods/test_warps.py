"""Affine warps of images and the average of maps that are warped back."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from methods import draws
from methods.warps import average_unwarped, closed_inverse, exact_grid, inverse, warp


@given(st.integers(0, 2**32), st.sampled_from(["window", "image"]))
def test_the_closed_inverse_undoes_the_transformation(seed: int, scale_of: str):
    """On transformations as they are drawn, with a check of the product in place of another inverse."""
    theta = torch.from_numpy(draws.affine([(seed, view) for view in range(4)], 180, (0.2, 3.0), scale_of, 1.0))
    last = torch.tensor([[[0.0, 0.0, 1.0]]], dtype=torch.float64).expand(4, 1, 3)
    for dtype, tolerance in ((torch.float64, 1e-13), (torch.float32, 2e-5)):
        found = closed_inverse(theta.to(dtype)).double()
        product = torch.cat([found, last], 1) @ torch.cat([theta, last], 1)
        torch.testing.assert_close(product, torch.eye(3, dtype=torch.float64).expand(4, 3, 3), rtol=0, atol=tolerance)


def test_warp_shifts_and_comes_back():
    image = torch.rand(1, 2, 16, 16, dtype=torch.float64)
    shift = torch.tensor([[[1.0, 0.0, 0.25], [0.0, 1.0, 0.0]]], dtype=torch.float64)
    moved = warp(image, shift)
    torch.testing.assert_close(moved[..., :14], image[..., 2:])
    assert float(moved[..., 14:].abs().max()) == 0
    back = warp(moved, inverse(shift))
    torch.testing.assert_close(back[..., 2:], image[..., 2:])


def test_averaging_counts_the_views_that_see_a_pixel():
    """Three views of a constant map: the average is that constant wherever one view looks, 0 elsewhere."""
    theta = torch.tensor([[[[0.5, 0.0, x], [0.0, 0.5, 0.0]] for x in (-0.5, 0.5, 0.5)]])
    average = average_unwarped(torch.full((1, 3, 2, 8, 8), 0.7), theta, 32)
    assert average.shape == (1, 2, 32, 32)
    torch.testing.assert_close(average[..., 9:23, :], torch.full((1, 2, 14, 32), 0.7))
    assert float(average[..., :7, :].abs().max()) == 0


def test_the_grid_of_a_gpu_is_that_of_the_cpu():
    theta = torch.tensor([[[0.9, -0.2, 0.1], [0.3, 1.1, -0.25]]], dtype=torch.float64)
    images = theta.new_zeros(1, 1, 5, 8)
    usual = F.affine_grid(theta, list(images.shape), align_corners=False)
    torch.testing.assert_close(exact_grid(theta, images), usual, rtol=0, atol=1e-14)
