"""AutoLink: networks against their published layout, losses computed by hand, and learning."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import nn
from torch.nn import functional

from methods.autolink import AutoLink, AutoLinkConfig
from methods.autolink.network import Detector, Network, spiral
from methods.base import MethodError
from tests.methods.tiny_pipeline import ArrayImages, blobs

K = 4
SMALL: dict[str, Any] = {"preset": "mini", "steps": 3, "batch_size": 2, "width": 4, "image_size": 32}
TINY: dict[str, Any] = {**SMALL, "levels": 4, "reach": 0.0, "recolour": False}


def make(**settings: Any) -> AutoLink:
    return AutoLink(AutoLinkConfig(**{**TINY, **settings}))


def new_network(method: AutoLink, num_keypoints: int = K) -> Network:
    network = method._new_network(num_keypoints, 0)
    assert isinstance(network, Network)
    return network


def learn(method: AutoLink, num_keypoints: int = K, seed: int = 0) -> list[dict[str, float]]:
    rows: list[dict[str, float]] = []
    images = ArrayImages(blobs(6, method.image_size))
    method.fit(images, num_keypoints, seed, lambda done, total, **scalars: rows.append(scalars))
    return rows


def released_state(num_keypoints: int, width: int) -> dict[str, torch.Tensor]:
    """Random tensors under the names and shapes that the released encoder has, the grid among them."""
    generator = torch.Generator().manual_seed(7)
    state: dict[str, torch.Tensor] = {}

    def convolution(name: str, inputs: int, outputs: int) -> None:
        state[f"{name}.weight"] = torch.randn(outputs, inputs, 3, 3, generator=generator) / (3 * inputs**0.5)
        state[f"{name}.bias"] = torch.randn(outputs, generator=generator) / 10

    def norm(name: str, channels: int) -> None:
        state[f"{name}.weight"] = 0.5 + torch.rand(channels, generator=generator)
        state[f"{name}.bias"] = torch.randn(channels, generator=generator) / 10
        state[f"{name}.running_mean"] = torch.randn(channels, generator=generator) / 10
        state[f"{name}.running_var"] = 0.5 + torch.rand(channels, generator=generator)
        state[f"{name}.num_batches_tracked"] = torch.tensor(11)

    for number, (inputs, outputs) in enumerate([(3, 1), (1, 2), (2, 4), (4, 8)]):
        inputs, outputs = inputs if number == 0 else inputs * width, outputs * width
        block = f"encoder.detector.conv.{number}"
        convolution(f"{block}.conv_res.0", inputs, outputs)
        norm(f"{block}.conv_res.2", outputs)
        convolution(f"{block}.net.0", inputs, outputs)
        norm(f"{block}.net.2", outputs)
        convolution(f"{block}.net.4", outputs, outputs)
        norm(f"{block}.net.5", outputs)
    for number, (inputs, outputs) in enumerate([(8, 4), (4, 2)], 4):
        convolution(f"encoder.detector.conv.{number}.net.1", inputs * width, outputs * width)
        norm(f"encoder.detector.conv.{number}.net.2", outputs * width)
    convolution("encoder.detector.conv.6", 2 * width, num_keypoints)
    ticks = torch.linspace(-1, 1, 32)
    state["encoder.detector.coord"] = torch.cartesian_prod(ticks, ticks).view(1, 1, 1024, 2)
    return state


def released_keypoints(state: dict[str, torch.Tensor], pixels: torch.Tensor) -> torch.Tensor:
    """Keypoints (B, K, 2), (y, x) in [-1, 1], by the published layers, function by function."""

    def convolution(name: str, hidden: torch.Tensor) -> torch.Tensor:
        return functional.conv2d(hidden, state[f"{name}.weight"], state[f"{name}.bias"], padding=1)

    def norm(name: str, hidden: torch.Tensor) -> torch.Tensor:
        moments = state[f"{name}.running_mean"], state[f"{name}.running_var"]
        return functional.batch_norm(hidden, *moments, state[f"{name}.weight"], state[f"{name}.bias"])

    def scaled(hidden: torch.Tensor, factor: float) -> torch.Tensor:
        return functional.interpolate(hidden, scale_factor=factor, mode="bilinear", align_corners=False)

    hidden = pixels
    for block in (f"encoder.detector.conv.{number}" for number in range(4)):
        side = norm(f"{block}.conv_res.2", scaled(convolution(f"{block}.conv_res.0", hidden), 0.5))
        path = norm(f"{block}.net.2", scaled(convolution(f"{block}.net.0", hidden), 0.5))
        path = norm(f"{block}.net.5", convolution(f"{block}.net.4", functional.leaky_relu(path, 0.2)))
        hidden = functional.leaky_relu(path + side, 0.2)
    for block in ("encoder.detector.conv.4", "encoder.detector.conv.5"):
        hidden = functional.leaky_relu(norm(f"{block}.net.2", convolution(f"{block}.net.1", scaled(hidden, 2))), 0.2)
    maps = convolution("encoder.detector.conv.6", hidden).flatten(2).softmax(dim=2)
    return (maps.unsqueeze(3) * state["encoder.detector.coord"]).sum(dim=2)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A checkpoint in the released code's format, of a narrow network."""
    path = tmp_path / "model.ckpt"
    torch.save({"state_dict": released_state(K, 4), "global_step": 20_001}, path)
    return path


