"""Group norm kernels against the formula in float64; Triton's interpreter runs them on the CPU."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from methods.diffusion.fast import group_norm, group_norm_launch
from methods.diffusion.fast.kernels import KERNELS

pytest.importorskip("triton")

# Padded lanes of a map far from 0 overflow; nothing is stored of them.
pytestmark = pytest.mark.filterwarnings("ignore:overflow encountered in exp:RuntimeWarning")
LARGEST_ERROR = {torch.float32: 1e-5, torch.float16: 2e-3, torch.bfloat16: 8e-3}
FLOAT32, FLOAT16, BFLOAT16 = LARGEST_ERROR
# Channels of the norms of Stable Diffusion 1.x, 2.x and XL: the autoencoder's, then the UNet's; 32 groups.
RELEASED = (128, 256, 512, 320, 640, 960, 1280, 1920, 2560)
# Channels of the mini model's norms: the autoencoder's, then the UNet's; 8 groups.
MINI = (16, 32, 64, 96, 128, 160, 192, 224, 256)


@pytest.fixture(autouse=True)
def _no_failure() -> Iterator[None]:
    """Refuse results of the plain functions."""
    KERNELS.failed = False
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "the kernels of")
        yield
    KERNELS.failed = False


@pytest.fixture(params=["whole", "tiles"])
def path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Take groups as a whole, as in small maps, or in tiles, as in large ones."""
    _choose(request.param, monkeypatch)
    return str(request.param)


