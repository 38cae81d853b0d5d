"""The parts of Stable Keypoints on cases with known answers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from methods import draws
from methods.stable_keypoints.losses import gaussian, peak, sharpening
from methods.stable_keypoints.maps import TILE, GradientScale, HeadMeanSoftmax, Projections
from methods.stable_keypoints.selection import furthest_points, most_frequent, most_local
from methods.warps import average_unwarped, inverse, warp


def test_a_gaussian_map_costs_nothing_and_is_the_most_local():
    maps = torch.rand(1, 3, 32, 32) * 0.5
    maps[0, 1] = gaussian(torch.tensor([20, 7]), 32, 2.0)
    assert peak(maps)[0, 1].tolist() == [20, 7]
    assert float(sharpening(maps[:, 1:2], 2.0, "sum")) == 0
    assert float(sharpening(maps, 2.0, "sum")) == pytest.approx(1024 * float(sharpening(maps, 2.0, "mean")))
    for ranking in ("paper", "official"):
        assert most_local(maps, 1, 2.0, ranking).tolist() == [[1]]


def test_peak_is_the_first_of_equals():
    maps = torch.zeros(4, 4)
    maps[1, 3] = maps[2, 0] = 1
    assert peak(maps).tolist() == [1, 3]


@pytest.mark.parametrize(
    ("points", "count", "expected"),
    [
        ([(0, 0), (0, 9), (9, 0), (9, 9), (5, 5)], 2, [0, 3]),
        ([(0, 0), (0, 9), (9, 0), (9, 9), (5, 5)], 4, [0, 3, 1, 2]),
        ([(4, 4), (4, 5), (0, 0), (8, 8)], 3, [2, 3, 0]),
        ([(3, 3), (3, 3), (3, 3)], 3, [0, 1, 2]),
        ([(0, 0), (1, 1), (9, 9)], 1, [0]),
        ([(7, 7)], 1, [0]),
    ],
)
def test_furthest_points(points: list[tuple[int, int]], count: int, expected: list[int]):
    twice = torch.tensor([points, points[::-1]])
    assert furthest_points(twice, count)[0].tolist() == expected


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=2, max_size=12), st.data())
@settings(max_examples=60, deadline=None)
def test_furthest_points_are_distinct_and_start_with_the_widest_pair(
    points: list[tuple[int, int]], data: st.DataObject
):
    count = data.draw(st.integers(2, len(points)))
    chosen = furthest_points(torch.tensor([points]), count)[0].tolist()
    assert len(set(chosen)) == count
    widest = max(np.hypot(a[0] - b[0], a[1] - b[1]) for a in points for b in points)
    first, second = (points[index] for index in chosen[:2])
    assert np.hypot(first[0] - second[0], first[1] - second[1]) == pytest.approx(widest)


def test_most_frequent_breaks_ties_by_id():
    assert most_frequent(np.array([[7, 2], [5, 2], [7, 9]]), 3).tolist() == [2, 7, 5]


def test_draws_depend_on_their_key_alone():
    keys = [(0, "fit", f"{index}.png", index) for index in range(4)]
    together = draws.noise(keys, (2, 3))
    assert np.array_equal(together[[2]], draws.noise([keys[2]], (2, 3)))
    assert not np.array_equal(together[0], together[1])
    every = draws.image_order(0, "fit", 5, 12)
    assert sorted(every[:5]) == sorted(every[5:10]) == list(range(5))
    assert np.array_equal(draws.image_order(0, "fit", 5, 7), every[:7])
    assert len(draws.image_order(0, "fit", 5, 0)) == 0


@pytest.mark.parametrize(("scale_of", "scales"), [("window", (0.8, 1.0)), ("image", (1.0, 1.2))])
def test_affine_ranges(scale_of: str, scales: tuple[float, float]):
    theta = draws.affine([("key", index) for index in range(4000)], 15.0, scales, scale_of, 0.125)
    window = np.hypot(theta[:, 0, 0], theta[:, 0, 1])
    size = window if scale_of == "window" else 1 / window
    angle = np.degrees(np.arctan2(theta[:, 0, 1], theta[:, 0, 0]))
    for values, low, high in (
        (size, *scales),
        (angle, -15, 15),
        (theta[:, 0, 2], -0.25, 0.25),
        (theta[:, 1, 2], -0.25, 0.25),
    ):
        assert low <= values.min() < low + 0.01 * (high - low)
        assert high - 0.01 * (high - low) < values.max() <= high
        assert values.mean() == pytest.approx((low + high) / 2, abs=0.03 * (high - low))
    assert np.allclose(theta[:, 0, 0], theta[:, 1, 1])
    assert np.allclose(theta[:, 0, 1], -theta[:, 1, 0])


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


EACH_ITS_OWN = torch.tensor([[4, 0, 1], [3, 4, 2]])


@pytest.mark.parametrize("side", [2, 3, 5], ids="side {}".format)
@pytest.mark.parametrize("tile", [1, 40, 10_000], ids="tile {}".format)
@pytest.mark.parametrize("rows", [slice(2, None), torch.tensor([4, 0, 1]), EACH_ITS_OWN], ids=["slice", "ids", "each"])
def test_gradient_of_the_attention_maps(
    rows: slice | torch.Tensor, tile: int, side: int, monkeypatch: pytest.MonkeyPatch
):
    """However the scores are cut into tiles, below, at and above the native resolution of 3 x 3."""
    monkeypatch.setitem(TILE, "cpu", tile)
    torch.manual_seed(0)
    query = torch.randn(2, 3, 3, 3, 2, dtype=torch.float64, requires_grad=True)
    key = torch.randn(2, 3, 5, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda query, key: HeadMeanSoftmax.apply(query, key, side, rows, False), (query, key), nondet_tol=0
    )


@pytest.mark.parametrize("tile", [1, 200, 10_000])
def test_maps_are_the_softmax_of_upsampled_queries(tile: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(TILE, "cpu", tile)
    torch.manual_seed(0)
    query, key = torch.randn(2, 3, 4, 4, 2, dtype=torch.float64), torch.randn(2, 3, 5, 2, dtype=torch.float64)
    large = torch.nn.functional.interpolate(query.flatten(0, 1).permute(0, 3, 1, 2), size=(9, 9), mode="bicubic")
    scores = torch.einsum("bgdrc,bgnd->bgnrc", large.unflatten(0, (2, 3)), key) / 2**0.5
    expected = scores.softmax(2).mean(1)
    torch.testing.assert_close(HeadMeanSoftmax.apply(query, key, 9, slice(None), False), expected)
    some = HeadMeanSoftmax.apply(query, key, 9, EACH_ITS_OWN, False)
    torch.testing.assert_close(some, torch.stack([expected[0, [4, 0, 1]], expected[1, [3, 4, 2]]]))


@pytest.mark.parametrize("upsample_queries", [True, False])
def test_known_maps_get_the_gradient_they_would_have_had(upsample_queries: bool):
    torch.manual_seed(0)
    query = torch.randn(2, 3, 4, 4, 2, dtype=torch.float64, requires_grad=True)
    key = torch.randn(2, 3, 5, 2, dtype=torch.float64, requires_grad=True)
    both = Projections((query, query), (key, -key.detach()), 6, upsample_queries, 1)
    chosen = torch.tensor([[3, 0], [1, 2]])
    with torch.no_grad():
        everything = both.maps()
    results = []
    for found in (both.maps(chosen), both.with_gradient(everything, chosen)):
        results.append([found, *torch.autograd.grad(found.square().sum(), (query, key))])
    for formed, known in zip(*results, strict=True):
        torch.testing.assert_close(known, formed)
    assert results[0][1].abs().max() > 0


def test_attention_survives_huge_scores():
    query, key = torch.full((1, 1, 1, 1, 2), 500.0), torch.tensor([[[[400.0, 0.0], [-400.0, 0.0]]]])
    found = HeadMeanSoftmax.apply(query, key, 2, slice(None), False)
    assert found.tolist() == [[[[1.0, 1.0], [1.0, 1.0]], [[0.0, 0.0], [0.0, 0.0]]]]


def test_scaled_gradients_come_back_as_they_were():
    """What enters float16 is near 1, however small the gradient; what leaves has its size again."""
    scale = GradientScale()
    leaf = torch.tensor([3.0, -2.0], requires_grad=True)
    inside: list[torch.Tensor] = []
    half = scale.restore(leaf).half()
    half.register_hook(inside.append)
    first, second = scale.enter(half.float(), 2 * half.float())
    (1e-12 * (first.sum() + second.sum())).backward()
    assert 0.5 <= float(inside[0].abs().max()) <= 4
    assert leaf.grad is not None
    torch.testing.assert_close(leaf.grad, torch.full((2,), 3e-12), rtol=1e-3, atol=0)
