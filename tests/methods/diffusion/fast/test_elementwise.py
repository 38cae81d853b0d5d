"""Kernels of sums and gates against their formulas in float64; Triton's interpreter runs them on the CPU."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from methods.diffusion.fast import elementwise
from methods.diffusion.fast.kernels import KERNELS

pytest.importorskip("triton")

LARGEST_ERROR = {torch.float32: 1e-5, torch.float16: 2e-3}


def _error(found: Tensor, expected: Tensor) -> float:
    assert not KERNELS.failed
    return float((found.double() - expected).norm() / expected.norm())


@pytest.mark.parametrize("shape", [(1, 8, 1, 1), (2, 20, 5, 7), (2, 100, 6, 3)])
@pytest.mark.parametrize("dtype", LARGEST_ERROR)
def test_sum(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    left, right = (torch.randn(shape).to(dtype, memory_format=torch.channels_last).requires_grad_() for _ in range(2))
    bias, gradient = torch.randn(shape[1]).to(dtype), torch.randn(shape).to(dtype)
    total = elementwise.fused_add(left, right, bias)
    total.backward(gradient)
    expected = left.detach().double() + right.detach().double() + bias.double()[:, None, None]
    assert _error(total.detach(), expected) < LARGEST_ERROR[dtype]
    assert total.is_contiguous(memory_format=torch.channels_last)
    assert left.grad is not None and torch.equal(left.grad, gradient)
    assert right.grad is not None and torch.equal(right.grad, gradient)


@pytest.mark.parametrize("shape", [(1, 1, 2), (2, 35, 40), (3, 7, 200)])
@pytest.mark.parametrize("dtype", LARGEST_ERROR)
def test_gate(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    projected = (3 * torch.randn(shape)).to(dtype).requires_grad_()
    found = elementwise.fused_geglu(projected)
    gradient = torch.randn_like(found)
    found.backward(gradient)
    exact = projected.detach().double().requires_grad_()
    linear, gate = exact.chunk(2, -1)
    expected = linear * gate * (1 + torch.erf(gate / 2**0.5)) / 2
    expected.backward(gradient.double())
    assert projected.grad is not None and exact.grad is not None
    assert _error(found.detach(), expected.detach()) < LARGEST_ERROR[dtype]
    assert _error(projected.grad, exact.grad) < LARGEST_ERROR[dtype]
