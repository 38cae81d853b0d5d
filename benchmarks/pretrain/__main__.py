"""Train the mini diffusion model and measure it: ``python -m benchmarks.pretrain train --output runs/pretrain``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchmarks.options import Headings, example
from benchmarks.printing import start
from benchmarks.settings import choose_device

if TYPE_CHECKING:
    from benchmarks.pretrain.pool import Pool

PROGRAM = "benchmarks.pretrain"
app = typer.Typer(
    cls=Headings,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Train the mini diffusion model and measure it.",
    epilog=example("train --output runs/pretrain", "report runs/pretrain/pipeline", module=PROGRAM),
)


@app.command(epilog=example("train --output runs/pretrain --minutes 60", module=PROGRAM))
def train(
    output: Annotated[Path, typer.Option(help="Folder for checkpoints, loss.csv and the exported pipeline.")] = Path(
        "runs/pretrain"
    ),
    images: Annotated[int, typer.Option(help="Drawings to train on.", min=1)] = 60_000,
    vae_steps: Annotated[int, typer.Option(help="Updates of the autoencoder.", min=1)] = 1500,
    steps: Annotated[
        int | None, typer.Option(help="Updates of the UNet (default: 1500, or no limit with --minutes).", min=1)
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(help="Limit on the minutes of training of the UNet.", min=0.01)
    ] = None,
    batch_size: Annotated[int, typer.Option(help="Drawings in an update of the UNet.", min=1)] = 256,
    learning_rate: Annotated[float, typer.Option(help="Peak learning rate of the UNet.", min=0)] = 1.5e-3,
    seed: Annotated[int, typer.Option(help="Seed of drawings, weights and all random numbers.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    graph: Annotated[bool, typer.Option(help="Replay updates as a CUDA graph on a GPU.")] = True,
    compile: Annotated[bool, typer.Option("--compile", help="Compile the UNet on a GPU, which takes minutes.")] = False,
) -> None:
    """Render captioned drawings, train the autoencoder and then the UNet, and export the pipeline.

    A run that was stopped continues from its last checkpoint in --output.
    """
    _hush()
    from benchmarks.pretrain.drawings import Drawings
    from benchmarks.pretrain.loop import Budget
    from benchmarks.pretrain.pipeline import IMAGE_SIZE, build_pipeline
    from benchmarks.pretrain.train import Settings, Trainer

    device = choose_device(device)
    settings = Settings(batch_size=batch_size, learning_rate=learning_rate, seed=seed)
    budget = Budget(1500 if steps is None and minutes is None else steps, minutes)
    pipeline = build_pipeline(seed)
    trainer = Trainer(pipeline, settings, output, device, say, graph, compile)
    drawings = Drawings(_rendered(images, IMAGE_SIZE, seed), pipeline.tokenizer, device)
    trainer.train_vae(drawings, Budget(vae_steps))
    trainer.train_unet(drawings, budget)


@app.command(epilog=example("vit --output runs/vit --minutes 25", module=PROGRAM))
def vit(
    output: Annotated[Path, typer.Option(help="Folder for the checkpoint, loss.csv and the exported model.")] = Path(
        "runs/vit"
    ),
    images: Annotated[int, typer.Option(help="Drawings to train on.", min=1)] = 6000,
    steps: Annotated[
        int | None, typer.Option(help="Updates (default: 1500, or no limit with --minutes).", min=1)
    ] = None,
    minutes: Annotated[float | None, typer.Option(help="Limit on the minutes of training.", min=0.01)] = None,
    batch_size: Annotated[int, typer.Option(help="Drawings in an update, each in two views.", min=2)] = 16,
    learning_rate: Annotated[float, typer.Option(help="Peak learning rate.", min=0)] = 1e-3,
    seed: Annotated[int, typer.Option(help="Seed of drawings, weights and all random numbers.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
) -> None:
    """Train the mini vision transformer on drawings, without captions.

    The model is exported in the layout of DINOv2 with registers. A run that was
    stopped continues from its last checkpoint in --output.
    """
    import torch

    _hush()
    from benchmarks.pretrain.loop import Budget
    from benchmarks.pretrain.vit.model import IMAGE_SIZE, build_vit
    from benchmarks.pretrain.vit.train import Settings, Trainer

    settings = Settings(batch_size=batch_size, learning_rate=learning_rate, seed=seed)
    budget = Budget(1500 if steps is None and minutes is None else steps, minutes)
    drawings = torch.from_numpy(_rendered(images, IMAGE_SIZE, seed).images)
    Trainer(build_vit(seed), drawings, settings, output, choose_device(device), say).train(budget)


def _hush() -> None:
    """Silence what transformers and diffusers say about torchvision, which is not needed, and their progress bars."""
    from diffusers.utils import logging as of_diffusers
    from transformers.utils import logging as of_transformers

    for logging in (of_diffusers, of_transformers):
        logging.set_verbosity_error()
        logging.disable_progress_bar()


def say(line: str) -> None:
    """Print a line of progress without buffering."""
    print(line, flush=True)


def _rendered(count: int, size: int, seed: int) -> Pool:
    """Render the training drawings on all CPUs."""
    from benchmarks.pretrain.pool import join, render_pool

    chunks = []
    for chunk in render_pool(count, size, seed, os.cpu_count() or 1):
        chunks.append(chunk)
        if len(chunks) % 20 == 0:
            say(f"rendered {sum(len(chunk.captions) for chunk in chunks)}/{count}")
    return join(chunks)


@app.command(epilog=example("report runs/pretrain/pipeline", module=PROGRAM))
def report(
    folder: Annotated[Path, typer.Argument(help="Folder of the exported pipeline.")],
    timestep: Annotated[int, typer.Option(help="Timestep of the noise at which attention is read.")] = 150,
    count: Annotated[int, typer.Option(help="Number of held-out drawings to measure on.")] = 200,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
) -> None:
    """Measure where words attend and the effect of a colour word; save samples and loss curves."""
    import json

    _hush()
    from benchmarks.pretrain.report import write_report

    print(json.dumps(write_report(folder, choose_device(device), timestep, count), indent=2))


if __name__ == "__main__":
    start(app, f"python -m {PROGRAM}")