def test_a_released_checkpoint_finds_the_keypoints_of_the_published_layers(checkpoint: Path) -> None:
    method = make(weights=str(checkpoint), image_size=128, reach=0.0)
    assert learn(method) == [{}]
    pixels = blobs(3, 128, seed=2)
    expected = released_keypoints(released_state(K, 4), torch.tensor(2 * pixels - 1))
    places = expected.flip(2) * 0.5 + 0.5  # as the released evaluation has them
    found = method.predict(ArrayImages(pixels).load(range(3)))
    assert np.abs(found - places.numpy()).max() < 1e-5
    assert np.ptp(found, axis=(0, 1)).min() > 1e-3


def test_weights_are_part_of_the_identity_and_must_fit(checkpoint: Path, tmp_path: Path) -> None:
    assert len(make(weights=str(checkpoint)).identity()["weights_sha256"]) == 64
    with pytest.raises(MethodError, match="K=4 keypoints, the task has K=5"):
        learn(make(weights=str(checkpoint)), 5)
    with pytest.raises(MethodError, match="another width than 8; set autolink.preset=paper"):
        learn(make(weights=str(checkpoint), width=8))
    with pytest.raises(MethodError, match="cannot read .*none.ckpt: No such file"):
        make(weights=str(tmp_path / "none.ckpt")).identity()


class Fixed(nn.Module):
    """Gives the same maps whatever it is given."""

    def __init__(self, maps: torch.Tensor) -> None:
        super().__init__()
        self.maps = maps

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.maps


def test_a_peak_in_a_map_is_where_the_released_evaluation_puts_its_cell() -> None:
    method = make()
    network = new_network(method, 1).eval()
    peaks = torch.zeros(1, 1, 8, 8)
    peaks[0, 0, 2, 5] = 1e4
    network.detector.stages = nn.Sequential(Fixed(peaks))
    (found,) = method.locate(network, torch.zeros(1, 3, 32, 32))[0].tolist()
    assert found == pytest.approx([5 / 7, 2 / 7], abs=1e-6)  # from 0 in the first cell to 1 in the last


def test_a_keypoint_follows_an_image_that_is_turned_over() -> None:
    """With symmetric weights, a transposed image has transposed keypoints."""
    detector = Detector(K, 4).eval()
    for module in detector.modules():
        if isinstance(module, nn.Conv2d):
            module.weight.data = (module.weight.data + module.weight.data.transpose(2, 3)) / 2
    pixels = torch.tensor(blobs(2, 32))
    assert torch.allclose(detector(pixels).flip(2), detector(pixels.transpose(2, 3)), atol=1e-5)


def test_edges_begin_where_they_are_told_and_move_at_their_own_rate() -> None:
    weights = []
    for edge_rate in (1.0, 64.0):
        torch.manual_seed(0)
        network = Network(Detector(6, 4), 6, 4, edge_rate, edge_start=-4.0)
        assert network.edge_weights.log().mean().item() == pytest.approx(math.log(math.log1p(math.exp(-4))), abs=0.1)
        adam = torch.optim.Adam([network.edge_scores], lr=1e-3)
        before = network.edge_weights.detach().clone()
        network.edge_weights.sum().backward()
        adam.step()
        score = before.expm1().log() - edge_rate * 1e-3  # Adam's first step is as long as its rate
        weights.append(((network.edge_weights - score.exp().log1p()).abs().max().item(), before))
    assert max(difference for difference, _ in weights) < 1e-6
    assert torch.allclose(weights[0][1], weights[1][1], atol=1e-6)


@pytest.mark.parametrize("masked", [0.0, 0.5, 0.8])
def test_the_mask_takes_away_whole_blocks_in_the_share_asked_for(masked: float) -> None:
    method = make(masked=masked, mask_blocks=8)
    visible = method._visible(torch.zeros(64, 3, 32, 32), np.random.default_rng(0))
    assert visible.shape == (64, 1, 32, 32)
    assert set(visible.unique().tolist()) <= {0.0, 1.0}
    blocks = visible.view(64, 8, 4, 8, 4)
    assert torch.equal(blocks.amin(dim=(2, 4)), blocks.amax(dim=(2, 4)))
    assert visible.mean().item() == pytest.approx(1 - masked, abs=0.03)


def test_the_loss_is_the_mean_absolute_error_of_what_is_painted() -> None:
    method = make(features="pixels", flip=False, masked=0.0, painted_size=0)
    network = new_network(method).eval()
    batch = ArrayImages(blobs(2, 32)).load(range(2))
    pixels = torch.tensor(batch.pixels)
    found = method.losses(network, batch, pixels, np.random.default_rng(0))
    painted = network(2 * pixels - 1, 2 * pixels - 1, method.config.thickness)
    expected = ((painted + 1) / 2 - pixels).abs().mean()
    assert found["loss"].item() == pytest.approx(expected.item(), rel=1e-5)


