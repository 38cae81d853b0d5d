"""Attention maps of a finished fit, and counts of its kept tokens, with the same random numbers as in the fit."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from methods import draws
from methods.base import Attention, Choices, ImageBatch, ImageStream
from methods.stable_keypoints.learning import Learner, pixels_of


def attention(learner: Learner, tokens: Tensor, chosen: Tensor, batch: ImageBatch) -> Attention:
    """The maps of the chosen tokens (K,), whose maxima are the keypoints: Eq. 11."""
    maps = [some.float().cpu() for some in learner.located_maps(tokens, chosen, batch.ids, pixels_of(batch))]
    return Attention(tuple(f"token {token}" for token in chosen.tolist()), torch.cat(maps).numpy())


def choices(learner: Learner, tokens: Tensor, chosen: Tensor, images: ImageStream, at_most: int) -> Choices:
    """Count how often each of N tokens is kept on the first ``at_most`` selection images of the fit: Eq. 10."""
    total, together = learner.config.selection_images or len(images), learner.config.predict_batch
    order = draws.image_order(learner.seed, "selection", len(images), total)[:at_most].tolist()
    counts = np.zeros(len(tokens), dtype=np.int64)
    for first in range(0, len(order), together):
        batch = images.load(order[first : first + together])
        kept = learner.kept(tokens, batch.ids, pixels_of(batch), first)
        counts += np.bincount(kept.cpu().numpy().ravel(), minlength=len(counts))
    return Choices(counts, len(order), total, tuple(chosen.tolist()), "token")
