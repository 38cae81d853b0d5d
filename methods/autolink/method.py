"""AutoLink as a method of the benchmark."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

from methods.autolink.config import AutoLinkConfig
from methods.base import ImageBatch, ImageStream, MethodCard, MethodConfig, MethodError, Report
from methods.files import weights_sha256
from methods.frozen import PERCEPTUAL, FrozenData
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


class AutoLink(TrainedMethod):
    """Learns keypoints by restoring a masked image from a drawing of the edges between them.

    Source: He, Wandt and Rhodin, NeurIPS 2022, and the released code.
    """

    card: ClassVar[MethodCard] = MethodCard(
        id="autolink",
        name="AutoLink",
        summary="keypoints joined by learned edges, whose drawing helps to restore a masked image",
        paper="AutoLink: Self-supervised Learning of Human Skeletons and Object Outlines by Linking Keypoints, "
        "He et al., NeurIPS 2022",
        year=2022,
        licence="own code, Apache-2.0",
        supervision="unsupervised",
        trained_on="the fit images; the features of its loss were trained on ImageNet (VGG) or on drawings (mini VAE)",
        frozen=PERCEPTUAL,
    )
    Config: ClassVar[type[MethodConfig]] = AutoLinkConfig
    version: ClassVar[str] = "2"  # 2: keypoints as the released evaluation has them, -1 to 1 from border to border

    @classmethod
    def frozen_data(cls, config: AutoLinkConfig) -> FrozenData | None:
        """The data of the features, unknown for a detector or for features whose weights the user names."""
        return super().frozen_data(config) if config.weights is None and config.features_weights is None else None

    def identity(self) -> dict[str, Any]:
        """The features that the loss compares and the sha256 of their weights, or the sha256 of ``weights``.

        Raises MethodError where they are missing.
        """
        config = self.config
        if config.weights is not None:
            return {"weights_sha256": weights_sha256(Path(config.weights).expanduser(), self.card.id)}
        return perceptual.identity(config.features, config.features_weights, self.card.id)

    def fit(self, images: ImageStream, num_keypoints: int, seed: int, report: Report) -> None:
        """Train detector, edges and painter; with ``weights`` set, load the detector and learn nothing.

        Raises MethodError for fewer than 2 keypoints, no images, a loss that is not finite, or weights that do not fit.
        """
        if num_keypoints < LEAST_KEYPOINTS:
            raise MethodError(f"{self.card.id}: got {num_keypoints} keypoints, expected at least 2: edges link them")
        if self.config.weights is None:
            super().fit(images, num_keypoints, seed, report)
            return
        network = self._with_detector(Path(self.config.weights).expanduser(), num_keypoints, seed)
        self._take(network, num_keypoints, seed)
        report(1, 1)

    def build(self, num_keypoints: int) -> nn.Module:
        """A network of detector, edge weights and painter."""
        from methods.autolink.network import Detector, Network

        config = self.config
        detector = Detector(num_keypoints, config.width, config.levels, config.reach)
        return Network(detector, num_keypoints, config.width, config.edge_rate, config.edge_start)

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
        """Distance in features between images and their restorations from edges and masked images."""
        import torch

        from methods.training.features import layer_distances

        pixels = self._flipped(pixels, generator)
        target = self._resized(pixels, self.config.painted_size)
        masked = (2 * target - 1) * self._visible(target, generator)
        seen = 2 * self._recoloured(pixels, generator) - 1
        painted = (network(seen, masked, self.config.thickness) + 1) / 2
        ours, theirs = self._compared(painted), self._compared(target)
        loss = torch.stack(layer_distances(theirs, ours, distance="l1")).sum()
        weights = cast("Network", network).edge_weights.detach()
        return {
            "loss": loss,
            "pixel error": (painted.detach() - target).square().mean(),
            "strongest edge": weights.max(),
            "weakest edge": weights.min(),
        }

    def locate(self, network: nn.Module, pixels: Tensor) -> Tensor:
        """Keypoints (B, K, 2), (x, y) in [0, 1]: value / 2 + 0.5, as in the released evaluation.

        The detector's -1 and 1 are the centres of the outer cells of its maps, so a keypoint at the border is off by
        up to half a cell (1/64 of the side for 32 cells). A regression about the centre or with a bias corrects
        that; one about the corner without bias (``autolink/*``) depends on it.
        """
        places: Tensor = cast("Network", network).detector(2 * pixels - 1).flip(2)
        return places / 2 + 0.5

    def _with_detector(self, file: Path, num_keypoints: int, seed: int) -> nn.Module:
        """A network with the detector of a released checkpoint. Raises MethodError where it does not fit."""
        from methods.autolink.released import load_detector

        network = cast("Network", self._new_network(num_keypoints, seed))
        try:
            network.detector.load_state_dict(load_detector(file, num_keypoints).state_dict())
        except MethodError as error:
            raise MethodError(f"{self.card.id}: {error}") from error
        except RuntimeError as error:
            raise MethodError(
                f"{self.card.id}: {file} holds a detector of another width than {self.config.width}; "
                f"set {self.card.id}.preset=paper"
            ) from error
        return network

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
        """The features that the loss compares; None for a detector that was learned elsewhere."""
        return self._features if self.config.weights is None else None

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
