"""Measurements of a trained mini model: attention of words, and effect of a colour word on the image."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image
from torch import Tensor

from benchmarks.pretrain.pool import Pool, join, render_pool
from datasets.mini_world.canvas import COLOURS
from methods.stable_keypoints.backbone import Backbone
from methods.stable_keypoints.config import StableKeypointsConfig

HELD_OUT_SEED = 1_000_003
SAMPLES = 32
SAMPLING_STEPS = 40
SWAP_STEPS = 20
SWAP = 800  # timestep
AVERAGE = "average of the layers"
NEAR = 0.08  # image sides within which a word counts as near its part


class Pointing:
    """Distances, in image sides, from the maximum of a word's attention to the part that the word names."""

    def __init__(self) -> None:
        self.distances: dict[str, list[float]] = {}
        self.chance: list[float] = []
        self.entropies: list[float] = []
        self.uniform = 0.0

    def add(self, caption: Sequence[str], maps: Tensor, parts: np.ndarray, others: np.ndarray) -> None:
        """Add one drawing: ``maps`` (n, R, R) of its tokens, start of text first, and ``parts`` (P, 3) of its words.

        ``others`` are the parts of another drawing; the distance to them is the level of chance.
        """
        share = maps / maps.sum(0, keepdim=True)
        self.entropies.append(float(-(share * share.clamp_min(1e-12).log()).sum(0).mean()))
        self.uniform, side = float(np.log(len(maps))), maps.shape[-1]
        peaks = maps[1 : len(caption) + 1].flatten(1).argmax(1)
        points = torch.stack([peaks % side, peaks // side], 1).add(0.5).div(side).cpu().numpy()
        for word, point, part, other in zip(caption, points, parts, others, strict=False):
            name = word.removeprefix(next(colour for colour in COLOURS if word.startswith(colour)))
            self.distances.setdefault(name, []).append(float(np.linalg.norm(point - part[:2])))
            self.chance.append(float(np.linalg.norm(point - other[:2])))

    def summary(self) -> dict[str, Any]:
        """Median distances, the share of words near their part, and the mean entropy over tokens in nats."""
        every = np.concatenate(list(self.distances.values()))
        return {
            "word_to_part_distance_median": round(float(np.median(every)), 4),
            f"share_of_words_within_{NEAR}": round(float((every < NEAR).mean()), 4),
            "word_to_other_image_part_median": round(float(np.median(self.chance)), 4),
            "attention_entropy_nats": round(float(np.mean(self.entropies)), 4),
            "attention_entropy_uniform_nats": round(self.uniform, 4),
            "word_to_part_distance": {
                name: round(float(np.median(each)), 4) for name, each in sorted(self.distances.items())
            },
        }


class Inspector:
    """Measurements on ``count`` drawings that were not used in training; every number is an average over them."""

    def __init__(self, folder: Path, device: str, timestep: int, count: int) -> None:
        config = StableKeypointsConfig(preset="mini", model=str(folder), timestep=timestep, keep_null_tokens=False)
        self.backbone = Backbone(config, device)
        self.pipeline = StableDiffusionPipeline.from_pretrained(folder, use_safetensors=True).to(device)
        self.pipeline.set_progress_bar_config(disable=True)
        self.pool: Pool = join(list(render_pool(count, self.backbone.image_size, HELD_OUT_SEED, 1)))
        self.device, self.timestep = device, timestep

    @torch.no_grad()
    def context(self, text: str) -> Tensor:
        """Output of the text encoder (n, width) for one caption."""
        tokens = self.pipeline.tokenizer(text, padding="max_length", return_tensors="pt").input_ids
        return self.pipeline.text_encoder(tokens.to(self.device)).last_hidden_state[0]

    def latent(self, row: int) -> Tensor:
        """Latent (1, 4, h, w) of one drawing."""
        pixels = torch.from_numpy(self.pool.images[row]).permute(2, 0, 1)[None].float() / 255
        return self.backbone.encode(pixels)

    def noise(self, row: int, like: Tensor) -> Tensor:
        """Standard normal noise that depends on the row alone."""
        return torch.from_numpy(np.random.default_rng(row).standard_normal(like.shape, np.float32)).to(self.device)

    @torch.no_grad()
    def attention(self) -> dict[str, Any]:
        """A ``Pointing`` summary of each layer, by its name, and one of the average over layers.

        The softmax runs over all tokens of a caption; maps have the size of the mini preset.
        """
        sides: dict[str, int] = {}
        found = {name: Pointing() for name in (*self.backbone.layers, AVERAGE)}
        for row, caption in enumerate(self.pool.captions):
            latent = self.latent(row)
            both = self.backbone.project(latent, self.noise(row, latent), self.context(" ".join(caption)))
            each = [replace(both, queries=(q,), keys=(k,)) for q, k in zip(both.queries, both.keys, strict=True)]
            other = self.pool.parts[(row + 3) % len(self.pool.captions)]
            for (name, pointing), layer in zip(found.items(), (*each, both), strict=True):
                sides[name] = layer.queries[0].shape[2]
                pointing.add(caption, layer.maps()[0], self.pool.parts[row], other)
        average = found.pop(AVERAGE).summary()
        layers = {name: {"map_side": sides[name], **pointing.summary()} for name, pointing in found.items()}
        return {"average_of_layers": average, "layers": layers}

    @torch.no_grad()
    def colour_swap(self, count: int = 48) -> dict[str, float]:
        """Effect of changing one colour word, inside the word's part and outside it.

        Two images are generated from a drawing with noise of timestep ``SWAP``, one for each caption and with the
        same noise. The numbers are their mean absolute differences in [0, 255] over ``count`` drawings.
        """
        inside, outside = [], []
        for row, caption in enumerate(self.pool.captions[:count]):
            sizes = self.pool.parts[row, : len(caption), 2]
            index = int(np.argsort(sizes)[row % 4])
            colour = next(name for name in COLOURS if caption[index].startswith(name))
            other = "blue" if colour != "blue" else "red"
            swapped = [*caption]
            swapped[index] = caption[index].replace(colour, other, 1)
            pair = [self._regenerated(row, words, SWAP) for words in (caption, swapped)]
            change = np.abs(pair[0] - pair[1]).mean(-1)
            centres = (np.arange(change.shape[0]) + 0.5) / change.shape[0]
            x, y, radius = self.pool.parts[row, index]
            near = np.hypot(centres[None] - x, centres[:, None] - y)
            inside.append(float(change[near < max(radius, 0.04)].mean()))
            outside.append(float(change[near > 2 * radius + 0.08].mean()))
        return {"inside": round(float(np.mean(inside)), 2), "outside": round(float(np.mean(outside)), 2)}

    def _regenerated(self, row: int, words: Any, start: int) -> np.ndarray:
        """Image (H, W, 3) in [0, 255], denoised from a drawing with noise of timestep ``start``."""
        scheduler, latent = self.pipeline.scheduler, self.latent(row)
        scheduler.set_timesteps(1000 * SWAP_STEPS // start)
        timesteps = [t for t in scheduler.timesteps if t <= start]
        latent = scheduler.add_noise(latent, self.noise(row, latent), timesteps[0])
        context = torch.stack([self.context(""), self.context(" ".join(words))])
        for timestep in timesteps:
            both = self.pipeline.unet(latent.expand(2, -1, -1, -1), timestep, context).sample
            guided = both[:1] + 3.0 * (both[1:] - both[:1])
            latent = scheduler.step(guided, timestep, latent).prev_sample
        image = self.pipeline.vae.decode(latent / self.pipeline.vae.config.scaling_factor).sample[0]
        return (image.clamp(-1, 1).permute(1, 2, 0).cpu().numpy() + 1) * 127.5

    def samples(self, path: Path) -> None:
        """Save a sheet of images generated from held-out captions, enlarged twofold."""
        texts = [" ".join(caption) for caption in self.pool.captions[:SAMPLES]]
        generator = torch.Generator().manual_seed(0)
        images = self.pipeline(
            texts, num_inference_steps=SAMPLING_STEPS, guidance_scale=3.0, generator=generator
        ).images
        side = 2 * self.backbone.image_size
        sheet = Image.new("RGB", (8 * side, SAMPLES // 8 * side))
        for index, image in enumerate(images):
            sheet.paste(image.resize((side, side), Image.Resampling.BICUBIC), (index % 8 * side, index // 8 * side))
        sheet.save(path)


def plot_losses(losses: Path, path: Path) -> None:
    """Plot the two loss curves of ``loss.csv``; each of its rows is a mean over the updates since the previous row."""
    import pandas as pd
    from matplotlib.figure import Figure

    table = pd.read_csv(losses)
    figure = Figure(figsize=(9, 3), layout="constrained")
    for axis, stage in zip(figure.subplots(1, 2), ("autoencoder", "diffusion"), strict=True):
        curve = table[table.stage == stage]
        axis.plot(curve.step, curve.loss)
        axis.set(title=stage, xlabel="update", ylabel="loss", yscale="log")
        axis.grid(alpha=0.3)
    figure.savefig(path, dpi=110)


def write_report(folder: Path, device: str, timestep: int, count: int) -> dict[str, Any]:
    """Measure the pipeline in ``folder``; write ``report.json``, ``samples.png`` and ``losses.png`` into it.

    ``losses.png`` is written only if the folder has a ``loss.csv``, which ``train`` exports.
    """
    inspector = Inspector(folder, device, timestep, count)
    report = {"timestep": timestep, "drawings": count, **inspector.attention(), "colour_swap": inspector.colour_swap()}
    (folder / "report.json").write_text(json.dumps(report, indent=2) + "\n")
    inspector.samples(folder / "samples.png")
    if (folder / "loss.csv").exists():
        plot_losses(folder / "loss.csv", folder / "losses.png")
    return report
