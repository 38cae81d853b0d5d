"""The computations of Stable Keypoints as functions of tensors on one device.

None of them reads a tensor on the host or copies one from there, so each can be captured in a CUDA graph.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from methods.stable_keypoints.backbone import Backbone
from methods.stable_keypoints.losses import equivariance, peak, sharpening
from methods.stable_keypoints.maps import Projections
from methods.stable_keypoints.selection import furthest_points, most_local, spread_out
from methods.warps import average_unwarped, inverse, resize, warp


@dataclass(frozen=True)
class Compute:
    """Losses, gradients and keypoints on one backbone, for K keypoints among ``kappa`` candidates of an image.

    In all methods ``tokens`` is (N, width), and ``noise`` has standard normal numbers for each latent, or is None for
    none. Images are ``pixels`` (B, 3, S, S) in [0, 1], or their latents ``original`` (B, C, h, w).
    """

    backbone: Backbone
    num_keypoints: int
    kappa: int

    @torch.no_grad()
    def encode(self, pixels: Tensor) -> Tensor:
        """Latents (B, C, h, w) of images."""
        return self.backbone.encode(pixels)

    def gradient(
        self,
        share: float,
        tokens: Tensor,
        original: Tensor,
        noise: Tensor | None,
        pixels: Tensor | None = None,
        theta: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """``share`` of the losses (3,), which are total, localisation and equivariance, and of the total's gradient.

        The gradient is that with respect to the tokens (N, width): Eq. 4. See ``losses`` for the other arguments.
        """
        config = self.backbone.config
        tokens = tokens.detach().requires_grad_(True)
        with torch.enable_grad():
            sharp, equivariant = self.losses(tokens, original, noise, pixels, theta)
            loss = config.sharpening_weight * sharp + config.equivariance_weight * equivariant
            (gradient,) = torch.autograd.grad(loss * share, tokens)
        return share * torch.stack([loss, sharp, equivariant]).detach(), gradient

    def losses(
        self,
        tokens: Tensor,
        original: Tensor,
        noise: Tensor | None,
        pixels: Tensor | None = None,
        theta: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Localisation and equivariance loss, unweighted; the second is 0 unless ``theta`` (B, 2, 3) is given.

        With ``theta``, ``noise`` is that of the original latents and then that of the transformed images' latents. The
        maps of all tokens are computed once without gradient, to rank the tokens; then only the maps that enter the
        losses get a gradient.
        """
        config = self.backbone.config
        if pixels is None or theta is None:
            maps = self._counted(self.backbone.project(original, noise, tokens), None)[0]
            return sharpening(maps, config.sigma, config.loss_reduction), maps.new_zeros(())
        latents = torch.cat([original, self.backbone.encode(warp(pixels, theta))])
        both = self.backbone.project(latents, noise, tokens).split(len(original))
        maps, transformed = self._counted(*both)
        unwarped = warp(transformed, inverse(theta))
        return (
            sharpening(maps, config.sigma, config.loss_reduction),
            equivariance(maps, unwarped, config.loss_reduction),
        )

    def _counted(self, original: Projections, transformed: Projections | None) -> tuple[Tensor, Tensor]:
        """Maps, in both views, of the tokens in the losses: the kappa candidates of Eq. 9, or the K kept of these."""
        config = self.backbone.config
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
    def kept(self, tokens: Tensor, original: Tensor, noise: Tensor | None) -> Tensor:
        """Ids (B, K) of the tokens that furthest point sampling keeps on each image: Eq. 10."""
        config = self.backbone.config
        maps = self.backbone.maps(original, noise, tokens)
        candidates = most_local(maps, self.kappa, config.sigma, config.ranking)
        return spread_out(maps, candidates, self.num_keypoints)

    @torch.no_grad()
    def located(self, tokens: Tensor, chosen: Tensor, noise: Tensor | None, *images: Tensor) -> Tensor:
        """Keypoints (B, K, 2) float64, (x, y) in [0, 1]: the maxima of ``average``, which has the same arguments."""
        maps = self.average(tokens, chosen, noise, *images)
        return (peak(maps).flip(-1).to(torch.float64) + 0.5) / maps.shape[-1]

    @torch.no_grad()
    def average(
        self, tokens: Tensor, chosen: Tensor, noise: Tensor | None, images: Tensor, theta: Tensor | None = None
    ) -> Tensor:
        """Maps (B, K, R, R) of the tokens ``chosen`` (K,), averaged over the transformed views of each image: Eq. 11.

        ``images`` are pixels, of which ``theta`` (B * A, 2, 3) makes A views each, or without ``theta`` latents.
        """
        side = self.backbone.config.output_size or self.backbone.image_size
        if theta is None:
            return resize(self.backbone.maps(images, noise, tokens, chosen), side)
        views = len(theta) // len(images)
        latents = self.backbone.encode(warp(images.repeat_interleave(views, dim=0), theta))
        maps = self.backbone.maps(latents, noise, tokens, chosen)
        return average_unwarped(maps.unflatten(0, (-1, views)), theta.unflatten(0, (-1, views)), side)
