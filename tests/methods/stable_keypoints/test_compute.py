"""The work on the device: it depends on no value on the host, and graphs of it give the same bits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from methods.graphs import Graphs
from methods.stable_keypoints import StableKeypoints, StableKeypointsConfig
from methods.stable_keypoints.backbone import Backbone
from methods.stable_keypoints.compute import Compute
from methods.stable_keypoints.fitting import TokenFit
from tests.methods.replays import Replays
from tests.methods.tiny_pipeline import ArrayImages, blobs

K, KAPPA, TOKENS, WIDTH, SIDE = 4, 8, 16, 32, 64
SETTINGS: dict[str, Any] = {
    "preset": "official",
    "num_tokens": TOKENS,
    "kappa": KAPPA,
    "map_size": 32,
    "steps": 5,
    "batch_size": 2,
    "selection_images": 7,
    "predict_batch": 3,
    "test_augmentations": 3,
}


class OnOneDevice(TorchDispatchMode):
    """Raises AssertionError for an operation with a tensor on another device: a copy from the host, or to it."""

    def __init__(self, device: str) -> None:
        super().__init__()
        self.device = device

    def __torch_dispatch__(self, function: Any, types: Any, arguments: Any = (), named: Any = None) -> Any:
        results = function(*arguments, **(named or {}))
        for each in tree_leaves((arguments, named, results)):
            assert not isinstance(each, Tensor) or each.device.type == self.device, function
        return results


class NothingFromTheHost(TorchFunctionMode):
    """Raises AssertionError where a tensor is made from numbers on the host."""

    def __torch_function__(self, function: Any, types: Any, arguments: Any = (), named: Any = None) -> Any:
        assert function not in (torch.tensor, torch.as_tensor, torch.from_numpy, Tensor.new_tensor), function
        return function(*arguments, **(named or {}))


@contextmanager
def on_device_alone() -> Iterator[None]:
    """Within the block, tensors must be on the device without values, and nothing may be copied from the host.

    Every wait for a value raises an error there, as does an index by a mask.
    """
    with OnOneDevice("meta"), NothingFromTheHost():
        yield


@pytest.mark.parametrize("change", [{}, {"keep_null_tokens": True}, {"loss_on": "candidates"}], ids=str)
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_no_work_on_the_device_depends_on_the_host(pipeline: Path, dtype: str, change: dict):
    config = StableKeypointsConfig(model=str(pipeline), dtype=dtype, **SETTINGS | change)
    parts = Backbone(config, "cpu").parts
    for module in (parts.unet, parts.autoencoder):
        module.to("meta")
    if parts.null_tokens is not None:
        object.__setattr__(parts, "null_tokens", parts.null_tokens.to("meta"))
    backbone = Backbone(config, "meta", parts)
    compute = Compute(backbone, K, KAPPA)

    def empty(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        return torch.empty(shape, dtype=dtype, device="meta")

    tokens, chosen, theta = empty(TOKENS, WIDTH), empty(K, dtype=torch.int64), empty(6, 2, 3)
    pixels, latents = empty(2, 3, SIDE, SIDE), empty(2, *backbone.latent_shape)
    four, six = empty(4, *backbone.latent_shape), empty(6, *backbone.latent_shape)
    with on_device_alone():
        losses, gradient = compute.gradient(0.5, tokens, latents, four, pixels, theta[:2])
        assert (losses.shape, gradient.shape) == ((3,), tokens.shape)
        assert compute.gradient(1.0, tokens, latents, latents)[1].shape == tokens.shape
        assert compute.kept(tokens, latents, latents).shape == (2, K)
        assert compute.located(tokens, chosen, six, pixels, theta).shape == (2, K, 2)
        assert compute.located(tokens, chosen, latents, latents).shape == (2, K, 2)
        assert compute.encode(pixels).shape == latents.shape


def test_the_guard_sees_waits_and_copies():
    values = torch.empty(3, device="meta")
    with on_device_alone():
        with pytest.raises(RuntimeError):
            float(values.sum())
        with pytest.raises(AssertionError):
            torch.ones(3).to(values.device)
        with pytest.raises(AssertionError):
            values.new_tensor([0.0, 0.0, 1.0])


@pytest.mark.parametrize("change", [{}, {"equivariance": False}, {"noise": False, "test_augmentations": 0}], ids=str)
def test_graphs_and_late_reading_change_no_bit_of_a_fit(pipeline: Path, change: dict, monkeypatch: pytest.MonkeyPatch):
    """With seven images, so that the last batches are shorter than the others."""
    images, record = ArrayImages(blobs(7)), Replays()
    plain = fitted(pipeline, images, change)

    def graphs(*arguments: Any, **named: Any) -> Graphs:
        return Graphs(*arguments, **named | {"record": record})

    monkeypatch.setattr("methods.stable_keypoints.backbone.Graphs", graphs)
    monkeypatch.setattr(TokenFit, "_late", 1)
    replayed = fitted(pipeline, images, change)
    assert record.recorded >= 3
    assert record.replayed > record.recorded
    for mine, other in zip(replayed[:3], plain[:3], strict=True):
        np.testing.assert_array_equal(mine, other)
    assert replayed[3] == plain[3]


def test_low_memory_uses_no_graphs(pipeline: Path, monkeypatch: pytest.MonkeyPatch):
    def graphs(*arguments: Any, **named: Any) -> Graphs:
        return Graphs(*arguments, **named | {"record": record})

    record = Replays()
    monkeypatch.setattr("methods.stable_keypoints.backbone.Graphs", graphs)
    fitted(pipeline, ArrayImages(blobs(3)), {"memory": "low"})
    assert record.recorded == 0


def fitted(pipeline: Path, images: ArrayImages, change: dict) -> tuple[Any, Any, Any, list[dict[str, float]]]:
    """Tokens, chosen ids, keypoints of all images, and the reported losses."""
    reported: list[dict[str, float]] = []
    method = StableKeypoints(StableKeypointsConfig(model=str(pipeline), **SETTINGS | change))
    method.fit(images, K, 0, lambda done, total, **scalars: reported.append(scalars))
    _, tokens, chosen = method._learned()
    return tokens.numpy(), chosen.numpy(), method.predict(images.load(range(len(images)))), reported
