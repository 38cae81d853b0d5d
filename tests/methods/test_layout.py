"""On a CPU, float32 results have float32's precision at the size of real images."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel

from methods.layout import memory_format
from methods.stable_keypoints import StableKeypointsConfig
from methods.stable_keypoints.backbone import Backbone
from tests.methods.tiny_pipeline import build_pipeline

SIDE = 512


@pytest.fixture(scope="module")
def large_pipeline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights whose autoencoder has four levels, as Stable Diffusion's, and images of 512 pixels."""
    folder = build_pipeline(tmp_path_factory.mktemp("large") / "pipeline", seed=1)
    torch.manual_seed(1)
    AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(8, 8, 16, 16),
        norm_num_groups=4,
        sample_size=SIDE,
        mid_block_add_attention=False,
    ).save_pretrained(folder / "vae")
    UNet2DConditionModel(
        sample_size=SIDE // 8,
        block_out_channels=(16, 32),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        layers_per_block=1,
        cross_attention_dim=32,
        attention_head_dim=2,
        norm_num_groups=8,
    ).save_pretrained(folder / "unet")
    return folder


@torch.no_grad()
def outcome(folder: Path, dtype: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Latents and attention maps of one image, in float64."""
    config = StableKeypointsConfig(
        preset="official", model=str(folder), image_size=SIDE, dtype=dtype, timestep=200, map_size=64
    )
    backbone = Backbone(config, "cpu")
    generator = torch.Generator().manual_seed(2)
    coarse = torch.rand((1, 3, 32, 32), generator=generator, dtype=torch.float64)
    pixels = torch.nn.functional.interpolate(coarse, size=(SIDE, SIDE), mode="bicubic").clamp(0, 1)
    latents = backbone.encode(pixels.to(backbone.map_dtype))
    noise = torch.randn(latents.shape, generator=generator, dtype=torch.float64)
    tokens = 4 * torch.randn((16, backbone.token_width), generator=generator, dtype=torch.float64)
    maps = backbone.maps(latents, noise, tokens.to(backbone.map_dtype))
    return latents.double(), maps.double()


def test_float32_differs_from_float64_by_rounding_alone_at_512_pixels(large_pipeline: Path):
    latents, maps = outcome(large_pipeline, "float32")
    exact_latents, exact_maps = outcome(large_pipeline, "float64")
    assert float((latents - exact_latents).abs().max()) < 5e-5 * float(exact_latents.std())
    assert float((maps - exact_maps).abs().max()) < 5e-6 * float(exact_maps.max())


def test_gpus_keep_channels_last():
    assert memory_format("cuda") is torch.channels_last
    assert memory_format(torch.device("cuda", 1)) is torch.channels_last
    assert memory_format("cpu") is torch.contiguous_format
