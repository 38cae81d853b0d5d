"""Compare the speed of Stable Keypoints with that of the released code: ``python -m benchmarks.speed``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from benchmarks.options import example
from benchmarks.printing import start
from benchmarks.settings import choose_device

PROGRAM = "benchmarks.speed"
app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
GIB = 2**30


@app.command(epilog=example("--size tiny", "--device cuda --dtype float16 --batch 4 --steps 10", module=PROGRAM))
def speed(
    size: Annotated[
        Literal["full", "tiny"],
        typer.Option(help="Size of the model: that of Stable Diffusion 1.5, or tiny for tests."),
    ] = "full",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    dtype: Annotated[
        Literal["float32", "bfloat16", "float16"],
        typer.Option(help="Number type of this implementation; the released code uses float32."),
    ] = "float32",
    steps: Annotated[int, typer.Option(help="Steps of the fit to time.", min=1)] = 1,
    warm_up: Annotated[
        int, typer.Option(help="Untimed rounds before the timed steps (default: 0 on a CPU, 3 on a GPU).")
    ] = -1,
    batch: Annotated[int, typer.Option(help="Images in a step, and in a call of predict.", min=1)] = 1,
    views: Annotated[int, typer.Option(help="Transformed views of an image in prediction.", min=1)] = 10,
    memory: Annotated[Literal["auto", "low"], typer.Option(help="Setting stable_keypoints.memory.")] = "auto",
    compile: Annotated[bool, typer.Option("--compile", help="Setting stable_keypoints.compile.")] = False,
    predict: Annotated[bool, typer.Option(help="Time prediction too.")] = True,
    alone: Annotated[
        bool, typer.Option("--alone", help="Run this implementation only, to measure its own peak memory.")
    ] = False,
    output: Annotated[Path | None, typer.Option(help="JSON file for all measurements.")] = None,
) -> None:
    """Compare the speed of Stable Keypoints with that of the released code, whose structure is rebuilt here.

    Both run in turns on the same UNet and autoencoder of Stable Diffusion 1.5's size with random weights, and with the
    same images, tokens and random numbers. Nothing is downloaded.
    """
    from benchmarks.speed.compare import Bench, Options

    device = choose_device(device)
    if warm_up < 0:
        warm_up = 0 if device == "cpu" else 3
    options = Options(size, device, dtype, steps, warm_up, batch, views, memory, compile, predict, alone)
    found = Bench(options, lambda line: typer.echo(line, err=True)).run()
    show(found)
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(json.dumps(found, indent=2) + "\n")


def show(found: dict[str, Any]) -> None:
    """Print the measurements as a table."""
    from rich.console import Console
    from rich.table import Table

    options, floor = found["options"], found["floor"]
    table = Table(title=f"{options['size']} size, {options['dtype']}, {found['platform']}")
    for column in ("task", "implementation", "s/image", "images/s", "peak GiB", "speed-up", "x least"):
        table.add_column(column, justify="left" if column in ("task", "implementation") else "right")
    for task, sides in found["tasks"].items():
        for side, timing in sides.items():
            each = timing["median_seconds"] / options["batch"]
            least = floor["seconds_per_image"]["fit_latents_kept" if side == "ours_latents_kept" else task]
            table.add_row(
                task,
                side.replace("_", " "),
                f"{each:.3g}",
                f"{1 / each:.3g}",
                "" if timing["peak_bytes"] is None else f"{timing['peak_bytes'] / GIB:.2f}",
                f"{found['speed_up'][task][side]:.2f}" if "speed_up" in found else "",
                f"{each / least:.2f}",
            )
    console = Console()
    console.print(table)
    parts = ", ".join(f"{name} {value / 1e12:.3f}" for name, value in floor["flop_of_parts"].items())
    console.print(f"TFLOP an image: {parts}; matrix products {floor['matmul_flop_per_second'] / 1e12:.3g} TFLOP/s")
    for task, differences in found.get("agreement", {}).items():
        words = ", ".join(f"{name} {value:.1e}" for name, value in differences.items())
        console.print(f"{task}: largest difference of the two implementations, relative to the largest value: {words}")


if __name__ == "__main__":
    start(app, f"python -m {PROGRAM}")
