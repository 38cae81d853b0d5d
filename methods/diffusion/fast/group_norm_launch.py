"""Launches of the group norm kernels: how a map is divided among programs. Triton is imported by the first launch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

TILE = 4096  # values of a tile of rows and channels
LARGEST_FORWARD, LARGEST_BACKWARD = 32768, 16384  # values of a group that one program keeps in registers
MOST_CHUNKS = 128  # chunks of an image, which one program merges for each group
PROGRAMS = 2640  # four times as many as run at once on an H100: five on each of its 132 multiprocessors
MOST_STEPS = 8  # tiles of a program that applies


@dataclass(frozen=True)
class GroupNormCall:
    """What is constant in a group norm: number of groups, epsilon, SiLU or not, and frozen tensors (C,).

    ``shift`` is added to the input first, None for nothing.
    """

    groups: int
    eps: float
    silu: bool
    weight: Tensor
    bias: Tensor
    shift: Tensor | None = None


@dataclass(frozen=True)
class _Plan:
    """Sizes of the tiles and grids of one shape.

    ``chunks`` of ``chunk_steps`` tiles cover the rows of an image, and so do ``applying`` times ``apply_steps`` tiles.
    Few of these sizes are constants of a kernel, so that few kernels are compiled.
    """

    size: int
    group_width: int
    all_rows: int
    rows: int
    width: int
    blocks: int
    chunks: int
    chunk_steps: int
    applying: int
    apply_steps: int

    @property
    def group_tile(self) -> int:
        """Values of a group of one image, padded to powers of two."""
        return self.all_rows * self.group_width

    @property
    def whole(self) -> dict[str, int]:
        """Constants of the kernels that take a group of one image."""
        rows, width = self.all_rows, self.group_width
        return {"SIZE": self.size, "ROWS": rows, "WIDTH": width, "num_warps": _warps(self.group_tile)}

    @property
    def tile(self) -> dict[str, int]:
        """Constants of the kernels that take tiles."""
        return {"ROWS": self.rows, "WIDTH": self.width, "num_warps": 4}

    @property
    def merge(self) -> dict[str, int]:
        """Constants of the kernels that merge chunks."""
        return {"ROWS": 16, "WIDTH": self.group_width, "num_warps": _warps(16 * self.group_width)}


def _power(number: int) -> int:
    return 1 << (number - 1).bit_length()


def _warps(values: int) -> int:
    """Warps of a program for a tile: 32 values a thread, 1 to 16 warps."""
    return max(1, min(16, _power(values) // 1024))


@lru_cache(maxsize=1024)
def _plan(images: int, length: int, channels: int, groups: int) -> _Plan:
    size, width = channels // groups, min(64, _power(channels))
    rows, blocks = TILE // width, -(-channels // width)
    wanted = min(MOST_CHUNKS, -(-PROGRAMS // (images * blocks)))
    tiles = -(-length // rows)
    steps = max(-(-tiles // wanted), min(2, tiles))
    apply_steps = max(1, min(MOST_STEPS, images * blocks * tiles // PROGRAMS))
    chunks, applying = -(-tiles // steps), -(-tiles // apply_steps)
    return _Plan(size, _power(size), _power(length), rows, width, blocks, chunks, steps, applying, apply_steps)


@lru_cache(maxsize=64)
def _zeros(channels: int, device: torch.device) -> Tensor:
    """The shift where there is none."""
    return torch.zeros(channels, device=device)


def forward(rows: Tensor, call: GroupNormCall) -> tuple[Tensor, Tensor, Tensor]:
    """Output (B, L, C) of rows (B, L, C), contiguous, with means and reciprocal deviations (B, groups), float32."""
    from methods.diffusion.fast import group_norm_kernels as kernels

    images, length, channels = rows.shape
    plan = _plan(images, length, channels, call.groups)
    shift = _zeros(channels, rows.device) if call.shift is None else call.shift
    output = torch.empty_like(rows)
    means, rstds = (rows.new_empty(images, call.groups, dtype=torch.float32) for _ in range(2))
    count = float(length * plan.size)
    with torch.cuda.device_of(rows):
        if plan.group_tile <= LARGEST_FORWARD:
            kernels.whole_forward[call.groups, images](
                rows, call.weight, call.bias, shift, output, means, rstds, length, channels, count, call.eps,
                **plan.whole, SILU=call.silu,
            )  # fmt: skip
            return output, means, rstds
        firsts, seconds = (rows.new_empty(images, plan.chunks, channels, dtype=torch.float32) for _ in range(2))
        kernels.chunk_forward[plan.chunks, plan.blocks, images](
            rows, firsts, seconds, length, channels, plan.chunk_steps, **plan.tile
        )
        chunk = plan.rows * plan.chunk_steps
        kernels.merge_forward[call.groups, images](
            firsts, seconds, shift, means, rstds, length, plan.size, count, plan.chunks, chunk, call.eps, **plan.merge
        )
        kernels.apply_forward[plan.applying, plan.blocks, images](
            rows, call.weight, call.bias, shift, means, rstds, output, length, channels, plan.size,
            plan.apply_steps, **plan.tile, SILU=call.silu,
        )  # fmt: skip
    return output, means, rstds


def backward(rows: Tensor, gradient: Tensor, means: Tensor, rstds: Tensor, call: GroupNormCall) -> Tensor:
    """Gradient with respect to the rows, from that with respect to the output; all (B, L, C), contiguous."""
    from methods.diffusion.fast import group_norm_kernels as kernels

    images, length, channels = rows.shape
    plan = _plan(images, length, channels, call.groups)
    shift = _zeros(channels, rows.device) if call.shift is None else call.shift
    result = torch.empty_like(rows)
    given = rows, gradient, call.weight, call.bias, shift, means, rstds
    count = float(length * plan.size)
    with torch.cuda.device_of(rows):
        if plan.group_tile <= LARGEST_BACKWARD:
            kernels.whole_backward[call.groups, images](
                *given, result, length, channels, count, **plan.whole, SILU=call.silu
            )
            return result
        firsts, seconds = (rows.new_empty(images, plan.chunks, channels, dtype=torch.float32) for _ in range(2))
        kernels.chunk_backward[plan.chunks, plan.blocks, images](
            *given, firsts, seconds, length, channels, plan.size, plan.chunk_steps, **plan.tile, SILU=call.silu
        )
        means_of = [rows.new_empty(images, call.groups, dtype=torch.float32) for _ in range(2)]
        kernels.merge_backward[call.groups, images](
            firsts, seconds, *means_of, plan.size, count, plan.chunks, **plan.merge
        )
        kernels.apply_backward[plan.applying, plan.blocks, images](
            *given, *means_of, result, length, channels, plan.size, plan.apply_steps, **plan.tile, SILU=call.silu
        )
    return result
