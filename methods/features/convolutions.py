"""Features of frozen convolutions: a layer of VGG or of the encoder of the mini model's autoencoder."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from methods.features.provider import FeatureProvider
from methods.training import perceptual
from methods.training.perceptual import Kind


class ConvolutionFeatures(FeatureProvider):
    """The output of the layer named ``layer``, for images of any size.

    Raises MethodError for missing weights or those of another network, and for a layer that the network lacks.
    """

    def __init__(
        self, kind: Kind, weights: str | None, layer: str, method: str, device: str, seed: int, batch: int
    ) -> None:
        super().__init__(device, seed, batch)
        self._network = perceptual.load(kind, weights, (layer,), device, method)

    def parameters(self) -> int:
        """The number of parameters of the layers up to the one whose output is taken."""
        return sum(each.numel() for each in self._network.parameters())

    def _maps(self, ids: Sequence[str], pixels: Tensor) -> Tensor:
        (found,) = self._network(pixels.to(self.device))
        output: Tensor = found
        return output
