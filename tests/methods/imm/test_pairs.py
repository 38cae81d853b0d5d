"""IMM's pairs of warped images, and the mask of their border."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from methods.imm.pairs import border_mask, pairs
from methods.training import warps
from methods.training.warp_config import WarpConfig

STILL = WarpConfig()
MOVED = WarpConfig(rotation_degrees=5, scale=0.1, translation=0.1, bend=(0.001, 0.01))


def test_mask_is_zero_at_the_border_one_inside_and_rises_in_between() -> None:
    mask = border_mask(128, 10 / 128, 20 / 128)[0, 0]
    assert mask.shape == (128, 128)
    assert torch.equal(mask, mask.T) and torch.equal(mask, mask.flip(0))
    row = mask[64]
    assert not row[:10].any() and (row[30:98] == 1).all()
    assert (row[10:30].diff() > 0).all()
    assert row[10].item() == pytest.approx(0.5 + 0.5 * np.tanh(-2.5), abs=1e-6)
    assert mask[20, 20].item() == pytest.approx(row[20].item() ** 2, rel=1e-5)


def test_mask_without_margin_is_one() -> None:
    assert (border_mask(16, 0, 0) == 1).all()


def images(count: int = 3, side: int = 32) -> torch.Tensor:
    return torch.tensor(np.random.default_rng(0).random((count, 3, side, side)), dtype=torch.float32)


def grid(warp: WarpConfig, seed: int = 3, count: int = 3) -> torch.Tensor:
    """A random warp of each image."""
    return warps.sampling_grid(warps.draw(warp, 4, count, np.random.default_rng(seed)), 32)


def shifted(pixels: float) -> torch.Tensor:
    """Sampling coordinates shifted to the right by so many pixels."""
    coefficients = np.zeros((3, 4 + 3, 2))
    coefficients[:, 4] = [2 * pixels / 32, 0]
    coefficients[:, 5:] = np.eye(2)
    return warps.sampling_grid(coefficients, 32)


def test_pair_without_warps_is_the_image_twice() -> None:
    weights = border_mask(32, 0.1, 0.1)
    source, target, mask = pairs(images(), weights, (grid(STILL), grid(STILL)))
    assert (target - images()).abs().max() < 1e-4 and (source - images()).abs().max() < 1e-4
    assert (mask - weights).abs().max() < 1e-4


@pytest.mark.parametrize("outside", ["black", "mirrored"])
def test_target_is_warped_first_and_the_source_made_of_it(outside: Any) -> None:
    one = torch.ones(1, 1, 32, 32)
    source, target, _ = pairs(images(), one, (grid(MOVED), grid(STILL)), outside)
    assert (source - target).abs().max() < 1e-4
    assert (target - images()).abs().max() > 0.3
    source, target, _ = pairs(images(), one, (grid(STILL), grid(MOVED)), outside)
    assert (target - images()).abs().max() < 1e-4
    assert (source - target).abs().max() > 0.3


@pytest.mark.parametrize("outside", ["black", "mirrored"])
def test_a_shift_by_whole_pixels_moves_pixels_and_masks_what_comes_in(outside: Any) -> None:
    one = torch.ones(1, 1, 32, 32)
    source, target, mask = pairs(images(), one, (shifted(5), shifted(0)), outside)
    assert (target[..., :27] - images()[..., 5:]).abs().max() < 1e-4
    expected = torch.zeros(3, 3, 32, 4) if outside == "black" else images()[..., -5:].flip(3)[..., 1:]
    assert (target[..., 28:] - expected).abs().max() < 1e-4
    assert (source - target).abs().max() < 1e-4
    assert (mask[..., :26] - 1).abs().max() < 1e-4 and not mask[..., 28:].any()


def test_every_image_has_a_warp_of_its_own() -> None:
    same = images()[:1].expand(3, -1, -1, -1)
    _, target, _ = pairs(same, torch.ones(1, 1, 32, 32), (grid(MOVED), grid(STILL)))
    assert (target[0] - target[1]).abs().max() > 0.1
    assert torch.equal(grid(MOVED), grid(MOVED)) and not torch.equal(grid(MOVED), grid(MOVED, seed=4))
