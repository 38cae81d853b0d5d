"""Cross-attention of a UNet: which layers are read, and a forward pass that ends once the last of them is read."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from diffusers import Transformer2DModel, UNet2DConditionModel
from diffusers.models.attention import BasicTransformerBlock
from diffusers.models.attention_processor import Attention
from diffusers.models.resnet import ResnetBlock2D
from torch import Tensor

from methods.base import MethodError
from methods.diffusion.compiling import allow_many_shapes
from methods.stable_keypoints.maps import Projections


def cross_attention_layers(unet: UNet2DConditionModel) -> dict[str, Attention]:
    """All cross-attention modules by name, in the order in which they run: down, middle, up."""
    stages = ("down_blocks", "mid_block", "up_blocks")
    found = [(name, module) for name, module in unet.named_modules() if name.endswith("attn2")]
    return dict(sorted(found, key=lambda item: stages.index(item[0].split(".")[0])))


def choose_layers(
    unet: UNet2DConditionModel,
    latent_side: int,
    names: tuple[str, ...] | None,
    max_layers: int,
    max_side: int,
    method: str = "stable_keypoints",
) -> dict[str, Attention]:
    """The named layers, or the first ``max_layers`` of the up path with maps of at most ``max_side`` a side.

    This rule is that of the released code; in Stable Diffusion 1.5 it finds layers 7 to 10 of 16, those of Eq. 3.
    Raises MethodError, whose message begins with ``method``, for an unknown layer, or if the rule finds none.
    """
    layers = cross_attention_layers(unet)
    if names is None:
        names = tuple(name for name in layers if (_up_path_side(unet, name, latent_side) or math.inf) <= max_side)
        names = names[:max_layers]
        if not names:
            raise MethodError(
                f"{method}: the UNet has no cross-attention on the up path with maps of at most {max_side} a side for "
                f"latents of {latent_side}; set {method}.max_layer_side or {method}.layers"
            )
    unknown = [name for name in names if name not in layers]
    if unknown:
        raise MethodError(
            f"{method}: layer '{unknown[0]}' is not a cross-attention layer of the UNet, which has: {', '.join(layers)}"
        )
    return {name: module for name, module in layers.items() if name in names}


def _up_path_side(unet: UNet2DConditionModel, name: str, latent_side: int) -> int | None:
    """Side of the maps of a layer ``up_blocks.i...``, None for other layers. Every halving rounds up."""
    stage, index = name.split(".")[:2]
    if stage != "up_blocks":
        return None
    side = latent_side
    for _ in range(len(unet.up_blocks) - 1 - int(index)):
        side = -(-side // 2)
    return side


class LastLayerReached(Exception):
    """Ends a UNet's forward pass once the last layer's queries and keys are recorded."""


@dataclass
class Recorder:
    """Queries and keys of some layers over one forward pass."""

    layers: dict[str, Attention]
    queries: list[Tensor] = field(default_factory=list, init=False)
    keys: list[Tensor] = field(default_factory=list, init=False)

    def add(self, query: Tensor, key: Tensor) -> None:
        """Record one layer's queries (B, heads, h * h, d) and keys (B, heads, n, d), in float32 at least."""
        dtype = torch.promote_types(query.dtype, torch.float32)
        native = math.isqrt(query.shape[2])
        self.queries.append(query.to(dtype).unflatten(2, (native, native)))
        self.keys.append(key.to(dtype))
        if len(self.queries) == len(self.layers):
            raise LastLayerReached

    @contextmanager
    def attached(self) -> Iterator[None]:
        """Within the block, the layers pass their queries and keys to ``add``; the last one ends the forward pass."""
        before = {name: layer.processor for name, layer in self.layers.items()}
        for layer in self.layers.values():
            layer.set_processor(_RecordingProcessor(self))
        try:
            yield
        except LastLayerReached:
            pass
        finally:
            for name, layer in self.layers.items():
                layer.set_processor(before[name])

    def projections(self, side: int, upsample_queries: bool, before: int) -> Projections:
        """The recorded queries and keys, for maps of ``side`` pixels; the first ``before`` tokens have no map."""
        if len(self.queries) != len(self.layers):
            raise RuntimeError(f"{len(self.queries)} of {len(self.layers)} layers were reached: run the UNet first")
        return Projections(tuple(self.queries), tuple(self.keys), side, upsample_queries, before)


class _RecordingProcessor:
    """Cross-attention of a transformer block that records its queries and keys before it attends."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder

    def __call__(
        self, attn: Attention, hidden_states: Tensor, encoder_hidden_states: Tensor | None = None, *_: Any, **__: Any
    ) -> Tensor:
        if encoder_hidden_states is None:
            raise RuntimeError("a cross-attention layer ran without a context")
        context = attn.norm_encoder_hidden_states(encoder_hidden_states) if attn.norm_cross else encoder_hidden_states
        query, key = _heads(attn, attn.to_q(hidden_states)), _heads(attn, attn.to_k(context))
        self.recorder.add(query, key)
        attended = F.scaled_dot_product_attention(query, key, _heads(attn, attn.to_v(context)))
        output = attn.to_out[1](attn.to_out[0](attended.transpose(1, 2).flatten(2)))
        return output / attn.rescale_output_factor


def _heads(attn: Attention, projected: Tensor) -> Tensor:
    return projected.unflatten(-1, (attn.heads, -1)).transpose(1, 2)


def _holds(module: torch.nn.Module, layers: dict[str, Attention]) -> bool:
    recorded = {id(layer) for layer in layers.values()}
    return any(id(inner) in recorded for inner in module.modules())


def checkpoint_blocks(unet: UNet2DConditionModel, layers: dict[str, Attention]) -> None:
    """Let the UNet recompute its blocks in the backward pass instead of storing them.

    Blocks with recorded layers are stored: they have a side effect and may end the pass, so they must run only once.
    """
    unet.enable_gradient_checkpointing()
    for module in unet.modules():
        if isinstance(module, Transformer2DModel) and _holds(module, layers):
            module.gradient_checkpointing = False


def compile_blocks(unet: UNet2DConditionModel, layers: dict[str, Attention]) -> None:
    """Compile, in place, the UNet's residual and transformer blocks that contain no recorded layer.

    Blocks of one kind and shape share their compiled code.
    """
    allow_many_shapes()
    for module in unet.modules():
        if isinstance(module, ResnetBlock2D | BasicTransformerBlock) and not _holds(module, layers):
            module.compile(dynamic=False)
