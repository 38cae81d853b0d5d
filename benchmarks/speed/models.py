"""UNets and autoencoders of a size, with random weights or those of the shipped model, and images to run them on."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from numpy.typing import NDArray

from benchmarks.speed.sizes import Size
from methods.diffusion.loading import (
    Parts,
    PipelineSettings,
    autoencoder_dtype,
    load,
    sizes_and_caption,
    surviving_signal,
)
from methods.diffusion.weights import ModelFiles
from methods.layout import memory_format
from methods.stable_keypoints.config import StableKeypointsConfig

# Factor of the attention scores. Without it random queries and keys attend evenly, and maps agree whatever the code.
CONTRAST = 6.0
SIZE_NUMBERS = 6  # numbers in the sizes that Stable Diffusion XL is given


def settings_of(size: Size, **changed: object) -> StableKeypointsConfig:
    """The settings of Stable Keypoints on a model of this size, with some of them changed."""
    return StableKeypointsConfig(**{"preset": size.preset, **size.settings, **changed})


def modules(size: Size) -> tuple[UNet2DConditionModel, AutoencoderKL]:
    """UNet and autoencoder with random weights, made from their configs on torch's default device."""
    return UNet2DConditionModel.from_config(size.unet), AutoencoderKL.from_config(size.autoencoder)


def build(size: Size, device: str, dtype: torch.dtype) -> Parts:
    """Frozen UNet and autoencoder on a device, in the dtypes and the memory format in which methods load them.

    Weights are random, always the same, and made on the device, unless the size has a model of its own. A random
    autoencoder lacks the decoder, which is never run.
    """
    timestep = settings_of(size).timestep
    if size.model is not None and device != "meta":
        files = ModelFiles(size.model, None, "benchmarks.speed")
        return load(PipelineSettings(files, timestep=timestep, dtype=str(dtype).removeprefix("torch.")), device)
    torch.manual_seed(0)
    with torch.device(device):
        unet, autoencoder = modules(size)
    for name, parameter in unet.named_parameters():
        if ".attn2.to_q." in name or ".attn2.to_k." in name:
            parameter.data *= CONTRAST**0.5
    del autoencoder.decoder
    layout = memory_format(device)
    for module, into in ((unet, dtype), (autoencoder, autoencoder_dtype(size.autoencoder, dtype))):
        # diffusers' own method prints irrelevant warnings
        torch.nn.Module.to(module.requires_grad_(False).eval(), dtype=into)
        module.to(memory_format=layout)
    signal = float(surviving_signal(size.schedule)[timestep])
    conditions = {}
    if size.unet.get("addition_embed_type") == "text_time":
        numbers = SIZE_NUMBERS * size.unet["addition_time_embed_dim"]
        width = size.unet["projection_class_embeddings_input_dim"] - numbers
        conditions = sizes_and_caption(torch.zeros(1, width, dtype=dtype, device=device), size.image_size)
    return Parts(
        unet=unet,
        autoencoder=autoencoder,
        signal=signal**0.5,
        deviation=(1 - signal) ** 0.5,
        null_tokens=None,
        conditions=conditions,
        image_size=size.image_size,
        latent_side=size.unet["sample_size"],
        token_width=size.unet["cross_attention_dim"],
    )


def copied(parts: Parts, unet: torch.dtype | None = None, autoencoder: torch.dtype | None = None) -> Parts:
    """A copy of the parts that shares nothing with them, in other dtypes if these are given."""
    new = replace(parts, unet=copy.deepcopy(parts.unet), autoencoder=copy.deepcopy(parts.autoencoder))
    for module, dtype in ((new.unet, unet), (new.autoencoder, autoencoder)):
        torch.nn.Module.to(module, dtype=dtype or module.dtype)
    return new


def images(count: int, side: int, seed: int = 0) -> NDArray[np.float32]:
    """Smooth random images (count, 3, side, side) in [0, 1]."""
    coarse = np.random.default_rng(seed).random((count, 3, 8, 8), dtype=np.float32)
    large = torch.nn.functional.interpolate(torch.from_numpy(coarse), size=(side, side), mode="bicubic")
    return large.clamp(0, 1).numpy()