def _choose(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LARGEST_FORWARD", "LARGEST_BACKWARD"):
        monkeypatch.setattr(group_norm_launch, name, 2**40 if path == "whole" else 0)


def _norm(channels: int, groups: int, dtype: torch.dtype) -> nn.GroupNorm:
    norm = nn.GroupNorm(groups, channels, eps=1e-5).requires_grad_(False)
    norm.weight.normal_(1, 0.5)
    norm.bias.normal_()
    return norm.to(dtype)


def _expected(x: Tensor, norm: nn.GroupNorm, silu: bool, shift: Tensor | None, gradient: Tensor) -> tuple[Tensor, ...]:
    """Output and input gradient of a map in float64, from the formulas of the mean, the variance and SiLU."""
    x = x.detach().double().requires_grad_()
    moved = x if shift is None else x + shift.double()[:, None, None]
    grouped = moved.reshape(len(x), norm.num_groups, -1)
    centred = grouped - grouped.mean(2, keepdim=True)
    normal = centred / (centred.square().mean(2, keepdim=True) + norm.eps).sqrt()
    y = normal.reshape(x.shape) * norm.weight.double()[:, None, None] + norm.bias.double()[:, None, None]
    if silu:
        y = y / (1 + (-y).exp())
    return y.detach(), torch.autograd.grad(y, x, gradient.double())[0]


def _error(found: Tensor, expected: Tensor) -> float:
    return float((found.double() - expected).norm() / expected.norm())


def _check(
    shape: tuple[int, ...], groups: int, dtype: torch.dtype, silu: bool, shifted: bool = False, mean: float = 0.0
) -> None:
    torch.manual_seed(0)
    norm = _norm(shape[1], groups, dtype)
    x = (torch.randn(shape) + mean).to(dtype, memory_format=torch.channels_last).requires_grad_()
    gradient, shift = torch.randn(shape).to(dtype), torch.randn(shape[1]) if shifted else None
    y = group_norm.fused(x, norm, silu, shift)
    y.backward(gradient)
    assert y.dtype == x.dtype and y.shape == x.shape and y.is_contiguous(memory_format=torch.channels_last)
    assert x.grad is not None
    expected, expected_gradient = _expected(x, norm, silu, shift, gradient)
    assert _error(y.detach(), expected) < LARGEST_ERROR[dtype]
    assert _error(x.grad, expected_gradient) < LARGEST_ERROR[dtype]


@pytest.mark.parametrize(("channels", "number"), list(zip(RELEASED, range(len(RELEASED)), strict=True)))
def test_released_models(channels: int, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    _choose("tiles" if number % 2 else "whole", monkeypatch)
    _check((1, channels, 3, 5), 32, (FLOAT16, FLOAT32, BFLOAT16)[number % 3], silu=number % 4 != 0, shifted=True)


@pytest.mark.parametrize("channels", MINI)
@pytest.mark.parametrize("dtype", LARGEST_ERROR)
def test_mini_model(channels: int, dtype: torch.dtype, path: str) -> None:
    _check((1, channels, 4, 4), 8, dtype, silu=channels % 64 != 0, shifted=channels > 64)


@pytest.mark.parametrize("shape", [(2, 12, 1, 1), (1, 6, 1, 7), (2, 20, 9, 11), (1, 40, 33, 31), (3, 130, 8, 3)])
@pytest.mark.parametrize("dtype", [FLOAT32, FLOAT16])
def test_odd_sizes(shape: tuple[int, ...], dtype: torch.dtype, path: str) -> None:
    _check(shape, 2, dtype, silu=True)


@pytest.mark.parametrize("silu", [False, True])
@pytest.mark.parametrize("shape", [(2, 8, 16, 16), (1, 16, 70, 67)])
def test_a_mean_far_from_0(shape: tuple[int, ...], silu: bool, path: str) -> None:
    # Sums of squares in one pass would lose four of seven digits here.
    _check(shape, 2, FLOAT32, silu, mean=100.0)


def test_many_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    _choose("tiles", monkeypatch)
    monkeypatch.setattr(group_norm_launch, "TILE", 256)
    group_norm_launch._plan.cache_clear()
    _check((1, 8, 40, 41), 2, FLOAT32, silu=True, shifted=True, mean=3.0)
    group_norm_launch._plan.cache_clear()


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    images=st.integers(1, 2),
    groups=st.integers(1, 3),
    size=st.integers(1, 13),
    sides=st.tuples(st.integers(1, 12), st.integers(1, 12)),
)
def test_any_shape(images: int, groups: int, size: int, sides: tuple[int, int], path: str) -> None:
    if size * sides[0] * sides[1] > 1:  # the gradient of a single value is 0
        _check((images, groups * size, *sides), groups, FLOAT32, silu=True)


def test_rows_are_maps() -> None:
    norm, x = _norm(12, 3, FLOAT32), torch.randn(2, 12, 5, 4)
    found = group_norm.fused(x.flatten(2).transpose(1, 2), norm, True)
    assert torch.equal(found.transpose(1, 2).unflatten(2, (5, 4)), group_norm.fused(x, norm, True))
    plain = group_norm.plain(x.flatten(2).transpose(1, 2), norm, True)
    torch.testing.assert_close(found, plain)


@pytest.mark.parametrize("shifted", [False, True])
def test_the_compiled_formula(shifted: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_norm, "_compiled_function", lambda: group_norm._to_compile)
    norm, x, shift = _norm(12, 3, FLOAT32), torch.randn(2, 12, 5, 4) + 50, torch.randn(12) if shifted else None
    expected, _ = _expected(x, norm, True, shift, x)
    assert _error(group_norm.compiled(x, norm, True, shift), expected) < 1e-5


def test_a_kernel_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    norm, x = _norm(8, 2, FLOAT32), torch.randn(2, 8, 3, 3, requires_grad=True)
    y = group_norm.fused(x, norm, True)

    def fail(*_: object) -> None:
        raise RuntimeError("out of resource")

    for name in ("forward", "backward"):
        monkeypatch.setattr(group_norm, name, fail)
    gradient = torch.randn_like(y)
    with pytest.warns(UserWarning, match="out of resource"):
        y.backward(gradient)
    expected, expected_gradient = _expected(x, norm, True, None, gradient)
    assert x.grad is not None and _error(x.grad, expected_gradient) < 1e-5
    assert _error(group_norm.fused(x, norm, True).detach(), expected) < 1e-5  # without a second warning
