"""What AutoLink shares with other methods that restore a masked image from edges."""

from __future__ import annotations

from abc import abstractmethod
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from methods.base import ImageBatch, ImageStream, MethodError, Report
from methods.frozen import FrozenData
from methods.training import perceptual
from methods.training.base import TrainedMethod

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn, optim

    from methods.autolink.network import Network
    from methods.training.features import Features

LEAST_KEYPOINTS = 2  # an edge has two ends

# The last ReLU of each block but the deepest. Other kinds of features use ``perceptual.LAYERS``.
LAYERS: dict[str, tuple[str, ...] | None] = {
    "vgg16": ("conv1_2", "conv2_2", "conv3_3", "conv4_3"),
    "vgg19": ("conv1_2", "conv2_2", "conv3_4", "conv4_4"),
}


class EdgeMethod(TrainedMethod):
    """Compares images, in features, with restorations from a drawing of edges and masked images."""

    @abstractmethod
    def paint(self, network: nn.Module, seen: Tensor, masked: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The restored images (B, 3, S, S), and further terms of the loss by name.

        ``seen`` (B, 3, H, H) are the images that the detector sees, ``masked`` (B, 3, S, S) those to restore; all are
        in [-1, 1].
        """

    @classmethod
    def frozen_data(cls, config: Any) -> FrozenData | None:
        """The data of the features, unknown where the user names their weights."""
        return super().frozen_data(config) if config.features_weights is None else None

    def identity(self) -> dict[str, Any]:
        """The features that the loss compares and the sha256 of their weights. Raises MethodError without them."""
        return perceptual.identity(self.config.features, self.config.features_weights, self.card.id)

    def fit(self, images: ImageStream, num_keypoints: int, seed: int, report: Report) -> None:
        """Train the network. Raises MethodError for fewer than 2 keypoints, no images, or a loss that is not finite."""
        if num_keypoints < LEAST_KEYPOINTS:
            raise MethodError(f"{self.card.id}: got {num_keypoints} keypoints, expected at least 2: edges link them")
        super().fit(images, num_keypoints, seed, report)

    def optimiser(self, network: nn.Module) -> optim.Optimizer:
        """Adam with decoupled weight decay; the detector has a learning rate of its own."""
        from torch.optim import AdamW

        config = self.config
        detector = list(cast("Network", network).detector.parameters())
        others = [parameter for name, parameter in network.named_parameters() if not name.startswith("detector.")]
        groups = [{"params": others}, {"params": detector, "lr": config.learning_rate * config.detector_rate}]
        return AdamW(groups, lr=config.learning_rate, weight_decay=config.weight_decay)

    def losses(
        self, network: nn.Module, batch: ImageBatch, pixels: Tensor, generator: np.random.Generator
    ) -> dict[str, Tensor]:
        """Distance in features between images and their restorations, and the terms of ``paint``."""
        import torch

        from methods.training.features import layer_distances

        pixels = self._flipped(pixels, generator)
        target = self._resized(pixels, self.config.painted_size)
        masked = (2 * target - 1) * self._visible(target, generator)
        seen = 2 * self._recoloured(pixels, generator) - 1
        painted, terms = self.paint(network, seen, masked)
        painted = (painted + 1) / 2
        ours, theirs = self._compared(painted), self._compared(target)
        loss = torch.stack(layer_distances(theirs, ours, distance="l1")).sum()
        for term in terms.values():
            loss = loss + term
        weights = cast("Network", network).edge_weights.detach()
        return {
            "loss": loss,
            **{name: term.detach() for name, term in terms.items()},
            "pixel error": (painted.detach() - target).square().mean(),
            "strongest edge": weights.max(),
            "weakest edge": weights.min(),
        }

    def _flipped(self, pixels: Tensor, generator: np.random.Generator) -> Tensor:
        """Mirror each image with probability 1/2."""
        if not self.config.flip:
            return pixels
        import torch

        mirrored = torch.tensor(generator.random(len(pixels)) < 0.5, device=pixels.device)
        return torch.where(mirrored.view(-1, 1, 1, 1), pixels.flip(3), pixels)

    def _recoloured(self, pixels: Tensor, generator: np.random.Generator) -> Tensor:
        """Permute the channels of each image, and negate each channel with probability 1/2."""
        if not self.config.recolour:
            return pixels
        import numpy as np
        import torch

        order = torch.tensor(generator.permuted(np.tile(np.arange(3), (len(pixels), 1)), axis=1), device=pixels.device)
        negative = torch.tensor(generator.random((len(pixels), 3, 1, 1)) < 0.5, device=pixels.device)
        mixed = pixels.gather(1, order.view(-1, 3, 1, 1).expand_as(pixels))
        return torch.where(negative, 1 - mixed, mixed)

    def _visible(self, pixels: Tensor, generator: np.random.Generator) -> Tensor:
        """Mask (B, 1, H, H) in square blocks: 1 where the painter sees the image, 0 where it does not."""
        import torch
        from torch.nn.functional import interpolate

        blocks = generator.random((len(pixels), 1, self.config.mask_blocks, self.config.mask_blocks))
        kept = torch.tensor(blocks >= self.config.masked).to(pixels)
        return interpolate(kept, size=pixels.shape[-1], mode="nearest")

    def _compared(self, pixels: Tensor) -> list[Tensor]:
        """The features of images (B, 3, H, H) in [0, 1] that the loss compares."""
        found: list[Tensor] = self._features(self._resized(pixels, self.config.features_size))
        return found

    def frozen_network(self) -> Features | None:
        """The features that the loss compares."""
        return self._features

    @cached_property
    def _features(self) -> Features:
        config = self.config
        layers = config.features_layers or LAYERS.get(config.features)
        return perceptual.load(config.features, config.features_weights, layers, self.device, self.card.id)

    @staticmethod
    def _resized(pixels: Tensor, size: int) -> Tensor:
        """Images resized to ``size`` a side; 0 leaves them unchanged."""
        from torch.nn.functional import interpolate

        if size in (0, pixels.shape[-1]):
            return pixels
        return interpolate(pixels, size=(size, size), mode="bilinear", align_corners=False, antialias=True)
