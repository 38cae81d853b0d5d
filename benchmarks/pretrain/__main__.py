"""Train the mini diffusion model and measure it: ``python -m benchmarks.pretrain train --output runs/pretrain``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False, help=__doc__)


@app.command()
def train(
    output: Annotated[Path, typer.Option(help="Folder of checkpoints, loss.csv and the exported pipeline.")] = Path(
        "runs/pretrain"
    ),
    images: Annotated[int, typer.Option(help="Drawings to train on.")] = 30_000,
    vae_steps: Annotated[int, typer.Option(help="Updates of the autoencoder.")] = 1500,
    steps: Annotated[int, typer.Option(help="Updates of the UNet; a run that was stopped goes on.")] = 6000,
    batch_size: Annotated[int, typer.Option(help="Images an update.")] = 32,
    learning_rate: Annotated[float, typer.Option(help="Peak learning rate of the UNet.")] = 1e-3,
    seed: Annotated[int, typer.Option(help="Seed of drawings, weights and draws.")] = 0,
    device: Annotated[str, typer.Option(help="cpu, cuda, or auto.")] = "auto",
) -> None:
    """Draw captioned images, fit the autoencoder, then the UNet; export the pipeline as safetensors."""
    import torch

    from benchmarks.pretrain.pipeline import IMAGE_SIZE, build_pipeline
    from benchmarks.pretrain.pool import draw_pool, join
    from benchmarks.pretrain.train import CsvLog, Settings, Trainer

    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    settings = Settings(vae_steps=vae_steps, steps=steps, batch_size=batch_size, learning_rate=learning_rate, seed=seed)
    chunks = []
    for chunk in draw_pool(images, IMAGE_SIZE, seed, os.cpu_count() or 1):
        chunks.append(chunk)
        if len(chunks) % 20 == 0:
            print(f"drawn {sum(len(chunk.captions) for chunk in chunks)}/{images}", flush=True)
    trainer = Trainer(build_pipeline(seed), settings, output, device, CsvLog(output))
    pool = join(chunks)
    trainer.train_vae(pool)
    trainer.train_unet(pool)


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(help="Folder of the exported pipeline.")],
    losses: Annotated[
        Path | None, typer.Option(help="loss.csv of the training, for the picture of its curves.")
    ] = None,
    timestep: Annotated[int, typer.Option(help="Timestep at which attention is read.")] = 150,
    count: Annotated[int, typer.Option(help="Unseen drawings to measure on.")] = 200,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
) -> None:
    """Measure where words point, attention entropy and colour swaps; write report.json, samples.png, losses.png."""
    import json

    from benchmarks.pretrain.report import plot_losses, write_report

    print(json.dumps(write_report(folder, device, timestep, count), indent=2))
    if losses is not None:
        plot_losses(losses, folder / "losses.png")


if __name__ == "__main__":
    app()