def test_the_loss_reaches_detector_edges_and_painter() -> None:
    method = make()
    network = new_network(method).train()
    batch = ArrayImages(blobs(2, 32)).load(range(2))
    method.losses(network, batch, torch.tensor(batch.pixels), np.random.default_rng(0))["loss"].backward()
    gradients = {name: tensor.grad for name, tensor in network.named_parameters()}
    for name in ("detector.stages.0.path.0.weight", "edge_scores", "painter.entry.0.weight"):
        gradient = gradients[name]
        assert gradient is not None and gradient.abs().max() > 0


def test_training_paints_better_and_the_same_for_the_same_seed() -> None:
    method, again = make(steps=25), make(steps=25)
    rows = learn(method)
    assert np.mean([row["loss"] for row in rows[-5:]]) < 0.7 * np.mean([row["loss"] for row in rows[:5]])
    assert learn(again) == rows
    assert set(rows[0]) == {"loss", "pixel error", "strongest edge", "weakest edge"}


def test_a_smaller_picture_is_painted_where_it_is_asked_for() -> None:
    method = make(painted_size=16)
    pixels = torch.full((2, 3, 32, 32), 0.5)
    pixels[:, :, :, 16:] = 0.9
    small = method._resized(pixels, 16)
    assert small.shape == (2, 3, 16, 16)
    assert small[0, 0, 3].tolist() == pytest.approx([0.5] * 7 + [0.55, 0.85] + [0.9] * 7)  # 1, 3, 3, 1 eighths
    network = new_network(method)
    assert network(2 * pixels - 1, 2 * small - 1, 0.01).shape == (2, 3, 16, 16)
    assert method._resized(pixels, 0) is pixels


def test_keypoints_tied_to_places_begin_apart_and_stay_within_reach() -> None:
    torch.manual_seed(0)
    pixels = torch.tensor(2 * blobs(4, 64) - 1)
    free, tied = Detector(6, 4, levels=3).eval(), Detector(6, 4, levels=3, reach=0.1).eval()
    places = spiral(6)
    assert places.norm(dim=1).max() < 0.7
    assert torch.pdist(places).min() > 0.3
    assert (tied(pixels) - places).norm(dim=2).max() < 0.2 < torch.pdist(tied(pixels)[0]).min()
    assert torch.pdist(free(pixels)[0]).max() < 0.2, "without reach all begin in the middle"
    for module in tied.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.zeros_(module.weight)
    assert (tied(pixels) - places).abs().max() < 0.01  # no evidence: the place itself, but for the map's cells


def test_recolouring_keeps_every_pixel_s_levels_but_for_order_and_sign() -> None:
    pixels = torch.tensor(blobs(30, 16))
    seen = make(recolour=True)._recoloured(pixels, np.random.default_rng(0))
    found = set()
    for ours, theirs in zip(seen, pixels, strict=True):
        for channel in ours:
            matches = [
                (number, sign)
                for number in range(3)
                for sign, level in ((1, theirs[number]), (-1, 1 - theirs[number]))
                if torch.equal(channel, level)
            ]
            assert len(matches) == 1
            found.add(matches[0])
    assert len(found) == 6
    assert make()._recoloured(pixels, np.random.default_rng(0)) is pixels


def test_the_detector_learns_at_its_own_rate() -> None:
    method = make(learning_rate=0.01, detector_rate=0.25, weight_decay=0.0)
    network = new_network(method)
    before = {name: tensor.detach().clone() for name, tensor in network.named_parameters()}
    adam = method.optimiser(network)
    torch.stack([tensor.sum() for tensor in network.parameters()]).sum().backward()
    adam.step()
    for name, tensor in network.named_parameters():
        moved = (before[name] - tensor).mean().item()  # Adam's first step is as long as its rate
        assert moved == pytest.approx(0.0025 if name.startswith("detector.") else 0.01, rel=1e-3), name


def test_half_of_the_images_are_mirrored() -> None:
    pixels = torch.tensor(blobs(40, 16))
    seen = make(flip=True)._flipped(pixels, np.random.default_rng(3))
    mirrored = [torch.equal(ours, theirs.flip(2)) for ours, theirs in zip(seen, pixels, strict=True)]
    untouched = [torch.equal(ours, theirs) for ours, theirs in zip(seen, pixels, strict=True)]
    assert all(one != other for one, other in zip(mirrored, untouched, strict=True))
    assert 8 < sum(mirrored) < 32
    assert make(flip=False)._flipped(pixels, np.random.default_rng(3)) is pixels


def test_mistakes_are_told() -> None:
    with pytest.raises(MethodError, match="got 1 keypoints, expected at least 2"):
        learn(make(), 1)
    with pytest.raises(ValidationError, match="image_size is 40, expected a multiple of 16"):
        make(image_size=40)
    with pytest.raises(ValidationError, match="features_weights are those of vgg16 or vgg19, got features=mini_vae"):
        AutoLinkConfig(features="mini_vae", features_weights="vgg.pth")
    with pytest.raises(ValidationError, match="painted_size is 24, expected a multiple of 16"):
        make(painted_size=24)
