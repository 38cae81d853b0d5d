"""The two stages of training: an autoencoder on drawings, then a text-conditioned UNet on its latents.

With these choices words learn to attend to places: v-prediction, linear betas, timesteps mostly between 150 and 950
(at which shapes are visible and small colours are not), one word for each coloured part, more loss weight around small
parts, a larger learning rate for cross-attention and the text encoder, and random dropping of cross-attention.
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

from benchmarks.pretrain.drawings import Drawings, RandomSource, part_weights
from benchmarks.pretrain.dropping import CrossAttentionDrop
from benchmarks.pretrain.loop import Budget, Loop, Say, Stage
from benchmarks.pretrain.weights import Weights, compute_dtype

ENCODE_BATCH = 500


@dataclass(frozen=True)
class Settings:
    """Settings of a training run; they must equal those of the checkpoint that a run continues from."""

    batch_size: int = 256
    learning_rate: float = 1.5e-3
    text_factor: float = 2.0  # factor of the learning rate for cross-attention and the text encoder
    drop: float = 0.35  # probability that an image loses the output of a cross-attention layer
    part_weight: float = 11.0  # additional loss weight at the centre of a part
    word_dropout: float = 0.1  # probability that a word is dropped from its caption
    caption_dropout: float = 0.1  # probability that a caption loses all words
    averaging: float = 0.9995  # decay of the running averages of the UNet and the text encoder
    vae_batch_size: int = 128
    vae_learning_rate: float = 3e-3
    seed: int = 0


class Trainer:
    """Trains one pipeline, and writes checkpoints, ``loss.csv`` and the exported ``pipeline`` to ``folder``.

    An update copies nothing from or to the device. On a GPU, ``graph`` replays updates as a CUDA graph and ``compile``
    compiles the UNet; other devices ignore both. ``loop`` holds further arguments of every ``Loop``.
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
        allow_fast_kernels(device)
        if compile:
            self._compile()

    def train_vae(self, drawings: Drawings, budget: Budget) -> None:
        """Train the autoencoder, and set its scaling factor to 1 / standard deviation of the latents."""
        settings, vae = self.settings, self.pipeline.vae
        random = RandomSource(settings.seed, self.device)
        weights = Weights([(list(vae.parameters()), 1.0)], self.dtype, decay=1e-4)

        def loss() -> Tensor:
            target = drawings.pixels(random.integers(0, len(drawings), settings.vae_batch_size))
            posterior = vae.encode(target.to(self.dtype)).latent_dist
            latents = posterior.mean + posterior.std * random.normal(posterior.mean)
            error = vae.decode(latents).sample.float() - target
            return error.abs().mean() + 2.0 * error.square().mean() + 1e-5 * posterior.kl().float().mean()

        def rate(step: int, share: float) -> float:
            return settings.vae_learning_rate * min(1.0, (step + 1) / 100) * max(0.02, 1.0 - share)

        vae.train()
        stage = Stage("autoencoder", weights, loss, settings.vae_batch_size, budget, rate, averaging=0.0)
        Loop(stage, random, self.folder, self.say, self._signature(drawings), **self.loop).run()
        weights.adopt_averages()
        vae.eval()
        spread = self._encode(drawings, slice(0, 2000)).std().item()
        vae.register_to_config(scaling_factor=1.0 / spread)

    def train_unet(self, drawings: Drawings, budget: Budget) -> None:
        """Train UNet and text encoder on the scaled latents; export the pipeline after every checkpoint."""
        settings, unet, text = self.settings, self.pipeline.unet, self.pipeline.text_encoder
        random = RandomSource(settings.seed + 1, self.device)
        latents = self.latents(drawings)
        fast = [p for name, p in unet.named_parameters() if "attn2" in name] + list(text.parameters())
        chosen = {id(p) for p in fast}
        slow = [p for p in unet.parameters() if id(p) not in chosen]
        weights = Weights([(slow, 1.0), (fast, settings.text_factor)], self.dtype, decay=1e-3, betas=(0.9, 0.98))

        def rate(step: int, share: float) -> float:
            """Learning rate: warm-up over 300 updates, constant, linear decay over the last 35 % of the budget."""
            return settings.learning_rate * min(1.0, (step + 1) / 300) * min(1.0, max(0.01, (1.0 - share) / 0.35))

        def export(updates: int, seconds: float) -> None:
            self._export(weights, updates, seconds, len(drawings))

        unet.train()
        text.train()
        stage = Stage(
            "diffusion",
            weights,
            lambda: self.loss(drawings, latents, random),
            settings.batch_size,
            budget,
            rate,
            settings.averaging,
        )
        Loop(stage, random, self.folder, self.say, self._signature(drawings), **self.loop).run(export)

    def loss(self, drawings: Drawings, latents: Tensor, random: RandomSource) -> Tensor:
        """Weighted squared error of the predicted velocity for a random batch of drawings, timesteps and noise."""
        settings, scheduler = self.settings, self.pipeline.scheduler
        rows = random.integers(0, len(drawings), settings.batch_size)
        clean = latents[rows].float()
        noise, timesteps = random.normal(clean), random.timesteps(len(rows))
        noisy = scheduler.add_noise(clean, noise, timesteps)
        target = scheduler.get_velocity(clean, noise, timesteps)
        tokens = drawings.tokens(rows, random, settings.word_dropout, settings.caption_dropout)
        self.drop.choose(len(rows), random)
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
            self.say(f"--compile needs a GPU: nothing is compiled on {self.device}")
            return
        torch._dynamo.config.suppress_errors = True  # code that cannot be compiled runs uncompiled, with a warning
        self.pipeline.unet.compile(dynamic=False)

    def _export(self, weights: Weights, updates: int, seconds: float, images: int) -> None:
        """Write the pipeline with averaged weights as float16 safetensors, with loss.csv and training.json."""
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
            "device": device_name(self.device),
            "dtype": str(self.dtype).removeprefix("torch."),
            "torch": torch.__version__,
            "settings": asdict(self.settings),
        }
        (folder / "training.json").write_text(json.dumps(record, indent=2) + "\n")
        shutil.copyfile(self.folder / "loss.csv", folder / "loss.csv")


def allow_fast_kernels(device: str) -> None:
    """On a GPU, allow TF32 for float32 operations and let cuDNN choose the fastest convolution for each shape."""
    if torch.device(device).type == "cuda":
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.allow_tf32 = True
        torch.backends.cudnn.benchmark = True


def load_as_float32(config: Path) -> None:
    """Make transformers load a float16 text encoder as float32, as diffusers loads the other parts."""
    settings = json.loads(config.read_text())
    config.write_text(json.dumps({**settings, "dtype": "float32"}, indent=2) + "\n")


def device_name(device: str) -> str:
    """Name of the GPU, or the device itself."""
    return torch.cuda.get_device_name(device) if torch.device(device).type == "cuda" else device
