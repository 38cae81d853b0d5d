"""IMM as a method of the benchmark."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, cast

from methods.base import ImageBatch, MethodCard, MethodConfig
from methods.frozen import PERCEPTUAL, FrozenData
from methods.imm.config import IMMConfig
from methods.training import perceptual
from methods.training.base import TrainedMethod

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

    from methods.imm.network import Network
    from methods.training.features import Features


class IMM(TrainedMethod):
    """Reconstructs one view of an image from another view and from K points, which tell only the geometry of the first.

    Source: Jakab, Gupta, Bilen and Vedaldi, NeurIPS 2018, and their released code.
    """

    card: ClassVar[MethodCard] = MethodCard(
        id="imm",
        name="IMM",
        summary="keypoints that let one view of an image be reconstructed from another",
        paper=(
            "Unsupervised Learning of Object Landmarks through Conditional Image Generation, Jakab et al., NeurIPS 2018"
        ),
        year=2018,
        licence="own code, Apache-2.0; the released code names none",
        supervision="unsupervised",
        trained_on="the fit images; features of its loss were trained on ImageNet or on drawings",
        frozen=PERCEPTUAL,
    )
    Config: ClassVar[type[MethodConfig]] = IMMConfig
    version: ClassVar[str] = (
        "2"  # 2: one convolution fewer in the decoder; normalisation and initial weights as released
    )

    @classmethod
    def frozen_data(cls, config: IMMConfig) -> FrozenData | None:
        """The data of the features, unknown for weights that the user names."""
        return super().frozen_data(config) if config.features_weights is None else None

    def identity(self) -> dict[str, Any]:
        """The features that the loss compares and the sha256 of their weights. Raises MethodError without them."""
        return perceptual.identity(self.config.features, self.config.features_weights, self.card.id)

    def build(self, num_keypoints: int) -> nn.Module:
        """A network of the two encoders, the decoder, and the moving averages of the loss."""
        from methods.imm.network import Network, begin_truncated
        from methods.layout import memory_format

        layers = self.config.features_layers or perceptual.LAYERS[self.config.features]
        network = Network(self.config, num_keypoints, len(layers))
        if self.config.initial_deviation:
            begin_truncated(network, self.config.initial_deviation)
        return network.to(memory_format=memory_format(self.device))  # type: ignore[call-overload]

    def losses(
        self, network: nn.Module, batch: ImageBatch, pixels: Tensor, generator: np.random.Generator
    ) -> dict[str, Tensor]:
        """The perceptual loss of reconstructed targets; source and target are random warps of the images."""
        config, features = self.config, self._features
        source, target, weight = self._pairs(pixels, generator)
        drawn, _ = network(source, target)
        balanced = cast("Network", network).balanced(features(target), features(drawn), weight, config.distance)
        return {
            "loss": config.reconstruction_weight * balanced,
            "pixel error": ((drawn - target).square() * weight).mean(),
        }

    def locate(self, network: nn.Module, pixels: Tensor) -> Tensor:
        """Points (B, K, 2), (x, y) in [0, 1]."""
        return (cast("Network", network).points(pixels) + 1) / 2

    def _pairs(self, pixels: Tensor, generator: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Warp the images at random; returns source, target and the target's mask."""
        from methods.imm.pairs import border_mask, pairs
        from methods.training.warps import draw, sampling_grid

        config, side = self.config, pixels.shape[-1]
        grids = [
            sampling_grid(draw(warp, config.control_points, len(pixels), generator), side).to(pixels)
            for warp in (config.target_warp, config.source_warp)
        ]
        mask = border_mask(side, config.mask_margin, config.mask_step).to(pixels)
        return pairs(pixels, mask, (grids[0], grids[1]), config.outside)

    def frozen_network(self) -> Features:
        """The features that the loss compares."""
        return self._features

    @cached_property
    def _features(self) -> Features:
        config = self.config
        layers = config.features_layers
        return perceptual.load(config.features, config.features_weights, layers, self.device, self.card.id)
