"""What tokens see in images: the losses of a batch, and the keypoints that K of them find."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from methods.base import MethodError
from methods.stable_keypoints import draws
from methods.stable_keypoints.augment import average_unwarped, inverse, resize, warp
from methods.stable_keypoints.backbone import Backbone
from methods.stable_keypoints.losses import equivariance, peak, sharpening
from methods.stable_keypoints.selection import most_local, spread_out


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
        for name, value in (("kappa", self.kappa), ("num_tokens", self.config.num_tokens)):
            if value < num_keypoints:
                raise MethodError(
                    f"stable_keypoints: {name} is {value}, expected at least the {num_keypoints} keypoints asked for; "
                    f"raise stable_keypoints.{name}"
                )
        self._latents: dict[str, Tensor] = {}

    def initial_tokens(self) -> Tensor:
        """Random tokens (N, width), drawn in float32."""
        shape = (self.config.num_tokens, self.backbone.token_width)
        values = draws.generator(self.seed, "tokens").standard_normal(shape, dtype=np.float32)
        tokens = torch.from_numpy(values * np.float32(self.config.token_scale))
        return tokens.to(self.backbone.device, self.backbone.map_dtype)

    def losses(
        self, tokens: Tensor, pixels: Tensor, ids: Sequence[str], keys: Sequence[draws.Key]
    ) -> tuple[Tensor, Tensor]:
        """Localisation and equivariance loss, unweighted, of images (B, 3, S, S); a draw key for each image."""
        config = self.config
        original = self.encode_original(pixels, ids)
        if not config.equivariance:
            maps = self.maps(original, [(*key, "original") for key in keys], tokens)
            counted = torch.take_along_dim(maps, self._counted(maps, maps)[:, :, None, None], dim=1)
            return sharpening(counted, config.sigma, config.loss_reduction), counted.new_zeros(())
        theta = self._thetas(keys)
        latents = torch.cat([original, self.backbone.encode(warp(pixels.to(self.backbone.device), theta))])
        both_keys = [(*key, view) for view in ("original", "transformed") for key in keys]
        maps, transformed = self.maps(latents, both_keys, tokens).chunk(2)
        counted = self._counted(maps, transformed)[:, :, None, None]
        maps, transformed = (torch.take_along_dim(each, counted, dim=1) for each in (maps, transformed))
        unwarped = warp(transformed, inverse(theta))
        return (
            sharpening(maps, config.sigma, config.loss_reduction),
            equivariance(maps, unwarped, config.loss_reduction),
        )

    def _counted(self, maps: Tensor, transformed: Tensor) -> Tensor:
        """Ids of the tokens that the losses count: the kappa of Eq. 9, or the K kept of them."""
        config = self.config
        candidates = most_local(maps.detach(), self.kappa, config.sigma, config.ranking)
        if config.loss_on == "candidates":
            return candidates
        return spread_out(
            transformed if config.fps_in_loss_on == "transformed" else maps, candidates, self.num_keypoints
        )

    @torch.no_grad()
    def locate(self, tokens: Tensor, chosen: Tensor, ids: Sequence[str], pixels: Tensor) -> NDArray[np.float64]:
        """Keypoints (B, K, 2), (x, y) in [0, 1], of images (B, 3, S, S): Eq. 11 and its maximum.

        As many images go through the UNet at once as ``predict_batch`` holds with all their views.
        """
        together = max(1, self.config.predict_batch // max(1, self.config.test_augmentations))
        found = []
        for first in range(0, len(ids), together):
            some = slice(first, first + together)
            found.append(self._locate(tokens, chosen, ids[some], pixels[some].to(self.backbone.device)))
        return np.concatenate(found)

    def _locate(self, tokens: Tensor, chosen: Tensor, ids: Sequence[str], pixels: Tensor) -> NDArray[np.float64]:
        side = self.config.output_size or self.backbone.image_size
        views = self.config.test_augmentations
        keys = [(self.seed, "predict", image_id, view) for image_id in ids for view in range(max(1, views))]
        if views:
            theta = self._thetas(keys)
            latents = self.backbone.encode(warp(pixels.repeat_interleave(views, dim=0), theta))
            maps = self.maps(latents, keys, tokens, chosen).unflatten(0, (len(ids), views))
            maps = average_unwarped(maps, theta.unflatten(0, (len(ids), views)), side)
        else:
            maps = resize(self.maps(self.backbone.encode(pixels), keys, tokens, chosen), side)
        return (peak(maps).flip(-1).double().cpu().numpy() + 0.5) / side

    def maps(self, latents: Tensor, keys: Sequence[draws.Key], tokens: Tensor, chosen: Tensor | None = None) -> Tensor:
        """Attention maps (B, N or K, R, R) of latents, whose noise is drawn by the keys."""
        noise = None
        if self.config.noise:
            noise = torch.from_numpy(draws.noise([(*key, "noise") for key in keys], latents.shape[1:]))
        return self.backbone.maps(latents, noise, tokens, chosen)

    def _thetas(self, keys: Sequence[draws.Key]) -> Tensor:
        config = self.config
        theta = draws.affine(
            [(*key, "affine") for key in keys],
            config.rotation_degrees,
            config.scale_range,
            config.scale_of,
            config.translation,
        )
        return torch.from_numpy(theta).to(self.backbone.device, self.backbone.map_dtype)

    def encode_original(self, pixels: Tensor, ids: Sequence[str]) -> Tensor:
        """Latents of untransformed images, each encoded once while ``latent_cache`` has room."""
        fresh: dict[str, Tensor] = {}
        missing = [row for row, image_id in enumerate(ids) if image_id not in self._latents]
        if missing:
            encoded = self.backbone.encode(pixels[missing])
            fresh = {ids[row]: latent for row, latent in zip(missing, encoded, strict=True)}
        known = {**self._latents, **fresh}
        if len(known) <= self.config.latent_cache:
            self._latents = known
        return torch.stack([known[image_id] for image_id in ids])
