"""Optimising tokens over the fit images, and choosing K of them."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from methods.base import ImageStream, MethodError, Report
from methods.stable_keypoints import draws
from methods.stable_keypoints.learning import Learner
from methods.stable_keypoints.selection import most_frequent, most_local, spread_out


def work(learner: Learner, images: ImageStream) -> int:
    """Passes of the UNet in a fit, for the progress report: those that learn and those that choose."""
    selected = learner.config.selection_images or len(images)
    return learner.config.steps - (-selected // learner.config.predict_batch)


def optimise(learner: Learner, tokens: Tensor, images: ImageStream, report: Report) -> Tensor:
    """Tokens after ``steps`` steps of Adam on the loss of Eq. 4. Raises MethodError where the loss diverges."""
    config = learner.config
    tokens = tokens.clone().requires_grad_(True)
    adam = torch.optim.Adam([tokens], lr=config.learning_rate, betas=config.adam_betas, eps=config.adam_epsilon)
    order = draws.image_order(learner.seed, "fit", len(images), config.steps * config.batch_size)
    for step in range(config.steps):
        first = step * config.batch_size
        batch = images.load([int(index) for index in order[first : first + config.batch_size]])
        keys = [(learner.seed, "fit", image_id, first + row) for row, image_id in enumerate(batch.ids)]
        sharp, equivariant = learner.losses(tokens, torch.tensor(batch.pixels), batch.ids, keys)
        loss = config.sharpening_weight * sharp + config.equivariance_weight * equivariant
        if not torch.isfinite(loss):
            raise MethodError(f"stable_keypoints: the loss is {loss.item()} at step {step + 1}; lower learning_rate")
        adam.zero_grad()
        loss.backward()
        adam.step()
        scalars = {"loss": loss, "sharpening": sharp, "equivariance": equivariant}
        report(step + 1, work(learner, images), **{name: value.item() for name, value in scalars.items()})
    return tokens.detach()


@torch.no_grad()
def choose(learner: Learner, tokens: Tensor, images: ImageStream, report: Report) -> Tensor:
    """Ids (K,) of the tokens kept most often over the selection images: Eq. 10."""
    config = learner.config
    order = draws.image_order(learner.seed, "selection", len(images), config.selection_images or len(images))
    kept: list[NDArray[np.int64]] = []
    for first in range(0, len(order), config.predict_batch):
        batch = images.load([int(index) for index in order[first : first + config.predict_batch]])
        keys = [(learner.seed, "selection", image_id, first + row) for row, image_id in enumerate(batch.ids)]
        maps = learner.maps(learner.encode_original(torch.tensor(batch.pixels), batch.ids), keys, tokens)
        candidates = most_local(maps, learner.kappa, config.sigma, config.ranking)
        kept.append(spread_out(maps, candidates, learner.num_keypoints).cpu().numpy())
        report(config.steps + len(kept), work(learner, images))
    return torch.from_numpy(most_frequent(np.concatenate(kept), learner.num_keypoints)).to(tokens.device)
