"""The frozen diffusion model: images to noisy latents, latents and tokens to attention maps."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from torch import Tensor

from methods.base import MethodError
from methods.stable_keypoints import weights
from methods.stable_keypoints.attention import MapRecorder, choose_layers
from methods.stable_keypoints.config import StableKeypointsConfig


class Backbone:
    """UNet, autoencoder and noise schedule of a pipeline, frozen, on one device.

    Raises MethodError where the weights are missing or a setting does not fit them.
    """

    def __init__(self, config: StableKeypointsConfig, device: str) -> None:
        self.config = config
        self.device = torch.device(device)
        self.dtype: torch.dtype = getattr(torch, config.dtype)
        self.map_dtype = torch.promote_types(self.dtype, torch.float32)
        self.unet = self._load(UNet2DConditionModel, "unet")
        self.autoencoder = self._load(AutoencoderKL, "vae")
        self.image_size = config.image_size or weights.image_side(config.model, config.revision)
        self.latent_side = self.image_size // 2 ** (len(self.autoencoder.config.block_out_channels) - 1)
        self.layers = choose_layers(
            self.unet, self.latent_side, config.layers, config.max_layers, config.max_layer_side
        )
        self.signal, self.deviation = self._noise_level()
        self.null_tokens = self._null_tokens() if config.keep_null_tokens else None

    @property
    def token_width(self) -> int:
        """Channels of a token."""
        return int(self.unet.config.cross_attention_dim)

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
        posterior = self.autoencoder.encode((2 * pixels - 1).to(self.device, self.dtype)).latent_dist
        return (posterior.mean * self.autoencoder.config.scaling_factor).to(self.map_dtype)

    def maps(self, latents: Tensor, noise: Tensor | None, tokens: Tensor, chosen: Tensor | None = None) -> Tensor:
        """Attention maps (B, N or K, R, R) of latents (B, C, h, w) for tokens (N, width): Eq. 3.

        ``noise`` is standard normal, as the latents; ``chosen`` (K,) picks the tokens whose maps are formed.
        Gradients flow to the tokens through every cross-attention layer on the way.
        """
        if noise is not None:
            latents = self.signal * latents + self.deviation * noise.to(latents)
        context = tokens if self.null_tokens is None else torch.cat([self.null_tokens, tokens])
        before = len(context) - len(tokens)
        rows = slice(before, None) if chosen is None else chosen + before
        recorder = MapRecorder(self.layers, self.config.map_size, self.config.upsample_queries, rows)
        with recorder.attached():
            self.unet(
                latents.to(self.dtype),
                self.config.timestep,
                encoder_hidden_states=context.to(self.dtype).expand(len(latents), -1, -1),
            )
        return recorder.mean()

    def _load(self, part: Any, subfolder: str) -> Any:
        """A frozen part of the pipeline, from safetensors only."""
        options = {"torch_dtype": self.dtype, "use_safetensors": True}
        module = self._from_pretrained(part, subfolder, **options)
        return module.to(self.device, memory_format=torch.channels_last).requires_grad_(False).eval()

    def _from_pretrained(self, part: Any, subfolder: str, **options: Any) -> Any:
        config = self.config
        folder = weights.locate(config.model)
        try:
            return part.from_pretrained(
                folder or config.model, subfolder=subfolder, revision=config.revision, **options
            )
        except (OSError, ValueError, TypeError) as error:
            where = str(folder / subfolder) if folder else "the Hugging Face hub and its local cache"
            raise weights.missing(config.model, where, str(error).split("\n")[0]) from error

    def _noise_level(self) -> tuple[float, float]:
        """Factors of signal and noise at the timestep: sqrt(a), sqrt(1 - a), a the cumulative product."""
        schedule = weights.read_config(self.config.model, self.config.revision, "scheduler", "scheduler_config.json")
        alphas = (1 - DDPMScheduler.from_config(schedule).betas.double()).cumprod(0)
        if self.config.timestep >= len(alphas):
            raise MethodError(
                f"stable_keypoints: timestep is {self.config.timestep}, expected at most {len(alphas) - 1}"
            )
        alpha = float(alphas[self.config.timestep])
        return (alpha**0.5, (1 - alpha) ** 0.5) if self.config.noise else (1.0, 0.0)

    @torch.no_grad()
    def _null_tokens(self) -> Tensor:
        """The text encoder's output for the empty caption, (n, width)."""
        from transformers import CLIPTextModel, CLIPTokenizer
        from transformers.utils.logging import disable_progress_bar

        disable_progress_bar()
        encoder = self._load(CLIPTextModel, "text_encoder")
        tokenizer = self._from_pretrained(CLIPTokenizer, "tokenizer")
        ids = tokenizer("", padding="max_length", max_length=tokenizer.model_max_length, return_tensors="pt").input_ids
        return encoder(ids.to(self.device))[0][0].to(self.map_dtype)
