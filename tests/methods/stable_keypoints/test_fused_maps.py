"""The kernels of the attention maps, run by Triton's interpreter, against the formula in float64."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch
from torch import Tensor

from methods.fallback import Kernels
from methods.stable_keypoints import fused_maps, map_launch
from methods.stable_keypoints.maps import Projections
from methods.stable_keypoints.selection import divergence, most_local
from tests.methods.stable_keypoints.test_maps import plain_maps

pytest.importorskip("triton")

# Native sides of the layers, side of the maps, heads, numbers of a query, tokens, tokens to pick
SHAPES = [
    ((2,), 4, 2, 8, 48, 5),
    ((1, 2), 4, 1, 4, 1, 1),
    ((3, 2), 5, 1, 5, 7, 3),
    ((4,), 4, 2, 6, 33, 17),
    ((3, 1), 3, 1, 3, 2, 2),
    ((6,), 11, 1, 8, 65, 40),
    ((9,), 10, 1, 5, 20, 4),
    ((7,), 4, 2, 3, 9, 2),
    ((2,), 3, 1, 16, 500, 25),
    ((2,), 3, 1, 5, 577, 10),
    ((5,), 9, 1, 2, 31, 31),
    ((11,), 11, 1, 4, 6, 6),
    ((17,), 18, 1, 2, 3, 2),
    ((2, 1, 3), 3, 1, 2, 16, 16),
]
DTYPES = [torch.float32, torch.float16, torch.bfloat16]


def layers_of(
    shape: tuple[Any, ...], dtype: torch.dtype = torch.float32, batch: int = 2
) -> tuple[list[Tensor], list[Tensor], int, int]:
    """Queries and keys of some images, of values that ``dtype`` holds, in float32; side and number to pick."""
    natives, side, heads, width, count, picked = shape
    torch.manual_seed(0)
    queries = [2 * torch.randn(batch, heads, native, native, width) for native in natives]
    keys = [2 * torch.randn(batch, heads, count, width) for _ in natives]
    return [each.to(dtype).float() for each in queries], [each.to(dtype).float() for each in keys], side, picked


def rows_of(kind: str, count: int, picked: int) -> slice | Tensor:
    if kind == "slice":
        return slice(count - picked, None)
    each = torch.stack([torch.randperm(count)[:picked] for _ in range(2)])
    return each if kind == "each" else each[0]


def formula(queries: list[Tensor], keys: list[Tensor], side: int, rows: slice | Tensor) -> Tensor:
    maps = torch.stack([plain_maps(query, key, side) for query, key in zip(queries, keys, strict=True)]).mean(0)
    if isinstance(rows, slice):
        return maps[:, rows]
    return torch.take_along_dim(maps, rows.expand(len(maps), -1)[:, :, None, None], dim=1)


class Trusted(Kernels):
    """Kernels that are never compared, and whose errors are raised."""

    def run(self, name: str, variant: Any, kernel: Any, plain: Any, *arguments: Any) -> Any:
        return kernel(*arguments)


def kernels(queries: list[Tensor], keys: list[Tensor], side: int, rows: Any, known: bool = False) -> Tensor:
    def never(queries: tuple[Tensor, ...], keys: tuple[Tensor, ...]) -> Tensor:
        raise AssertionError("the plain path was taken")

    return fused_maps.mean_maps(tuple(queries), tuple(keys), side, rows, known, [], never)


@pytest.fixture(autouse=True)
def trusted(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(fused_maps, "KERNELS", Trusted("the attention maps"))


def error(found: Tensor, expected: Tensor) -> float:
    return float((found.double() - expected).abs().max() / expected.abs().max())


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_maps_and_gradients_are_those_of_the_formula(shape: tuple[Any, ...], dtype: torch.dtype):
    kind = ("slice", "ids", "each")[(SHAPES.index(shape) + DTYPES.index(dtype)) % 3]
    queries, keys, side, picked = layers_of(shape, dtype, 2 if kind == "each" else 1)
    rows = rows_of(kind, keys[0].shape[2], picked)
    results = []
    functions: list[tuple[Any, torch.dtype]] = [(formula, torch.float64), (kernels, torch.float32)]
    for function, number_type in functions:
        both = [[each.to(number_type).requires_grad_() for each in layer] for layer in (queries, keys)]
        maps = function(*both, side, rows)
        torch.manual_seed(1)
        gradient = torch.randn(maps.shape)
        results.append([maps.detach(), *torch.autograd.grad(maps, both[0] + both[1], gradient.to(number_type))])
    for expected, found in zip(*results, strict=True):
        if expected.abs().max() > 1e-12:  # the maps of a single token have no gradient
            assert error(found, expected) <= 1e-5
        else:
            assert found.abs().max() < 1e-5


def test_maps_of_all_tokens_sum_to_one_and_a_constant_of_all_scores_changes_nothing():
    queries, keys, side, _ = layers_of(((3, 4), 4, 2, 5, 40, 1))
    maps = kernels(queries, keys, side, slice(None))
    torch.testing.assert_close(maps.sum(1), torch.ones(2, side, side))
    shifted = kernels(queries, [key + 3 * torch.randn(2, 2, 1, 5) for key in keys], side, slice(None))
    torch.testing.assert_close(shifted, maps, atol=1e-5, rtol=1e-4)


def test_maps_of_large_scores_are_finite():
    queries, keys, side, _ = layers_of(((2,), 4, 1, 4, 40, 1))
    maps = kernels([100 * query for query in queries], keys, side, slice(None))
    torch.testing.assert_close(maps.sum(1), torch.ones(2, side, side), atol=1e-4, rtol=0)


@pytest.mark.parametrize("shift", [-300.0, 300.0])
def test_scores_far_from_zero_give_finite_gradients(shift: float):
    """A multiple of 16 tokens is read: the scores of those behind the last are 0, far above or below the others."""
    queries, keys, side, _ = layers_of(((2,), 3, 1, 4, 5, 1))
    queries, keys = [query * 0 + 1 for query in queries], [key + shift / 2 for key in keys]
    keys = [key.requires_grad_() for key in keys]
    maps = kernels(queries, keys, side, slice(None))
    (found,) = torch.autograd.grad(maps.square().sum(), keys)
    exact = [key.detach().double().requires_grad_() for key in keys]
    expected = formula([query.double() for query in queries], exact, side, slice(None))
    torch.testing.assert_close(maps.double(), expected, atol=1e-4, rtol=1e-3)
    (gradient,) = torch.autograd.grad(expected.square().sum(), exact)
    torch.testing.assert_close(found.double(), gradient, atol=1e-3, rtol=1e-2)


@pytest.fixture
def anywhere(trusted: None, monkeypatch: pytest.MonkeyPatch):
    """The kernels are used on the CPU too, where these are interpreted."""
    kernels = Kernels("the attention maps")
    monkeypatch.setattr(fused_maps, "KERNELS", kernels)
    monkeypatch.setattr(fused_maps, "possible", lambda *tensors: not kernels.failed)


def outcomes(projections: Projections, chosen: Tensor) -> list[Tensor]:
    """All maps, the chosen ones, and the gradients of queries and keys, with chosen maps formed or known."""
    with torch.no_grad():
        everything = projections.maps()
    found = [everything]
    inputs = (*projections.queries, *projections.keys)
    for maps in (projections.maps(chosen), projections.with_gradient(everything, chosen)):
        found += [maps.detach(), *torch.autograd.grad(maps.square().sum(), inputs)]
    return found


@pytest.mark.parametrize("tile", [1, 2**27])
def test_projections_give_the_maps_and_gradients_of_the_plain_path(
    tile: int, anywhere: None, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(fused_maps, "TILE", tile)
    queries, keys, side, _ = layers_of(((2, 4), 4, 2, 4, 9, 1))
    both = [tuple(each.requires_grad_() for each in layer) for layer in (queries, keys)]
    projections, chosen = Projections(both[0], both[1], side, True, 2), torch.tensor([[3, 0], [1, 6]])
    found = outcomes(projections, chosen)
    monkeypatch.setattr(fused_maps, "possible", lambda *tensors: False)
    for mine, plain in zip(found, outcomes(projections, chosen), strict=True):
        torch.testing.assert_close(mine, plain, atol=2e-6, rtol=2e-5)


def test_kernels_that_fail_leave_the_plain_path_after_one_warning(anywhere: None, monkeypatch: pytest.MonkeyPatch):
    queries, keys, side, _ = layers_of(((2,), 4, 1, 4, 9, 1))
    both = [tuple(each.requires_grad_() for each in layer) for layer in (queries, keys)]
    projections, chosen = Projections(both[0], both[1], side, True, 0), torch.tensor([3, 1])
    maps = projections.maps(chosen)

    def broken() -> None:
        raise OSError("no compiler")

    monkeypatch.setattr(map_launch, "_kernels", broken)
    with pytest.warns(UserWarning, match="no compiler"):
        found = torch.autograd.grad(maps.square().sum(), both[0] + both[1])
    fused_maps.KERNELS.failed = False
    with pytest.warns(UserWarning, match="no compiler"):
        plain = projections.maps(chosen)
    torch.testing.assert_close(maps, plain)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = torch.autograd.grad(projections.maps(chosen).square().sum(), both[0] + both[1])
    torch.testing.assert_close(found, again)


@pytest.mark.parametrize("ranking", ["paper", "official"])
@pytest.mark.parametrize("side", [4, 47])
def test_ranking_is_that_of_the_formula(side: int, ranking: Any, anywhere: None, monkeypatch: pytest.MonkeyPatch):
    torch.manual_seed(side)
    maps = torch.rand(2, 4, side, side) ** 8 - 0.01
    maps[0, 1] = maps[0, 1].round(decimals=1)  # several maxima
    maps[1, 2] = 0.25
    found, order = divergence(maps, 2.0, ranking), most_local(maps, 3, 2.0, ranking)
    monkeypatch.setattr(fused_maps, "possible", lambda *tensors: False)
    exact = divergence(maps.double(), 2.0, ranking)
    assert error(found, exact) <= 1e-5
    assert torch.equal(order, most_local(maps, 3, 2.0, ranking))
