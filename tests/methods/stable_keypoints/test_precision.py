"""Settings that trade memory or digits for speed: how far keypoints, losses and gradients may move."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from datasets import mini
from datasets.mini import seeded
from datasets.mini_world import faces
from methods.stable_keypoints import StableKeypoints, StableKeypointsConfig
from methods.stable_keypoints.attention import compile_blocks
from methods.stable_keypoints.backbone import Backbone
from methods.stable_keypoints.learning import Learner
from tests.methods.rounding import cut, round_all
from tests.methods.tiny_pipeline import ArrayImages, blobs

K = 4
SMALL: dict[str, Any] = {"preset": "official", "num_tokens": 16, "kappa": 8, "map_size": 32, "timestep": 200}
# Every token counts and none is ranked, and no target lies at a maximum: without these choices, which fall one way or
# the other by the last digit, the loss is smooth and its gradient is off by no more than rounding makes it.
SMOOTH: dict[str, Any] = {"loss_on": "candidates", "kappa": SMALL["num_tokens"], "sharpening_weight": 0.0}
KEYS = [(5, "fit", name, 0) for name in ("one", "two", "three")]
IDS = ("one", "two", "three")
CELL = 1 / 128


def make_learner(pipeline: Path, **settings) -> Learner:
    config = StableKeypointsConfig(**{"model": str(pipeline), **SMALL, **settings})
    return Learner(Backbone(config, "cpu"), K, seed=5)


def accumulated(learner: Learner, part: float = 1.0) -> tuple[torch.Tensor, torch.Tensor]:
    """Losses and gradient of three images."""
    tokens = learner.initial_tokens().requires_grad_(True)
    losses = learner.accumulate(tokens, torch.from_numpy(blobs(3)).to(tokens), IDS, KEYS, part)
    assert tokens.grad is not None
    return losses, tokens.grad


def test_accumulate_is_the_gradient_of_the_weighted_loss(pipeline: Path):
    learner = make_learner(pipeline, dtype="float64")
    tokens = learner.initial_tokens().requires_grad_(True)
    sharp, equivariant = learner.losses(tokens, torch.from_numpy(blobs(3)).to(tokens), IDS, KEYS)
    (expected,) = torch.autograd.grad(100 * sharp + 1000 * equivariant, tokens)
    losses, gradient = accumulated(learner, part=0.5)
    torch.testing.assert_close(gradient, expected / 2)
    whole = torch.stack([100 * sharp + 1000 * equivariant, sharp, equivariant]).detach()
    torch.testing.assert_close(losses, whole / 2)


@pytest.mark.parametrize("change", [{}, {"equivariance": False}, {"layers": ("mid",)}], ids=str)
def test_low_memory_changes_nothing_but_rounding(pipeline: Path, change: dict):
    if change.get("layers") == ("mid",):
        change = {"layers": ("mid_block.attentions.0.transformer_blocks.0.attn2",)}
    losses, gradient = accumulated(make_learner(pipeline, dtype="float64", **change))
    low, low_gradient = accumulated(make_learner(pipeline, dtype="float64", memory="low", **change))
    torch.testing.assert_close(low, losses, rtol=1e-12, atol=0)
    torch.testing.assert_close(low_gradient, gradient, rtol=1e-8, atol=1e-11 * float(gradient.abs().max()))


def test_low_memory_keeps_less_for_the_backward_pass(pipeline: Path):
    """Compares the bytes that autograd saves for the backward pass."""
    kept = {}
    for memory in ("auto", "low"):
        learner = make_learner(pipeline, memory=memory)
        tokens = learner.initial_tokens().requires_grad_(True)
        sizes: dict[int, int] = {}

        def keep(tensor: torch.Tensor, sizes: dict[int, int] = sizes) -> torch.Tensor:
            sizes[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            learner.losses(tokens, torch.from_numpy(blobs(1)), IDS[:1], KEYS[:1])
        kept[memory] = sum(sizes.values())
    assert kept["low"] < 0.7 * kept["auto"]


def test_compiling_leaves_recorded_blocks_alone(pipeline: Path):
    backbone = make_learner(pipeline).backbone
    compile_blocks(backbone.unet, backbone.layers)
    compiled = {name for name, module in backbone.unet.named_modules() if module._compiled_call_impl is not None}
    assert "down_blocks.1.attentions.0.transformer_blocks.0" in compiled
    assert "mid_block.resnets.0" in compiled
    assert not any(layer.startswith(name) for layer in backbone.layers for name in compiled)
    tokens = torch.randn(16, 32)
    with torch.compiler.set_stance("force_eager"):
        assert backbone.maps(torch.zeros(1, 4, 32, 32), None, tokens).shape == (1, 16, 32, 32)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_the_model_of_rounding_rounds_as_the_dtype_does(dtype: torch.dtype):
    values = torch.randn(10_000, generator=torch.Generator().manual_seed(0))
    bits = {torch.bfloat16: 8, torch.float16: 11}[dtype]
    assert torch.equal(cut(values, bits), values.to(dtype).float())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_gradients_in_half_precision_are_off_by_what_rounding_costs(pipeline: Path, dtype: torch.dtype):
    found, expected, model = smooth_gradients(pipeline, dtype)
    assert found.dtype == torch.float32
    assert 0 < off(found, expected) < 2 * off(model, expected)


def test_tiny_gradients_survive_float16(pipeline: Path):
    """With a weight so small that the gradients would be 0 in float16 without scaling."""
    found, expected, model = smooth_gradients(pipeline, torch.float16, equivariance_weight=1e-6)
    assert not expected.half().any()
    assert off(found, expected) < 2 * off(model, expected)


def smooth_gradients(pipeline: Path, dtype: torch.dtype, **settings) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The gradient in a dtype, in float32, and in a float32 model that rounds to the digits of the dtype.

    What is tested may be twice as far off as the model, since some processors round within a layer too.
    """
    settings = SMOOTH | settings
    half, plain, model = (
        make_learner(pipeline, dtype=name, **settings)
        for name in (str(dtype).removeprefix("torch."), "float32", "float32")
    )
    round_all(model.backbone, dtype)
    found, expected, rounded = (accumulated(learner)[1].flatten() for learner in (half, plain, model))
    return found, expected, rounded


