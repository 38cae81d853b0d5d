"""The frozen diffusion model: images to latents, latents and tokens to attention maps."""

from __future__ import annotations

import torch
from torch import Tensor

from methods.base import MethodError
from methods.diffusion.loading import Parts, load
from methods.layout import memory_format
from methods.stable_keypoints.attention import Recorder, checkpoint_blocks, choose_layers, compile_blocks
from methods.stable_keypoints.config import StableKeypointsConfig
from methods.stable_keypoints.maps import GradientScale, Projections


class Backbone:
    """UNet, autoencoder and noise schedule of a pipeline, frozen, on one device.

    ``parts`` are those of ``config.model`` unless given. Half precision holds weights and features; queries,
    keys, their softmax and the losses are float32.

    Raises MethodError where the weights are missing or a setting does not fit them.
    """

    def __init__(self, config: StableKeypointsConfig, device: str, parts: Parts | None = None) -> None:
        self.config = config
        self.device = torch.device(device)
        self.memory_format = memory_format(self.device)
        self.dtype: torch.dtype = getattr(torch, config.dtype)
        self.map_dtype = torch.promote_types(self.dtype, torch.float32)
        self.parts = load(config, self.device, self.dtype) if parts is None else parts
        self.unet, self.autoencoder = self.parts.unet, self.parts.autoencoder
        self.layers = choose_layers(
            self.unet, self.parts.latent_side, config.layers, config.max_layers, config.max_layer_side
        )
        self._prepare()

    @property
    def image_size(self) -> int:
        """Side in pixels of the images that ``encode`` wants."""
        return self.parts.image_size

    @property
    def token_width(self) -> int:
        """Channels of a token."""
        return self.parts.token_width

    def to_device(self, array: Tensor) -> Tensor:
        """A tensor on the device; to a GPU through pinned memory, so that nothing waits for the copy."""
        if self.device.type == "cuda" and array.device.type == "cpu":
            array = array.pin_memory()
        return array.to(self.device, non_blocking=True)

    @torch.no_grad()
    def encode(self, pixels: Tensor) -> Tensor:
        """Latents (B, C, h, w) of images (B, 3, S, S) in [0, 1]: scaled posterior means, as the released code's.

        Raises MethodError where the images are of another size than the model was set up for.
        """
        if pixels.shape[-2:] != (self.image_size, self.image_size):
            raise MethodError(
                f"stable_keypoints: images are {tuple(pixels.shape[-2:])}, expected {self.image_size} a side; "
                "decode them at the method's image_size or set stable_keypoints.image_size"
            )
        together = 1 if self.config.memory == "low" else self.config.predict_batch
        return torch.cat([self._encode(some) for some in self.to_device(pixels).split(together)])

    def maps(self, latents: Tensor, noise: Tensor | None, tokens: Tensor, chosen: Tensor | None = None) -> Tensor:
        """Attention maps (B, N or K, R, R) of latents (B, C, h, w) for tokens (N, width): Eq. 3.

        ``noise`` is standard normal, as the latents; ``chosen`` (K,) picks the tokens whose maps are formed.
        Gradients flow to the tokens through every cross-attention layer on the way.
        """
        return self.project(latents, noise, tokens).maps(chosen)

    def project(self, latents: Tensor, noise: Tensor | None, tokens: Tensor) -> Projections:
        """One pass of the UNet up to the last recorded layer; arguments as of ``maps``."""
        if noise is not None:
            latents = self.parts.signal * latents + self.parts.deviation * noise.to(latents)
        scale = GradientScale() if self.dtype == torch.float16 else None
        context = (tokens if scale is None else scale.restore(tokens)).to(self.dtype)
        null_tokens = self.parts.null_tokens
        if null_tokens is not None:
            context = torch.cat([null_tokens.to(context), context])
        recorder = Recorder(self.layers)
        with recorder.attached():
            self.unet(
                latents.to(self.dtype, memory_format=self.memory_format),
                self.config.timestep,
                encoder_hidden_states=context.expand(len(latents), -1, -1),
                **self.parts.conditions,
            )
        found = recorder.projections(self.config.map_size, self.config.upsample_queries, len(context) - len(tokens))
        return found if scale is None else found.scaled(scale)

    def _encode(self, pixels: Tensor) -> Tensor:
        autoencoder = self.autoencoder
        pixels = (2 * pixels - 1).to(autoencoder.dtype, memory_format=self.memory_format)
        posterior = autoencoder.encode(pixels).latent_dist
        return (posterior.mean * autoencoder.config.scaling_factor).to(self.map_dtype)

    def _prepare(self) -> None:
        """Set up what trades memory, compile time or digits for speed."""
        if self.config.memory == "low":
            checkpoint_blocks(self.unet, self.layers)
        if self.config.compile:
            compile_blocks(self.unet, self.layers)
            self.autoencoder.encoder.compile(dynamic=False)
        if self.device.type == "cuda" and self.map_dtype != self.dtype:
            torch.set_float32_matmul_precision("high")  # TF32: half precision has fewer digits still
