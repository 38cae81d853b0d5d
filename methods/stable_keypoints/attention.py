"""Cross-attention maps of a UNet: which layers, how maps are formed, and stopping at the last one."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import Attention, AttnProcessor2_0
from torch import Tensor

from methods.base import MethodError


def cross_attention_layers(unet: UNet2DConditionModel) -> dict[str, Attention]:
    """All cross-attention modules by name, in the order in which they run: down, middle, up."""
    stages = ("down_blocks", "mid_block", "up_blocks")
    found = [(name, module) for name, module in unet.named_modules() if name.endswith("attn2")]
    return dict(sorted(found, key=lambda item: stages.index(item[0].split(".")[0])))


def choose_layers(
    unet: UNet2DConditionModel, latent_side: int, names: tuple[str, ...] | None, max_layers: int, max_side: int
) -> dict[str, Attention]:
    """The named layers, or the first ``max_layers`` of the up path with maps of at most ``max_side`` a side.

    Raises MethodError for an unknown name, or where the rule finds none. The rule is that of the
    released code; with Stable Diffusion 1.5 it finds layers 7 to 10 of 16, those of Eq. 3.
    """
    layers = cross_attention_layers(unet)
    if names is None:
        names = tuple(name for name in layers if (_up_path_side(unet, name, latent_side) or math.inf) <= max_side)
        names = names[:max_layers]
        if not names:
            raise MethodError(
                f"stable_keypoints: the UNet has no cross-attention on the up path with maps of at most {max_side} a "
                f"side for latents of {latent_side}; set stable_keypoints.max_layer_side or stable_keypoints.layers"
            )
    unknown = [name for name in names if name not in layers]
    if unknown:
        raise MethodError(
            f"stable_keypoints: layer '{unknown[0]}' is no cross-attention of the UNet; it has: {', '.join(layers)}"
        )
    return {name: module for name, module in layers.items() if name in names}


def _up_path_side(unet: UNet2DConditionModel, name: str, latent_side: int) -> int | None:
    """Side of the maps of a layer ``up_blocks.i...``; None elsewhere. Every halving rounds up."""
    stage, index = name.split(".")[:2]
    if stage != "up_blocks":
        return None
    side = latent_side
    for _ in range(len(unet.up_blocks) - 1 - int(index)):
        side = -(-side // 2)
    return side


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
    """Eq. 2: mean over heads of the softmax over tokens, one head at a time in both directions.

    ``apply(query (B, heads, d, P), key (B, heads, n, d), rows)`` gives (B, len(rows), P), the maps of the tokens
    that ``rows`` picks (a slice or distinct ids); the softmax runs over all n. Nothing of size heads x n x P
    is ever held: the backward pass forms each head's softmax anew.
    """

    @staticmethod
    def forward(context: Any, query: Tensor, key: Tensor, rows: slice | Tensor) -> Tensor:
        context.save_for_backward(query, key)
        context.rows = rows
        heads = query.shape[1]
        mean = torch.zeros((), dtype=query.dtype, device=query.device)
        for head in range(heads):
            exponentials, total = _exponentials(query[:, head], key[:, head])
            mean = mean + exponentials[:, rows] * (1 / (heads * total))
        return mean

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        query, key = context.saved_tensors
        gradient = gradient / query.shape[1]
        to_query, to_key = torch.empty_like(query), torch.empty_like(key)
        scale = query.shape[2] ** -0.5
        for head in range(query.shape[1]):
            exponentials, total = _exponentials(query[:, head], key[:, head])
            softmax = exponentials.div_(total)
            weighted = softmax[:, context.rows] * gradient
            to_scores = softmax.mul_(-weighted.sum(1, keepdim=True))
            to_scores[:, context.rows] += weighted
            to_query[:, head] = key[:, head].transpose(1, 2) @ to_scores * scale
            to_key[:, head] = to_scores @ query[:, head].transpose(1, 2) * scale
        return to_query, to_key, None


def _exponentials(query: Tensor, key: Tensor) -> tuple[Tensor, Tensor]:
    """Numerators (B, n, P) and denominators (B, 1, P) of the softmax over tokens of one head."""
    scores = (key * query.shape[1] ** -0.5) @ query
    exponentials = scores.sub_(scores.amax(1, keepdim=True)).exp_()
    return exponentials, exponentials.sum(1, keepdim=True)


class LastMapTaken(Exception):
    """Ends a UNet's forward pass once the last map is there."""


@dataclass
class MapRecorder:
    """Sum of the maps of some layers over one forward pass, for the context's tokens that ``rows`` picks."""

    layers: dict[str, Attention]
    side: int
    upsample_queries: bool
    rows: slice | Tensor
    total: Tensor | None = field(default=None, init=False)
    taken: int = field(default=0, init=False)

    def add(self, layer: Attention, hidden: Tensor, context: Tensor) -> None:
        """Add the map of one layer, from what enters its ``to_q`` (B, h * h, C) and the context (B, n, C').

        Upsampling what enters ``to_q`` and upsampling what leaves it are the same, the projection being
        linear and without bias. The latter is done: it projects h * h positions instead of R * R.
        """
        if layer.norm_cross:
            context = layer.norm_encoder_hidden_states(context)
        dtype = torch.promote_types(hidden.dtype, torch.float32)
        native = math.isqrt(hidden.shape[1])
        side = self.side if self.upsample_queries else native
        query = layer.to_q(hidden).to(dtype).transpose(1, 2).unflatten(-1, (native, native))
        query = upsample(query, side).flatten(-2).unflatten(1, (layer.heads, -1))
        key = layer.to_k(context).to(dtype).unflatten(-1, (layer.heads, -1)).transpose(1, 2)
        maps = upsample(HeadMeanSoftmax.apply(query, key, self.rows).unflatten(-1, (side, side)), self.side)
        self.total = maps if self.total is None else self.total + maps
        self.taken += 1
        if self.taken == len(self.layers):
            raise LastMapTaken

    @contextmanager
    def attached(self) -> Iterator[None]:
        """While this holds, the layers hand their inputs to ``add``; the last one ends the forward pass."""
        before = {name: layer.processor for name, layer in self.layers.items()}
        for layer in self.layers.values():
            layer.set_processor(_RecordingProcessor(self))
        try:
            yield
        except LastMapTaken:
            pass
        finally:
            for name, layer in self.layers.items():
                layer.set_processor(before[name])

    def mean(self) -> Tensor:
        """Eq. 3: mean over the layers, (B, N or K, R, R)."""
        if self.total is None or self.taken != len(self.layers):
            raise RuntimeError(f"{self.taken} of {len(self.layers)} maps were taken: run the UNet first")
        return self.total / self.taken


class _RecordingProcessor(AttnProcessor2_0):
    """Records a layer's map, then attends as usual (its own output stays at native resolution)."""

    def __init__(self, recorder: MapRecorder) -> None:
        super().__init__()
        self.recorder = recorder

    def __call__(
        self,
        attn: Attention,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> Tensor:
        if encoder_hidden_states is None:
            raise RuntimeError("a cross-attention layer ran without a context")
        self.recorder.add(attn, hidden_states, encoder_hidden_states)
        return super().__call__(attn, hidden_states, encoder_hidden_states, *args, **kwargs)
