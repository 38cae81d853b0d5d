"""Attention maps from queries and keys: softmax over tokens, mean over heads and layers, at any resolution."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.stable_keypoints import fused_maps

Rows = slice | Tensor

# Number of scores held at once: on a CPU few enough for its cache, on a GPU enough to keep it busy (256 MiB).
TILE = {"cpu": 2**19, "cuda": 2**26}


@lru_cache
def _bicubic(native: int, side: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Weights (side, native) of bicubic upsampling along one axis (a = -0.75, align_corners False)."""
    identity = torch.eye(native, dtype=dtype, device=device)[None, None]
    return F.interpolate(identity, size=(side, native), mode="bicubic", align_corners=False)[0, 0]


def upsample(grid: Tensor, side: int) -> Tensor:
    """(..., h, h) to (..., side, side), bicubic; as two matrix products, 20 times faster on a CPU."""
    if grid.shape[-1] == side:
        return grid
    weights = _bicubic(grid.shape[-1], side, grid.dtype, grid.device)
    return weights @ grid @ weights.T


class HeadMeanSoftmax(torch.autograd.Function):
    """Eq. 2: the softmax over tokens of upsampled queries times keys, averaged over heads.

    ``apply(query (B, heads, h, h, d), key (B, heads, n, d), side, rows, known)`` gives the maps (B, r, side, side) of
    the tokens selected by ``rows``: a slice, distinct ids (r,), or distinct ids (B, r) for each image. The softmax runs
    over all n tokens. With ``known``, when the caller has the values already, zeros are returned and only the gradient
    is computed.

    Scores are linear in the queries, and so is bicubic upsampling: forming scores at h x h and upsampling them takes a
    fifth of the work of upsampling queries. One tile of scores is held at a time; the backward pass recomputes the
    softmax tile by tile.
    """

    @staticmethod
    def forward(context: Any, query: Tensor, key: Tensor, side: int, rows: Rows, known: bool) -> Tensor:
        context.save_for_backward(query, key)
        context.side, context.rows = side, rows
        batch, heads = query.shape[:2]
        count = rows.shape[-1] if isinstance(rows, Tensor) else len(range(key.shape[2])[rows])
        if known:
            return query.new_zeros(()).expand(batch, count, side, side)
        total = query.new_zeros(batch, side, side, count)
        for some, strips in _tiles(query, key, side):
            scores = _Scores(query[:, some], key[:, some], side)
            for strip in strips:
                total[:, strip] += _pick(scores.rows(strip).softmax(-1), rows).sum(1)
        return total.div_(heads).permute(0, 3, 1, 2).contiguous()

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        query, key = context.saved_tensors
        gradient = gradient.permute(0, 2, 3, 1).div(query.shape[1]).unsqueeze(1).contiguous()
        to_query, to_key = torch.empty_like(query), torch.empty_like(key)
        for some, strips in _tiles(query, key, context.side):
            scores = _Scores(query[:, some], key[:, some], context.side)
            for strip in strips:
                softmax = scores.rows(strip).softmax(-1)
                weighted = _pick(softmax, context.rows) * gradient[:, :, strip]
                to_scores = softmax.mul_(-weighted.sum(-1, keepdim=True))
                scores.add_gradient(strip, _add_at(to_scores, context.rows, weighted))
            to_query[:, some], to_key[:, some] = scores.gradients()
        return to_query, to_key, None, None, None


class _Scores:
    """Scores (B, g, side, side, n) of all tokens for g heads, computed one strip of pixel rows at a time."""

    def __init__(self, query: Tensor, key: Tensor, side: int) -> None:
        self.query, self.key, self.side = query, key * key.shape[-1] ** -0.5, side
        self.scale = key.shape[-1] ** -0.5
        native = query.shape[2]
        self.weights = None if native == side else _bicubic(native, side, query.dtype, query.device)
        scores = (query.flatten(2, 3) @ self.key.mT).unflatten(2, (native, native))
        self.wide = scores if self.weights is None else self.weights @ scores
        self.to_wide: Tensor | None = None

    def rows(self, strip: slice) -> Tensor:
        """Scores (B, g, s, side, n) of some pixel rows."""
        if self.weights is None:
            return self.wide[:, :, strip]
        return (self.weights[strip] @ self.wide.flatten(-2)).unflatten(-1, self.wide.shape[-2:])

    def add_gradient(self, strip: slice, to_scores: Tensor) -> None:
        """Accumulate the gradient with respect to the scores of some pixel rows."""
        if self.to_wide is None:
            self.to_wide = torch.zeros_like(self.wide)
        if self.weights is None:
            self.to_wide[:, :, strip] = to_scores
        else:
            self.to_wide += (self.weights[strip].T @ to_scores.flatten(-2)).view_as(self.wide)

    def gradients(self) -> tuple[Tensor, Tensor]:
        """Gradients of queries and keys, after ``add_gradient`` was called for all strips."""
        to_scores = torch.zeros_like(self.wide) if self.to_wide is None else self.to_wide
        if self.weights is not None:
            to_scores = self.weights.T @ to_scores
        to_scores = to_scores.flatten(2, 3)
        to_query = (to_scores @ self.key).view_as(self.query)
        return to_query, to_scores.mT @ self.query.flatten(2, 3) * self.scale


