"""The attention maps and their gradient against the plain formula."""

from __future__ import annotations

import pytest
import torch

from methods.stable_keypoints.maps import TILE, GradientScale, HeadMeanSoftmax, Projections

EACH_ITS_OWN = torch.tensor([[4, 0, 1], [3, 4, 2]])


def plain_maps(query: torch.Tensor, key: torch.Tensor, side: int) -> torch.Tensor:
    """Eq. 2 as it is written, (B, n, side, side): queries are upsampled, then the softmax of all scores is formed."""
    size = (side, side)
    large = torch.nn.functional.interpolate(query.flatten(0, 1).permute(0, 3, 1, 2), size=size, mode="bicubic")
    scores = torch.einsum("bgdrc,bgnd->bgnrc", large.unflatten(0, query.shape[:2]), key) / key.shape[-1] ** 0.5
    return scores.softmax(2).mean(1)


@pytest.mark.parametrize("side", [2, 3, 5], ids="side {}".format)
@pytest.mark.parametrize("tile", [1, 40, 10_000], ids="tile {}".format)
@pytest.mark.parametrize("rows", [slice(2, None), torch.tensor([4, 0, 1]), EACH_ITS_OWN], ids=["slice", "ids", "each"])
def test_gradient_of_the_attention_maps(
    rows: slice | torch.Tensor, tile: int, side: int, monkeypatch: pytest.MonkeyPatch
):
    """For every size of tiles, and below, at and above the native resolution of 3 x 3."""
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
    expected = plain_maps(query, key, 9)
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
    """Inside float16 layers a tiny gradient is near 1; outside it has its own size."""
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
