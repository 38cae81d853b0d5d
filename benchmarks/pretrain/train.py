"""The two stages of training: an autoencoder on drawings, then a text-conditioned UNet on its latents.

The defaults are what made words bind to places: v-prediction, linear betas, timesteps mostly between 150 and 950
(where shapes show and small colours do not), one word a coloured part, a loss that counts more around small parts, a
larger learning rate for cross-attention and the text encoder, and cross-attention dropped at random.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import StableDiffusionPipeline
from torch import Tensor, nn

from benchmarks.pretrain.drawings import Drawings, Draws, part_weights
from benchmarks.pretrain.dropping import CrossAttentionDrop
from benchmarks.pretrain.loop import Budget, Loop, Say, Stage
from benchmarks.pretrain.weights import Weights, compute_dtype

ENCODE_BATCH = 500


@dataclass(frozen=True)
class Settings:
    """Settings of a training run; a run that goes on from a checkpoint must have the same ones."""

    batch_size: int = 256
    learning_rate: float = 1.5e-3
    text_factor: float = 2.0  # learning rate of cross-attention and the text encoder over that of the rest
    drop: float = 0.35  # probability that a cross-attention layer is dropped for an image
    part_weight: float = 11.0
    word_dropout: float = 0.1
    caption_dropout: float = 0.1
    averaging: float = 0.9995
    vae_batch_size: int = 128
    vae_learning_rate: float = 3e-3
    seed: int = 0


class Trainer:
    """Trains one pipeline; ``folder`` gets checkpoints, ``loss.csv`` and the exported ``pipeline``.

    Nothing of an update leaves the device. On a GPU an update is a CUDA graph unless ``graph`` is off, and ``compile``
    compiles the UNet; other devices use neither. ``loop`` are further arguments of every ``Loop``.
    """

    def __init__(
        self,
        pipeline: StableDiffusionPipeline,
        settings: Settings,
        folder: Path,
        device: str,
        say: Say,
        graph: bool = True,
        compile: bool = False,
        **loop: Any,
    ) -> None:
        self.pipeline, self.settings, self.folder, self.device, self.say = pipeline, settings, folder, device, say
        self.dtype = compute_dtype(device)
        self.loop = {"graph": graph, **loop}
        self.models: list[nn.Module] = [pipeline.vae, pipeline.unet, pipeline.text_encoder]
        for model in self.models:
            model.to(device)
        folder.mkdir(parents=True, exist_ok=True)
        self.drop = CrossAttentionDrop(pipeline.unet, settings.drop)
        prepare(device)
        if compile:
            self._compile()

    def train_vae(self, drawings: Drawings, budget: Budget) -> None:
        """Fit the autoencoder and set its scaling factor to one over the latents' spread."""
        settings, vae = self.settings, self.pipeline.vae
        draws = Draws(settings.seed, self.device)
        weights = Weights([(list(vae.parameters()), 1.0)], self.dtype, decay=1e-4)

        def loss() -> Tensor:
            target = drawings.pixels(draws.integers(0, len(drawings), settings.vae_batch_size))
            posterior = vae.encode(target.to(self.dtype)).latent_dist
            latents = posterior.mean + posterior.std * draws.normal(posterior.mean)
            error = vae.decode(latents).sample.float() - target
            return error.abs().mean() + 2.0 * error.square().mean() + 1e-5 * posterior.kl().float().mean()

        def rate(step: int, share: float) -> float:
            return settings.vae_learning_rate * min(1.0, (step + 1) / 100) * max(0.02, 1.0 - share)

        vae.train()
        stage = Stage("autoencoder", weights, loss, settings.vae_batch_size, budget, rate, averaging=0.0)
        Loop(stage, draws, self.folder, self.say, self._signature(drawings), **self.loop).run()
        weights.adopt_averages()
        vae.eval()
        spread = self._encode(drawings, slice(0, 2000)).std().item()
        vae.register_to_config(scaling_factor=1.0 / spread)

    def train_unet(self, drawings: Drawings, budget: Budget) -> None:
        """Fit UNet and text encoder to the scaled latents; export the pipeline after every checkpoint."""
        settings, unet, text = self.settings, self.pipeline.unet, self.pipeline.text_encoder
        draws = Draws(settings.seed + 1, self.device)
        latents = self.latents(drawings)
        fast = [p for name, p in unet.named_parameters() if "attn2" in name] + list(text.parameters())
        chosen = {id(p) for p in fast}
        slow = [p for p in unet.parameters() if id(p) not in chosen]
        weights = Weights([(slow, 1.0), (fast, settings.text_factor)], self.dtype, decay=1e-3, betas=(0.9, 0.98))

        def rate(step: int, share: float) -> float:
            """Warm-up over 300 updates, then constant, then down over the last 35 % of the budget."""
            return settings.learning_rate * min(1.0, (step + 1) / 300) * min(1.0, max(0.01, (1.0 - share) / 0.35))

        def export(updates: int, seconds: float) -> None:
            self._export(weights, updates, seconds, len(drawings))

        unet.train()
        text.train()
        stage = Stage(
            "diffusion",
            weights,
            lambda: self.loss(drawings, latents, draws),
            settings.batch_size,
            budget,
            rate,
            settings.averaging,
        )
        Loop(stage, draws, self.folder, self.say, self._signature(drawings), **self.loop).run(export)

    def loss(self, drawings: Drawings, latents: Tensor, draws: Draws) -> Tensor:
        """Weighted squared error of the predicted velocity for a new batch of drawings, timesteps and noise."""
        settings, scheduler = self.settings, self.pipeline.scheduler
        rows = draws.integers(0, len(drawings), settings.batch_size)
        clean = latents[rows].float()
        noise, timesteps = draws.normal(clean), draws.timesteps(len(rows))
        noisy = scheduler.add_noise(clean, noise, timesteps)
        target = scheduler.get_velocity(clean, noise, timesteps)
        tokens = drawings.tokens(rows, draws, settings.word_dropout, settings.caption_dropout)
        self.drop.draw(len(rows), draws)
        context = self.pipeline.text_encoder(tokens).last_hidden_state
        predicted = self.pipeline.unet(noisy.to(self.dtype), timesteps, context).sample
        weight = part_weights(drawings.parts[rows], clean.shape[-1], settings.part_weight)
        return ((predicted.float() - target).square().mean(1) * weight).sum() / weight.sum()

    def latents(self, drawings: Drawings) -> Tensor:
        """Scaled posterior means (N, 4, h, w) of all drawings, float16."""
        scale = self.pipeline.vae.config.scaling_factor
        starts = range(0, len(drawings), ENCODE_BATCH)
        return torch.cat([(self._encode(drawings, slice(at, at + ENCODE_BATCH)) * scale).half() for at in starts])

    @torch.no_grad()
    def _encode(self, drawings: Drawings, rows: slice) -> Tensor:
        parts = drawings.pixels(rows).split(ENCODE_BATCH)
        return torch.cat([self.pipeline.vae.encode(part).latent_dist.mean for part in parts])

    def _signature(self, drawings: Drawings) -> dict[str, Any]:
        return {**asdict(self.settings), "images": len(drawings)}

    def _compile(self) -> None:
        if torch.device(self.device).type != "cuda":
            self.say(f"--compile is for a GPU: nothing is compiled on {self.device}")
            return
        torch._dynamo.config.suppress_errors = True  # what does not compile runs as it is, and a warning says so
        self.pipeline.unet.compile(dynamic=False)

    def _export(self, weights: Weights, updates: int, seconds: float, images: int) -> None:
        """Write the pipeline with averaged weights as float16 safetensors, loss.csv and training.json beside them."""
        folder, averages = self.folder / "pipeline", weights.averaged()
        every = [parameter for model in self.models for parameter in model.parameters()]
        kept = [parameter.data for parameter in every]
        try:
            for parameter in every:
                parameter.data = averages.get(id(parameter), parameter.data).half()
            self.pipeline.save_pretrained(folder, safe_serialization=True)
        finally:
            for parameter, data in zip(every, kept, strict=True):
                parameter.data = data
        load_as_float32(folder / "text_encoder" / "config.json")
        record = {
            "updates": updates,
            "samples": updates * self.settings.batch_size,
            "seconds": round(seconds, 1),
            "images": images,
            "weights": sum(parameter.numel() for parameter in self.pipeline.unet.parameters()),
            "device": describe(self.device),
            "dtype": str(self.dtype).removeprefix("torch."),
            "torch": torch.__version__,
            "settings": asdict(self.settings),
        }
        (folder / "training.json").write_text(json.dumps(record, indent=2) + "\n")
        shutil.copyfile(self.folder / "loss.csv", folder / "loss.csv")


def prepare(device: str) -> None:
    """Let a GPU use TF32 for what stays in float32, and choose the fastest convolution of each shape."""
    if torch.device(device).type == "cuda":
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.allow_tf32 = True
        torch.backends.cudnn.benchmark = True


def load_as_float32(config: Path) -> None:
    """Make transformers load a float16 text encoder as float32, as diffusers loads the other parts."""
    settings = json.loads(config.read_text())
    config.write_text(json.dumps({**settings, "dtype": "float32"}, indent=2) + "\n")


def describe(device: str) -> str:
    """Name of the device."""
    return torch.cuda.get_device_name(device) if torch.device(device).type == "cuda" else device
