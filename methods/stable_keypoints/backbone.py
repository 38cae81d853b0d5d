"""Attention maps of a frozen diffusion pipeline: latents and tokens in, maps out."""

from __future__ import annotations

import torch
from torch import Tensor

from methods.diffusion.fast.installation import uninstall
from methods.diffusion.loading import Parts, PipelineSettings
from methods.diffusion.pipeline import FrozenPipeline
from methods.diffusion.weights import ModelFiles
from methods.graphs import Graphs
from methods.stable_keypoints.attention import Recorder, checkpoint_blocks, choose_layers, compile_blocks
from methods.stable_keypoints.config import StableKeypointsConfig
from methods.stable_keypoints.maps import GradientScale, Projections


class Backbone(FrozenPipeline):
    """A frozen pipeline that also returns the maps of its cross-attention layers.

    In half precision, weights and features are 16 bits wide, but queries, keys, their softmax and the losses are
    float32 (``map_dtype``). Error messages begin with the id ``method``. Raises MethodError if weights are missing or a
    setting does not fit them.
    """

    def __init__(
        self, config: StableKeypointsConfig, device: str, parts: Parts | None = None, method: str = "stable_keypoints"
    ) -> None:
        settings = PipelineSettings(
            ModelFiles(config.model, config.revision, method),
            config.image_size,
            config.timestep,
            config.noise,
            config.keep_null_tokens,
            config.dtype,
        )
        super().__init__(settings, device, parts, 1 if config.memory == "low" else config.predict_batch)
        self.config = config
        self.graphs = Graphs(self.device, (self.unet, self.autoencoder), possible=config.memory != "low")
        self.latent_shape = (self.unet.config.in_channels, self.parts.latent_side, self.parts.latent_side)
        self.layers = choose_layers(
            self.unet, self.parts.latent_side, config.layers, config.max_layers, config.max_layer_side, method
        )
        if config.memory == "low":
            checkpoint_blocks(self.unet, self.layers)
        if config.compile:
            uninstall(self.parts)  # the compiler takes diffusers' own blocks
            compile_blocks(self.unet, self.layers)
            self.autoencoder.encoder.compile(dynamic=False)

    def maps(self, latents: Tensor, noise: Tensor | None, tokens: Tensor, chosen: Tensor | None = None) -> Tensor:
        """Attention maps (B, N or K, R, R) of latents (B, C, h, w) for tokens (N, width): Eq. 3.

        ``noise`` is standard normal, of the latents' shape; ``chosen`` (K,) selects the tokens whose maps are formed.
        Gradients flow to the tokens through all cross-attention layers up to the last recorded one.
        """
        return self.project(latents, noise, tokens).maps(chosen)

    def project(self, latents: Tensor, noise: Tensor | None, tokens: Tensor) -> Projections:
        """Queries and keys from one pass of the UNet up to the last recorded layer; arguments as of ``maps``."""
        if noise is not None:
            latents = self.noisy(latents, noise)
        scale = GradientScale() if self.dtype == torch.float16 else None
        context = (tokens if scale is None else scale.restore(tokens)).to(self.dtype)
        null_tokens = self.parts.null_tokens
        if null_tokens is not None:
            context = torch.cat([null_tokens.to(context), context])
        recorder = Recorder(self.layers)
        with recorder.attached():
            self.run(latents, context)
        found = recorder.projections(self.config.map_size, self.config.upsample_queries, len(context) - len(tokens))
        return found if scale is None else found.scaled(scale)
