"""Give the modules of a pipeline faster forward passes, and take them away again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from typing import Any

import torch
import torch.nn.functional as F
from diffusers import Transformer2DModel
from diffusers.models.attention import GEGLU, BasicTransformerBlock
from diffusers.models.attention_processor import Attention
from diffusers.models.downsampling import Downsample2D
from diffusers.models.resnet import ResnetBlock2D
from torch import Tensor, nn

from methods import switches
from methods.diffusion.fast import blocks
from methods.diffusion.fast.blocks import FUNCTIONS, Functions, Projection
from methods.diffusion.loading import Parts

Replacement = tuple[nn.Module, Callable[..., Any]]


class _Fast(partial[Any]):
    """A forward pass that ``install`` put into a module."""


def prepare(parts: Parts, timestep: int, device: torch.device) -> None:
    """``install`` on a GPU, or ``uninstall`` where the switch ``blocks`` is off; nothing on a CPU."""
    if device.type == "cuda":
        if switches.is_on("blocks"):
            install(parts, timestep)
        else:
            uninstall(parts)


def install(parts: Parts, timestep: int, norms: str | None = None) -> None:
    """Replace the forward passes of the UNet and the encoder, for calls of the UNet with ``timestep`` alone.

    The time embedding becomes a part of the biases, and so do the further conditions in ``parts``. ``norms`` names the
    functions of group norm, sums and gates: ``fused`` (the default with the switch ``norms``), ``compiled`` or
    ``plain``. Blocks of other kinds than those of Stable Diffusion keep their own forward pass. State dicts do not
    change. Call it again, which replaces the first call, after a change of the weights, their dtype or device.
    """
    uninstall(parts)
    functions = FUNCTIONS[norms or ("fused" if switches.is_on("norms") else "plain")]
    unet = parts.unet
    embedding = _embedding(parts, timestep)
    for module in chain(unet.modules(), parts.autoencoder.encoder.modules()):
        for target, forward in _replacements(module, functions, embedding):
            target.forward = forward
    for convolution in (unet.conv_in, parts.autoencoder.encoder.conv_in):
        if _takes_few_channels(convolution):
            convolution.forward = _Fast(blocks.first, convolution, blocks.widened(convolution, convolution.bias))
    unet.get_time_embed = _Fast(_constant, timestep, embedding)
    for layer in (unet.time_embedding, unet.time_embed_act):
        if layer is not None:
            layer.forward = _Fast(_unchanged)
    unet.get_aug_embed = _Fast(_nothing)


def uninstall(parts: Parts) -> None:
    """Give all modules their own forward passes again."""
    for module in chain(parts.unet.modules(), parts.autoencoder.encoder.modules()):
        for name in [name for name, value in vars(module).items() if isinstance(value, _Fast)]:
            delattr(module, name)


@torch.no_grad()
def _embedding(parts: Parts, timestep: int) -> Tensor:
    """The embedding (1, width) of the timestep and of the further conditions."""
    unet = parts.unet
    sample = torch.zeros(1, dtype=unet.dtype, device=unet.device)
    embedding: Tensor = unet.time_embedding(unet.get_time_embed(sample, timestep))
    conditions = parts.conditions.get("added_cond_kwargs", {})
    added = unet.get_aug_embed(emb=embedding, encoder_hidden_states=None, added_cond_kwargs=conditions)
    embedding = embedding if added is None else embedding + added
    return embedding if unet.time_embed_act is None else unet.time_embed_act(embedding)


def _constant(expected: int, embedding: Tensor, sample: Tensor, timestep: Any) -> Tensor:
    if not isinstance(timestep, Tensor) and timestep != expected:
        raise ValueError(f"timestep is {timestep}, expected {expected}: its embedding is a part of the biases")
    return embedding


def _unchanged(embedding: Tensor, condition: None = None) -> Tensor:
    return embedding


def _nothing(**_: Any) -> None:
    return None


def _replacements(module: nn.Module, functions: Functions, embedding: Tensor) -> Iterator[Replacement]:
    """Modules and their new forward passes, for a module of a kind that is replaced."""
    if isinstance(module, nn.GroupNorm):
        yield module, _Fast(blocks.normed, module, functions)
    elif isinstance(module, GEGLU):
        yield module, _Fast(blocks.gated, module, functions)
    elif type(module) is Downsample2D and _pads_the_end(module):
        yield module, _Fast(blocks.halved, module)
    elif type(module) is ResnetBlock2D and _is_usual_residual(module):
        yield module, _Fast(blocks.residual, module, functions, _shift(module, embedding), _bias(module))
    elif type(module) is Transformer2DModel and module.is_input_continuous:
        yield module, _Fast(blocks.transformer, module, functions)
    elif type(module) is BasicTransformerBlock and module.attn2 is not None:
        cross: Any = module.attn2
        for linear in (cross.to_k, cross.to_v):
            yield linear, _Fast(blocks.same_for_all, linear)
        if _is_usual_transformer(module):
            yield module, _Fast(blocks.attending, module, Projection.of(module.attn1))
    elif type(module) is Attention and module.residual_connection and _is_self_attention(module):
        yield module, _Fast(blocks.attention_of_map, module, functions, Projection.of(module))


@torch.no_grad()
def _shift(block: ResnetBlock2D, embedding: Tensor) -> Tensor:
    """Bias (C,) of the first convolution with the block's share of the time embedding, in float32 at least."""
    dtype = torch.promote_types(embedding.dtype, torch.float32)
    bias: Tensor = block.conv1.bias.to(dtype)
    projection = block.time_emb_proj
    if projection is None:
        return bias
    values = embedding.to(dtype) if block.skip_time_act else block.nonlinearity(embedding.to(dtype))
    return bias + F.linear(values, projection.weight.to(dtype), projection.bias.to(dtype))[0]


