"""Compare the speed of Stable Keypoints with that of the released code: ``python -m benchmarks.speed``."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from benchmarks.errors import UserError
from benchmarks.options import example
from benchmarks.printing import start
from benchmarks.settings import choose_device

if TYPE_CHECKING:
    from benchmarks.speed.compare import Options

PROGRAM = "benchmarks.speed"
WARM_UP = 4  # rounds on a GPU: one for kernels, one for the recording of graphs, two to settle
app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

EXAMPLES = (
    "--size tiny",
    "--device cuda --dtype float16 --batch 4 --steps 10",
    "--device cuda --dtype float16 --batch 4 --profile",
    "--device cuda --dtype float16 --all --output speed.json --markdown speed.md",
)


@app.command(epilog=example(*EXAMPLES, module=PROGRAM))
def speed(
    size: Annotated[
        Literal["mini", "sd15", "sd21", "sdxl", "tiny"],
        typer.Option(
            help="The model: the shipped mini model, random weights at the size of Stable Diffusion 1.5, 2.1 or XL, or "
            "a tiny one for tests."
        ),
    ] = "sd15",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    dtype: Annotated[
        Literal["float32", "bfloat16", "float16"] | None,
        typer.Option(
            help="Number type of this implementation (default: float32; with --all on a GPU float16). The released "
            "code uses float32."
        ),
    ] = None,
    steps: Annotated[int, typer.Option(help="Timed repetitions of each task.", min=1)] = 1,
    released_steps: Annotated[
        int, typer.Option(help="The most repetitions of the released code; 0: as many as of this one.", min=0)
    ] = 0,
    warm_up: Annotated[
        int, typer.Option(help="Untimed rounds before (default: 0 on a CPU, 4 on a GPU).", show_default=False)
    ] = -1,
    batch: Annotated[int, typer.Option(help="Images in a step, and in a call of predict.", min=1)] = 1,
    views: Annotated[
        int, typer.Option(help="Views of an image in prediction (default: 10; mini: 0).", show_default=False)
    ] = -1,
    memory: Annotated[Literal["auto", "low"], typer.Option(help="Setting stable_keypoints.memory.")] = "auto",
    compile: Annotated[bool, typer.Option("--compile", help="Setting stable_keypoints.compile.")] = False,
    without: Annotated[
        list[str] | None,
        typer.Option(metavar="blocks|norms|maps|graphs", help="A fast path on a GPU to leave out; repeatable."),
    ] = None,
    predict: Annotated[bool, typer.Option(help="Time prediction too.")] = True,
    alone: Annotated[
        bool, typer.Option("--alone", help="Run this implementation only, to measure its own peak memory.")
    ] = False,
    profile: Annotated[bool, typer.Option("--profile", help="Instead: where the time goes, by kind of work.")] = False,
    variants: Annotated[
        bool, typer.Option("--variants", help="Instead: time each fast path switched off beside all of them.")
    ] = False,
    half: Annotated[
        bool, typer.Option("--half", help="Instead: how far half precision moves the mini model's keypoints.")
    ] = False,
    images: Annotated[int, typer.Option(help="With --half: the number of images.", min=1)] = 64,
    everything: Annotated[
        bool, typer.Option("--all", help="Instead: everything worth knowing on a GPU, the most important first.")
    ] = False,
    minutes: Annotated[float, typer.Option(help="With --all: minutes after which no part goes on.", min=0.0)] = 9.0,
    output: Annotated[
        Path | None, typer.Option(help="JSON file for all measurements (with --all: speed.json).")
    ] = None,
    markdown: Annotated[Path | None, typer.Option(help="Markdown file for the tables that are printed.")] = None,
    show: Annotated[
        Path | None, typer.Option(help="Instead: only print the tables of a JSON file that --all wrote.")
    ] = None,
    worker: Annotated[bool, typer.Option("--worker", hidden=True)] = False,
) -> None:
    """Compare the speed of Stable Keypoints with that of the released code, whose structure is rebuilt here.

    Both run in turns on models of the same size and with the same images, tokens and random numbers. Nothing is
    downloaded.
    """
    if show is not None:
        text = _shown(show)
        typer.echo(text)
        if markdown is not None:
            _write(markdown, text + "\n")
        return
    from benchmarks.speed.compare import Options

    device = choose_device(device)
    if warm_up < 0:
        warm_up = 0 if device == "cpu" else WARM_UP
    large = everything and device != "cpu"
    if large:
        steps, released_steps = max(steps, 5), released_steps or 2
    dtype = dtype or ("float16" if large else "float32")
    off = tuple(_known(without or []))
    options = Options(
        size, device, dtype, steps, warm_up, batch, views, memory, compile, predict, alone, off, released_steps
    )
    if everything:
        found, text = _everything(options, output or Path("speed.json"), minutes, worker)
    else:
        chosen = "profile" if profile else "variants" if variants else "half precision" if half else ""
        found, text = _one(options, chosen, images)
    if worker:
        return
    typer.echo(text)
    if output is not None and not everything:
        _write(output, json.dumps(found, indent=2) + "\n")
    if markdown is not None:
        _write(markdown, text + "\n")


def _one(options: Options, study: str, images: int) -> tuple[Any, str]:
    """The comparison, or the study of this name, as JSON and as text."""
    from benchmarks.speed import tables
    from benchmarks.speed.compare import Bench

    if study == "profile":
        from dataclasses import replace

        from benchmarks.speed.studies.profiling import profiles

        found = profiles(Bench(replace(options, alone=True), _say))
    elif study == "variants":
        from benchmarks.speed.studies.variants import variants

        found = variants(options, _say)
    elif study:
        from benchmarks.speed.studies.half import half

        found = half(options.device, images, say=_say)
    else:
        found = Bench(options, _say).run()
    return found, tables.KINDS.get(study, tables.comparison)(found)


def _everything(options: Options, output: Path, minutes: float, worker: bool) -> tuple[Any, str]:
    """All parts, run by worker processes, as JSON and as text; in such a process only the parts that are left."""
    from benchmarks.speed import everything, tables
    from benchmarks.speed.record import Record

    if worker:
        everything.work(options, output, _say)
        return None, ""
    record = Record(output, time.time() + 60 * minutes, everything.facts(options))
    command, plain = everything.worker_command(options, output), ("--without", "norms", "--without", "maps")
    everything.supervise(command, record, _say, after_crash=plain)
    found = json.loads(output.read_text("utf-8"))
    return found, tables.everything(found)


def _shown(path: Path) -> str:
    """The tables of a record. Raises UserError where the file is none."""
    from benchmarks.speed import tables

    try:
        return tables.everything(json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"--show {path}: {error!r}; expected a JSON file that --all wrote") from error


def _known(names: list[str]) -> list[str]:
    """The names of fast paths. Raises UserError for an unknown one."""
    from methods.switches import NAMES

    for name in names:
        if name not in NAMES:
            raise UserError(f"--without {name}: expected some of {', '.join(NAMES)}")
    return names


def _say(line: str) -> None:
    typer.echo(line, err=True)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    start(app, f"python -m {PROGRAM}")
