"""Pose Prior Learner: memory and losses computed by hand, and learning."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from methods.ppl import PPL, PPLConfig
from methods.ppl.memory import Memory
from methods.ppl.network import PriorNetwork, outside
from tests.methods.tiny_pipeline import ArrayImages, blobs

K = 4
SMALL: dict[str, Any] = {"preset": "mini", "steps": 3, "batch_size": 2, "width": 4, "image_size": 32}


def learned(seed: int = 0) -> PPL:
    method = PPL(PPLConfig(**SMALL))
    method.fit(ArrayImages(blobs(6, 32)), K, seed, lambda done, total, **scalars: None)
    return method


def bits(method: PPL) -> dict[str, bytes]:
    return {name: tensor.contiguous().numpy().tobytes() for name, tensor in method._learned().state_dict().items()}


def test_only_coordinates_outside_the_image_count_with_their_whole_size() -> None:
    points = torch.tensor([[[0.5, -1.5], [1.0, 3.0]], [[-2.0, 0.0], [0.0, 0.9]]])
    assert outside(points).item() == pytest.approx((1.5 + 3 + 2) / (2 * 2))


def test_entries_follow_tokens_as_moving_averages_do() -> None:
    """Three steps against a loop over tokens and images in float64 NumPy."""
    torch.manual_seed(0)
    memory = Memory(K, tokens=3, entries=2, width=5, layers=1, decay=0.75).double()
    sums, counts = memory.sums.numpy().copy(), memory.counts.numpy().copy()
    draws = np.random.default_rng(1)
    for _ in range(3):
        tokens, chosen = draws.normal(size=(6, 3, 5)), draws.integers(2, size=(6, 3))
        memory.follow(torch.tensor(tokens), torch.tensor(chosen))
        for token in range(3):
            for entry in range(2):
                those = [tokens[image, token] for image in range(6) if chosen[image, token] == entry]
                counts[token, entry] = 0.75 * counts[token, entry] + 0.25 * len(those)
                sums[token, entry] = 0.75 * sums[token, entry] + 0.25 * sum(those, np.zeros(5))
            total = counts[token].sum()
            counts[token] = (counts[token] + 1e-5) / (total + 2e-5) * total
    assert np.allclose(memory.counts.numpy(), counts, rtol=1e-12)
    assert np.allclose(memory.entries.numpy(), sums / counts[:, :, None], rtol=1e-12)


def test_tokens_that_are_entries_are_recalled_as_they_are() -> None:
    torch.manual_seed(0)
    memory = Memory(K, tokens=3, entries=4, width=5, layers=1, decay=0.9).eval()
    poses = torch.rand(1, K, 2)
    memory.entries[:, 2] = memory.encoder(poses)[0].detach()
    recalled = memory(poses)
    assert recalled.commitment.item() == pytest.approx(0, abs=1e-10)
    assert torch.allclose(recalled.poses, memory.decoder(memory.encoder(poses)), atol=1e-5)
    memory.entries[:] = memory.entries[:, 2:3].clone()
    assert torch.allclose(memory.template(), recalled.poses[0], atol=1e-5)


def test_a_map_moves_the_template_and_a_zero_map_leaves_the_detector_alone() -> None:
    network = PPL(PPLConfig(**SMALL))._new_network(K, 0).eval()
    assert isinstance(network, PriorNetwork)
    pixels = torch.tensor(blobs(2, 32))
    last = network.affine[-1]
    assert isinstance(last, torch.nn.Linear)
    last.weight.data.zero_()
    last.bias.data.zero_()
    assert torch.equal(network.keypoints(pixels), network.detector(pixels))
    last.bias.data = torch.tensor([0.0, 1.0, 0.25, 1.0, 0.0, -0.5])  # y and x change places, then a shift
    moved = network.memory.template().flip(1) + torch.tensor([0.25, -0.5])
    assert torch.allclose(network.keypoints(pixels), network.detector(pixels) + moved, atol=1e-6)


def test_the_memory_passes_no_gradient_to_the_detector() -> None:
    network = PPL(PPLConfig(**SMALL))._new_network(K, 0)
    assert isinstance(network, PriorNetwork)
    painted = network.restore(torch.tensor(blobs(2, 32)), torch.zeros(2, 3, 32, 32), 0.01)
    (painted.recalled.square().sum() + painted.commitment).backward()
    assert all(parameter.grad is None for parameter in network.detector.parameters())
    assert any(parameter.grad is not None for parameter in network.memory.encoder.parameters())


def test_the_same_seed_gives_the_same_bits_and_another_seed_others() -> None:
    assert bits(learned()) == bits(learned())
    assert bits(learned(1)) != bits(learned())
