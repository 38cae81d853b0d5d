"""The effect of half precision's fewer digits: a float32 model that rounds in software, on any processor."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from methods.stable_keypoints.backbone import Backbone


def cut(values: Tensor, bits: int) -> Tensor:
    """Values rounded to ``bits`` significant bits, without overflow or underflow."""
    fraction, exponent = torch.frexp(values)
    return torch.ldexp(torch.round(fraction * 2.0**bits) / 2.0**bits, exponent)


def round_all(backbone: Backbone, dtype: torch.dtype) -> Backbone:
    """The backbone, whose weights are rounded to the digits of ``dtype``, as are what enters and leaves each layer.

    Gradients are rounded at the same places. Sums within a layer keep the digits of float32, as they do on a GPU.
    """
    bits = 1 - round(torch.log2(torch.tensor(torch.finfo(dtype).eps)).item())
    for module in (*backbone.unet.modules(), *backbone.autoencoder.modules()):
        if next(module.children(), None) is None:
            for parameter in module.parameters():
                parameter.data = cut(parameter.data, bits)
            module.register_forward_pre_hook(lambda _, values: tuple(_rounded(value, bits) for value in values))
            module.register_forward_hook(lambda _module, _values, value: _rounded(value, bits))
    return backbone


def _rounded(value: Any, bits: int) -> Any:
    return _Cut.apply(value, bits) if isinstance(value, Tensor) and value.is_floating_point() else value


class _Cut(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, values: Tensor, bits: int) -> Tensor:
        context.bits = bits
        return cut(values, bits)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return cut(gradient, context.bits), None
