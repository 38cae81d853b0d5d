"""Group norm and SiLU on maps in channels last: by plain functions, compiled, or by one kernel; weights are frozen.

All three take a map (B, C, H, W), or rows (B, L, C), and a ``GroupNorm``. ``shift`` (C,), if given, is added to the
input before it is normalised.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from methods.diffusion.compiling import allow_many_shapes
from methods.diffusion.fast.group_norm_launch import GroupNormCall, backward, forward
from methods.diffusion.fast.kernels import KERNEL_TYPES, KERNELS


def plain(x: Tensor, norm: nn.GroupNorm, silu: bool = False, shift: Tensor | None = None) -> Tensor:
    """Group norm, and SiLU where asked for, by PyTorch's own functions."""
    return _plain(x, _call(norm, silu, shift))


def compiled(x: Tensor, norm: nn.GroupNorm, silu: bool = False, shift: Tensor | None = None) -> Tensor:
    """The same as ``plain`` through ``torch.compile``, which writes kernels for rows of channels."""
    call = _call(norm, silu, shift)
    rows = _rows(x)
    y = _compiled_function()(rows, call.weight, call.bias, call.shift, call.groups, call.eps, call.silu)
    return _like(y, x)


def fused(x: Tensor, norm: nn.GroupNorm, silu: bool = False, shift: Tensor | None = None) -> Tensor:
    """The same as ``plain`` by Triton kernels. The statistics are float32, of two passes."""
    call = _call(norm, silu, shift)
    if x.dtype in KERNEL_TYPES:
        return KERNELS.run("group norm", _variant(x, call), FusedGroupNorm.apply, _plain, x, call)
    return _plain(x, call)


class FusedGroupNorm(torch.autograd.Function):
    """Group norm and SiLU by Triton kernels, with the gradient of the input alone."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, call: GroupNormCall) -> Tensor:
        """The output, in channels last, of a map (B, C, H, W) or of rows (B, L, C)."""
        rows = _rows(x)
        y, means, rstds = forward(rows, call)
        ctx.save_for_backward(rows, means, rstds)
        ctx.call, ctx.shape = call, x.shape
        return _like(y, x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """The gradient of the input, of its shape and in channels last."""
        rows, means, rstds = ctx.saved_tensors
        gradient = _rows(gradients[0])
        call, name = ctx.call, "the gradient of group norm"
        found = KERNELS.run(name, _variant(rows, call), backward, _plain_backward, rows, gradient, means, rstds, call)
        return _like(found, gradients[0]), None


def _call(norm: nn.GroupNorm, silu: bool, shift: Tensor | None) -> GroupNormCall:
    return GroupNormCall(norm.num_groups, norm.eps, silu, norm.weight, norm.bias, shift)


def _variant(x: Tensor, call: GroupNormCall) -> tuple[object, ...]:
    return x.shape, x.dtype, call.groups, call.silu, call.shift is None


def _rows(x: Tensor) -> Tensor:
    """Rows (B, L, C), contiguous: a view of a map in channels last, a copy otherwise."""
    return (x.permute(0, 2, 3, 1).flatten(1, 2) if x.dim() == 4 else x).contiguous()


def _like(rows: Tensor, x: Tensor) -> Tensor:
    """Rows as a map of the shape of ``x``, in channels last, if ``x`` is a map."""
    return rows.unflatten(1, x.shape[-2:]).permute(0, 3, 1, 2) if x.dim() == 4 else rows


def _plain(x: Tensor, call: GroupNormCall) -> Tensor:
    x = x if x.dim() == 4 else x.transpose(1, 2)
    if call.shift is not None:
        x = x + call.shift.to(x.dtype).reshape(-1, *[1] * (x.dim() - 2))
    y = F.group_norm(x, call.groups, call.weight, call.bias, call.eps)
    y = F.silu(y) if call.silu else y
    return y if y.dim() == 4 else y.transpose(1, 2)


def _plain_backward(rows: Tensor, gradient: Tensor, _: Tensor, __: Tensor, call: GroupNormCall) -> Tensor:
    with torch.enable_grad():
        rows = rows.detach().requires_grad_()
        return torch.autograd.grad(_plain(rows, call), rows, gradient)[0].contiguous()


def _to_compile(
    rows: Tensor, weight: Tensor, bias: Tensor, shift: Tensor | None, groups: int, eps: float, silu: bool
) -> Tensor:
    values = rows.float()
    if shift is not None:
        values = values + shift
    grouped = values.unflatten(2, (groups, -1))
    variance, mean = torch.var_mean(grouped, (1, 3), correction=0, keepdim=True)
    y = ((grouped - mean) * torch.rsqrt(variance + eps)).flatten(2) * weight + bias
    return (F.silu(y) if silu else y).to(rows.dtype)


@lru_cache(maxsize=1)
def _compiled_function() -> Any:
    allow_many_shapes()
    return torch.compile(_to_compile, dynamic=True)
