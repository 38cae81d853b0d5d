"""Sums with a bias, and gated linear units: by plain functions, or by one kernel each."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.diffusion.fast.kernels import KERNEL_TYPES, KERNELS

ROWS, WIDTH = 32, 64  # of the tile of a program


def plain_add(left: Tensor, right: Tensor, bias: Tensor) -> Tensor:
    """``left + right + bias`` for maps (B, C, H, W) and a bias (C,)."""
    return left + right + bias[:, None, None]


def plain_geglu(projected: Tensor) -> Tensor:
    """``a * gelu(b)`` (..., C), where ``projected`` (..., 2C) is ``a`` and then ``b``."""
    linear, gate = projected.chunk(2, -1)
    return linear * F.gelu(gate)


def fused_add(left: Tensor, right: Tensor, bias: Tensor) -> Tensor:
    """``plain_add`` by one kernel if both maps are in channels last."""
    channels_last = torch.channels_last
    whole = left.is_contiguous(memory_format=channels_last) and right.is_contiguous(memory_format=channels_last)
    if whole and left.dtype == right.dtype and left.dtype in KERNEL_TYPES:
        return KERNELS.run("sum", (left.shape, left.dtype), _Add.apply, plain_add, left, right, bias)
    return plain_add(left, right, bias)


def fused_geglu(projected: Tensor) -> Tensor:
    """``plain_geglu`` by one kernel."""
    if projected.is_contiguous() and projected.dtype in KERNEL_TYPES:
        return KERNELS.run("gated unit", (projected.shape, projected.dtype), _Geglu.apply, plain_geglu, projected)
    return plain_geglu(projected)


class _Add(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, left: Tensor, right: Tensor, bias: Tensor) -> Tensor:
        from methods.diffusion.fast.elementwise_kernels import add_forward

        result = torch.empty_like(left)
        _launch(add_forward, left, right, bias, result, rows=left.numel() // left.shape[1], width=left.shape[1])
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        return gradients[0], gradients[0], None


class _Geglu(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, projected: Tensor) -> Tensor:
        from methods.diffusion.fast.elementwise_kernels import geglu_forward

        ctx.save_for_backward(projected)
        width = projected.shape[-1] // 2
        result = projected.new_empty(*projected.shape[:-1], width)
        _launch(geglu_forward, projected, result, rows=result.numel() // width, width=width)
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (projected,) = ctx.saved_tensors
        variant = projected.shape, projected.dtype
        return KERNELS.run(
            "the gradient of a gated unit", variant, _geglu_gradient, _plain_geglu_gradient, projected, gradients[0]
        )


def _geglu_gradient(projected: Tensor, gradient: Tensor) -> Tensor:
    from methods.diffusion.fast.elementwise_kernels import geglu_backward

    result, width = torch.empty_like(projected), gradient.shape[-1]
    given = gradient.contiguous()
    _launch(geglu_backward, projected, given, result, rows=given.numel() // width, width=width)
    return result


def _plain_geglu_gradient(projected: Tensor, gradient: Tensor) -> Tensor:
    with torch.enable_grad():
        projected = projected.detach().requires_grad_()
        return torch.autograd.grad(plain_geglu(projected), projected, gradient)[0]


def _launch(kernel: Any, *tensors: Tensor, rows: int, width: int) -> None:
    """Run a kernel over ``rows`` of ``width`` channels."""
    with torch.cuda.device_of(tensors[0]):
        kernel[-(-rows // ROWS), -(-width // WIDTH)](*tensors, rows, width, ROWS=ROWS, WIDTH=WIDTH)
