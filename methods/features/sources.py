"""The sources of frozen features: each finds the weights of one kind of network. Importing this imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from methods.diffusion.weights import ModelFiles
from methods.features.provider import FeatureProvider, FeatureSource
from methods.features.vit_files import VitFiles
from methods.training import perceptual

if TYPE_CHECKING:
    from methods.training.perceptual import Kind

SIDES = {"vgg19": 224, "mini_vae": 64}  # pixels; those of VGG-19 as in the released code of DFF


@dataclass(frozen=True)
class DiffusionSource(FeatureSource):
    """Block ``up_block`` of a diffusion model's UNet at a timestep, averaged over ``ensemble`` noise samples.

    ``side`` is that of the images in pixels, 0 for the one that the model was made for; ``batch`` images go through
    the network at once on a GPU.
    """

    files: ModelFiles
    side: int
    dtype: str
    timestep: int
    up_block: int
    ensemble: int
    batch: int

    @property
    def image_size(self) -> int:
        """The side given, or the pipeline's own. Raises MethodError without weights."""
        return self.side or self.files.image_side()

    def identity(self) -> dict[str, Any]:
        """sha256 of the weights used, or hub id and commit. Raises MethodError for a folder without weights."""
        return self.files.identity(self.files.parts_read(keep_null_tokens=True))

    def open(self, device: str, seed: int) -> FeatureProvider:
        """Load UNet, autoencoder and text encoder. Raises MethodError where they are missing."""
        from methods.diffusion.loading import PipelineSettings
        from methods.features.diffusion import DiffusionFeatures

        settings = PipelineSettings(self.files, self.side, self.timestep, keep_null_tokens=True, dtype=self.dtype)
        return DiffusionFeatures(settings, self.up_block, self.ensemble, device, seed, self.batch)


@dataclass(frozen=True)
class VitSource(FeatureSource):
    """Block ``layer`` of a vision transformer, 0 for the last, with or without its final layer norm."""

    files: VitFiles
    side: int
    dtype: str
    layer: int
    layer_norm: bool
    batch: int

    @property
    def image_size(self) -> int:
        """The side given, or that of the network's training. Raises MethodError if the patches do not fill it."""
        return self.files.image_side(self.side)

    def identity(self) -> dict[str, Any]:
        """sha256 of the weights used, or hub id and commit. Raises MethodError without weights."""
        return self.files.identity()

    def open(self, device: str, seed: int) -> FeatureProvider:
        """Load the transformer. Raises MethodError where it is missing or has another layout."""
        from methods.features.vit import VitFeatures

        return VitFeatures(self.files, self.side, self.layer, self.layer_norm, self.dtype, device, seed, self.batch)


@dataclass(frozen=True)
class ConvolutionSource(FeatureSource):
    """Layer ``layer`` of VGG or of the mini model's autoencoder; ``weights`` None takes the usual ones.

    ``side`` is that of the images in pixels, 0 for the one in ``SIDES``.
    """

    kind: Kind
    weights: str | None
    side: int
    layer: str
    method: str
    batch: int

    @property
    def image_size(self) -> int:
        """The side given, or that of the images that the network was trained on."""
        return self.side or SIDES[self.kind]

    def identity(self) -> dict[str, Any]:
        """Kind of the features and sha256 of their weights. Raises MethodError without weights."""
        return perceptual.identity(self.kind, self.weights, self.method)

    def open(self, device: str, seed: int) -> FeatureProvider:
        """Load the network. Raises MethodError where weights are missing or the layer is unknown."""
        from methods.features.convolutions import ConvolutionFeatures

        return ConvolutionFeatures(self.kind, self.weights, self.layer, self.method, device, seed, self.batch)
