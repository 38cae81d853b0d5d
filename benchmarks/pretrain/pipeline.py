"""The untrained parts of the mini pipeline: Stable Diffusion's layout on a small scale.

The UNet keeps Stable Diffusion's pattern (no cross-attention in the innermost blocks, two residual blocks a level) on
three levels of 32, 16 and 8 cells a side. Its first four cross-attention maps on the up path then have 16, 16, 16 and
32 cells a side, as in Stable Diffusion 1.5.
"""

from __future__ import annotations

import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from benchmarks.pretrain.pool import vocabulary
from benchmarks.pretrain.tokenizer import MAX_WORDS, build_tokenizer
from datasets.mini_world.canvas import COLOURS

IMAGE_SIZE = 64
TEXT_WIDTH = 64


def build_text_encoder(tokenizer: CLIPTokenizer) -> CLIPTextModel:
    """A two-layer CLIP text encoder; the initial embedding of a word adds those of its colour and its part."""
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=TEXT_WIDTH,
        intermediate_size=4 * TEXT_WIDTH,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=MAX_WORDS,
        projection_dim=TEXT_WIDTH,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    encoder = CLIPTextModel(config)
    halves: dict[str, torch.Tensor] = {}
    with torch.no_grad():
        table = encoder.get_input_embeddings().weight
        for word in vocabulary():
            colour = next(name for name in COLOURS if word.startswith(name))
            for half in (colour, word.removeprefix(colour)):
                halves.setdefault(half, 0.5 * torch.randn(TEXT_WIDTH))
            table[tokenizer.convert_tokens_to_ids(f"{word}</w>")] = halves[colour] + halves[word.removeprefix(colour)]
    return encoder


def build_vae() -> AutoencoderKL:
    """An autoencoder from 64 x 64 pixels to latents of 32 x 32 cells and four channels."""
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        block_out_channels=(16, 32),
        latent_channels=4,
        norm_num_groups=8,
        sample_size=IMAGE_SIZE,
        mid_block_add_attention=False,
    )


def build_unet() -> UNet2DConditionModel:
    """A UNet of three levels without self-attention on the outermost, where it would cost most.

    Both attention layers of a block read the text there (``only_cross_attention``); elsewhere only the second does.
    """
    return UNet2DConditionModel(
        sample_size=IMAGE_SIZE // 2,
        layers_per_block=2,
        block_out_channels=(64, 96, 128),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        only_cross_attention=(True, False, False),
        cross_attention_dim=TEXT_WIDTH,
        attention_head_dim=4,  # diffusers takes this for the number of heads
        norm_num_groups=8,
    )


def build_scheduler() -> DDIMScheduler:
    """A DDIM scheduler with linear betas from 1e-4 to 0.02 and v-prediction."""
    return DDIMScheduler(
        beta_start=1e-4,
        beta_end=0.02,
        beta_schedule="linear",
        prediction_type="v_prediction",
        clip_sample=False,
        steps_offset=1,
        timestep_spacing="trailing",
        rescale_betas_zero_snr=False,
    )


def build_pipeline(seed: int) -> StableDiffusionPipeline:
    """The complete untrained pipeline; its weights depend on the seed alone."""
    torch.manual_seed(seed)
    tokenizer = build_tokenizer()
    return StableDiffusionPipeline(
        vae=build_vae(),
        text_encoder=build_text_encoder(tokenizer),
        tokenizer=tokenizer,
        unet=build_unet(),
        scheduler=build_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
