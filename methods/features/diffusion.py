"""Features of a frozen diffusion model: the output of a block of its UNet for a noisy image."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from methods import draws
from methods.diffusion.loading import PipelineSettings
from methods.diffusion.pipeline import FrozenPipeline
from methods.features.provider import FeatureProvider, stopped_at


class DiffusionFeatures(FeatureProvider):
    """The UNet of a model up to ``up_block``, counted from 0; features are means over ``ensemble`` noise samples.

    The noise is keyed by seed and image id. Source: Tang et al., Emergent Correspondence from Image Diffusion, NeurIPS
    2023, section 4. Raises MethodError where weights are missing or a setting does not fit them.
    """

    def __init__(
        self, settings: PipelineSettings, up_block: int, ensemble: int, device: str, seed: int, batch: int
    ) -> None:
        super().__init__(device, seed, batch)
        self.pipeline = FrozenPipeline(settings, device, encode_batch=batch)
        self._ensemble = ensemble
        blocks, files = self.pipeline.unet.up_blocks, settings.files
        if up_block >= len(blocks):
            raise files.error(
                f"up_block is {up_block}, expected 0 to {len(blocks) - 1}: {files.model} has {len(blocks)}"
            )
        self._block: nn.Module = blocks[up_block]

    def parameters(self) -> int:
        """The number of parameters of UNet and autoencoder."""
        return self.pipeline.parameters()

    def _maps(self, ids: Sequence[str], pixels: Tensor) -> Tensor:
        """The mean over the ensemble; all noise samples of an image go through the UNet together."""
        pipeline, ensemble = self.pipeline, self._ensemble
        latents = pipeline.encode(pixels)
        keys = [(self.seed, "features", image_id, number) for image_id in ids for number in range(ensemble)]
        noise = pipeline.to_device(torch.from_numpy(draws.noise(keys, latents.shape[1:])))
        noisy = pipeline.noisy(latents.repeat_interleave(ensemble, 0), noise)
        return self._block_output(noisy).float().unflatten(0, (len(ids), ensemble)).mean(1)

    def _block_output(self, latents: Tensor) -> Tensor:
        """The output of the block; the forward pass ends there."""
        tokens = self.pipeline.parts.null_tokens
        if tokens is None:
            raise RuntimeError("the empty caption was not encoded")
        with stopped_at(self._block) as found:
            self.pipeline.run(latents, tokens)
        output: Tensor = found[0]
        return output
