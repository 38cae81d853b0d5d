"""A fit and a prediction on image files in a folder: images a second, and the share of time spent waiting for them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from benchmarks.run.images import BATCH_SIZE, DatasetImages, ImageCache
from benchmarks.speed.compare import SEED, Options
from benchmarks.speed.measure import Say, seconds
from benchmarks.speed.models import build
from benchmarks.speed.sizes import SIZES
from datasets.folder import open_folder
from methods.prefetch import loaded_ahead, seconds_waited
from methods.stable_keypoints.backbone import Backbone
from methods.stable_keypoints.fitting import TokenFit
from methods.stable_keypoints.learning import Learner

QUALITY = 90
DIFFERENT = 40  # files that differ; the others are copies, as drawing takes longer than decoding


def photographs(options: Options, count: int, say: Say = lambda line: None) -> dict[str, Any]:
    """Fit on ``count`` files, each once, then predict all of them, with the settings of ``options``.

    The files are JPEGs with a quarter more pixels a side than the model sees. The seconds of waiting are those of the
    CPU: the GPU may still be at work then, so its own share of idle time is smaller.
    """
    options = options.resolved()
    size = SIZES[options.size]
    with tempfile.TemporaryDirectory() as folder:
        _draw(Path(folder), count, size.image_size + size.image_size // 4)
        dataset = open_folder(folder)
        ids = dataset.split("fit")
        steps = max(1, count // options.batch)
        config = options.config(options.dtype).model_copy(
            update={"steps": steps, "batch_size": options.batch, "checkpoint_every": 0, "latent_cache": 0}
        )
        parts = build(size, options.device, getattr(torch, options.dtype))
        learner = Learner(Backbone(config, options.device, parts), size.num_keypoints, SEED)
        images = DatasetImages(dataset, ids, size.image_size, ImageCache(max_bytes=0))
        tokens = learner.initial_tokens()
        warm_up = config.model_copy(update={"steps": max(1, options.warm_up)})
        learner.config = warm_up
        TokenFit(learner, tokens, images, lambda *_, **__: None).optimise()
        learner.config = config
        token_fit = TokenFit(learner, tokens, images, lambda *_, **__: None)
        of_fit = _timed(token_fit.optimise, steps * options.batch, options.device)
        say(f"fit on {steps * options.batch} files: {of_fit['seconds']:.3g} s")
        chosen = torch.arange(size.num_keypoints, device=options.device)
        locate = partial(_locate, learner, token_fit.tokens.detach(), chosen, images)
        of_predict = _timed(locate, len(images), options.device)
        say(f"prediction of {count} files: {of_predict['seconds']:.3g} s")
    return {"files": count, "fit": of_fit, "predict": of_predict}


def _locate(learner: Learner, tokens: Tensor, chosen: Tensor, images: DatasetImages) -> None:
    """Find the keypoints of all images, a batch at a time."""
    starts = range(0, len(images), BATCH_SIZE)
    rows = [list(range(first, min(first + BATCH_SIZE, len(images)))) for first in starts]
    for batch in loaded_ahead(images, rows):
        given = batch.result()
        learner.locate(tokens, chosen, given.ids, torch.from_numpy(given.pixels))


def _timed(work: Callable[[], object], images: int, device: str) -> dict[str, float]:
    """Images a second of some work, and how long it waited for them."""
    before = seconds_waited()
    taken = seconds(work, device)[0]
    waited = seconds_waited() - before
    return {
        "seconds": taken,
        "images_per_second": images / taken,
        "seconds_waiting_for_images": waited,
        "share_waiting": waited / taken,
    }


def _draw(folder: Path, count: int, side: int) -> None:
    """Write ``count`` JPEGs of smooth noise with some grain, few of which differ."""
    generator = np.random.default_rng(SEED)
    grain = generator.integers(-12, 13, (side, side, 1))
    drawn = []
    for _ in range(min(count, DIFFERENT)):
        coarse = Image.fromarray(generator.integers(0, 256, (24, 24, 3), dtype=np.uint8))
        smooth = np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC)).astype(np.int64)
        with BytesIO() as file:
            Image.fromarray((smooth + grain).clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=QUALITY)
            drawn.append(file.getvalue())
    for index in range(count):
        (folder / f"{index:05d}.jpg").write_bytes(drawn[index % len(drawn)])
