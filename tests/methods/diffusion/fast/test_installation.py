"""Faster forward passes against those of diffusers: outputs and gradients of tokens, for every released layout."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from diffusers import DiffusionPipeline
from diffusers.models.downsampling import Downsample2D
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from methods import switches
from methods.diffusion.fast import blocks
from methods.diffusion.fast.installation import install, prepare, uninstall
from methods.diffusion.fast.kernels import KERNELS
from methods.diffusion.loading import Parts
from methods.stable_keypoints.attention import Recorder, checkpoint_blocks, choose_layers
from methods.stable_keypoints.backbone import Backbone
from methods.stable_keypoints.config import StableKeypointsConfig
from tests.methods.tiny_pipeline import LAYOUTS, loaded

Layouts = dict[str, tuple[Path, DiffusionPipeline]]
TIMESTEP = 7
FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


def _parts(model: Path | str, dtype: str = "float32", layout: str = "channels_last") -> Parts:
    parts = loaded(model, dtype, timestep=TIMESTEP)
    for module in (parts.unet, parts.autoencoder):
        module.to(memory_format=FORMATS[layout])
    return parts


def _inputs(parts: Parts, side: int = 16) -> tuple[Tensor, Tensor]:
    """Latents of two images, and tokens."""
    torch.manual_seed(0)
    latents = torch.randn(2, parts.unet.config.in_channels, side, side, dtype=parts.unet.dtype)
    tokens = torch.randn(5, parts.token_width, dtype=parts.unet.dtype).requires_grad_()
    memory = torch.channels_last if parts.unet.conv_in.weight.stride(1) == 1 else torch.contiguous_format
    return latents.contiguous(memory_format=memory), tokens


def _whole(parts: Parts) -> tuple[Tensor, Tensor]:
    """The UNet's output, and the gradient of its squares with respect to the tokens."""
    latents, tokens = _inputs(parts)
    context = tokens.expand(len(latents), -1, -1)
    output = parts.unet(latents, TIMESTEP, encoder_hidden_states=context, **parts.conditions).sample
    return output.detach(), torch.autograd.grad(output.square().sum(), tokens)[0]


def _recorded(parts: Parts, low_memory: bool = False, side: int = 16) -> list[Tensor]:
    """Queries and keys of the layers that are read, and the gradient of their squares."""
    latents, tokens = _inputs(parts, side)
    layers = choose_layers(parts.unet, side, None, 4, side)
    recorder = Recorder(layers)
    if low_memory:
        checkpoint_blocks(parts.unet, layers)
    with recorder.attached():
        context = tokens.expand(len(latents), -1, -1)
        parts.unet(latents, TIMESTEP, encoder_hidden_states=context, **parts.conditions)
    parts.unet.disable_gradient_checkpointing()
    found = [*recorder.queries, *recorder.keys]
    gradient = torch.autograd.grad(torch.stack([each.square().sum() for each in found]).sum(), tokens)[0]
    return [*(each.detach() for each in found), gradient]


def _encoded(parts: Parts, side: int = 64) -> Tensor:
    torch.manual_seed(0)
    pixels = torch.randn(2, 3, side, side, dtype=parts.autoencoder.dtype)
    with torch.no_grad():
        mean: Tensor = parts.autoencoder.encode(pixels).latent_dist.mean
    return mean


def _all_close(found: object, expected: object, bar: float = 1e-5) -> bool:
    pairs = zip(found, expected, strict=True)  # type: ignore[call-overload]
    return all(float((left - right).norm() / right.norm()) < bar for left, right in pairs)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("dtype", "memory"), [("float32", "channels_last"), ("float64", "contiguous")])
def test_the_same_numbers(layout: str, dtype: str, memory: str, layouts: Layouts) -> None:
    parts = _parts(layouts[layout][0], dtype, memory)
    before = [*_whole(parts), *_recorded(parts), _encoded(parts)]
    install(parts, TIMESTEP, "plain")
    assert _all_close([*_whole(parts), *_recorded(parts), _encoded(parts)], before)
    assert _all_close(_recorded(parts, low_memory=True), before[2:-1])
    uninstall(parts)
    after = [*_whole(parts), *_recorded(parts), _encoded(parts)]
    assert all(torch.equal(left, right) for left, right in zip(after, before, strict=True))


def test_the_same_numbers_by_kernels(pipeline: Path) -> None:
    pytest.importorskip("triton")
    parts = _parts(pipeline)
    before = [*_recorded(parts, side=4), _encoded(parts, side=4)]
    install(parts, TIMESTEP)
    assert _all_close([*_recorded(parts, side=4), _encoded(parts, side=4)], before)
    assert not KERNELS.failed


def test_maps_stay_in_channels_last(layouts: Layouts) -> None:
    parts = _parts(layouts["sd1"][0])
    install(parts, TIMESTEP, "plain")
    kept: list[bool] = []

    def look(_: object, __: object, output: object) -> None:
        first = output[0] if isinstance(output, tuple) else output
        assert isinstance(first, Tensor)
        kept.append(first.is_contiguous(memory_format=torch.channels_last))

    for module in parts.unet.modules():
        if type(module).__name__ in ("ResnetBlock2D", "Transformer2DModel"):
            module.register_forward_hook(look)
    _whole(parts)
    assert len(kept) == 22 + 16 and all(kept)


def test_a_model_with_blocks_of_another_kind() -> None:
    parts = _parts("mini")
    before = [*_whole(parts), _encoded(parts)]
    install(parts, TIMESTEP, "plain")
    assert _all_close([*_whole(parts), _encoded(parts)], before)


def test_an_activation_of_the_time_embedding(pipeline: Path) -> None:
    parts = _parts(pipeline)
    parts.unet.time_embed_act = torch.nn.SiLU()
    before = _whole(parts)
    install(parts, TIMESTEP, "plain")
    assert _all_close(_whole(parts), before)


