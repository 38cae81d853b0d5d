"""Pipelines of every layout: saved by diffusers, loaded by us."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from diffusers import DDIMScheduler

from methods.base import MethodError
from methods.stable_keypoints.attention import choose_layers
from methods.stable_keypoints.backbone import Backbone
from methods.stable_keypoints.config import StableKeypointsConfig
from tests.methods.tiny_pipeline import LAYOUTS, build_layout, edit, loaded

SIZES = {"sd1": 512, "sd2": 768, "sdxl": 1024}
every_layout = pytest.mark.parametrize("layout", LAYOUTS)
UP = "up_blocks.{}.attentions.{}.transformer_blocks.{}.attn2"


@every_layout
def test_parts_are_the_pipelines(layout: str, layouts):
    folder, pipeline = layouts[layout]
    parts = loaded(folder)
    for found, expected in ((parts.unet, pipeline.unet), (parts.autoencoder, pipeline.vae)):
        assert not found.training
        assert not any(parameter.requires_grad for parameter in found.parameters())
        torch.testing.assert_close(found.state_dict(), expected.state_dict(), rtol=0, atol=0)
    assert (parts.image_size, parts.latent_side) == (SIZES[layout], SIZES[layout] // 8)
    assert parts.token_width == {"sd1": 32, "sd2": 40, "sdxl": 56}[layout]
    assert parts.null_tokens is None


@every_layout
@pytest.mark.parametrize("timestep", [0, 500])
def test_noise_level_is_the_schedulers(layout: str, timestep: int, layouts):
    folder, pipeline = layouts[layout]
    parts = loaded(folder, timestep=timestep)
    alpha = float(pipeline.scheduler.alphas_cumprod[timestep])
    assert (parts.signal, parts.deviation) == pytest.approx((alpha**0.5, (1 - alpha) ** 0.5), rel=1e-4)
    clean = loaded(folder, timestep=timestep, noise=False)
    assert (clean.signal, clean.deviation) == (1, 0)


def test_of_the_schedule_only_the_betas_count(sd1: Path):
    before = loaded(sd1, timestep=300)
    edit(sd1 / "scheduler" / "scheduler_config.json", prediction_type="v_prediction", timestep_spacing="trailing")
    velocity = loaded(sd1, timestep=300)
    assert (velocity.signal, velocity.deviation) == (before.signal, before.deviation)
    edit(sd1 / "scheduler" / "scheduler_config.json", rescale_betas_zero_snr=True)
    rescaled = loaded(sd1, timestep=300)
    scheduler = DDIMScheduler.from_pretrained(sd1 / "scheduler")
    assert rescaled.signal == pytest.approx(float(scheduler.alphas_cumprod[300]) ** 0.5, rel=1e-4)
    assert rescaled.signal != before.signal


@pytest.mark.parametrize("layout", ["sd1", "sd2"])
def test_null_tokens_are_what_the_pipeline_makes_of_an_empty_caption(layout: str, layouts):
    folder, pipeline = layouts[layout]
    parts = loaded(folder, keep_null_tokens=True)
    expected, _ = pipeline.encode_prompt("", "cpu", 1, False)
    torch.testing.assert_close(parts.null_tokens, expected[0])
    assert parts.conditions == {}


@pytest.mark.parametrize("zero", [False, True])
def test_empty_caption_of_xl(zero: bool, layouts, tmp_path: Path):
    """Encoded, or zeros as in the pipeline without a negative caption; then no encoder is read."""
    pipeline = build_layout("sdxl", tmp_path, zero_caption=zero)
    caption, none, pooled_caption, pooled_none = pipeline.encode_prompt("", device="cpu")
    if zero:
        shutil.rmtree(tmp_path / "text_encoder")
        (tmp_path / "text_encoder_2" / "model.safetensors").unlink()
    parts = loaded(tmp_path, keep_null_tokens=True)
    assert parts.null_tokens is not None
    torch.testing.assert_close(parts.null_tokens, (none if zero else caption)[0])
    added = parts.conditions["added_cond_kwargs"]
    torch.testing.assert_close(added["text_embeds"], pooled_none if zero else pooled_caption)
    assert bool(added["text_embeds"].any()) is not zero
    sides = (1024, 1024)
    torch.testing.assert_close(
        added["time_ids"],
        pipeline._get_add_time_ids(sides, (0, 0), sides, torch.float32, added["text_embeds"].shape[1]),
    )
    assert loaded(tmp_path).null_tokens is None
    assert loaded(tmp_path, image_size=512).conditions["added_cond_kwargs"]["time_ids"].tolist() == [
        [512, 512, 0, 0, 512, 512]
    ]


@every_layout
def test_the_unet_runs_on_batches_as_the_pipelines(layout: str, layouts):
    folder, pipeline = layouts[layout]
    parts = loaded(folder, image_size=64)
    torch.manual_seed(0)
    latents, context = torch.randn(3, 4, 8, 8), torch.randn(3, 5, parts.token_width)
    expanded = {
        name: {key: value.expand(3, -1) for key, value in added.items()} for name, added in parts.conditions.items()
    }
    with torch.no_grad():
        found = parts.unet(latents, 7, encoder_hidden_states=context, **parts.conditions).sample
        expected = pipeline.unet(latents, 7, encoder_hidden_states=context, **expanded).sample
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@every_layout
def test_maps_of_every_layout(layout: str, layouts):
    config = StableKeypointsConfig(model=str(layouts[layout][0]), image_size=64, map_size=16, keep_null_tokens=True)
    backbone = Backbone(config, "cpu")
    latents = backbone.encode(torch.rand(2, 3, 64, 64))
    tokens = torch.randn(6, backbone.token_width, requires_grad=True)
    maps = backbone.maps(latents, torch.randn_like(latents), tokens)
    assert maps.shape == (2, 6, 16, 16)
    assert bool(((maps > 0) & (maps < 1)).all())
    (gradient,) = torch.autograd.grad(maps.var(), tokens)
    assert bool(gradient.abs().sum(1).gt(0).all())


@pytest.mark.parametrize(
    ("layout", "expected"),
    [
        ("sd1", [(1, 0, 0), (1, 1, 0), (1, 2, 0), (2, 0, 0)]),
        ("sd2", [(1, 0, 0), (1, 1, 0), (1, 2, 0)]),
        ("sdxl", [(0, 0, 0), (0, 0, 1), (0, 0, 2), (0, 1, 0)]),
    ],
)
def test_layer_rule(layout: str, expected: list[tuple[int, int, int]], layouts):
    """The first four maps of at most 32 a side on the up path; at 768 pixels only those of 24 a side are."""
    folder, _ = layouts[layout]
    parts = loaded(folder)
    config = StableKeypointsConfig(model=str(folder))
    assert list(Backbone(config, "cpu", parts).layers) == [UP.format(*place) for place in expected]
    named = (UP.format(1, 1, 0), "mid_block.attentions.0.transformer_blocks.0.attn2")
    chosen = Backbone(StableKeypointsConfig(model=str(folder), layers=named), "cpu", parts).layers
    assert set(chosen) == set(named)
    with pytest.raises(
        MethodError, match=r"'up_blocks\.9' is not a cross-attention layer of the UNet, which has: down_blocks"
    ):
        choose_layers(parts.unet, parts.latent_side, ("up_blocks.9",), 4, 32)


@every_layout
def test_bfloat16_sees_the_same(layout: str, layouts):
    """Half precision of weights, features and conditions changes maps by little of their spread."""
    torch.manual_seed(1)
    pixels, tokens = torch.rand(1, 3, 64, 64), torch.randn(6, loaded(layouts[layout][0]).token_width)
    maps = []
    for dtype in ("float32", "bfloat16"):
        config = StableKeypointsConfig(model=str(layouts[layout][0]), image_size=64, map_size=16, dtype=dtype)
        backbone = Backbone(config, "cpu")
        with torch.no_grad():
            maps.append(backbone.maps(backbone.encode(pixels), None, tokens))
    assert maps[1].dtype == torch.float32
    assert (maps[1] - maps[0]).abs().max() < maps[0].std() / 4


def test_the_small_model():
    parts = loaded("mini", keep_null_tokens=True)
    assert (parts.image_size, parts.latent_side, parts.token_width) == (64, 32, 64)
    assert parts.null_tokens is not None
    assert parts.null_tokens.shape[1] == 64


@every_layout
def test_half_precision(layout: str, layouts):
    """float16 overflows in the autoencoder of Stable Diffusion XL, whose config says so."""
    parts = loaded(layouts[layout][0], "float16", keep_null_tokens=True)
    assert parts.unet.dtype == torch.float16
    assert parts.autoencoder.dtype == (torch.float32 if layout == "sdxl" else torch.float16)
    assert parts.null_tokens is not None
    assert parts.null_tokens.dtype == torch.float32
    assert loaded(layouts[layout][0], "bfloat16").autoencoder.dtype == torch.bfloat16


def test_an_autoencoder_without_an_entry_for_upcasting_is_half_precision(sd1: Path):
    """The config of Stable Diffusion 1.5 and 2.1 has none; diffusers then fills in its own default, true."""
    file = sd1 / "vae" / "config.json"
    config = json.loads(file.read_text())
    del config["force_upcast"]
    file.write_text(json.dumps(config))
    parts = loaded(sd1, "float16")
    assert parts.autoencoder.dtype == torch.float16
    assert parts.autoencoder.config.force_upcast is True
    edit(file, force_upcast=True)
    assert loaded(sd1, "float16").autoencoder.dtype == torch.float32
