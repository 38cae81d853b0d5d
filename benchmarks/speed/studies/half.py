"""Half precision judged on the shipped, trained model: how far keypoints, losses and gradients move."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor

from benchmarks.registry import DATASETS
from benchmarks.run.images import DatasetImages, ImageCache
from benchmarks.speed.compare import SEED
from benchmarks.speed.measure import Say, without_tf32
from benchmarks.speed.models import build, copied, settings_of
from benchmarks.speed.sizes import SIZES
from methods.base import ImageBatch
from methods.diffusion.loading import Parts
from methods.parallel import Team
from methods.stable_keypoints.backbone import Backbone
from methods.stable_keypoints.fitting import fit
from methods.stable_keypoints.learning import Learner

DATASET = "mini_celeba_aligned"
KEYPOINTS = 10
FAR = 1 / 128  # of the side
FIT_IMAGES = 100
BATCH = 16
DTYPES = ("float16", "bfloat16")


def half(device: str, images: int = 64, steps: int = 60, say: Say = lambda line: None) -> dict[str, Any]:
    """Keypoints, losses and gradient in half precision beside float32, on rendered faces by learned tokens.

    The tokens are fitted in float32 with the model's own preset, for ``steps`` steps. Then the autoencoder alone, the
    UNet alone, and both work in float16 and in bfloat16, on ``images`` images that the fit has not seen. A float16
    autoencoder is tried although the model's config asks for float32. On a GPU a UNet in half precision comes with
    TF32 for what is left in float32, as in a run.
    """
    size = SIZES["mini"]
    dataset = DATASETS.load(DATASET)()
    cache = ImageCache()
    fitted, tested = (
        DatasetImages(dataset, dataset.split(split)[:count], size.image_size, cache)
        for split, count in (("fit", FIT_IMAGES), ("test", images))
    )
    with without_tf32():
        parts = build(size, device, torch.float32)
        plain = _learner(copied(parts), "float32", device, steps)
        tokens, chosen = fit(plain, plain.initial_tokens(), fitted, lambda *_, **__: None, Team(device))
        expected = Outcome(plain, tokens, chosen, tested)
    found: dict[str, Any] = {}
    for dtype in DTYPES:
        kind = getattr(torch, dtype)
        for name, of_unet, of_autoencoder in (
            ("autoencoder", torch.float32, kind),
            ("unet", kind, torch.float32),
            ("both", kind, kind),
        ):
            with without_tf32() if of_unet == torch.float32 else nullcontext():
                of_maps = dtype if of_unet == kind else "float32"
                learner = _learner(copied(parts, of_unet, of_autoencoder), of_maps, device)
                outcome = Outcome(learner, tokens, chosen, tested).beside(expected)
            say(f"{dtype}, {name}: {outcome['moved_far']:.2%} moved by more than a 128th")
            found[f"{dtype}, {name}"] = outcome
    return {"device": device, "images": len(tested), "keypoints": KEYPOINTS, "steps": steps, "half": found}


class Outcome:
    """Keypoints of some images, and losses and gradient of the first batch, by learned tokens."""

    def __init__(self, learner: Learner, tokens: Tensor, chosen: Tensor, images: DatasetImages) -> None:
        batches = [images.load(range(first, min(first + BATCH, len(images)))) for first in range(0, len(images), BATCH)]
        located = [learner.locate(tokens, chosen, each.ids, torch.tensor(each.pixels)) for each in batches]
        self.keypoints = torch.cat([torch.from_numpy(each) for each in located])
        self.losses, self.gradient = self._losses(learner, tokens, batches[0])

    def beside(self, expected: Outcome) -> dict[str, float]:
        """The share of keypoints that moved far, how far the farthest moved, and differences of losses and gradient.

        A loss depends on which tokens are candidates and kept, so a near-tie may change it by more than rounding.
        """
        moved = (self.keypoints - expected.keypoints).abs().amax(-1)
        return {
            "moved_far": float((moved > 1.001 * FAR).double().mean()),
            "farthest": float(moved.max()),
            "losses": _off(self.losses, expected.losses),
            "gradient": _off(self.gradient, expected.gradient),
        }

    @staticmethod
    def _losses(learner: Learner, tokens: Tensor, batch: ImageBatch) -> tuple[Tensor, Tensor]:
        some = slice(learner.config.batch_size)
        leaf = tokens.detach().clone().requires_grad_(True)
        keys = [(SEED, "half", name, 0) for name in batch.ids[some]]
        losses = learner.accumulate(leaf, torch.tensor(batch.pixels[some]), batch.ids[some], keys)
        if leaf.grad is None:
            raise RuntimeError("the tokens got no gradient")
        return losses.clone(), leaf.grad.clone()


def _learner(parts: Parts, dtype: str, device: str, steps: int = 0) -> Learner:
    config = settings_of(SIZES["mini"], dtype=dtype, steps=steps, latent_cache=0)
    return Learner(Backbone(config, device, parts), KEYPOINTS, SEED)


def _off(found: Tensor, expected: Tensor) -> float:
    """Length of the difference, relative to what is expected."""
    found, expected = found.double().cpu(), expected.double().cpu()
    return float(torch.linalg.vector_norm(found - expected) / torch.linalg.vector_norm(expected))