def off(found: torch.Tensor, expected: torch.Tensor) -> float:
    """Size of the difference, relative to what is expected."""
    return float(torch.linalg.vector_norm(found - expected) / torch.linalg.vector_norm(expected))


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tokens of the small model, fitted for a few steps on drawn faces."""
    method = StableKeypoints(StableKeypointsConfig(preset="mini", steps=4, selection_images=5))
    method.fit(ArrayImages(drawn_faces(16, method.image_size), prefix="fit"), 6, 0, lambda *_, **__: None)
    folder = tmp_path_factory.mktemp("learned")
    method.save(folder)
    return folder


def drawn_faces(count: int, side: int) -> np.ndarray:
    drawings = [
        faces.draw(mini.ALIGNED_FACE, seeded("precision", index), seeded("precision view", index))
        for index in range(count)
    ]
    pixels = torch.from_numpy(np.stack([drawing.image for drawing in drawings])).permute(0, 3, 1, 2) / 255
    return torch.nn.functional.interpolate(pixels, size=(side, side), mode="area").numpy()


def test_half_precision_moves_few_keypoints(learned: Path):
    """By more than a cell of 128, on the model shipped: no more of them than a float32 model that rounds moves.

    In bfloat16 alone, as processors emulate float16 slowly; the tests above have both.
    Which maxima fall the other way is chance, so both are counts of rare events: their difference has a variance of
    about the sum of the two, and three standard deviations are allowed.
    """
    dtype, plain = torch.bfloat16, located(learned, "float32")
    found, model = (
        int((np.abs(keypoints - plain).max(-1) > 1.001 * CELL).sum())
        for keypoints in (located(learned, str(dtype).removeprefix("torch.")), located(learned, "float32", dtype))
    )
    assert found <= model + 3 * math.sqrt(2 * (model + 1))
    assert not np.array_equal(plain[0], plain[1])


def located(folder: Path, dtype: str, rounded_to: torch.dtype | None = None) -> np.ndarray:
    """Keypoints (8, 6, 2) of rendered faces by the tokens of a folder."""
    method = StableKeypoints(StableKeypointsConfig(preset="mini", dtype=dtype))
    images = ArrayImages(drawn_faces(8, method.image_size), prefix="test")
    method.load(folder)
    if rounded_to is not None:
        assert method._learner is not None
        round_all(method._learner.backbone, rounded_to)
    return method.predict(images.load(range(8)))
