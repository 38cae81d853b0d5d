"""The two stages of training: an autoencoder on drawings, then a text-conditioned UNet on its latents.

What made the words bind to places is kept as defaults: v-prediction, linear betas, timesteps mostly between 250
and 950 (where shapes show and small colours do not), one word a coloured part, a loss that counts more around small
parts, and a larger learning rate for cross-attention and the text encoder.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from torch import Tensor, nn

from benchmarks.pretrain.pool import Pool

Log = Callable[[str, int, int, float], None]


@dataclass(frozen=True)
class Settings:
    """What a training run is made of; ``steps`` counts UNet updates."""

    vae_steps: int = 1500
    steps: int = 6000
    batch_size: int = 32
    learning_rate: float = 1e-3
    text_factor: float = 3.0
    part_weight: float = 11.0
    word_dropout: float = 0.1
    caption_dropout: float = 0.1
    ema: float = 0.999
    seed: int = 0
    save_every: int = 500


class Trainer:
    """Trains one pipeline; ``folder`` holds checkpoints, ``loss.csv`` and exported pipelines."""

    def __init__(
        self, pipeline: StableDiffusionPipeline, settings: Settings, folder: Path, device: str, log: Log
    ) -> None:
        self.pipeline, self.settings, self.folder, self.device, self.log = pipeline, settings, folder, device, log
        for module in (pipeline.vae, pipeline.unet, pipeline.text_encoder):
            module.to(device)
        folder.mkdir(parents=True, exist_ok=True)
        self.rng = np.random.default_rng(settings.seed)

    def autocast(self) -> torch.autocast:
        """bfloat16 for the heavy parts; weights, losses and the optimiser stay in float32."""
        return torch.autocast(torch.device(self.device).type, torch.bfloat16)

    def pixels(self, images: np.ndarray) -> Tensor:
        """(B, H, W, 3) uint8 to (B, 3, H, W) float32 in [-1, 1]."""
        return torch.from_numpy(images).to(self.device).permute(0, 3, 1, 2).float() / 127.5 - 1.0

    def train_vae(self, pool: Pool) -> None:
        """Fit the autoencoder and set its scaling factor to one over the latents' spread."""
        done = self.folder / "vae.pt"
        vae, settings = self.pipeline.vae, self.settings
        if done.exists():
            vae.load_state_dict(torch.load(done, weights_only=True))
        else:
            optimiser = torch.optim.AdamW(vae.parameters(), 2e-3, weight_decay=1e-4)
            schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, settings.vae_steps, pct_start=0.1)
            for step in range(settings.vae_steps):
                rows = self.rng.integers(len(pool.captions), size=settings.batch_size)
                target = self.pixels(pool.images[rows])
                with self.autocast():
                    posterior = vae.encode(target).latent_dist
                    rebuilt = vae.decode(posterior.sample()).sample
                error = rebuilt.float() - target
                loss = error.abs().mean() + 2.0 * error.square().mean() + 1e-5 * posterior.kl().mean()
                self._update(optimiser, loss, [vae])
                schedule.step()
                self.log("autoencoder", step + 1, settings.vae_steps, loss.item())
            torch.save(vae.state_dict(), done)
        spread = self.latents(pool.images[:2000]).float().std().item()
        vae.register_to_config(scaling_factor=1.0 / spread)

    @torch.no_grad()
    def latents(self, images: np.ndarray) -> Tensor:
        """Posterior means (N, 4, h, w), unscaled, float16."""
        self.pipeline.vae.eval()
        parts = []
        for start in range(0, len(images), 100):
            with self.autocast():
                parts.append(self.pipeline.vae.encode(self.pixels(images[start : start + 100])).latent_dist.mean.half())
        return torch.cat(parts)

    def train_unet(self, pool: Pool) -> None:
        """Fit UNet and text encoder, from the last checkpoint where there is one."""
        settings, unet, text = self.settings, self.pipeline.unet, self.pipeline.text_encoder
        latents = self.latents(pool.images) * self.pipeline.vae.config.scaling_factor
        models: list[nn.Module] = [unet, text]
        fast = [p for name, p in unet.named_parameters() if "attn2" in name] + list(text.parameters())
        chosen = {id(p) for p in fast}
        slow = [p for p in unet.parameters() if id(p) not in chosen]
        rate = settings.learning_rate
        groups = [{"params": slow, "lr": rate}, {"params": fast, "lr": rate * settings.text_factor}]
        optimiser = torch.optim.AdamW(groups, weight_decay=1e-3, betas=(0.9, 0.98))
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, self._rate)
        average = [p.detach().clone() for model in models for p in model.parameters()]
        first = self._resume(models, optimiser, schedule, average)
        for step in range(first, settings.steps):
            loss = self._unet_loss(pool, latents)
            self._update(optimiser, loss, models)
            schedule.step()
            keep = min(settings.ema, (step + 1) / (step + 10))
            torch._foreach_lerp_(average, [p.detach() for model in models for p in model.parameters()], 1 - keep)
            self.log("diffusion", step + 1, settings.steps, loss.item())
            if (step + 1) % settings.save_every == 0 or step + 1 == settings.steps:
                self._checkpoint(step + 1, models, optimiser, schedule, average)
                self.export(average, models, self.folder / "pipeline")

    def _rate(self, step: int) -> float:
        """Warm-up over 200 steps, then constant, then down to zero over the last fifth."""
        return min(1.0, (step + 1) / 200, max(self.settings.steps - step, 1) / (0.2 * self.settings.steps))

    def _unet_loss(self, pool: Pool, latents: Tensor) -> Tensor:
        settings, scheduler = self.settings, self.pipeline.scheduler
        rows = self.rng.integers(len(pool.captions), size=settings.batch_size)
        clean = latents[torch.from_numpy(rows).to(latents.device)].float()
        late = self.rng.random(settings.batch_size) < 0.85
        steps = np.where(
            late, self.rng.integers(250, 950, settings.batch_size), self.rng.integers(0, 1000, settings.batch_size)
        )
        timesteps = torch.from_numpy(steps).to(self.device)
        noise = torch.from_numpy(self.rng.standard_normal(clean.shape, np.float32)).to(self.device)
        noisy = scheduler.add_noise(clean, noise, timesteps)
        target = scheduler.get_velocity(clean, noise, timesteps)
        tokens = self._tokens([pool.captions[row] for row in rows])
        with self.autocast():
            context = self.pipeline.text_encoder(tokens).last_hidden_state
            predicted = self.pipeline.unet(noisy, timesteps, context).sample
        weight = self._weight(torch.from_numpy(pool.parts[rows]).to(self.device), clean.shape[-1])
        return ((predicted.float() - target).square().mean(1) * weight).sum() / weight.sum()

    def _tokens(self, captions: list[tuple[str, ...]]) -> Tensor:
        settings, texts = self.settings, []
        for caption in captions:
            words = [word for word in caption if self.rng.random() >= settings.word_dropout]
            self.rng.shuffle(words)
            texts.append("" if self.rng.random() < settings.caption_dropout else " ".join(words))
        tokens = self.pipeline.tokenizer(texts, padding="max_length", return_tensors="pt")
        return tokens.input_ids.to(self.device)

    def _weight(self, parts: Tensor, side: int) -> Tensor:
        """(B, side, side): 1, and more around parts, the more the smaller they are."""
        centres = (torch.arange(side, device=parts.device) + 0.5) / side
        x, y, radius = (parts[..., i, None, None] for i in range(3))
        near = torch.exp(
            -((centres[None, None, None] - x) ** 2 + (centres[None, None, :, None] - y) ** 2)
            / (2 * radius.clamp_min(1e-3) ** 2)
        )
        return 1.0 + self.settings.part_weight * (near * (0.06 / radius.clamp_min(0.06)) ** 1.5 * (radius > 0)).amax(1)

    def _update(self, optimiser: torch.optim.Optimizer, loss: Tensor, models: list[Any]) -> None:
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        for model in models:
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()

    def _checkpoint(
        self, step: int, models: list[nn.Module], optimiser: Any, schedule: Any, average: list[Tensor]
    ) -> None:
        state = {
            "step": step,
            "models": [model.state_dict() for model in models],
            "optimiser": optimiser.state_dict(),
            "schedule": schedule.state_dict(),
            "average": average,
        }
        partial = self.folder / "state.pt.partial"
        torch.save(state, partial)
        partial.replace(self.folder / "state.pt")

    def _resume(self, models: list[nn.Module], optimiser: Any, schedule: Any, average: list[Tensor]) -> int:
        path = self.folder / "state.pt"
        if not path.exists():
            return 0
        state = torch.load(path, weights_only=True, map_location=self.device)
        for model, weights in zip(models, state["models"], strict=True):
            model.load_state_dict(weights)
        optimiser.load_state_dict(state["optimiser"])
        schedule.load_state_dict(state["schedule"])
        torch._foreach_copy_(average, state["average"])
        self.rng = np.random.default_rng((self.settings.seed, state["step"]))
        return int(state["step"])

    def export(self, average: list[Tensor], models: list[nn.Module], folder: Path) -> None:
        """Write the pipeline with averaged weights as safetensors, leaving the training weights alone."""
        live: list[Tensor] = [p for model in models for p in model.parameters()]
        kept = [p.detach().clone() for p in live]
        with torch.no_grad():
            torch._foreach_copy_(live, average)
            self.pipeline.save_pretrained(folder, safe_serialization=True)
            torch._foreach_copy_(live, kept)


class CsvLog:
    """Prints progress and keeps every loss in ``loss.csv``."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "loss.csv"

    def __call__(self, stage: str, step: int, total: int, loss: float) -> None:
        with self.path.open("a", newline="") as file:
            csv.writer(file).writerow([stage, step, f"{loss:.5f}"])
        if step % 50 == 0 or step == total:
            print(f"{stage} {step}/{total} loss {loss:.4f}", flush=True)
