"""The models that are timed are those of the published configs, and their least work is the known one."""

from __future__ import annotations

import pytest
import torch

from benchmarks.speed.floors import counts, floor
from benchmarks.speed.models import build, copied, modules
from benchmarks.speed.sizes import SIZES

# Numbers of parameters of the published checkpoints.
UNETS = {"sd15": 859_520_964, "sd21": 865_910_724, "sdxl": 2_567_463_684}
AUTOENCODER = 83_653_863


@pytest.mark.parametrize("name", UNETS)
def test_models_have_the_published_numbers_of_parameters(name: str):
    with torch.device("meta"):
        unet, autoencoder = modules(SIZES[name])
    assert sum(each.numel() for each in unet.parameters()) == UNETS[name]
    assert sum(each.numel() for each in autoencoder.parameters()) == AUTOENCODER


@pytest.mark.parametrize(
    ("name", "autoencoder"), [("sd15", torch.float16), ("sd21", torch.float16), ("sdxl", torch.float32)]
)
def test_the_autoencoder_is_in_half_precision_where_its_config_allows_it(name: str, autoencoder: torch.dtype):
    for dtype, expected in [
        (torch.float16, autoencoder),
        (torch.bfloat16, torch.bfloat16),
        (torch.float32, torch.float32),
    ]:
        parts = build(SIZES[name], "meta", dtype)
        assert (parts.unet.dtype, parts.autoencoder.dtype) == (dtype, expected)


def test_xl_is_given_its_sizes_and_a_caption():
    added = build(SIZES["sdxl"], "meta", torch.float16).conditions["added_cond_kwargs"]
    assert (added["text_embeds"].shape, added["time_ids"].shape) == ((1, 1280), (1, 6))
    assert build(SIZES["sd21"], "meta", torch.float16).conditions == {}


def test_noise_at_the_first_timestep_is_that_of_stable_diffusion():
    """The first beta is 0.00085, and 0.00085 of the variance is noise."""
    parts = build(SIZES["tiny"], "cpu", torch.float32)
    assert parts.deviation**2 == pytest.approx(0.00085, rel=1e-5)
    assert parts.signal**2 + parts.deviation**2 == pytest.approx(1)


def test_copies_share_nothing_and_have_their_own_dtypes():
    parts = build(SIZES["tiny"], "cpu", torch.float32)
    new = copied(parts, torch.bfloat16, torch.float16)
    assert (new.unet.dtype, new.autoencoder.dtype) == (torch.bfloat16, torch.float16)
    assert (parts.unet.dtype, parts.autoencoder.dtype) == (torch.float32, torch.float32)
    with torch.no_grad():
        copied(parts).unet.conv_in.weight.zero_()
    assert parts.unet.conv_in.weight.any()


def test_counts_at_the_size_of_stable_diffusion():
    """Known of the model: 0.839 TFLOP the UNet, 0.500 to its last map, 1.117 the encoder; 0.073 the scores.

    The values that pass the encoder's norms, from its shapes: two norms of each of eight residual blocks, two of each
    of two in the middle, one around its attention, and the last one.
    """
    found = counts("sd15")
    assert found.encode / 1e12 == pytest.approx(1.117, abs=0.003)
    assert found.unet / 1e12 == pytest.approx(0.839, abs=0.003)
    assert found.to_last_map / 1e12 == pytest.approx(0.500, abs=0.003)
    assert found.scores / 1e12 == pytest.approx(0.073, abs=0.003)
    blocks = [(512, 128, 128), (512, 128, 128), (256, 128, 256), (256, 256, 256)]
    blocks += [(128, 256, 512), *[(128, 512, 512)], *[(64, 512, 512)] * 4]
    of_blocks = sum(side**2 * (taken + given) for side, taken, given in blocks)
    assert found.norms_of_encoder == of_blocks + 2 * 64**2 * 512
    # layers 7 to 10: three of 16 x 16 with 1,280 channels, one of 32 x 32 with 640
    assert found.queries == 3 * 16**2 * 1280 + 32**2 * 640
    assert found.keys == 500 * (3 * 1280 + 640)


def test_the_least_time_is_the_least_work_over_the_rate():
    each = counts("tiny")
    found = floor("tiny", views=3, kept=5, dtype=torch.float16, rate=100.0, bandwidth=10.0)
    assert found["seconds_per_image"]["predict"] == pytest.approx(3 * (each.encode + each.to_last_map) / 100)
    assert found["seconds_per_image"]["fit"] == pytest.approx((2 * each.encode + 4 * each.to_last_map) / 100)
    norms = 2 * (2 * 2 * each.norms_of_encoder + 2 * 5 * each.norms_to_last_map)
    assert found["seconds_of_bytes_per_image"]["norms"]["fit"] == pytest.approx(norms / 10)
    maps = 4 * 3 * (each.queries + each.keys + 5 * 24**2)
    assert found["seconds_of_bytes_per_image"]["maps"]["predict"] == pytest.approx(maps / 10)