def _tiles(query: Tensor, key: Tensor, side: int) -> Iterator[tuple[slice, list[slice]]]:
    """Slices of heads, each with slices of pixel rows, so that a tile has at most ``TILE`` scores, or one row."""
    budget = TILE.get(query.device.type, TILE["cpu"])
    a_row = query.shape[0] * side * key.shape[2]
    heads = max(1, budget // (a_row * side))
    rows = min(side, max(1, budget // a_row))
    strips = [slice(first, min(first + rows, side)) for first in range(0, side, rows)]
    for first in range(0, query.shape[1], heads):
        yield slice(first, first + heads), strips


def _pick(softmax: Tensor, rows: Rows) -> Tensor:
    """Select the tokens of ``rows``: (B, g, s, side, r) from (B, g, s, side, n)."""
    if isinstance(rows, Tensor):
        return softmax.gather(-1, _indices(softmax, rows))
    return softmax[..., rows]


def _add_at(values: Tensor, rows: Rows, more: Tensor) -> Tensor:
    """Add ``more`` (B, g, s, side, r) in place to the tokens of ``rows``."""
    if isinstance(rows, Tensor):
        return values.scatter_add_(-1, _indices(values, rows), more)
    values[..., rows] += more
    return values


def _indices(values: Tensor, rows: Tensor) -> Tensor:
    each = rows.expand(len(values), -1)
    return each[:, None, None, None].expand(*values.shape[:-1], -1)


class GradientScale:
    """Scales gradients up before they enter float16 layers and down after, so that they do not underflow to 0.

    The factor, a power of two, is computed in every backward pass from the gradients that enter, on the device.
    """

    def __init__(self) -> None:
        self.factor: Tensor | None = None

    def enter(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """The same tensors; in the backward pass their gradients are scaled so that the largest is near 1."""
        return _Enter.apply(self, *tensors)

    def restore(self, tensor: Tensor) -> Tensor:
        """The same tensor; in the backward pass its gradient is scaled back."""
        return _Restore.apply(self, tensor)


class _Enter(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, scale: GradientScale, *tensors: Tensor) -> tuple[Tensor, ...]:
        context.scale = scale
        return tuple(tensor.view_as(tensor) for tensor in tensors)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        largest = torch.stack([gradient.abs().amax() for gradient in gradients]).amax()
        exponent = torch.frexp(largest.clamp(min=2.0**-100)).exponent
        context.scale.factor = torch.ldexp(torch.ones_like(largest), -exponent)
        return (None, *(gradient * context.scale.factor for gradient in gradients))


class _Restore(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, scale: GradientScale, tensor: Tensor) -> Tensor:
        context.scale = scale
        return tensor.view_as(tensor)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[None, Tensor]:
        return None, gradient / context.scale.factor


@dataclass(frozen=True)
class Projections:
    """Queries (B, heads, h, h, d) at their native resolution and keys (B, heads, n, d) of the layers of one pass.

    Maps have ``side`` pixels a side; the first ``before`` tokens of the context have no map. With ``upsample_queries``
    off, maps are upsampled after the softmax instead.
    """

    queries: tuple[Tensor, ...]
    keys: tuple[Tensor, ...]
    side: int
    upsample_queries: bool
    before: int
    _sums: list[Tensor] = field(default_factory=list, init=False, repr=False, compare=False)

    def maps(self, chosen: Tensor | None = None) -> Tensor:
        """Eq. 3: maps (B, N, R, R), averaged over the layers; of ``chosen`` tokens (r,) or (B, r): (B, r, R, R)."""
        return self._mean(chosen, known=False)

    def with_gradient(self, maps: Tensor, chosen: Tensor) -> Tensor:
        """``maps(chosen)`` for ``chosen`` (B, r), given all ``maps`` (B, N, R, R), formed without gradient."""
        return torch.take_along_dim(maps, chosen[:, :, None, None], dim=1) + self._mean(chosen, known=True)

    def split(self, first: int) -> tuple[Projections, Projections]:
        """The projections of the ``first`` images of the batch, and those of the others."""
        return tuple(
            replace(
                self,
                queries=tuple(query[part] for query in self.queries),
                keys=tuple(key[part] for key in self.keys),
            )
            for part in (slice(None, first), slice(first, None))
        )  # type: ignore[return-value]

    def scaled(self, scale: GradientScale) -> Projections:
        """The same projections; gradients are scaled up where they enter the layers."""
        both = scale.enter(*self.queries, *self.keys)
        return replace(self, queries=both[: len(self.queries)], keys=both[len(self.queries) :])

    def _mean(self, chosen: Tensor | None, known: bool) -> Tensor:
        rows = slice(self.before, None) if chosen is None else chosen + self.before
        plain = partial(
            _mean_over_layers, side=self.side, upsample_queries=self.upsample_queries, rows=rows, known=known
        )
        if self.upsample_queries and fused_maps.possible(*self.queries):
            return fused_maps.mean_maps(self.queries, self.keys, self.side, rows, known, self._sums, plain)
        return plain(self.queries, self.keys)


def _mean_over_layers(
    queries: tuple[Tensor, ...], keys: tuple[Tensor, ...], side: int, upsample_queries: bool, rows: Rows, known: bool
) -> Tensor:
    total: Tensor | None = None
    for query, key in zip(queries, keys, strict=True):
        maps = HeadMeanSoftmax.apply(query, key, side if upsample_queries else query.shape[2], rows, known)
        maps = upsample(maps, side)
        total = maps if total is None else total + maps
    if total is None:
        raise RuntimeError("no layer was recorded")
    return total / len(queries)