@torch.no_grad()
def _bias(block: ResnetBlock2D) -> Tensor:
    """Bias (C,) of the second convolution with that of the shortcut, if there is one."""
    shortcut = block.conv_shortcut
    bias: Tensor = block.conv2.bias
    return bias if shortcut is None or shortcut.bias is None else bias + shortcut.bias


def _is_usual_residual(block: ResnetBlock2D) -> bool:
    shortcut = block.conv_shortcut
    return (
        block.time_embedding_norm == "default"
        and block.upsample is None
        and block.downsample is None
        and isinstance(block.nonlinearity, nn.SiLU)
        and _is_off(block.dropout)
        and (shortcut is None or shortcut.kernel_size == (1, 1))
    )


def _takes_few_channels(convolution: nn.Conv2d) -> bool:
    around = tuple(side // 2 for side in convolution.kernel_size)
    return (
        convolution.in_channels < blocks.CHANNELS
        and convolution.bias is not None
        and convolution.stride == (1, 1)
        and convolution.padding == around
    )


def _pads_the_end(block: Downsample2D) -> bool:
    convolution = block.conv
    return (
        block.use_conv
        and block.norm is None
        and block.padding == 0
        and convolution.kernel_size == (3, 3)
        and convolution.stride == (2, 2)
        and convolution.bias is not None
    )


def _is_usual_transformer(block: BasicTransformerBlock) -> bool:
    return (
        block.norm_type == "layer_norm"
        and block.pos_embed is None
        and block._chunk_size is None
        and not hasattr(block, "fuser")
        and not block.only_cross_attention
        and not block.attn1.residual_connection
        and block.attn1.rescale_output_factor == 1
        and _is_self_attention(block.attn1)
    )


def _is_self_attention(attention: Attention) -> bool:
    """Whether queries, keys and values are linear in the same input, and nothing else happens to them."""
    layers = attention.to_q, attention.to_k, attention.to_v
    return (
        all(type(layer) is nn.Linear for layer in layers)
        and len({layer.weight.shape for layer in layers}) == 1
        and len({layer.bias is None for layer in layers}) == 1
        and attention.norm_q is None
        and attention.norm_k is None
        and attention.spatial_norm is None
        and _is_off(attention.to_out[1])
    )


def _is_off(dropout: nn.Dropout) -> bool:
    return not dropout.training or dropout.p == 0
