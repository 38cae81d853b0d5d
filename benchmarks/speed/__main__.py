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
from leaderboard.files import write_atomically

if TYPE_CHECKING:
    from benchmarks.speed.compare import Options

PROGRAM = "benchmarks.speed"
WARM_UP = 4  # rounds on a GPU: one for kernels, one for the recording of graphs, two to settle
_STUDIES = ("profile", "variants", "half", "everything", "show")
_UNUSED = {  # options that a study does not use; "" is the comparison
    "": {"images", "minutes"},
    "profile": {"steps", "released_steps", "alone", "images", "minutes"},
    "variants": {"released_steps", "alone", "images", "minutes"},
    "half": {"size", "dtype", "steps", "released_steps", "warm_up", "batch", "views", "memory", "compile", "without"}
    | {"predict", "alone", "minutes"},
    "everything": {"batch", "memory", "alone", "images"},
    "show": {"size", "device", "dtype", "steps", "released_steps", "warm_up", "batch", "views", "memory", "compile"}
    | {"without", "predict", "alone", "images", "minutes", "output"},
}
app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

EXAMPLES = (
    "--size tiny",
    "--device cuda --dtype float16 --batch 4 --steps 10",
    "--device cuda --dtype float16 --batch 4 --profile",
    "--device cuda --dtype float16 --all --output speed.json --markdown speed.md",
)


@app.command(epilog=example(*EXAMPLES, module=PROGRAM))
def speed(
    context: typer.Context,
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
    steps: Annotated[
        int | None, typer.Option(help="Timed repetitions of each task (default: 1; with --all on a GPU 5).", min=1)
    ] = None,
    released_steps: Annotated[
        int | None,
        typer.Option(
            help="The most repetitions of the released code; 0: as many as of this one (default: 0; with --all on a "
            "GPU 2).",
            min=0,
        ),
    ] = None,
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
    study = _study(context)
    for file in (output, markdown):
        if file is not None:
            _make_folder(file)
    if show is not None:
        text = _shown(show)
        typer.echo(text)
        if markdown is not None:
            write_atomically(markdown, text + "\n")
        return
    from benchmarks.speed.compare import Options

    device = choose_device(device)
    if warm_up < 0:
        warm_up = 0 if device == "cpu" else WARM_UP
    large = everything and device != "cpu"
    steps = steps or (5 if large else 1)
    if released_steps is None:
        released_steps = 2 if large else 0
    dtype = dtype or ("float16" if large else "float32")
    off = tuple(_known(without or []))
    options = Options(
        size, device, dtype, steps, warm_up, batch, views, memory, compile, predict, alone, off, released_steps
    )
    if everything:
        found, text = _everything(options, output or Path("speed.json"), minutes, worker)
    else:
        found, text = _one(options, study, images)
    if worker:
        return
    typer.echo(text)
    if output is not None and not everything:
        write_atomically(output, json.dumps(found, indent=2) + "\n")
    if markdown is not None:
        write_atomically(markdown, text + "\n")


def _study(context: typer.Context) -> str:
    """The option that names the study, '' for the comparison.

    Raises UserError for two of them, and for an option that the study does not use.
    """
    given = [name for name in context.params if _is_given(context, name)]
    chosen = [name for name in _STUDIES if name in given]
    if len(chosen) > 1:
        raise UserError(f"{_options(chosen)}: these are different studies; take one")
    study = chosen[0] if chosen else ""
    unused = [name for name in given if name in _UNUSED[study]]
    if unused:
        what = _options([study]) if study else "the comparison"
        raise UserError(f"{what} does not use {_options(unused)}; leave it out")
    return study


def _is_given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _options(names: list[str]) -> str:
    return ", ".join("--" + {"everything": "all"}.get(name, name).replace("_", "-") for name in names)


def _make_folder(file: Path) -> None:
    """Make the folder of a file, before anything is measured. Raises UserError where that is not possible."""
    if file.is_dir():
        raise UserError(f"cannot write {file}: it is a folder; name a file")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot write {file}: {error.strerror or error}; name another file") from error


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
    return found, tables.KINDS.get("half precision" if study == "half" else study, tables.comparison)(found)


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


if __name__ == "__main__":
    start(app, f"python -m {PROGRAM}")
