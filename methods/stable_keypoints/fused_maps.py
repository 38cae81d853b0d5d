"""Attention maps of all heads and layers by Triton kernels: only the maps that are asked for are held."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from methods import switches
from methods.fallback import Kernels
from methods.stable_keypoints.map_launch import (
    add_maps,
    divergences,
    put_normalisers,
    score_gradients,
    upsampling,
)

Rows = slice | Tensor
Layers = tuple[Tensor, ...]
Plain = Callable[[Layers, Layers], Tensor]

TILE = 2**27  # numbers of the largest array held at once: 512 MiB

KERNELS = Kernels("the attention maps")


def possible(*tensors: Tensor) -> bool:
    """Whether the kernels can compute with these tensors: on a GPU, in float32."""
    usual = all(each.is_cuda and each.dtype == torch.float32 for each in tensors)
    return bool(tensors) and usual and not KERNELS.failed and switches.is_on("maps")


def mean_maps(
    queries: Layers, keys: Layers, side: int, rows: Rows, known: bool, sums: list[Tensor], plain: Plain
) -> Tensor:
    """The mean over layers of ``maps.HeadMeanSoftmax``, which explains the arguments: maps (B, r, side, side).

    ``sums`` is empty, or holds the logarithms of the softmax's denominators that an earlier call put there. Where a
    kernel fails, one warning says so and ``plain(queries, keys)`` computes the maps.
    """

    def fused(queries: Layers, keys: Layers) -> Tensor:
        maps: Tensor = FusedMaps.apply(side, rows, known, sums, plain, *queries, *keys)
        return maps

    with torch.cuda.device_of(queries[0]):
        return KERNELS.run("maps", (known, *_shapes(side, rows, *queries, *keys)), fused, plain, queries, keys)


def divergence(maps: Tensor, sigma: float, epsilon: float, softmax: bool, plain: Callable[[], Tensor]) -> Tensor:
    """The divergence (B, N) of maps (B, N, R, R) of ``selection.divergence``; that of ``plain()`` if a kernel fails."""
    fused = partial(divergences, maps, sigma, epsilon, softmax)
    with torch.cuda.device_of(maps):
        return KERNELS.run("the divergence", (maps.shape, softmax), fused, plain)


class FusedMaps(torch.autograd.Function):
    """The maps of all layers, and the gradients of queries and keys; see ``mean_maps`` for the arguments."""

    @staticmethod
    def forward(
        context: Any, side: int, rows: Rows, known: bool, sums: list[Tensor], plain: Plain, *both: Tensor
    ) -> Tensor:
        queries, keys = both[: len(both) // 2], both[len(both) // 2 :]
        batch, count = len(keys[0]), keys[0].shape[2]
        if isinstance(rows, slice):
            rows = slice(*rows.indices(count))
        number = rows.shape[-1] if isinstance(rows, Tensor) else rows.stop - rows.start
        share = 1 / len(queries)
        found, maps = list(sums), both[0].new_empty(() if known else (batch, number, side, side))
        for layer, (query, key) in enumerate(zip(queries, keys, strict=True)):
            if known and len(found) > layer:
                continue
            size = upsampling(query.shape[2], side, query.shape[-1], query.device)
            if len(found) == layer:
                found.append(query.new_empty(*query.shape[:2], side, side))
            for some in _chunks(query, key):
                scores = _scores(query[some], _padded(key[some]))
                if not len(sums):
                    put_normalisers(scores, count, size, found[layer][some])
                if not known:
                    picked = _pick(scores, rows, some) if isinstance(rows, Tensor) else scores[..., rows.start :]
                    add_maps(maps[some], picked, found[layer][some], size, share / query.shape[1], layer > 0)
        sums[:] = found
        context.save_for_backward(*both, *found)
        context.side, context.rows, context.plain = side, rows, plain
        return maps.zero_().expand(batch, number, side, side) if known else maps

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        layers = len(context.saved_tensors) // 3
        queries, keys, sums = (context.saved_tensors[first * layers : (first + 1) * layers] for first in range(3))
        side, rows, plain = context.side, context.rows, context.plain

        def fused(gradient: Tensor) -> list[Tensor]:
            share, given = 1 / layers, gradient.contiguous()
            parts = [
                _layer_gradients(query, key, each, given, side, rows, share)
                for query, key, each in zip(queries, keys, sums, strict=True)
            ]
            return [part[0] for part in parts] + [part[1] for part in parts]

        def differentiated(gradient: Tensor) -> list[Tensor]:
            with torch.enable_grad():
                both = [each.detach().requires_grad_() for each in (*queries, *keys)]
                maps = plain(tuple(both[:layers]), tuple(both[layers:]))
                return list(torch.autograd.grad(maps, both, gradient))

        found = KERNELS.run(
            "the gradient of maps", _shapes(side, rows, *queries, *keys), fused, differentiated, gradients[0]
        )
        return None, None, None, None, None, *found


def _shapes(side: int, rows: Rows, *tensors: Tensor) -> tuple[object, ...]:
    return side, rows.shape if isinstance(rows, Tensor) else str(rows), *(each.shape for each in tensors)


def _layer_gradients(
    query: Tensor, key: Tensor, sums: Tensor, gradient: Tensor, side: int, rows: Rows, share: float
) -> tuple[Tensor, Tensor]:
    """Gradients of the queries and the keys of one layer."""
    size = upsampling(query.shape[2], side, query.shape[-1], query.device)
    to_query, to_key = torch.empty_like(query), torch.empty_like(key)
    for some in _chunks(query, key, side):
        padded = _padded(key[some])
        scores = _scores(query[some], padded)
        picked = _pick(scores, rows, some)
        everything, more = score_gradients(
            scores, key.shape[2], picked, sums[some], gradient[some], size, share / query.shape[1]
        )
        if isinstance(rows, Tensor):
            everything.scatter_add_(-1, _indices(everything, rows, some), more)
        else:
            everything[..., rows] += more
        to_query[some] = (everything @ padded).view_as(query[some])
        to_key[some] = everything[..., : key.shape[2]].mT @ query[some].flatten(2, 3)
    return to_query, to_key


def _chunks(query: Tensor, key: Tensor, side: int = 0) -> Iterator[slice]:
    """Slices of the images, so that an array of a chunk has at most ``TILE`` numbers, or one image."""
    native = query.shape[2]
    each = query.shape[1] * max(native, side) * native * key.shape[2]
    together = max(1, TILE // each)
    for first in range(0, len(query), together):
        yield slice(first, first + together)


def _padded(key: Tensor) -> Tensor:
    """Keys with tokens of 0 behind, up to a multiple of 16: a GPU reads aligned rows of scores four at a time."""
    return F.pad(key, (0, 0, 0, -key.shape[2] % 16))


def _scores(query: Tensor, key: Tensor) -> Tensor:
    """Products (B, heads, h * h, n) of queries and keys, not scaled: values from half precision stay exact in TF32."""
    return query.flatten(2, 3) @ key.mT


def _pick(scores: Tensor, rows: Rows, some: slice) -> Tensor:
    return scores.gather(-1, _indices(scores, rows, some)) if isinstance(rows, Tensor) else scores[..., rows]


def _indices(scores: Tensor, rows: Tensor, some: slice) -> Tensor:
    each = rows[some] if rows.dim() == 2 else rows.expand(len(scores), -1)
    return each[:, None, None].expand(*scores.shape[:3], -1)
