"""A random diffusion pipeline with Stable Diffusion's layout, small enough for a test."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from methods.base import ImageBatch

TOKEN_WIDTH = 32
IMAGE_SIDE = 64
CAPTION_LENGTH = 8


def build_pipeline(folder: Path, seed: int = 0, contrast: float = 6.0) -> Path:
    """Write unet, vae, text_encoder, tokenizer and scheduler with random weights; images are 64 x 64.

    Three levels (32, 16 and 8 a side) of which the two lower ones attend to the context. Queries and keys of
    cross-attention are scaled by ``contrast``, without which random weights attend evenly everywhere.
    """
    torch.manual_seed(seed)
    unet = UNet2DConditionModel(
        sample_size=IMAGE_SIDE // 2,
        block_out_channels=(32, 64, 64),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        layers_per_block=1,
        cross_attention_dim=TOKEN_WIDTH,
        attention_head_dim=2,
        norm_num_groups=8,
    )
    for name, parameter in unet.named_parameters():
        if ".attn2.to_q." in name or ".attn2.to_k." in name:
            parameter.data *= contrast**0.5
    unet.save_pretrained(folder / "unet")
    AutoencoderKL(
        down_block_types=("DownEncoderBlock2D", "DownEncoderBlock2D"),
        up_block_types=("UpDecoderBlock2D", "UpDecoderBlock2D"),
        block_out_channels=(16, 32),
        norm_num_groups=8,
        sample_size=IMAGE_SIDE,
    ).save_pretrained(folder / "vae")
    DDIMScheduler(beta_start=1e-4, beta_end=0.02, prediction_type="v_prediction").save_pretrained(folder / "scheduler")
    _save_text_parts(folder)
    return folder


def _save_text_parts(folder: Path) -> None:
    words = ["<|startoftext|>", "<|endoftext|>", "a</w>", "b</w>", "a", "b"]
    tokenizer = folder / "tokenizer"
    tokenizer.mkdir(parents=True)
    (tokenizer / "vocab.json").write_text(json.dumps({word: index for index, word in enumerate(words)}))
    (tokenizer / "merges.txt").write_text("#version: 0.2\n")
    CLIPTokenizer(
        str(tokenizer / "vocab.json"), str(tokenizer / "merges.txt"), model_max_length=CAPTION_LENGTH
    ).save_pretrained(tokenizer)
    CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(words),
            hidden_size=TOKEN_WIDTH,
            intermediate_size=64,
            num_hidden_layers=1,
            num_attention_heads=2,
            max_position_embeddings=CAPTION_LENGTH,
            bos_token_id=0,
            eos_token_id=1,
        )
    ).save_pretrained(folder / "text_encoder")


class ArrayImages:
    """Images in memory as an ImageStream, handed out in batches of ``batch_size``."""

    def __init__(self, pixels: np.ndarray, batch_size: int = 4, prefix: str = "image") -> None:
        self.pixels = pixels
        self.batch_size = batch_size
        self.ids = tuple(f"{prefix}/{index}.png" for index in range(len(pixels)))

    def __len__(self) -> int:
        return len(self.ids)

    def __iter__(self):
        for first in range(0, len(self), self.batch_size):
            yield self.load(range(first, min(first + self.batch_size, len(self))))

    def load(self, indices) -> ImageBatch:
        rows = list(indices)
        return ImageBatch(tuple(self.ids[row] for row in rows), self.pixels[rows])


def blobs(count: int, side: int = IMAGE_SIDE, seed: int = 0) -> np.ndarray:
    """Images (count, 3, side, side) float32 in [0, 1] of three coloured blobs at random places."""
    generator = np.random.default_rng(seed)
    rows, columns = np.mgrid[:side, :side]
    images = np.full((count, 3, side, side), 0.2, dtype=np.float32)
    for image in images:
        for channel in range(3):
            y, x = generator.uniform(0.2 * side, 0.8 * side, 2)
            image[channel] += 0.7 * np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * (side / 10) ** 2))
    return images.clip(0, 1)
