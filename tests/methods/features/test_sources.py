"""Features of the mini autoencoder and of VGG against their own libraries and plain layers; sides and identities."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL
from safetensors.torch import save_file

from methods.base import MethodError
from methods.diffusion.weights import MINI_MODEL
from methods.features.sources import ConvolutionSource
from methods.training.features import VGG


def mini_vae(layer: str = "down_1", side: int = 0) -> ConvolutionSource:
    return ConvolutionSource("mini_vae", None, side, layer, "tiny", 4)


def images(side: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).random((2, 3, side, side), dtype=np.float32))


def test_the_mini_autoencoder_gives_what_its_encoder_gives():
    encoder = AutoencoderKL.from_pretrained(MINI_MODEL / "vae", torch_dtype=torch.float32).encoder
    pixels = images(64)
    with torch.no_grad():
        hidden = encoder.conv_in(2 * pixels - 1)
        for block in encoder.down_blocks:
            hidden = block(hidden)
    provider = mini_vae().open("cpu", 0)
    found = provider.maps(("a", "b"), pixels)
    torch.testing.assert_close(found, hidden, atol=1e-4, rtol=1e-4)
    assert torch.equal(found[1:], provider.maps(("b",), pixels[1:])), "no bit depends on the other images"
    assert provider.parameters() == sum(
        each.numel() for part in (encoder.conv_in, encoder.down_blocks) for each in part.parameters()
    )


def test_the_last_layer_of_vgg_is_taken_after_its_relu_and_before_its_pooling(tmp_path: Path):
    torch.manual_seed(0)
    network = VGG("vgg19")
    state = network.state_dict()
    file = tmp_path / "vgg.safetensors"
    save_file({theirs: state[ours] for ours, theirs in network.weight_names().items()}, file)
    source = ConvolutionSource("vgg19", str(file), 0, "conv5_4", "tiny", 4)
    assert source.image_size == 224
    found = source.open("cpu", 0).maps(("a", "b"), images(64))
    with torch.no_grad():
        expected = network(images(64))[-1]
    assert found.shape == (2, 512, 4, 4) and found.min() >= 0
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
    assert source.identity()["features"] == "vgg19" != mini_vae().identity()["features"]


def test_sides_are_those_of_the_networks_unless_given():
    assert [mini_vae().image_size, mini_vae(side=96).image_size] == [64, 96]
    assert mini_vae("down_0", 96).open("cpu", 0).maps(("a",), images(96)[:1]).shape == (1, 16, 48, 48)


def test_an_unknown_layer_is_named_with_those_that_there_are():
    with pytest.raises(
        MethodError, match="tiny: mini_vae has no layer 'conv9', expected some of input, conv_in, down_0"
    ):
        mini_vae("conv9").open("cpu", 0)
