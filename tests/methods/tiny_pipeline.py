"""Random diffusion pipelines with the layouts of Stable Diffusion 1.x, 2.x and XL, small enough for a test."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    DiffusionPipeline,
    EulerDiscreteScheduler,
    PNDMScheduler,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from methods.base import ImageBatch
from methods.diffusion.loading import Parts, PipelineSettings, load
from methods.diffusion.weights import ModelFiles

TOKEN_WIDTH = 32
IMAGE_SIDE = 64
CAPTION_LENGTH = 8
LAYOUTS = ("sd1", "sd2", "sdxl")
WORDS = ("<|startoftext|>", "<|endoftext|>", "a</w>", "b</w>", "a", "b")


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
    _tokenizer(folder / "tokenizer")
    _text_encoder(CLIPTextModel, TOKEN_WIDTH).save_pretrained(folder / "text_encoder")


def _tokenizer(folder: Path, pad: str = "<|endoftext|>") -> CLIPTokenizer:
    """A tokenizer of six words, also saved in ``folder``."""
    folder.mkdir(parents=True)
    (folder / "vocab.json").write_text(json.dumps({word: index for index, word in enumerate(WORDS)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    files = str(folder / "vocab.json"), str(folder / "merges.txt")
    tokenizer = CLIPTokenizer(*files, model_max_length=CAPTION_LENGTH, pad_token=pad)
    tokenizer.save_pretrained(folder)
    return tokenizer


def _text_encoder(kind: Any, width: int, layers: int = 1, **options: Any) -> Any:
    return kind(
        CLIPTextConfig(
            vocab_size=len(WORDS),
            hidden_size=width,
            intermediate_size=64,
            num_hidden_layers=layers,
            num_attention_heads=2,
            max_position_embeddings=CAPTION_LENGTH,
            bos_token_id=0,
            eos_token_id=1,
            **options,
        )
    ).eval()


# Blocks of the UNets as released; only widths, numbers of heads and norm groups are smaller.
UNETS: dict[str, dict[str, Any]] = {
    "sd1": {
        "sample_size": 64,
        "block_out_channels": (16, 32, 32, 32),
        "attention_head_dim": 8,
        "cross_attention_dim": 32,
    },
    "sd2": {
        "sample_size": 96,
        "block_out_channels": (16, 32, 32, 32),
        "attention_head_dim": (2, 4, 8, 8),
        "cross_attention_dim": 40,
        "use_linear_projection": True,
        "upcast_attention": True,
    },
    "sdxl": {
        "sample_size": 128,
        "block_out_channels": (16, 32, 32),
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "transformer_layers_per_block": (1, 2, 3),
        "attention_head_dim": (2, 4, 8),
        "cross_attention_dim": 56,
        "use_linear_projection": True,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 8,
        "projection_class_embeddings_input_dim": 20 + 6 * 8,
    },
}


def _autoencoder(xl: bool) -> AutoencoderKL:
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(8, 8, 8, 8),
        norm_num_groups=4,
        scaling_factor=0.13025 if xl else 0.18215,
        force_upcast=xl,
    ).eval()


def build_layout(layout: str, folder: Path, zero_caption: bool = False) -> DiffusionPipeline:
    """A random pipeline laid out as ``sd1``, ``sd2`` or ``sdxl``, saved in ``folder`` by its own ``save_pretrained``.

    ``zero_caption`` is Stable Diffusion XL's setting that no caption means zeros.
    """
    torch.manual_seed(0)
    unet = UNet2DConditionModel(norm_num_groups=8, **UNETS[layout]).eval()
    autoencoder = _autoencoder(layout == "sdxl")
    schedule = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
    text = folder / "given"
    if layout == "sdxl":
        pipeline = StableDiffusionXLPipeline(
            autoencoder,
            _text_encoder(CLIPTextModel, 32, 2),
            _text_encoder(CLIPTextModelWithProjection, 24, 3, hidden_act="gelu", projection_dim=20),
            _tokenizer(text / "first"),
            _tokenizer(text / "second", pad="a"),
            unet,
            EulerDiscreteScheduler(**schedule),
            force_zeros_for_empty_prompt=zero_caption,
        )
    else:
        prediction = "v_prediction" if layout == "sd2" else "epsilon"
        pipeline = StableDiffusionPipeline(
            autoencoder,
            _text_encoder(CLIPTextModel, UNETS[layout]["cross_attention_dim"], 2),
            _tokenizer(text, pad="a" if layout == "sd2" else "<|endoftext|>"),
            unet,
            PNDMScheduler(**schedule, skip_prk_steps=True, steps_offset=1, prediction_type=prediction),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
    pipeline.save_pretrained(folder)
    shutil.rmtree(text)
    return pipeline


def loaded(model: Path | str, dtype: str = "float32", revision: str | None = None, **settings: Any) -> Parts:
    """The parts of a folder or hub id, on the CPU; error messages name a method ``tiny``."""
    return load(PipelineSettings(ModelFiles(str(model), revision, "tiny"), dtype=dtype, **settings), "cpu")


def edit(file: Path, **changes: Any) -> None:
    """Change entries of a JSON file."""
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


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
