"""Features of a frozen diffusion model: what leaves a block of its UNet when it looks at a noisy image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from methods import draws
from methods.base import MethodError
from methods.dift_kmeans.config import DiftKmeansConfig
from methods.dift_kmeans.naming import named_after
from methods.stable_keypoints.backbone import Backbone
from methods.stable_keypoints.config import StableKeypointsConfig


class Features:
    """The UNet of ``config.model`` up to ``config.up_block``, on one device; ``seed`` draws the noise.

    Source: Tang et al., Emergent Correspondence from Image Diffusion, NeurIPS 2023, section 4.

    Raises MethodError where weights are missing, or a setting does not fit them.
    """

    def __init__(self, config: DiftKmeansConfig, device: str, seed: int) -> None:
        self.config, self.seed = config, seed
        settings = StableKeypointsConfig(
            preset="paper",
            model=config.model,
            revision=config.revision,
            image_size=config.image_size,
            dtype=config.dtype,
            timestep=config.timestep,
            keep_null_tokens=True,
        )
        with named_after("dift_kmeans"):
            self.backbone = Backbone(settings, device)
        blocks = self.backbone.unet.up_blocks
        if config.up_block >= len(blocks):
            raise MethodError(
                f"dift_kmeans: up_block is {config.up_block}, expected 0 to {len(blocks) - 1}: {config.model} has "
                f"{len(blocks)}"
            )
        self._block: nn.Module = blocks[config.up_block]

    @property
    def together(self) -> int:
        """Images in one pass: on the CPU one, so that no bit depends on the others."""
        return 1 if self.backbone.device.type == "cpu" else self.config.predict_batch

    @torch.no_grad()
    def maps(self, ids: Sequence[str], pixels: Tensor) -> Tensor:
        """Features (B, C, h, w) float32 of images (B, 3, S, S) in [0, 1], on the device; noise is keyed by id."""
        found = []
        for first in range(0, len(ids), self.together):
            some = slice(first, first + self.together)
            with named_after("dift_kmeans"):
                latents = self.backbone.encode(pixels[some])
            found.append(self._averaged(ids[some], latents))
        return torch.cat(found)

    def _averaged(self, ids: Sequence[str], latents: Tensor) -> Tensor:
        """Mean over the ensemble; the draws of an image go through the UNet together."""
        backbone, ensemble = self.backbone, self.config.ensemble
        keys = [(self.seed, "features", image_id, number) for image_id in ids for number in range(ensemble)]
        noise = backbone.to_device(torch.from_numpy(draws.noise(keys, latents.shape[1:])))
        parts = backbone.parts
        noisy = parts.signal * latents.repeat_interleave(ensemble, 0) + parts.deviation * noise.to(latents)
        return self._block_output(noisy).float().unflatten(0, (len(ids), ensemble)).mean(1)

    def _block_output(self, latents: Tensor) -> Tensor:
        """What leaves the block, where the pass ends."""
        backbone = self.backbone
        tokens = backbone.parts.null_tokens
        if tokens is None:
            raise RuntimeError("the empty caption was not encoded")
        handle = self._block.register_forward_hook(_stop)
        try:
            backbone.unet(
                latents.to(backbone.dtype, memory_format=backbone.memory_format),
                self.config.timestep,
                encoder_hidden_states=tokens.to(backbone.dtype).expand(len(latents), -1, -1),
                **backbone.parts.conditions,
            )
        except _Reached as reached:
            return reached.output
        finally:
            handle.remove()
        raise RuntimeError("the pass did not reach the block")


class _Reached(Exception):
    """Ends a UNet's forward pass, with what a block gave."""

    def __init__(self, output: Tensor) -> None:
        super().__init__()
        self.output = output


def _stop(module: nn.Module, inputs: Any, output: Tensor) -> None:
    raise _Reached(output)
