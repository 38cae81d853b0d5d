"""A check, before kernels are used on a device, that they agree with PyTorch's own functions."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor, nn

from methods.diffusion.fast import elementwise, group_norm
from methods.diffusion.fast.fallback import KERNEL_TYPES, KERNELS

SHAPES = ((1, 1280, 8, 8), (1, 320, 64, 64))  # groups that are taken as a whole, and in tiles
LARGEST_ERROR = 0.02  # relative; bfloat16 has three digits


@lru_cache(maxsize=16)
def check_kernels(dtype: torch.dtype, device: torch.device) -> None:
    """Give the kernels up, with a warning, where outputs or gradients are not those of the plain functions."""
    if dtype not in KERNEL_TYPES:
        return
    for shape in SHAPES:
        x = _wave(shape, dtype, device).contiguous(memory_format=torch.channels_last)
        norm = nn.GroupNorm(32, shape[1], device=device, dtype=dtype).requires_grad_(False)
        shift = _wave((shape[1],), torch.float32, device)
        _compare(group_norm.fused, group_norm.plain, x, norm, True, shift)
        _compare(elementwise.fused_add, elementwise.plain_add, x, x, shift.to(dtype))
    rows = x.permute(0, 2, 3, 1).flatten(1, 2)
    _compare(elementwise.fused_geglu, elementwise.plain_geglu, rows)


def _wave(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Values between -2 and 3 without a pattern; random numbers would move the generator of the caller."""
    places = torch.arange(int(torch.Size(shape).numel()), device=device)
    return (0.5 + 2.5 * torch.sin(places * places % 1009)).to(dtype).reshape(shape)


def _compare(kernel: Callable[..., Tensor], plain: Callable[..., Tensor], x: Tensor, *further: object) -> None:
    results = []
    for function in (kernel, plain):
        given = x.detach().requires_grad_()
        output = function(given, *further)
        gradient = torch.autograd.grad(output, given, _wave(tuple(output.shape), x.dtype, x.device))[0]
        results.append((output.detach().float(), gradient.float()))
    for found, expected in zip(*results, strict=True):
        if not float((found - expected).norm()) <= LARGEST_ERROR * float(expected.norm()):
            KERNELS.give_up("its result is not that of PyTorch's own functions")
