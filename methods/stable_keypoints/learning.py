"""The losses of tokens on a batch of images, and the keypoints that K tokens find."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from methods import draws
from methods.base import ImageBatch, MethodError
from methods.graphs import Input
from methods.stable_keypoints.backbone import Backbone
from methods.stable_keypoints.compute import Compute


class Learner:
    """Stable Keypoints on one backbone, for one K and one seed: Eq. 9 to 11 of the paper.

    It draws random numbers and keeps latents; ``Compute`` does the work on the device. Raises MethodError where the
    settings leave fewer candidates than keypoints.
    """

    def __init__(self, backbone: Backbone, num_keypoints: int, seed: int) -> None:
        self.backbone = backbone
        self.config = backbone.config
        self.num_keypoints = num_keypoints
        self.seed = seed
        kappa = self.config.kappa or num_keypoints + 6
        if not self.config.furthest_point_sampling:
            kappa = num_keypoints
        if kappa < num_keypoints:
            raise MethodError(
                f"{backbone.method}: kappa is {kappa}, expected at least the {num_keypoints} keypoints asked for; "
                f"raise {backbone.method}.kappa"
            )
        self.compute = Compute(backbone, num_keypoints, kappa)
        self._latents: dict[str, Tensor] = {}

    def initial_tokens(self) -> Tensor:
        """Random tokens (N, width), drawn in float32; as many as the setting says, and at least K."""
        shape = (max(self.config.num_tokens, self.num_keypoints), self.backbone.token_width)
        values = draws.generator(self.seed, "tokens").standard_normal(shape, dtype=np.float32)
        tokens = torch.from_numpy(values * np.float32(self.config.token_scale))
        return tokens.to(self.backbone.device, self.backbone.map_dtype)

    def accumulate(
        self, tokens: Tensor, pixels: Tensor, ids: Sequence[str], keys: Sequence[draws.Key], part: float = 1.0
    ) -> Tensor:
        """Add ``part`` of the gradient of Eq. 4's loss to ``tokens.grad``, and give ``part`` of the loss itself.

        The loss is (3,), detached: total, localisation and equivariance. See ``losses`` for the other arguments. With
        ``memory="low"`` images go through the UNet one at a time, which gives the same sum.
        """
        together = 1 if self.config.memory == "low" else len(ids)
        total = tokens.new_zeros(3)
        for first in range(0, len(ids), together):
            some = slice(first, first + together)
            share = part * len(ids[some]) / len(ids)
            inputs = self._inputs(pixels[some], ids[some], keys[some])
            losses, gradient = self._run(self.compute.gradient, share, tokens, *inputs)
            tokens.grad = gradient if tokens.grad is None else tokens.grad.add_(gradient)
            total += losses
        return total

    def losses(
        self, tokens: Tensor, pixels: Tensor, ids: Sequence[str], keys: Sequence[draws.Key]
    ) -> tuple[Tensor, Tensor]:
        """Localisation and equivariance loss, unweighted, of images (B, 3, S, S); ``keys`` has a random key per image.

        Gradients flow to the tokens.
        """
        return self.compute.losses(tokens, *self._inputs(pixels, ids, keys))

    @torch.no_grad()
    def locate(self, tokens: Tensor, chosen: Tensor, ids: Sequence[str], pixels: Tensor) -> NDArray[np.float64]:
        """Keypoints (B, K, 2), (x, y) in [0, 1], of images (B, 3, S, S): the maxima of ``located_maps``. Eq. 11."""
        found = [self._run(self.compute.located, tokens, chosen, *inputs) for inputs in self._views(ids, pixels)]
        return torch.cat(found).cpu().numpy()

    @torch.no_grad()
    def located_maps(self, tokens: Tensor, chosen: Tensor, ids: Sequence[str], pixels: Tensor) -> Iterator[Tensor]:
        """Maps (b, K, R, R) of the chosen tokens, averaged over the test augmentations: Eq. 11, some images at a time.

        At most ``predict_batch`` views go through the UNet at once; the views of one image always stay together.
        """
        for inputs in self._views(ids, pixels):
            yield self._run(self.compute.average, tokens, chosen, *inputs)

    @torch.no_grad()
    def kept(self, tokens: Tensor, ids: Sequence[str], pixels: Tensor, first: int) -> Tensor:
        """Ids (B, K) of the tokens that furthest point sampling keeps on each selection image: Eq. 10.

        ``first`` is the position of the first image among the selection images; it is part of the key of the noise.
        """
        keys = [(self.seed, "selection", image_id, first + row) for row, image_id in enumerate(ids)]
        return self._run(self.compute.kept, tokens, self.encode_original(pixels, ids), self._noise(keys))

    @torch.no_grad()
    def encode_original(self, pixels: Tensor, names: Sequence[str]) -> Tensor:
        """Latents (B, C, h, w) of untransformed images, each encoded once while ``latent_cache`` has room.

        ``names`` are ids, unique among the images of a fit.
        """
        missing = [row for row, name in enumerate(names) if name not in self._latents]
        fresh: dict[str, Tensor] = {}
        if missing:
            # On the CPU one at a time: the bits of a latent must not depend on the others in its batch.
            together = 1 if self.backbone.device.type == "cpu" else len(missing)
            batches = torch.stack([pixels[row] for row in missing]).split(together)
            encoded = torch.cat([self._run(self.compute.encode, self.backbone.to_device(some)) for some in batches])
            fresh = {names[row]: latent for row, latent in zip(missing, encoded, strict=True)}
        latents = torch.stack([fresh[name] if name in fresh else self._latents[name] for name in names])
        if len(self._latents) + len(fresh) <= self.config.latent_cache:
            self._latents.update(fresh)
        return latents

    def _run(self, function: Callable[..., Any], *inputs: Input) -> Any:
        """The result of a method of ``Compute``; on a GPU by a CUDA graph."""
        return self.backbone.graphs.run((self.num_keypoints, self.compute.kappa), function, *inputs)

    def _inputs(
        self, pixels: Tensor, ids: Sequence[str], keys: Sequence[draws.Key]
    ) -> tuple[Tensor, Tensor | None, Tensor | None, Tensor | None]:
        """Latents, noise, pixels and theta of ``Compute.losses``, on the device; see ``losses`` for the arguments."""
        pixels = self.backbone.to_device(pixels)
        original = self.encode_original(pixels, ids)
        view_keys = [(*key, "original") for key in keys]
        if not self.config.equivariance:
            return original, self._noise(view_keys), None, None
        view_keys += [(*key, "transformed") for key in keys]
        return original, self._noise(view_keys), pixels, self._thetas(keys)

    def _views(self, ids: Sequence[str], pixels: Tensor) -> Iterator[tuple[Tensor | None, ...]]:
        """Noise, images and any theta of ``Compute.average``, on the device, for some images at a time."""
        views = self.config.test_augmentations
        together = max(1, self.config.predict_batch // max(1, views))
        for first in range(0, len(ids), together):
            names, images = ids[first : first + together], pixels[first : first + together]
            keys = [(self.seed, "predict", image_id, view) for image_id in names for view in range(max(1, views))]
            if views:
                yield self._noise(keys), self.backbone.to_device(images), self._thetas(keys)
            else:
                yield self._noise(keys), self.encode_original(images, _names(names, images))

    def _noise(self, keys: Sequence[draws.Key]) -> Tensor | None:
        """Standard normal noise (B, C, h, w) of latents on the device, or None where the settings want none."""
        if not self.config.noise:
            return None
        noise = draws.noise([(*key, "noise") for key in keys], self.backbone.latent_shape)
        return self.backbone.to_device(torch.from_numpy(noise))

    def _thetas(self, keys: Sequence[draws.Key]) -> Tensor:
        config = self.config
        theta = draws.affine(
            [(*key, "affine") for key in keys],
            config.rotation_degrees,
            config.scale_range,
            config.scale_of,
            config.translation,
        )
        return self.backbone.to_device(torch.from_numpy(theta).to(self.backbone.map_dtype))


def pixels_of(batch: ImageBatch) -> Tensor:
    """The pixels (B, 3, S, S) of a batch as a tensor that shares their memory, unless they cannot be written to."""
    return torch.from_numpy(np.require(batch.pixels, requirements="W"))


def _names(ids: Sequence[str], pixels: Tensor) -> list[str]:
    """Ids with a checksum of the pixels, since images of two datasets may share an id."""
    checksums = [zlib.crc32(np.ascontiguousarray(image.numpy()).data) for image in pixels]
    return [f"{name}\0{checksum}" for name, checksum in zip(ids, checksums, strict=True)]
