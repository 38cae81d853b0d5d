"""The structure of the released code, rebuilt as a reference for timing.

Source: the code released with Hedlin et al., CVPR 2024, which runs on diffusers 0.8.0. It computes in float32, holds
the whole attention matrix in memory, takes an image and then its transformed view one at a time, encodes each every
time, runs the complete UNet, upsamples features before ``to_q``, computes the maps of all tokens, and predicts with ten
passes per image. Random numbers, losses, ranking and furthest point sampling are those of this repository, so that
both implementations compute the same numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from diffusers.models.attention_processor import Attention, AttnProcessor
from torch import Tensor

from methods import draws
from methods.diffusion.loading import Parts
from methods.stable_keypoints.config import StableKeypointsConfig
from methods.stable_keypoints.losses import equivariance, peak, sharpening
from methods.stable_keypoints.selection import most_local, spread_out
from methods.warps import inverse, resize, warp


class PlainAttention:
    """Attention with its whole matrix in memory; of layers that are read, it keeps the maps of the first small ones."""

    def __init__(self, kept: list[Tensor], config: StableKeypointsConfig, *, is_read: bool) -> None:
        self.kept, self.config, self.is_read = kept, config, is_read

    def __call__(
        self, attn: Attention, hidden_states: Tensor, encoder_hidden_states: Tensor | None = None, *_: Any, **__: Any
    ) -> Tensor:
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        key = self._heads(attn, attn.to_k(context))
        value = self._heads(attn, attn.to_v(context))
        weights = self._softmax(attn, self._heads(attn, attn.to_q(hidden_states)), key)
        if self._is_kept(hidden_states):
            large = self._upsampled(hidden_states)
            self.kept.append(self._softmax(attn, self._heads(attn, attn.to_q(large)), key))
        output = (weights @ value).transpose(1, 2).flatten(2)
        return attn.to_out[1](attn.to_out[0](output))

    def _is_kept(self, hidden: Tensor) -> bool:
        small = hidden.shape[1] <= self.config.max_layer_side**2
        return self.is_read and small and len(self.kept) < self.config.max_layers

    def _upsampled(self, hidden: Tensor) -> Tensor:
        native = math.isqrt(hidden.shape[1])
        grid = hidden.transpose(1, 2).unflatten(-1, (native, native))
        return F.interpolate(grid, size=(self.config.map_size,) * 2, mode="bicubic").flatten(2).transpose(1, 2)

    @staticmethod
    def _heads(attn: Attention, projected: Tensor) -> Tensor:
        return projected.unflatten(-1, (attn.heads, -1)).transpose(1, 2)

    @staticmethod
    def _softmax(attn: Attention, query: Tensor, key: Tensor) -> Tensor:
        return (query * query.shape[-1] ** -0.5 @ key.mT).softmax(-1)


class Released:
    """Losses of a step and keypoints of an image; the methods' arguments are those of ``Learner``.

    ``parts``, which nothing else may use, get the attention and the memory format of the released code.
    """

    def __init__(self, parts: Parts, config: StableKeypointsConfig, num_keypoints: int, seed: int) -> None:
        self.parts, self.config = parts, config
        self.num_keypoints, self.seed = num_keypoints, seed
        self.kappa = config.kappa or num_keypoints + 6
        self.kept: list[Tensor] = []
        unet, autoencoder = parts.unet, parts.autoencoder
        names = unet.attn_processors
        unet.set_attn_processor(
            {
                name: PlainAttention(self.kept, config, is_read=name.startswith("up_blocks") and ".attn2." in name)
                for name in names
            }
        )
        autoencoder.set_attn_processor(AttnProcessor())
        for module in (unet, autoencoder):
            module.to(memory_format=torch.contiguous_format)

    def maps(self, pixels: Tensor, key: draws.Key, tokens: Tensor) -> Tensor:
        """Attention maps (N, R, R) of one image (3, S, S) in [0, 1]."""
        with torch.no_grad():
            posterior = self.parts.autoencoder.encode(2 * pixels[None] - 1).latent_dist
            latent = posterior.mean * self.parts.autoencoder.config.scaling_factor
        noise = torch.from_numpy(draws.noise([(*key, "noise")], latent.shape[1:])).to(latent)
        noisy = self.parts.signal * latent + self.parts.deviation * noise
        self.kept.clear()
        self.parts.unet(noisy, self.config.timestep, encoder_hidden_states=tokens[None], **self.parts.conditions)
        stacked = torch.cat([weights.flatten(0, 1) for weights in self.kept])  # (layers * heads, R * R, N)
        self.kept.clear()
        return stacked.mean(0).T.unflatten(-1, (self.config.map_size,) * 2)

    def losses(self, tokens: Tensor, pixels: Tensor, key: draws.Key) -> tuple[Tensor, Tensor]:
        """Localisation and equivariance loss of one image (3, S, S)."""
        config = self.config
        theta = self._theta(key).to(pixels)
        maps = self.maps(pixels, (*key, "original"), tokens)[None]
        transformed = self.maps(warp(pixels[None], theta)[0], (*key, "transformed"), tokens)[None]
        candidates = most_local(maps, self.kappa, config.sigma, config.ranking)
        kept = spread_out(transformed, candidates, self.num_keypoints)[0]
        unwarped = warp(transformed[:, kept], inverse(theta))
        return (
            sharpening(maps[:, kept], config.sigma, config.loss_reduction),
            equivariance(maps[:, kept], unwarped, config.loss_reduction),
        )

    @torch.no_grad()
    def locate(self, tokens: Tensor, chosen: Tensor, image_id: str, pixels: Tensor) -> Tensor:
        """Keypoints (K, 2), (x, y) in [0, 1], of one image (Eq. 11), with one pass for each view, or for the image."""
        side = self.parts.image_size
        if not self.config.test_augmentations:
            maps = self.maps(pixels, (self.seed, "predict", image_id, 0), tokens)[None, chosen]
            return (peak(resize(maps, side))[0].flip(-1) + 0.5) / side
        total = pixels.new_zeros(1, len(chosen), side, side)
        count = pixels.new_zeros(1, 1, side, side)
        for view in range(self.config.test_augmentations):
            key = (self.seed, "predict", image_id, view)
            theta = self._theta(key).to(pixels)
            maps = self.maps(warp(pixels[None], theta)[0], key, tokens)[None, chosen]
            total += warp(resize(maps, side), inverse(theta))
            count += warp(torch.ones_like(count), inverse(theta))
        average = torch.where(count > 0, total / count, 0.0)[0]
        return (peak(average).flip(-1) + 0.5) / side

    def _theta(self, key: Sequence[str | int]) -> Tensor:
        config = self.config
        return torch.from_numpy(
            draws.affine(
                [(*key, "affine")], config.rotation_degrees, config.scale_range, config.scale_of, config.translation
            )
        )
