"""Features of a frozen diffusion model: the output of a block of its UNet for a noisy image."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor, nn

from methods import draws
from methods.diffusion.loading import PipelineSettings
from methods.diffusion.pipeline import FrozenPipeline
from methods.diffusion.weights import ModelFiles
from methods.dift_kmeans.config import DiftKmeansConfig


class Features:
    """The UNet of a model up to ``config.up_block``, on one device; ``seed`` determines the noise.

    Source: Tang et al., Emergent Correspondence from Image Diffusion, NeurIPS 2023, section 4. Raises MethodError
    where weights are missing or a setting does not fit them.
    """

    def __init__(self, config: DiftKmeansConfig, files: ModelFiles, device: str, seed: int) -> None:
        self.config, self.seed = config, seed
        settings = PipelineSettings(
            files, config.image_size, config.timestep, keep_null_tokens=True, dtype=config.dtype
        )
        self.pipeline = FrozenPipeline(settings, device, encode_batch=config.predict_batch)
        blocks = self.pipeline.unet.up_blocks
        if config.up_block >= len(blocks):
            raise files.error(
                f"up_block is {config.up_block}, expected 0 to {len(blocks) - 1}: {config.model} has {len(blocks)}"
            )
        self._block: nn.Module = blocks[config.up_block]

    @property
    def images_at_once(self) -> int:
        """Number of images in one pass: 1 on the CPU, so that no bit of a feature depends on the other images."""
        return 1 if self.pipeline.device.type == "cpu" else self.config.predict_batch

    @torch.no_grad()
    def maps(self, ids: Sequence[str], pixels: Tensor) -> Tensor:
        """Features (B, C, h, w) float32 of images (B, 3, S, S) in [0, 1], on the device; the noise is keyed by id."""
        found = []
        for first in range(0, len(ids), self.images_at_once):
            some = slice(first, first + self.images_at_once)
            found.append(self._averaged(ids[some], self.pipeline.encode(pixels[some])))
        return torch.cat(found)

    def _averaged(self, ids: Sequence[str], latents: Tensor) -> Tensor:
        """The mean over the ensemble; all noise samples of an image go through the UNet together."""
        pipeline, ensemble = self.pipeline, self.config.ensemble
        keys = [(self.seed, "features", image_id, number) for image_id in ids for number in range(ensemble)]
        noise = pipeline.to_device(torch.from_numpy(draws.noise(keys, latents.shape[1:])))
        noisy = pipeline.noisy(latents.repeat_interleave(ensemble, 0), noise)
        return self._block_output(noisy).float().unflatten(0, (len(ids), ensemble)).mean(1)

    def _block_output(self, latents: Tensor) -> Tensor:
        """The output of the block; the forward pass ends there."""
        tokens = self.pipeline.parts.null_tokens
        if tokens is None:
            raise RuntimeError("the empty caption was not encoded")
        found: list[Tensor] = []

        def stop(module: nn.Module, inputs: Any, output: Tensor) -> None:
            found.append(output)
            raise _BlockReached

        handle = self._block.register_forward_hook(stop)
        try:
            with suppress(_BlockReached):
                self.pipeline.run(latents, tokens)
        finally:
            handle.remove()
        return found[0]


class _BlockReached(Exception):
    """Ends a UNet's forward pass."""