def test_weights_stay(layouts: Layouts) -> None:
    parts = _parts(layouts["sdxl"][0])
    before = [{name: value.clone() for name, value in part.state_dict().items()} for part in _modules(parts)]
    for _ in range(2):  # a second call replaces the first
        install(parts, TIMESTEP, "plain")
    for part, state in zip(_modules(parts), before, strict=True):
        torch.testing.assert_close(part.state_dict(), state, rtol=0, atol=0)


def test_masks_take_the_usual_way(layouts: Layouts) -> None:
    parts = _parts(layouts["sd1"][0])
    latents, tokens = _inputs(parts)
    mask = torch.tensor([[1, 1, 0, 1, 0], [1, 1, 1, 1, 1]])
    context = tokens.detach().expand(2, -1, -1)
    arguments = {"encoder_hidden_states": context, "encoder_attention_mask": mask}
    before = parts.unet(latents, TIMESTEP, **arguments).sample
    install(parts, TIMESTEP, "plain")
    assert _all_close([parts.unet(latents, TIMESTEP, **arguments).sample], [before])


def test_another_timestep_is_refused(layouts: Layouts) -> None:
    parts = _parts(layouts["sd1"][0])
    install(parts, TIMESTEP, "plain")
    latents, tokens = _inputs(parts)
    with pytest.raises(ValueError, match="timestep is 8, expected 7"):
        parts.unet(latents, 8, encoder_hidden_states=tokens.expand(2, -1, -1))


def test_only_a_gpu_gets_them_and_only_with_the_switch(layouts: Layouts, monkeypatch: pytest.MonkeyPatch) -> None:
    parts, gpu = _parts(layouts["sd1"][0]), torch.device("cuda")

    def is_installed() -> bool:
        return any("forward" in vars(module) for part in _modules(parts) for module in part.modules())

    prepare(parts, TIMESTEP, torch.device("cpu"))
    assert not is_installed()
    prepare(parts, TIMESTEP, gpu)
    assert is_installed()
    with switches.without("blocks"):
        prepare(parts, TIMESTEP, gpu)
    assert not is_installed()
    with switches.without("norms"):
        prepare(parts, TIMESTEP, gpu)
    assert is_installed() and parts.unet.mid_block.resnets[0].forward.args[1] is blocks.FUNCTIONS["plain"]


def test_nothing_changes_on_a_cpu(layouts: Layouts) -> None:
    backbone = Backbone(StableKeypointsConfig(model=str(layouts["sd1"][0]), max_layer_side=16), "cpu")
    for part in _modules(backbone.parts):
        assert not any("forward" in vars(module) for module in part.modules())


def test_attention_by_its_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    query, key, value = torch.randn(3, 5, 1, 12, 8, dtype=torch.float64)
    expected = F.scaled_dot_product_attention(query, key, value)
    torch.testing.assert_close(blocks._attended(query, key, value), expected)
    monkeypatch.setattr(blocks, "SCORES", 2 * 12 * 12)  # two images at once
    torch.testing.assert_close(blocks._attended(query, key, value), expected)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_the_encoder_in_half_precision(dtype: str, layouts: Layouts) -> None:
    expected = _encoded(_parts(layouts["sd1"][0]))
    parts = _parts(layouts["sd1"][0], dtype)
    usual = float((_encoded(parts).float() - expected).norm() / expected.norm())
    install(parts, TIMESTEP, "plain")
    assert float((_encoded(parts).float() - expected).norm() / expected.norm()) < 2 * usual


@pytest.mark.parametrize("sides", [(8, 8), (7, 10), (9, 5)])
def test_halves_of_odd_and_even_sides(sides: tuple[int, int]) -> None:
    block = Downsample2D(6, use_conv=True, padding=0)
    x = torch.randn(2, 6, *sides).contiguous(memory_format=torch.channels_last)
    found = blocks.halved(block, x)
    assert found.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(found, block(x))


def test_a_bias_as_a_channel_of_ones() -> None:
    convolution, x = torch.nn.Conv2d(3, 5, 3, padding=1).double(), torch.randn(2, 3, 6, 7).double()
    assert convolution.bias is not None
    found = blocks.first(convolution, blocks.widened(convolution, convolution.bias), x)
    torch.testing.assert_close(found, convolution(x))
    assert found.is_contiguous(memory_format=torch.channels_last)


def test_tokens_of_all_images_are_projected_once() -> None:
    linear, tokens = torch.nn.Linear(6, 4), torch.randn(3, 6, requires_grad=True)
    with FlopCounterMode(display=False) as counter:
        found = blocks.same_for_all(linear, tokens.expand(5, -1, -1))
    assert counter.get_total_flops() == 2 * 3 * 6 * 4 and found.is_contiguous()
    torch.testing.assert_close(found, linear(tokens.expand(5, -1, -1)))
    torch.testing.assert_close(
        torch.autograd.grad(found.square().sum(), tokens)[0],
        5 * torch.autograd.grad(linear(tokens).square().sum(), tokens)[0],
    )


def _modules(parts: Parts) -> tuple[torch.nn.Module, torch.nn.Module]:
    return parts.unet, parts.autoencoder


def test_sharp_attention_keeps_its_digits_in_half_precision() -> None:
    torch.manual_seed(0)
    query, key, value = torch.randn(3, 1, 1, 256, 512).half()
    query = 16 * query  # scores of a standard deviation of 16
    expected = F.scaled_dot_product_attention(query.double(), key.double(), value.double())
    found = blocks._attended(query, key, value).double()
    assert (found - expected).norm() <= 1e-3 * expected.norm()
