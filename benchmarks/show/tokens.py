"""The tokens of a finished fit, looked at again: the maps that its keypoints are read from, and how often each is kept.

Everything is drawn by the keys of the fit (seed, purpose, image), so that what is seen here is what happened there.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from methods import draws
from methods.base import ImageBatch, ImageStream
from methods.stable_keypoints.backbone import Backbone
from methods.stable_keypoints.learning import Learner
from methods.stable_keypoints.official import read
from methods.stable_keypoints.selection import most_local, spread_out
from methods.warps import average_unwarped, resize, warp

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor


class Tokens:
    """Tokens (N, width) and the ids of the K chosen ones that a fit left in ``folder``, on the model they belong to.

    Raises MethodError where the folder holds none.
    """

    def __init__(self, folder: Path, backbone: Backbone, num_keypoints: int, seed: int) -> None:
        tokens, chosen, _ = read(folder)
        self._tokens = tokens.to(backbone.device, backbone.map_dtype)
        self._chosen = chosen.to(backbone.device)
        self._learner = Learner(backbone, num_keypoints, seed)

    @property
    def chosen(self) -> NDArray[np.int64]:
        """Ids (K,) of the chosen tokens, in the order of the keypoints."""
        return self._chosen.cpu().numpy()

    @torch.no_grad()
    def maps(self, batch: ImageBatch) -> Iterator[NDArray[np.float32]]:
        """For each image the maps (K, S, S) of the chosen tokens, whose maxima are the keypoints: Eq. 11.

        They are averaged over the test augmentations and S pixels a side, as where the method reads its maxima.
        """
        for image_id, pixels in zip(batch.ids, torch.tensor(batch.pixels), strict=True):
            yield self._maps(image_id, pixels[None].to(self._learner.backbone.device)).float().cpu().numpy()

    def _maps(self, image_id: str, pixels: Tensor) -> Tensor:
        learner, config = self._learner, self._learner.config
        side, views = config.output_size or learner.backbone.image_size, config.test_augmentations
        keys = [(learner.seed, "predict", image_id, view) for view in range(max(1, views))]
        if not views:
            maps = learner.maps(learner.backbone.encode(pixels), keys, self._tokens, self._chosen)
            return resize(maps, side)[0]
        affine_keys = [(*key, "affine") for key in keys]
        drawn = draws.affine(
            affine_keys, config.rotation_degrees, config.scale_range, config.scale_of, config.translation
        )
        theta = torch.from_numpy(drawn).to(learner.backbone.device, learner.backbone.map_dtype)
        latents = learner.backbone.encode(warp(pixels.expand(views, -1, -1, -1), theta))
        maps = learner.maps(latents, keys, self._tokens, self._chosen)
        return average_unwarped(maps[None], theta[None], side)[0]

    @torch.no_grad()
    def times_kept(self, images: ImageStream, at_most: int) -> tuple[NDArray[np.int64], int, int]:
        """How often each token (N,) was kept, over how many selection images, and how many the fit had: Eq. 10.

        The first ``at_most`` selection images are gone through, in the order of the fit.
        """
        learner, config = self._learner, self._learner.config
        total = config.selection_images or len(images)
        order = draws.image_order(learner.seed, "selection", len(images), total)[:at_most]
        counts = np.zeros(len(self._tokens), dtype=np.int64)
        for first in range(0, len(order), config.predict_batch):
            batch = images.load([int(index) for index in order[first : first + config.predict_batch]])
            keys = [(learner.seed, "selection", image_id, first + row) for row, image_id in enumerate(batch.ids)]
            latents = learner.encode_original(torch.tensor(batch.pixels), batch.ids)
            maps = learner.maps(latents, keys, self._tokens)
            candidates = most_local(maps, learner.kappa, config.sigma, config.ranking)
            kept = spread_out(maps, candidates, learner.num_keypoints)
            counts += np.bincount(kept.cpu().numpy().ravel(), minlength=len(counts))
        return counts, len(order), total
