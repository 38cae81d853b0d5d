"""Launches of the kernels of the attention maps, and the tables of bicubic upsampling; a launch imports Triton."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

LOG2_E = 1.4426950408889634
COLUMNS = 32  # tokens of a block
WARPS = 4  # of a program for at most 128 pixels a side
SHARED_MEMORY = 120_000  # bytes that a program takes for the gradients of 32 tokens, with maps of 32 cells a side
PIXELS = 2048  # pixels of a block, where one program takes a whole map


@dataclass(frozen=True)
class Upsampling:
    """Bicubic upsampling from ``native`` to ``side`` pixels a side, with the scale of the scores in its weights.

    ``table`` (side, native) holds the weights along a row, times ``factor``; pixel row y is made of native rows from
    ``first[y]`` on with the weights ``taps[y]``; ``back`` (native, side) undoes the base of the logarithms.
    """

    native: int
    side: int
    factor: float
    table: Tensor
    first: Tensor
    taps: Tensor
    back: Tensor

    @property
    def upsampled(self) -> bool:
        """Whether the two resolutions differ."""
        return self.native != self.side

    @property
    def gradient_columns(self) -> int:
        """Tokens of a block of the gradients' kernel, fewer where a GPU has too little shared memory."""
        if self.native <= 16 or self.table.device.type != "cuda":
            return COLUMNS
        properties = torch.cuda.get_device_properties(self.table.device)
        return COLUMNS if getattr(properties, "shared_memory_per_block_optin", 0) >= SHARED_MEMORY else 16

    @property
    def options(self) -> dict[str, Any]:
        """Compile-time settings of all kernels."""
        side = max(16, _power(self.side))
        return {
            "SIDE": side,
            "NATIVE": max(16, _power(self.native)) if self.upsampled else 16,
            "TAPS": self.taps.shape[1],
            "UPSAMPLED": self.upsampled,
            "num_warps": WARPS if side <= 128 else 2 * WARPS,
            "num_stages": 2,
        }


@lru_cache
def upsampling(native: int, side: int, width: int, device: torch.device) -> Upsampling:
    """The tables for a layer of ``native`` cells a side whose queries have ``width`` numbers."""
    factor = LOG2_E * width**-0.5
    eye = torch.eye(native, dtype=torch.float64)[None, None]
    weights = F.interpolate(eye, size=(side, native), mode="bicubic", align_corners=False)[0, 0]
    used = (weights != 0).to(torch.uint8)
    first, last = used.argmax(1), native - 1 - used.flip(1).argmax(1)
    taps = int((last - first).max()) + 1
    first = first.clamp(max=native - taps)
    some = weights.gather(1, first[:, None] + torch.arange(taps))
    tables = (each.float().contiguous().to(device) for each in (weights * factor, some, weights.T / LOG2_E))
    table, kept, back = tables
    return Upsampling(native, side, factor, table, first.int().to(device), kept, back)


def put_normalisers(scores: Tensor, count: int, size: Upsampling, sums: Tensor) -> None:
    """Put into ``sums`` (B, heads, side, side) the logarithms, of base 2, of the softmax's denominators.

    ``scores`` (B, heads, native * native, n) are those of all tokens: the first ``count`` of the n columns.
    """
    batch, heads, _, stride = scores.shape
    _kernels().normalisers[(size.side, batch * heads)](
        scores, size.table, size.first, size.taps, sums, stride, count, size.native, size.side, size.factor,
        COLUMNS=COLUMNS, **size.options,
    )  # fmt: skip


def add_maps(maps: Tensor, picked: Tensor, sums: Tensor, size: Upsampling, share: float, add: bool) -> None:
    """Put into ``maps`` (B, r, side, side), or add, ``share`` times the sum over heads of the picked tokens' softmax.

    ``picked`` are scores (B, heads, native * native, r, or more columns that are ignored); ``sums`` is what
    ``put_normalisers`` gave.
    """
    batch, heads, _, readable = picked.shape
    rows = maps.shape[1]
    columns = _block(rows)
    _kernels().mean_over_heads[(size.side, batch, -(-rows // columns))](
        picked, size.table, size.first, size.taps, sums, maps, picked.stride(2), readable, rows, heads, size.native,
        size.side, size.factor, share, ADD=add, COLUMNS=columns, **size.options,
    )  # fmt: skip


def score_gradients(
    scores: Tensor, count: int, picked: Tensor, sums: Tensor, gradient: Tensor, size: Upsampling, share: float
) -> tuple[Tensor, Tensor]:
    """Gradients (B, heads, native * native, n) of all scores, and (..., r) what is to be added to the picked ones.

    ``gradient`` (B, r, side, side) is that of the maps; see the other launches for the other arguments.
    """
    batch, heads, cells, stride = scores.shape
    rows = gradient.shape[1]
    wide = scores.new_empty(batch * heads, size.side, size.native * stride)
    wide_picked = scores.new_empty(batch * heads, size.side, size.native * rows)
    _kernels().gradients[(size.side, batch * heads)](
        scores, picked, size.table, size.first, size.taps, sums, gradient, wide, wide_picked, stride, count,
        picked.stride(2), rows, heads, size.native, size.side, size.factor, share, ROWS=16,
        COLUMNS=size.gradient_columns, **size.options,
    )  # fmt: skip
    if size.upsampled:
        back = size.back.expand(batch * heads, -1, -1)
        wide, wide_picked = torch.bmm(back, wide), torch.bmm(back, wide_picked)
    return wide.view(batch, heads, cells, stride), wide_picked.view(batch, heads, cells, rows)


def divergences(maps: Tensor, sigma: float, epsilon: float, softmax: bool) -> Tensor:
    """KL divergence (B, N) of maps (B, N, R, R), as ``selection.divergence`` explains it."""
    found = maps.new_empty(maps.shape[:2])
    _kernels().divergences[(found.numel(),)](
        maps.contiguous(), found, 0.5 / sigma**2, epsilon, SIDE=maps.shape[-1], PIXELS=PIXELS, SOFTMAX=softmax
    )
    return found


def _kernels() -> Any:
    """The module of the kernels. It imports Triton, which a build of torch for CPUs does not bring."""
    from methods.stable_keypoints import map_kernels

    return map_kernels


def _block(rows: int) -> int:
    return 16 if rows <= 16 else COLUMNS


def _power(number: int) -> int:
    return 1 << (number - 1).bit_length()
