"""UNets and autoencoders with random weights, by size, and images to run them on; nothing is downloaded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from numpy.typing import NDArray

from methods.diffusion.loading import Parts

# Stable Diffusion 1.5 at timestep 0: sqrt(1 - 0.00085) times the latent plus sqrt(0.00085) times the noise.
FIRST_BETA = 0.00085
# Factor of the attention scores. Without it random queries and keys attend evenly, and maps agree whatever the code.
CONTRAST = 6.0


@dataclass(frozen=True)
class Size:
    """Configs of a UNet and an autoencoder, numbers of tokens and keypoints, and sides in pixels of images and maps."""

    unet: dict[str, Any]
    autoencoder: dict[str, Any]
    image_size: int
    num_tokens: int
    num_keypoints: int
    map_size: int


STABLE_DIFFUSION = Size(
    unet={
        "sample_size": 64,
        "in_channels": 4,
        "out_channels": 4,
        "block_out_channels": (320, 640, 1280, 1280),
        "down_block_types": ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
        "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
        "layers_per_block": 2,
        "attention_head_dim": 8,
        "cross_attention_dim": 768,
    },
    autoencoder={
        "sample_size": 512,
        "latent_channels": 4,
        "block_out_channels": (128, 256, 512, 512),
        "down_block_types": ("DownEncoderBlock2D",) * 4,
        "up_block_types": ("UpDecoderBlock2D",) * 4,
        "layers_per_block": 2,
    },
    image_size=512,
    num_tokens=500,
    num_keypoints=10,
    map_size=128,
)
TINY = Size(
    unet={
        "sample_size": 16,
        "block_out_channels": (16, 32, 32),
        "down_block_types": ("CrossAttnDownBlock2D",) * 2 + ("DownBlock2D",),
        "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 2,
        "layers_per_block": 1,
        "attention_head_dim": 2,
        "norm_num_groups": 8,
        "cross_attention_dim": 24,
    },
    autoencoder={
        "sample_size": 32,
        "block_out_channels": (8, 16),
        "down_block_types": ("DownEncoderBlock2D",) * 2,
        "up_block_types": ("UpDecoderBlock2D",) * 2,
        "norm_num_groups": 4,
    },
    image_size=32,
    num_tokens=40,
    num_keypoints=4,
    map_size=24,
)
SIZES = {"full": STABLE_DIFFUSION, "tiny": TINY}


def build(size: Size, device: str, dtype: torch.dtype, seed: int = 0) -> Parts:
    """Frozen UNet and autoencoder with random weights from a seed, without the decoder, which is never run."""
    torch.manual_seed(seed)
    unet = UNet2DConditionModel(**size.unet)
    for name, parameter in unet.named_parameters():
        if ".attn2.to_q." in name or ".attn2.to_k." in name:
            parameter.data *= CONTRAST**0.5
    autoencoder = AutoencoderKL(**size.autoencoder)
    del autoencoder.decoder
    upcast = torch.float32 if dtype == torch.float16 else dtype  # float16 overflows in the autoencoder
    torch.nn.Module.to(unet, device=device, dtype=dtype)  # diffusers' own method prints irrelevant warnings
    torch.nn.Module.to(autoencoder, device=device, dtype=upcast)
    return Parts(
        unet=unet.requires_grad_(False).eval(),
        autoencoder=autoencoder.requires_grad_(False).eval(),
        signal=(1 - FIRST_BETA) ** 0.5,
        deviation=FIRST_BETA**0.5,
        null_tokens=None,
        conditions={},
        image_size=size.image_size,
        latent_side=size.unet["sample_size"],
        token_width=size.unet["cross_attention_dim"],
    )


def images(count: int, side: int, seed: int = 0) -> NDArray[np.float32]:
    """Smooth random images (count, 3, side, side) in [0, 1]."""
    coarse = np.random.default_rng(seed).random((count, 3, 8, 8), dtype=np.float32)
    large = torch.nn.functional.interpolate(torch.from_numpy(coarse), size=(side, side), mode="bicubic")
    return large.clamp(0, 1).numpy()
