"""A frozen diffusion pipeline on one device: images to latents, latents to noisy latents, and a pass of the UNet."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from methods.diffusion.fast.installation import prepare
from methods.diffusion.loading import Parts, PipelineSettings, load
from methods.layout import memory_format


class FrozenPipeline:
    """UNet, autoencoder and noise schedule of a pipeline, without gradients for their weights.

    ``parts`` are loaded according to ``settings`` unless given. Weights and features have ``dtype``; latents and maps
    have ``map_dtype``, which is float32 where ``dtype`` is half precision. ``encode_batch`` images go through the
    autoencoder at once. Raises MethodError where weights are missing or a setting does not fit them.
    """

    def __init__(
        self, settings: PipelineSettings, device: str, parts: Parts | None = None, encode_batch: int = 1
    ) -> None:
        self.settings = settings
        self.device = torch.device(device)
        self.memory_format = memory_format(self.device)
        self.dtype: torch.dtype = getattr(torch, settings.dtype)
        self.map_dtype = torch.promote_types(self.dtype, torch.float32)
        self.parts = load(settings, self.device) if parts is None else parts
        self.unet, self.autoencoder = self.parts.unet, self.parts.autoencoder
        self.image_size, self.token_width = self.parts.image_size, self.parts.token_width
        self.method, self.encode_batch = settings.files.method, encode_batch
        self._timestep = torch.tensor([settings.timestep], device=self.device)  # copied once, not in every pass
        if self.device.type == "cuda" and self.map_dtype != self.dtype:
            torch.set_float32_matmul_precision("high")  # TF32: half precision has fewer digits still
        prepare(self.parts, settings.timestep, self.device)

    def parameters(self) -> int:
        """The number of parameters of UNet and autoencoder."""
        return sum(each.numel() for part in (self.unet, self.autoencoder) for each in part.parameters())

    def to_device(self, array: Tensor) -> Tensor:
        """A tensor on the device; to a GPU through pinned memory, so that nothing waits for the copy."""
        if self.device.type == "cuda" and array.device.type == "cpu":
            array = array.pin_memory()
        return array.to(self.device, non_blocking=True)

    @torch.no_grad()
    def encode(self, pixels: Tensor) -> Tensor:
        """Latents (B, C, h, w) of images (B, 3, S, S) in [0, 1]: the scaled mean of the posterior.

        Raises MethodError for images of another size than the pipeline was set up for.
        """
        if pixels.shape[-2:] != (self.image_size, self.image_size):
            raise self.settings.files.error(
                f"images are {tuple(pixels.shape[-2:])}, expected {self.image_size} a side; decode them at the "
                f"method's image_size or set {self.method}.image_size"
            )
        return torch.cat([self._encode(some) for some in self.to_device(pixels).split(self.encode_batch)])

    def noisy(self, latents: Tensor, noise: Tensor) -> Tensor:
        """Latents with standard normal noise of the same shape, mixed as the timestep demands."""
        return self.parts.signal * latents + self.parts.deviation * noise.to(latents)

    def run(self, latents: Tensor, tokens: Tensor) -> Any:
        """One pass of the UNet over noisy latents (B, C, h, w), all with the same tokens (n, width)."""
        return self.unet(
            latents.to(self.dtype, memory_format=self.memory_format),
            self._timestep,
            encoder_hidden_states=tokens.to(self.dtype).expand(len(latents), -1, -1),
            **self.parts.conditions,
        )

    def _encode(self, pixels: Tensor) -> Tensor:
        autoencoder = self.autoencoder
        pixels = (2 * pixels - 1).to(autoencoder.dtype, memory_format=self.memory_format)
        posterior = autoencoder.encode(pixels).latent_dist
        return (posterior.mean * autoencoder.config.scaling_factor).to(self.map_dtype)
