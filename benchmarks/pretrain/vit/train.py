"""Self-distillation of the mini vision transformer: a student learns what its own running average says.

The average of the student's weights is the teacher. Both see two views of a drawing, and three losses compare them:

* ``match``: each patch of one view finds its own place among the patches of the other view, by cosines of features
  (the dense contrast of Thewlis et al., ICCV 2019);
* ``patch``: the prototypes of a patch, in one view and where it is masked, are those of its place (after iBOT);
* ``image``: the prototypes of the whole image are those of the other view (after DINO).
"""

from __future__ import annotations

import copy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import Dinov2WithRegistersModel

from benchmarks.pretrain.drawings import RandomSource
from benchmarks.pretrain.loop import Budget, Loop, Say, Stage
from benchmarks.pretrain.train import allow_fast_kernels
from benchmarks.pretrain.vit.losses import Head, balanced, cross_entropy, sampled
from benchmarks.pretrain.vit.model import PATCH_SIZE, REGISTERS, VIEW_SIZE, export, normalised
from benchmarks.pretrain.vit.views import matched_places, two_views
from benchmarks.pretrain.weights import Weights
from benchmarks.records.provenance import git_state, machine

CELLS = VIEW_SIZE // PATCH_SIZE


@dataclass(frozen=True)
class Settings:
    """Settings of a training run; they must equal those of the checkpoint that a run continues from."""

    batch_size: int = 16
    learning_rate: float = 1e-3
    decay: float = 0.04  # weight decay
    averaging: float = 0.97  # decay of the teacher's running averages
    smallest: float = 0.4  # least side of a view, in image sides
    prototypes: int = 64
    masked: float = 0.3  # share of masked patches, in every second view
    match_weight: float = 1.0
    patch_weight: float = 0.5
    image_weight: float = 0.25
    match_temperature: float = 0.2
    temperature: float = 0.1  # of the student's prototypes
    teacher_temperature: float = 0.05
    seed: int = 0


class Trainer:
    """Trains one vision transformer on images (N, H, W, 3) uint8 and nothing else.

    Writes the checkpoint ``vit.pt``, ``loss.csv`` and the exported ``model`` to ``folder``. ``loop`` holds further
    arguments of ``Loop``.
    """

    def __init__(
        self,
        model: Dinov2WithRegistersModel,
        images: Tensor,
        settings: Settings,
        folder: Path,
        device: str,
        say: Say,
        **loop: Any,
    ) -> None:
        self.settings, self.folder, self.device, self.say, self.loop = settings, folder, device, say, loop
        self.images = images.to(device)
        self.random = RandomSource(settings.seed, device)
        head = Head(model.config.hidden_size, 256, 64, settings.prototypes)
        self.student = nn.ModuleDict({"model": model, "head": head}).to(device).train()
        self.teacher = copy.deepcopy(self.student)
        parameters = list(self.student.parameters())
        self.weights = Weights([(parameters, 1.0)], torch.float32, settings.decay, betas=(0.9, 0.98))
        for parameter, average in zip(self.teacher.parameters(), self.weights.averages, strict=True):
            parameter.requires_grad_(False).data = average  # shared: every update of the averages moves the teacher
        folder.mkdir(parents=True, exist_ok=True)
        allow_fast_kernels(device)

    def train(self, budget: Budget) -> None:
        """Train to the end of the budget; export the teacher after every checkpoint."""
        settings = self.settings

        def rate(step: int, share: float) -> float:
            """Learning rate: warm-up over 30 updates, constant, linear decay over the last 40 % of the budget."""
            return settings.learning_rate * min(1.0, (step + 1) / 30) * min(1.0, max(0.01, (1.0 - share) / 0.4))

        stage = Stage("vit", self.weights, self.loss, settings.batch_size, budget, rate, settings.averaging)
        signature = {**asdict(settings), "images": len(self.images)}
        Loop(stage, self.random, self.folder, self.say, signature, graph=False, **self.loop).run(self._export)

    def loss(self) -> Tensor:
        """The weighted sum of the three losses for a random batch of drawings."""
        settings, random, count = self.settings, self.random, self.settings.batch_size
        rows = random.integers(0, len(self.images), count)
        first, second = two_views(self.images[rows], VIEW_SIZE, settings.smallest, random)
        pixels = normalised(torch.cat([first.pixels, second.pixels]))
        frames = torch.cat([first.frames, second.frames])
        places = matched_places(frames, frames.roll(count, 0), CELLS)
        with torch.no_grad():
            known, known_image, known_patch = self._outputs(self.teacher, pixels)
            image = balanced(known_image, settings.teacher_temperature)
            patch = balanced(known_patch, settings.teacher_temperature)
            across, inside = sampled(patch.view(2 * count, CELLS, CELLS, -1).roll(count, 0), places)
        hidden = random.uniform(2 * count, CELLS**2) < settings.masked
        hidden &= random.uniform(2 * count, 1) < 0.5
        features, of_image, of_patch = self._outputs(self.student, pixels, hidden)
        every, warm = torch.ones(2 * count, device=pixels.device), settings.temperature
        match = matching(features, known.roll(count, 0), places, settings.match_temperature)
        patches = cross_entropy(of_patch, across, warm, inside)
        patches = patches + cross_entropy(of_patch, patch, warm, hidden.flatten().float())
        whole = cross_entropy(of_image, image.roll(count, 0), warm, every)
        return settings.match_weight * match + settings.patch_weight * patches + settings.image_weight * whole

    def _outputs(self, network: nn.ModuleDict, pixels: Tensor, hidden: Tensor | None = None) -> tuple[Tensor, ...]:
        """Features (B, n, C) of patches, and scores (B, K) of images and (B * n, K) of patches."""
        tokens = network["model"](pixels, bool_masked_pos=hidden).last_hidden_state
        patches = tokens[:, 1 + REGISTERS :]
        return patches, network["head"](tokens[:, 0]), network["head"](patches.flatten(0, 1))

    def _export(self, updates: int, seconds: float) -> None:
        record = {
            "updates": updates,
            "samples": updates * self.settings.batch_size,
            "seconds": round(seconds, 1),
            "images": len(self.images),
            "labels": "none",
            "licence": "Apache-2.0",
            "weights": sum(parameter.numel() for parameter in self.teacher["model"].parameters()),
            "settings": asdict(self.settings),
            **git_state(),
            **machine(self.device),
        }
        export(self.teacher["model"], self.folder / "model", record, self.folder / "loss.csv")


def matching(features: Tensor, others: Tensor, places: Tensor, temperature: float) -> Tensor:
    """Mean cross-entropy of each patch's similarities to the patches of the other view, where its place is in there.

    ``features`` and ``others`` (B, n * n, C) are of the patches of a view and of the other view, and ``places``
    (B, n, n, 2) are those of ``matched_places``. The target has the bilinear weights of the patches around a place.
    Features are compared by their cosine, after the mean over all patches is subtracted.
    """
    side, count = places.shape[1], len(features)
    patches = torch.eye(side * side, device=features.device).view(1, side, side, -1).expand(count, -1, -1, -1)
    targets, inside = sampled(patches, places)
    ours, theirs = (F.normalize(each - each.detach().mean((0, 1)), dim=-1) for each in (features, others))
    similarity = torch.einsum("bpc,bqc->bpq", ours, theirs)
    return cross_entropy(similarity.flatten(0, 1), targets, temperature, inside)
