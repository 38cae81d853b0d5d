"""Features of perceptual losses: VGG against plain torch layers, available and missing weights, the balanced loss."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from methods.base import MethodError
from methods.training import features, perceptual
from methods.training.features import BalancedLoss, layer_distances

# Columns D and E of Simonyan and Zisserman's table 1: convolutions by their width, M for pooling.
TABLE = {
    "vgg16": "64 64 M 128 128 M 256 256 256 M 512 512 512 M 512 512 512",
    "vgg19": "64 64 M 128 128 M 256 256 256 256 M 512 512 512 512 M 512 512 512 512",
}
PIXELS = torch.tensor(np.random.default_rng(0).random((2, 3, 32, 32)), dtype=torch.float32)


@pytest.fixture(autouse=True)
def _no_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty hub cache, and no network."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


def plain_vgg(kind: str) -> nn.Sequential:
    """VGG as torchvision and timm lay it out, with thin random weights."""
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    channels = 3
    for entry in TABLE[kind].split():
        if entry == "M":
            layers.append(nn.MaxPool2d(kernel_size=2, stride=2))
        else:
            layers += [nn.Conv2d(channels, int(entry), kernel_size=3, padding=1), nn.ReLU(inplace=False)]
            channels = int(entry)
    return nn.Sequential(*layers)


def published(network: nn.Sequential) -> dict[str, torch.Tensor]:
    """A state dict as it is published: the classifier's tensors lie beside the features'."""
    state = {f"features.{name}": tensor for name, tensor in network.state_dict().items()}
    return {**state, "head.fc.weight": torch.zeros(2, 2)}


@pytest.fixture(scope="module")
def vgg16(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("vgg") / "model.safetensors"
    save_file(published(plain_vgg("vgg16")), file)
    return file


def load(kind: Any, weights: Path | str | None, layers: tuple[str, ...] | None = None) -> features.Features:
    return perceptual.load(kind, None if weights is None else str(weights), layers, "cpu", "imm")


def expected_layers(network: nn.Sequential, wanted: dict[str, int]) -> dict[str, torch.Tensor]:
    """Outputs at the positions of the plain network, of pixels normalised as ImageNet's are, in float64."""
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    hidden = torch.tensor((PIXELS.double().numpy() - mean[:, None, None]) / deviation[:, None, None])
    found: dict[str, torch.Tensor] = {}
    for position, layer in enumerate(network.double()):
        hidden = layer(hidden)
        found |= {name: hidden for name, index in wanted.items() if index == position}
    return found


@torch.no_grad()
def test_vgg16_gives_what_the_plain_network_gives_after_each_relu(vgg16: Path) -> None:
    wanted = {"conv1_2": 3, "conv2_2": 8, "conv3_2": 13, "conv4_2": 20, "conv5_2": 27}
    given = load("vgg16", vgg16)(PIXELS)
    assert torch.equal(given[0], PIXELS)
    for ours, (name, theirs) in zip(given[1:], expected_layers(plain_vgg("vgg16"), wanted).items(), strict=True):
        assert ours.shape == theirs.shape, name
        assert (ours - theirs).abs().max() < 1e-4 * theirs.abs().max(), name


def test_vgg19_is_read_from_a_file_as_torchvision_has_it(tmp_path: Path) -> None:
    network = plain_vgg("vgg19")
    torch.save(published(network), tmp_path / "vgg19-dcbb9e9d.pth")
    ours = load("vgg19", tmp_path / "vgg19-dcbb9e9d.pth", ("conv3_4", "conv5_4"))(PIXELS)
    theirs = expected_layers(network, {"conv3_4": 17, "conv5_4": 35})
    for given, expected in zip(ours, theirs.values(), strict=True):
        assert (given - expected).abs().max() < 1e-4 * expected.abs().max()


def test_nothing_is_computed_behind_the_last_layer_and_nothing_learns(vgg16: Path) -> None:
    network = load("vgg16", vgg16, ("conv2_1", "conv1_2"))
    assert list(network.stages) == ["conv1_1", "conv1_2", "conv2_1"]
    assert network.kept == ("conv1_2", "conv2_1")
    assert not network.training and not any(parameter.requires_grad for parameter in network.parameters())
    pixels = PIXELS.clone().requires_grad_()
    network(pixels)[-1].sum().backward()
    assert pixels.grad is not None and pixels.grad.abs().max() > 0


@torch.no_grad()
def test_mini_vae_is_the_encoder_of_the_small_model() -> None:
    from diffusers import AutoencoderKL

    encoder = AutoencoderKL.from_pretrained(perceptual.MINI_VAE.parent).encoder
    hidden = encoder.conv_in(2 * PIXELS - 1)
    first = encoder.down_blocks[0](hidden)
    expected = [PIXELS, hidden, first, encoder.down_blocks[1](first)]
    for ours, theirs in zip(load("mini_vae", None)(PIXELS), expected, strict=True):
        assert (ours - theirs).abs().max() < 1e-5


def test_pixels_are_the_image_itself() -> None:
    assert [layer is PIXELS for layer in load("pixels", None)(PIXELS)] == [True]
    assert perceptual.identity("pixels", None, "imm") == {"features": "pixels"}


