"""Frozen networks for perceptual losses, and a loss that gives all layers equal weight."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from methods.base import MethodError
from methods.diffusion.weights import MINI_MODEL

Distance = Literal["l1", "l2"]

# Convolutions and channels of VGG's five blocks (Simonyan and Zisserman 2015, columns D and E).
VGG_BLOCKS = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}
VGG_CHANNELS = (64, 128, 256, 512, 512)
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)


class Features(nn.Module):
    """The named layers of a network, in a chain; ``input`` names the image itself.

    ``forward`` takes pixels (B, 3, H, W) in [0, 1] and returns the outputs (B, C, h, w) of the kept layers, in order.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, stages: dict[str, nn.Module], mean: Sequence[float], deviation: Sequence[float]) -> None:
        super().__init__()
        self.names = ("input", *stages)
        self.kept = self.names
        self.stages = nn.ModuleDict(stages)
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(deviation).view(1, -1, 1, 1), persistent=False)

    def keep(self, names: Sequence[str]) -> None:
        """Return the outputs of these layers only, and drop all layers after the last of them."""
        self.kept = tuple(name for name in self.names if name in names)
        for name in self.names[self.names.index(self.kept[-1]) + 1 :]:
            del self.stages[name]

    def forward(self, pixels: Tensor) -> list[Tensor]:
        found = [pixels] if "input" in self.kept else []
        hidden = (pixels - self.mean) / self.deviation
        for name, stage in self.stages.items():
            hidden = stage(hidden)
            if name in self.kept:
                found.append(hidden)
        return found

    def weight_names(self) -> dict[str, str]:
        """Names of this network's tensors in a published file, by their names here."""
        return {name: name for name in self.state_dict()}


class VGG(Features):
    """VGG's convolutions without its classifier: ``conv1_1`` to ``conv5_3`` or ``conv5_4``, after their ReLU."""

    def __init__(self, kind: str) -> None:
        stages: dict[str, nn.Module] = {}
        self._published: dict[str, str] = {}
        channels, index = 3, 0
        for block, (count, width) in enumerate(zip(VGG_BLOCKS[kind], VGG_CHANNELS, strict=True), 1):
            for number in range(1, count + 1):
                pool = [nn.MaxPool2d(2)] if number == 1 and block > 1 else []
                layers = [*pool, nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
                name = f"conv{block}_{number}"
                stages[name] = nn.Sequential(*layers)
                self._published[f"stages.{name}.{len(pool)}"] = f"features.{index}"
                channels, index = width, index + 2
            index += 1
        super().__init__(stages, IMAGENET_MEAN, IMAGENET_DEVIATION)

    def weight_names(self) -> dict[str, str]:
        """The names of timm and torchvision: ``features.<position>``, where ReLU and pooling count as positions."""
        return {
            f"{ours}.{tensor}": f"{theirs}.{tensor}"
            for ours, theirs in self._published.items()
            for tensor in ("weight", "bias")
        }


class MiniAutoencoder(Features):
    """The encoder of the mini model's autoencoder: ``conv_in``, then its stages ``down_0`` and so on."""

    def __init__(self) -> None:
        from diffusers import AutoencoderKL

        encoder = AutoencoderKL.from_config(AutoencoderKL.load_config(MINI_MODEL / "vae")).encoder
        blocks = {f"down_{number}": block for number, block in enumerate(encoder.down_blocks)}
        super().__init__({"conv_in": encoder.conv_in, **blocks}, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))

    def weight_names(self) -> dict[str, str]:
        """The names of diffusers: ``encoder.conv_in``, ``encoder.down_blocks.<number>``."""
        return {
            name: name.replace("stages.down_", "encoder.down_blocks.").replace("stages.", "encoder.")
            for name in self.state_dict()
        }


BUILDERS: dict[str, Callable[[], Features]] = {
    "vgg16": lambda: VGG("vgg16"),
    "vgg19": lambda: VGG("vgg19"),
    "mini_vae": MiniAutoencoder,
    "pixels": lambda: Features({}, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
}


def read_weights(network: Features, file: Path, what: str, remedy: str) -> None:
    """Read a network's weights from safetensors or a pickled state dict, without executing the pickle.

    Raises MethodError, "``what``: reason; ``remedy``", where a tensor is missing or has another shape.
    """
    import pickle

    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        if file.suffix == ".safetensors":
            found = load_file(file)
        else:
            found = torch.load(file, map_location="cpu", weights_only=True)
        state = {ours: found[theirs] for ours, theirs in network.weight_names().items()}
        network.load_state_dict(state)
    except KeyError as error:
        raise MethodError(f"{what}: it has no tensor {error}; {remedy}") from error
    except (OSError, SafetensorError, pickle.UnpicklingError, RuntimeError, TypeError) as error:
        raise MethodError(f"{what}: {str(error).strip().splitlines()[-1].strip()}; {remedy}") from error


class BalancedLoss(nn.Module):
    """Sum of the layers' distances, each divided by its own moving average, so that all have equal weight.

    The averages start at the first distance, decay by ``decay`` a step, and are treated as constants in the gradient.
    Source: Jakab et al. (2018), after Chen and Koltun (2017). In the released code the averages start at constants,
    and the gradient flows through the newest term of each average.
    """

    averages: Tensor

    def __init__(self, layers: int, decay: float = 0.99) -> None:
        super().__init__()
        self.decay = decay
        self.register_buffer("averages", torch.zeros(layers))

    def forward(
        self,
        target: Sequence[Tensor],
        generated: Sequence[Tensor],
        mask: Tensor | None = None,
        distance: Distance = "l2",
    ) -> Tensor:
        """The loss, a scalar, of layers (B, C, h, w); the ``mask`` (B, 1, H, W) gives the weights of pixels."""
        distances = torch.stack(layer_distances(target, generated, mask, distance))
        if self.training:
            self._follow(distances.detach())
        return (distances / self.averages.clamp_min(torch.finfo(distances.dtype).tiny)).sum()

    def _follow(self, distances: Tensor) -> None:
        moved = self.decay * self.averages + (1 - self.decay) * distances
        self.averages = torch.where(self.averages > 0, moved, distances)


def layer_distances(
    target: Sequence[Tensor], generated: Sequence[Tensor], mask: Tensor | None = None, distance: Distance = "l2"
) -> list[Tensor]:
    """For every layer, the mean absolute (l1) or squared (l2) difference, weighted by ``mask``."""
    found = []
    for theirs, ours in zip(target, generated, strict=True):
        difference = (theirs - ours).abs() if distance == "l1" else (theirs - ours).square()
        if mask is not None:
            weight = interpolate(mask, difference.shape[-2:], mode="bilinear", align_corners=False)
            difference = difference * weight
        found.append(difference.mean())
    return found
