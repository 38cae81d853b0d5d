"""Forward passes of diffusers' blocks that keep maps in channels last; every function takes the block first.

Rows (B, H * W, C) are views of maps (B, C, H, W) in channels last, so that nothing is copied between the two.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from diffusers import Transformer2DModel
from diffusers.models.attention import GEGLU, BasicTransformerBlock
from diffusers.models.attention_processor import Attention
from diffusers.models.downsampling import Downsample2D
from diffusers.models.modeling_outputs import Transformer2DModelOutput
from diffusers.models.resnet import ResnetBlock2D
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from methods.diffusion.fast import elementwise, group_norm

SCORES = 2**28  # attention scores that are formed at once: 1 GiB
CHANNELS = 8  # of a map whose rows are multiples of 16 bytes in half precision


@dataclass(frozen=True)
class Projection:
    """Queries, keys and values (B, L, 3C) of self-attention from one matrix product."""

    weight: Tensor
    bias: Tensor | None

    @classmethod
    def of(cls, attention: Attention) -> Projection:
        """The three layers of an attention module in one; their weights become views of the joint ones."""
        layers = attention.to_q, attention.to_k, attention.to_v
        weight = torch.cat([layer.weight.detach() for layer in layers])
        for layer, part in zip(layers, weight.chunk(3), strict=True):
            layer.weight.data = part
        biases = [layer.bias.detach() for layer in layers if layer.bias is not None]
        return cls(weight, torch.cat(biases) if biases else None)

    def __call__(self, rows: Tensor) -> Tensor:
        return F.linear(rows, self.weight, self.bias)


@dataclass(frozen=True)
class Functions:
    """Group norm (of a map, the module, SiLU or not, a shift or None), sum with a bias, and gated linear unit."""

    norm: Callable[..., Tensor]
    add: Callable[[Tensor, Tensor, Tensor], Tensor]
    geglu: Callable[[Tensor], Tensor]


FUNCTIONS = {
    "plain": Functions(group_norm.plain, elementwise.plain_add, elementwise.plain_geglu),
    "compiled": Functions(group_norm.compiled, elementwise.plain_add, elementwise.plain_geglu),
    "fused": Functions(group_norm.fused, elementwise.fused_add, elementwise.fused_geglu),
}


def rows_of(x: Tensor) -> Tensor:
    """Rows (B, H * W, C) of a map (B, C, H, W)."""
    return x.permute(0, 2, 3, 1).flatten(1, 2)


def map_of(rows: Tensor, shape: torch.Size) -> Tensor:
    """The map, in channels last, of rows; ``shape`` gives its height and width."""
    return rows.unflatten(1, shape[-2:]).permute(0, 3, 1, 2)


def convolved(convolution: nn.Conv2d, x: Tensor) -> Tensor:
    """A convolution without its bias, which PyTorch would add to the result in a second kernel."""
    return F.conv2d(x, convolution.weight, None, convolution.stride, convolution.padding, convolution.dilation)


def widened(convolution: nn.Conv2d, bias: Tensor) -> Tensor:
    """The weights of a convolution over ``CHANNELS`` channels: its own, then its bias as those of a channel of ones."""
    taken, (height, width) = convolution.in_channels, convolution.kernel_size
    weight = convolution.weight.new_zeros(convolution.out_channels, CHANNELS, height, width)
    weight[:, :taken] = convolution.weight.detach()
    weight[:, taken, height // 2, width // 2] = bias.detach()
    return weight.contiguous(memory_format=torch.channels_last)


def first(convolution: nn.Conv2d, weight: Tensor, x: Tensor) -> Tensor:
    """A convolution of a map of few channels, with the ``weight`` that ``widened`` gives, in channels last."""
    batch, taken, height, width = x.shape
    wide = x.new_zeros(batch, height, width, CHANNELS)
    wide[..., :taken] = x.permute(0, 2, 3, 1)
    wide[..., taken] = 1
    return F.conv2d(wide.permute(0, 3, 1, 2), weight, None, padding=convolution.padding)


def normed(norm: nn.GroupNorm, functions: Functions, x: Tensor) -> Tensor:
    """A group norm alone, of a map or of anything else."""
    if x.dim() == 4:
        return functions.norm(x, norm)
    return F.group_norm(x, norm.num_groups, norm.weight, norm.bias, norm.eps)


def residual(
    block: ResnetBlock2D, functions: Functions, shift: Tensor, bias: Tensor, x: Tensor, *_: Any, **__: Any
) -> Tensor:
    """A residual block.

    ``shift`` (C,) is the first convolution's bias with the time embedding, if there is one; ``bias`` (C,) that of the
    second convolution with that of the shortcut, if there is one.
    """
    hidden = convolved(block.conv1, functions.norm(x, block.norm1, True))
    hidden = convolved(block.conv2, functions.norm(hidden, block.norm2, True, shift))
    if block.conv_shortcut is None:
        total = functions.add(x, hidden, bias)
    else:
        total = map_of(F.linear(rows_of(x), block.conv_shortcut.weight.flatten(1), bias), x.shape) + hidden
    return total if block.output_scale_factor == 1 else total / block.output_scale_factor


def transformer(
    block: Transformer2DModel,
    functions: Functions,
    x: Tensor,
    encoder_hidden_states: Tensor | None = None,
    *,
    return_dict: bool = True,
    **further: Any,
) -> Any:
    """Transformer blocks between two linear maps, with a residual connection around all."""
    if any(value is not None for value in further.values()):  # masks and the like
        return Transformer2DModel.forward(block, x, encoder_hidden_states, return_dict=return_dict, **further)
    rows = rows_of(functions.norm(x, block.norm))
    rows = F.linear(rows, block.proj_in.weight.flatten(1), block.proj_in.bias)
    for inner in block.transformer_blocks:
        if torch.is_grad_enabled() and block.gradient_checkpointing:
            rows = checkpoint(inner, rows, None, encoder_hidden_states, use_reentrant=False)
        else:
            rows = inner(rows, encoder_hidden_states=encoder_hidden_states)
    rows = F.linear(rows, block.proj_out.weight.flatten(1), block.proj_out.bias)
    result = map_of(rows + rows_of(x), x.shape)
    return Transformer2DModelOutput(sample=result) if return_dict else (result,)


def attending(
    block: BasicTransformerBlock,
    projection: Projection,
    rows: Tensor,
    attention_mask: Tensor | None = None,
    encoder_hidden_states: Tensor | None = None,
    encoder_attention_mask: Tensor | None = None,
    *further: Any,
    **named: Any,
) -> Tensor:
    """Self-attention, cross-attention through its processor, and a feed-forward network, each with a residual."""
    masks = attention_mask, encoder_attention_mask
    if any(value is not None for value in (*masks, *further, *named.values())):
        result: Tensor = BasicTransformerBlock.forward(
            block, rows, attention_mask, encoder_hidden_states, encoder_attention_mask, *further, **named
        )
        return result
    attention, cross = block.attn1, block.attn2
    query, key, value = projection(block.norm1(rows)).unflatten(-1, (3, attention.heads, -1)).permute(2, 0, 3, 1, 4)
    attended = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
    rows = attention.to_out[0](attended) + rows
    rows = cross.processor(cross, block.norm2(rows), encoder_hidden_states=encoder_hidden_states) + rows
    return block.ff(block.norm3(rows)) + rows


def attention_of_map(
    attention: Attention, functions: Functions, projection: Projection, x: Tensor, *_: Any, **__: Any
) -> Tensor:
    """Self-attention of the pixels of a map, with a residual connection: that of the autoencoder.

    In half precision its scores are formed, as flash attention does not support its one wide head.
    """
    rows = rows_of(functions.norm(x, attention.group_norm))
    query, key, value = projection(rows).unflatten(-1, (3, attention.heads, -1)).permute(2, 0, 3, 1, 4)
    attend = _attended if x.dtype in (torch.float16, torch.bfloat16) else F.scaled_dot_product_attention
    attended = attend(query, key, value).transpose(1, 2).flatten(2)
    result = map_of(attention.to_out[0](attended) + rows_of(x), x.shape)
    return result if attention.rescale_output_factor == 1 else result / attention.rescale_output_factor


def _attended(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Attention (B, heads, L, d) by its scores, for as many images at once as their memory allows.

    Scores are float32 at least: in half precision sharp attention loses digits. Products of numbers from half precision
    are exact in TF32.
    """
    images = max(1, SCORES // (query.shape[1] * query.shape[2] * key.shape[2]))
    scale, wide = query.shape[-1] ** -0.5, torch.promote_types(query.dtype, torch.float32)
    parts = zip(*(each.split(images) for each in (query, key, value)), strict=True)
    return torch.cat([(q.to(wide) @ k.to(wide).mT * scale).softmax(-1).to(v.dtype) @ v for q, k, v in parts])


def same_for_all(linear: nn.Linear, x: Tensor) -> Tensor:
    """A linear map of rows (B, n, C), computed once and then copied if ``x`` is one image's rows, expanded to B.

    The copy is small; attention kernels are not all right for a stride of 0.
    """
    if len(x) > 1 and x.stride(0) == 0:
        return F.linear(x[:1], linear.weight, linear.bias).expand(len(x), -1, -1).contiguous()
    return F.linear(x, linear.weight, linear.bias)


def halved(block: Downsample2D, x: Tensor) -> Tensor:
    """A convolution of 3 x 3 pixels and stride 2 over a map with a further row and column of zeros at its end.

    The map is not copied: with two rows and columns of zeros on all sides, the same values begin at the second pixel.
    """
    height, width = (side // 2 + 1 for side in x.shape[-2:])
    result = F.conv2d(x, block.conv.weight, None, stride=2, padding=2)
    return result[:, :, 1:height, 1:width] + block.conv.bias[:, None, None]


def gated(block: GEGLU, functions: Functions, x: Tensor) -> Tensor:
    """A linear map and a gated linear unit."""
    return functions.geglu(block.proj(x))