def test_auto_takes_the_best_at_hand(vgg16: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert perceptual.at_hand("auto") == "mini_vae"
    assert perceptual.at_hand("auto", str(vgg16)) == "vgg16"
    assert perceptual.at_hand("pixels", str(vgg16)) == "pixels"
    store = tmp_path / "hub" / "models--timm--vgg16.tv_in1k"
    (store / "snapshots" / "abc").mkdir(parents=True)
    (store / "refs").mkdir()
    (store / "refs" / "main").write_text("abc")
    assert perceptual.at_hand("auto") == "mini_vae"
    (store / "snapshots" / "abc" / "model.safetensors").write_bytes(b"")
    assert perceptual.at_hand("auto") == "vgg16"
    shutil.rmtree(store)
    monkeypatch.setattr(perceptual, "MINI_VAE", tmp_path / "gone.safetensors")
    assert perceptual.at_hand("auto") == "pixels"


def test_identity_names_the_bytes_of_the_weights(vgg16: Path) -> None:
    expected = hashlib.sha256(vgg16.read_bytes()).hexdigest()
    assert perceptual.identity("vgg16", str(vgg16), "imm") == {"features": "vgg16", "features_sha256": expected}
    assert set(perceptual.identity("mini_vae", None, "imm")) == {"features", "features_sha256"}


def broken(case: str, vgg16: Path, folder: Path) -> Path:
    file = folder / "broken.safetensors"
    if case == "no tensor":
        save_file({"features.0.weight": torch.zeros(64, 3, 3, 3)}, file)
    elif case == "size mismatch":
        state = load_file(vgg16)
        save_file({**state, "features.0.weight": torch.zeros(64, 3, 5, 5)}, file)
    elif case == "header":
        file.write_bytes(b"no safetensors, by any means")
    else:
        file = folder / "evil.pth"
        torch.save({"features.0.weight": Path("/tmp")}, file)
    return file


@pytest.mark.parametrize("case", ["no tensor", "size mismatch", "header", "pathlib"])
def test_foreign_weights_are_refused_in_one_line(case: str, vgg16: Path, tmp_path: Path) -> None:
    file = broken(case, vgg16, tmp_path)
    with pytest.raises(MethodError, match=rf"^imm: {file} as weights of vgg16: .*features_weights=FILE") as error:
        load("vgg16", file)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("weights", "reason"),
    [
        (None, "timm/vgg16.tv_in1k is not in .*HF_HUB_OFFLINE is set"),
        ("somebody/vgg", "somebody/vgg is not in"),
        ("/no/such/file.pth", "no file /no/such/file.pth"),
    ],
)
def test_missing_weights_are_one_line_that_helps(weights: str | None, reason: str) -> None:
    asks: list[Callable[[], object]] = [
        lambda: perceptual.identity("vgg16", weights, "imm"),
        lambda: load("vgg16", weights),
    ]
    for ask in asks:
        with pytest.raises(MethodError, match=reason) as error:
            ask()
        assert "imm.features=mini_vae" in str(error.value)
        assert "\n" not in str(error.value)


def test_a_file_of_another_kind_and_an_unknown_layer_are_refused(tmp_path: Path) -> None:
    (tmp_path / "vgg.h5").write_bytes(b"")
    with pytest.raises(MethodError, match=r"no weights file of vgg16, expected one that ends in \.safetensors"):
        load("vgg16", tmp_path / "vgg.h5")
    with pytest.raises(MethodError, match="pixels has no layer 'conv1_2', expected some of input"):
        load("pixels", None, ("conv1_2",))


def layers(seed: int, scale: float = 1.0) -> list[torch.Tensor]:
    generator = np.random.default_rng(seed)
    return [torch.tensor(scale * generator.standard_normal(shape)) for shape in [(2, 3, 8, 8), (2, 5, 4, 4)]]


@pytest.mark.parametrize(("distance", "power"), [("l1", 1), ("l2", 2)])
def test_distances_are_means_of_powers_weighed_by_the_mask(distance: Any, power: int) -> None:
    ours, theirs = layers(0), layers(1)
    mask = torch.zeros(2, 1, 8, 8, dtype=torch.float64)
    mask[:, :, :, :4] = 1
    found = layer_distances(theirs, ours, mask, distance)
    for one, other, given in zip(ours, theirs, found, strict=True):
        half = one.shape[-1] // 2
        expected = (np.abs((one - other).numpy()) ** power)[..., :half].sum() / one.numel()
        assert given.item() == pytest.approx(expected, rel=1e-9)
    whole = layer_distances(theirs, ours, None, distance)
    assert whole[0].item() == pytest.approx((np.abs((ours[0] - theirs[0]).numpy()) ** power).mean(), rel=1e-9)


def test_balanced_layers_weigh_the_same_whatever_their_scale() -> None:
    loss = BalancedLoss(2).double()
    ours, theirs = layers(0), layers(1)
    scaled = [[ours[0], 1000 * ours[1]], [theirs[0], 1000 * theirs[1]]]
    assert loss(theirs, ours).item() == pytest.approx(2)
    assert BalancedLoss(2).double()(scaled[1], scaled[0]).item() == pytest.approx(2)


def test_averages_follow_in_training_alone_and_take_no_gradient() -> None:
    loss = BalancedLoss(1, decay=0.9).double()
    target = [torch.zeros(1, 1, 2, 2, dtype=torch.float64)]
    for size in (1.0, 2.0):
        loss(target, [torch.full((1, 1, 2, 2), size, dtype=torch.float64)])
    assert loss.averages.item() == pytest.approx(0.9 * 1 + 0.1 * 4)
    loss.eval()
    drawn = torch.full((1, 1, 2, 2), 3.0, dtype=torch.float64, requires_grad=True)
    found = loss(target, [drawn])
    assert found.item() == pytest.approx(9 / 1.3) and loss.averages.item() == pytest.approx(1.3)
    found.backward()
    assert drawn.grad is not None and drawn.grad.flatten().tolist() == pytest.approx([2 * 3 / 4 / 1.3] * 4)


def test_equal_images_have_no_loss_even_at_first() -> None:
    assert BalancedLoss(2).double()(layers(0), layers(0)).item() == 0
