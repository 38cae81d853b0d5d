"""The losses of tokens on a batch of images, and the keypoints that K tokens find."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from methods import draws
from methods.base import MethodError
from methods.stable_keypoints.backbone import Backbone
from methods.stable_keypoints.losses import equivariance, peak, sharpening
from methods.stable_keypoints.maps import Projections
from methods.stable_keypoints.selection import furthest_points, most_local, spread_out
from methods.warps import average_unwarped, inverse, resize, warp


class Learner:
    """Stable Keypoints on one backbone, for one K and one seed: Eq. 9 to 11 of the paper.

    Raises MethodError where the settings leave fewer candidates than keypoints.
    """

    def __init__(self, backbone: Backbone, num_keypoints: int, seed: int) -> None:
        self.backbone = backbone
        self.config = backbone.config
        self.num_keypoints = num_keypoints
        self.seed = seed
        self.kappa = self.config.kappa or num_keypoints + 6
        if not self.config.furthest_point_sampling:
            self.kappa = num_keypoints
        if self.kappa < num_keypoints:
            raise MethodError(
                f"{backbone.method}: kappa is {self.kappa}, expected at least the {num_keypoints} keypoints asked for; "
                f"raise {backbone.method}.kappa"
            )
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
        config = self.config
        together = 1 if config.memory == "low" else len(ids)
        total = tokens.new_zeros(3)
        for first in range(0, len(ids), together):
            some = slice(first, first + together)
            share = part * len(ids[some]) / len(ids)
            sharp, equivariant = self.losses(tokens, pixels[some], ids[some], keys[some])
            loss = config.sharpening_weight * sharp + config.equivariance_weight * equivariant
            (loss * share).backward()
            total += share * torch.stack([loss, sharp, equivariant]).detach()
        return total

    def losses(
        self, tokens: Tensor, pixels: Tensor, ids: Sequence[str], keys: Sequence[draws.Key]
    ) -> tuple[Tensor, Tensor]:
        """Localisation and equivariance loss, unweighted, of images (B, 3, S, S); ``keys`` has a random key per image.

        The maps of all tokens are computed once without gradient, to rank the tokens; then only the maps that enter the
        losses get a gradient.
        """
        config = self.config
        original = self.encode_original(pixels, ids)
        view_keys = [(*key, "original") for key in keys]
        if not config.equivariance:
            maps = self._counted(self.project(original, view_keys, tokens), None)[0]
            return sharpening(maps, config.sigma, config.loss_reduction), maps.new_zeros(())
        theta = self._thetas(keys)
        latents = torch.cat([original, self.backbone.encode(warp(self.backbone.to_device(pixels), theta))])
        view_keys += [(*key, "transformed") for key in keys]
        maps, transformed = self._counted(*self.project(latents, view_keys, tokens).split(len(ids)))
        unwarped = warp(transformed, inverse(theta))
        return (
            sharpening(maps, config.sigma, config.loss_reduction),
            equivariance(maps, unwarped, config.loss_reduction),
        )

    def _counted(self, original: Projections, transformed: Projections | None) -> tuple[Tensor, Tensor]:
        """Maps, in both views, of the tokens in the losses: the kappa candidates of Eq. 9, or the K kept of these."""
        config = self.config
        with torch.no_grad():
            everything = original.maps()
            candidates = most_local(everything, self.kappa, config.sigma, config.ranking)
        maps = original.with_gradient(everything, candidates)
        del everything
        others = maps if transformed is None else transformed.maps(candidates)
        if config.loss_on == "candidates" or self.kappa <= self.num_keypoints:
            return maps, others
        frame = others if config.fps_in_loss_on == "transformed" else maps
        kept = furthest_points(peak(frame.detach()), self.num_keypoints)[:, :, None, None]
        return torch.take_along_dim(maps, kept, dim=1), torch.take_along_dim(others, kept, dim=1)

    @torch.no_grad()
    def locate(self, tokens: Tensor, chosen: Tensor, ids: Sequence[str], pixels: Tensor) -> NDArray[np.float64]:
        """Keypoints (B, K, 2), (x, y) in [0, 1], of images (B, 3, S, S): the maxima of ``located_maps``. Eq. 11."""
        found = [
            (peak(maps).flip(-1).to(torch.float64) + 0.5) / maps.shape[-1]
            for maps in self.located_maps(tokens, chosen, ids, pixels)
        ]
        return torch.cat(found).cpu().numpy()

    @torch.no_grad()
    def located_maps(self, tokens: Tensor, chosen: Tensor, ids: Sequence[str], pixels: Tensor) -> Iterator[Tensor]:
        """Maps (b, K, R, R) of the chosen tokens, averaged over the test augmentations: Eq. 11, some images at a time.

        At most ``predict_batch`` views go through the UNet at once; the views of one image always stay together.
        """
        side, views = self.config.output_size or self.backbone.image_size, self.config.test_augmentations
        together = max(1, self.config.predict_batch // max(1, views))
        for first in range(0, len(ids), together):
            names, images = ids[first : first + together], pixels[first : first + together]
            keys = [(self.seed, "predict", image_id, view) for image_id in names for view in range(max(1, views))]
            if not views:
                yield resize(self.maps(self.encode_original(images, _names(names, images)), keys, tokens, chosen), side)
                continue
            theta = self._thetas(keys)
            latents = self.backbone.encode(warp(self.backbone.to_device(images).repeat_interleave(views, dim=0), theta))
            maps = self.maps(latents, keys, tokens, chosen).unflatten(0, (len(names), views))
            yield average_unwarped(maps, theta.unflatten(0, (len(names), views)), side)

    @torch.no_grad()
    def kept(self, tokens: Tensor, ids: Sequence[str], pixels: Tensor, first: int) -> Tensor:
        """Ids (B, K) of the tokens that furthest point sampling keeps on each selection image: Eq. 10.

        ``first`` is the position of the first image among the selection images; it is part of the key of the noise.
        """
        keys = [(self.seed, "selection", image_id, first + row) for row, image_id in enumerate(ids)]
        maps = self.maps(self.encode_original(pixels, ids), keys, tokens)
        candidates = most_local(maps, self.kappa, self.config.sigma, self.config.ranking)
        return spread_out(maps, candidates, self.num_keypoints)

    def maps(self, latents: Tensor, keys: Sequence[draws.Key], tokens: Tensor, chosen: Tensor | None = None) -> Tensor:
        """Attention maps (B, N or K, R, R) of latents; ``keys`` determine the noise that is added to these."""
        return self.project(latents, keys, tokens).maps(chosen)

    def project(self, latents: Tensor, keys: Sequence[draws.Key], tokens: Tensor) -> Projections:
        """Queries and keys of latents, from which maps are computed; the draw ``keys`` determine the added noise."""
        noise = None
        if self.config.noise:
            noise = torch.from_numpy(draws.noise([(*key, "noise") for key in keys], latents.shape[1:]))
            noise = self.backbone.to_device(noise)
        return self.backbone.project(latents, noise, tokens)

    def _thetas(self, keys: Sequence[draws.Key]) -> Tensor:
        config = self.config
        theta = draws.affine(
            [(*key, "affine") for key in keys],
            config.rotation_degrees,
            config.scale_range,
            config.scale_of,
            config.translation,
        )
        return self.backbone.to_device(torch.from_numpy(theta)).to(self.backbone.map_dtype)

    def encode_original(self, pixels: Tensor, names: Sequence[str]) -> Tensor:
        """Latents (B, C, h, w) of untransformed images, each encoded once while ``latent_cache`` has room.

        ``names`` are ids, unique among the images of a fit.
        """
        missing = [row for row, name in enumerate(names) if name not in self._latents]
        fresh: dict[str, Tensor] = {}
        if missing:
            # On the CPU one at a time: the bits of a latent must not depend on the others in its batch.
            together = 1 if self.backbone.device.type == "cpu" else len(missing)
            encoded = torch.cat([self.backbone.encode(some) for some in pixels[missing].split(together)])
            fresh = {names[row]: latent for row, latent in zip(missing, encoded, strict=True)}
        latents = torch.stack([fresh[name] if name in fresh else self._latents[name] for name in names])
        if len(self._latents) + len(fresh) <= self.config.latent_cache:
            self._latents.update(fresh)
        return latents


def _names(ids: Sequence[str], pixels: Tensor) -> list[str]:
    """Ids with a checksum of the pixels, since images of two datasets may share an id."""
    checksums = [zlib.crc32(np.ascontiguousarray(image.numpy()).data) for image in pixels]
    return [f"{name}\0{checksum}" for name, checksum in zip(ids, checksums, strict=True)]
