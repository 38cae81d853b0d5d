"""The losses of Thewlis et al. against sums over all pairs of cells in float64, and against analytic cases."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from methods.thewlis.losses import alignment, diversity, means, recoloured, shares
from methods.training.warps import cells


def maps(seed: int, *shape: int) -> torch.Tensor:
    """Random probability maps of float64; a high temperature makes some of them peaked."""
    scores = 3 * np.random.default_rng(seed).standard_normal(shape)
    return shares(torch.tensor(scores))


def over_all_pairs(first: np.ndarray, second: np.ndarray, places: np.ndarray, warped: np.ndarray) -> float:
    """The mean over images and landmarks of the sum over cells u, v of |u - g(v)|^2 p(u) p(v), pair by pair."""
    count, landmarks, height, width = first.shape
    total = 0.0
    for image, landmark in itertools.product(range(count), range(landmarks)):
        for u in itertools.product(range(height), range(width)):
            for v in itertools.product(range(height), range(width)):
                apart = places[0][u] - warped[image][v]
                total += float(apart @ apart) * first[image, landmark][u] * second[image, landmark][v]
    return total / (count * landmarks)


def peaks(side: int, *where: tuple[int, int]) -> torch.Tensor:
    """Maps (1, K, side, side) of one cell each; ``where`` are its row and column."""
    found = torch.zeros(1, len(where), side, side, dtype=torch.float64)
    for landmark, (row, column) in enumerate(where):
        found[0, landmark, row, column] = 1
    return found


@settings(max_examples=15)
@given(seed=st.integers(0, 10**6), height=st.integers(1, 4), width=st.integers(1, 4), landmarks=st.integers(1, 3))
def test_alignment_is_the_sum_over_all_pairs_of_cells(seed: int, height: int, width: int, landmarks: int) -> None:
    first, second = maps(seed, 2, landmarks, height, width), maps(seed + 1, 2, landmarks, height, width)
    generator = np.random.default_rng(seed + 2)
    places, warped = generator.normal(5, 3, (1, height, width, 2)), generator.normal(5, 3, (2, height, width, 2))
    spread, distance = alignment(first, second, torch.tensor(places), torch.tensor(warped))
    expected = over_all_pairs(first.numpy(), second.numpy(), places, warped)
    assert (spread + distance).item() == pytest.approx(expected, rel=1e-10, abs=1e-12)


def test_peaks_that_follow_the_warp_have_no_alignment_loss() -> None:
    """The second image shows the first shifted by (1, 2) cells, and each peak has moved by as much."""
    places = 3 * cells(6)[None].double()
    warped = places + torch.tensor([2.0, 1.0], dtype=torch.float64)
    first, second = peaks(6, (3, 4), (2, 3)), peaks(6, (2, 2), (1, 1))
    spread, distance = alignment(first, second, places, warped)
    assert spread.item() == 0 and distance.item() == pytest.approx(0, abs=1e-12)
    still, moved = alignment(first, first, places, warped)
    assert still.item() == 0 and moved.item() == pytest.approx(1**2 + 2**2)


def test_broad_maps_have_a_loss_even_if_their_means_follow() -> None:
    places = 2 * cells(4)[None].double()
    flat = torch.full((1, 1, 4, 4), 1 / 16, dtype=torch.float64)
    spread, distance = alignment(flat, flat, places, places)
    assert distance.item() == pytest.approx(0, abs=1e-12)
    assert spread.item() == pytest.approx(2 * 2 * (4**2 - 1) / 12)  # the variance of 4 equal steps, on 2 axes, twice


def test_diversity_of_coincident_and_of_disjoint_landmarks() -> None:
    same = maps(0, 2, 1, 8, 8).expand(-1, 5, -1, -1)
    for pool in (1, 2, 3, 8):
        assert diversity(same, pool).item() == pytest.approx(4)
    apart = peaks(8, (0, 0), (0, 2), (7, 7), (5, 0))
    assert diversity(apart, 1).item() == diversity(apart, 2).item() == 0
    assert diversity(apart, 3).item() == 1  # the first two share a block of 3 x 3
    assert diversity(apart, 8).item() == 3


@pytest.mark.parametrize(("side", "pool"), [(6, 2), (6, 4), (5, 2), (3, 1)])
def test_diversity_is_a_sum_over_blocks(side: int, pool: int) -> None:
    found = maps(1, 3, 4, side, side)
    expected = 0.0
    for image in found.numpy():
        blocks = [
            max(one[row : row + pool, column : column + pool].sum() for one in image)
            for row in range(0, side, pool)
            for column in range(0, side, pool)
        ]
        expected += (4 - sum(blocks)) / 3
    assert diversity(found, pool).item() == pytest.approx(expected, rel=1e-12)


@settings(max_examples=20)
@given(seed=st.integers(0, 10**6), landmarks=st.integers(1, 6), pool=st.integers(1, 7))
def test_diversity_is_between_0_and_one_less_than_the_landmarks(seed: int, landmarks: int, pool: int) -> None:
    assert -1e-9 <= diversity(maps(seed, 2, landmarks, 7, 7), pool).item() <= landmarks - 1 + 1e-9


def test_gradients_of_the_losses() -> None:
    scores = torch.tensor(np.random.default_rng(4).standard_normal((2, 2, 3, 4, 4)), requires_grad=True)
    places = 2 * cells(4)[None].double()
    warped = places + torch.tensor(np.random.default_rng(5).normal(0, 1, (2, 4, 4, 2)))

    def loss(both: torch.Tensor) -> torch.Tensor:
        first, second = shares(both[0]), shares(both[1])
        spread, distance = alignment(first, second, places, warped)
        return spread + distance + diversity(first, 2) + diversity(second, 2)

    assert torch.autograd.gradcheck(loss, scores)


def test_means_are_in_x_and_y() -> None:
    found = means(peaks(4, (0, 3), (2, 1)), cells(4)[None].double())
    assert found[0].tolist() == [[0.75, -0.75], [-0.25, 0.25]]


def test_colours_change_by_the_amounts_given_and_stay_in_range() -> None:
    pixels = torch.tensor(np.random.default_rng(0).uniform(0.4, 0.6, (2, 3, 5, 5)))
    assert torch.allclose(recoloured(pixels, torch.zeros(2, 7)), pixels)
    amounts = torch.tensor([[0.5, 0.1, 0, -0.1, 0.05, 0, 0]], dtype=torch.float64).expand(2, -1)
    changed = recoloured(pixels, amounts).numpy()
    one = pixels.numpy()[1]
    stretched = one.mean() + 1.5 * (one - one.mean())
    expected = stretched * np.array([1.1, 1.0, 0.9])[:, None, None] + np.array([0.05, 0, 0])[:, None, None]
    assert np.abs(changed[1] - expected).max() < 1e-12
    extreme = recoloured(pixels, torch.full((2, 7), 9.0))
    assert extreme.min() >= 0 and extreme.max() <= 1
