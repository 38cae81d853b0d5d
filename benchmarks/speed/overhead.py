"""Time that the harness adds to methods: ``python -m benchmarks.speed.overhead --help``."""

from __future__ import annotations

import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.options import example
from benchmarks.printing import start

PROGRAM = "benchmarks.speed.overhead"
app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
BASELINE = "grid"  # a method that does nearly nothing


@app.command(epilog=example("", "--task celeba_aligned --method autolink", module=PROGRAM))
def overhead(
    tasks: Annotated[list[str] | None, typer.Option("--task", help="Task of the job; repeatable.")] = None,
    methods: Annotated[list[str] | None, typer.Option("--method", help="Method of the job; repeatable.")] = None,
    units: Annotated[int, typer.Option(help="Units of a baseline that are timed.", min=3)] = 200,
    plan_units: Annotated[int, typer.Option(help="Units of the plan that is timed.", min=3)] = 10_000,
) -> None:
    """Measure the time of a mini job outside fit and predict, the time of a unit, and that of making a plan.

    Runs in this process on one CPU; the start of the interpreter and the imports come before all that is timed, and
    are timed separately.
    """
    began = time.perf_counter()
    import torch  # noqa: F401 - a part of the start of each run

    import benchmarks.run.command  # noqa: F401 - likewise

    typer.echo(f"imports: {time.perf_counter() - began:.2f} s")
    _job(tasks or ["cub_001"], methods or ["stable_keypoints"])
    _units(units)
    _plan(plan_units)


def _job(tasks: list[str], methods: list[str]) -> None:
    """Time a job of the mini profile."""
    spent: dict[str, float] = defaultdict(float)
    with tempfile.TemporaryDirectory() as folder, timed_methods([*methods, BASELINE], spent):
        wall = _run(Path(folder), tasks, methods)
    outside = wall - spent["fit"] - spent["predict"]
    typer.echo(
        f"mini job of {', '.join(methods)} on {', '.join(tasks)}: {wall:.2f} s, fit {spent['fit']:.2f} s, predict "
        f"{spent['predict']:.2f} s; outside methods {100 * outside / wall:.2f} %"
    )


def _units(count: int) -> None:
    """Time the units of a baseline, one image each."""
    spent: dict[str, float] = defaultdict(float)
    images = (count - 2) // 2
    with tempfile.TemporaryDirectory() as folder, timed_methods([BASELINE], spent):
        wall = _run(Path(folder), ["cub_001"], [BASELINE], limit=images, shard_size=1)
    made = 2 * images + 1
    each = 1000 * (wall - sum(spent.values())) / made
    typer.echo(f"{made} units of a baseline: {wall:.2f} s, {each:.1f} ms a unit outside the method")


def _plan(count: int) -> None:
    """Time a plan of many units."""
    images = 50
    seeds = -(-count // (2 * images + 1))
    with tempfile.TemporaryDirectory() as folder:
        options: dict[str, Any] = {"limit": images, "shard_size": 1, "seeds": seeds, "emit": "plan"}
        wall = _run(Path(folder), ["cub_001"], [BASELINE], **options)
        size = (Path(folder) / "plan.json").stat().st_size
    typer.echo(f"plan of {seeds * (2 * images + 1)} units: {wall:.2f} s, {size / 1e6:.1f} MB")


def _run(output: Path, tasks: list[str], methods: list[str], **options: Any) -> float:
    """The seconds of ``run`` in the mini profile. Raises RuntimeError if it fails."""
    from benchmarks.run.command import run_command
    from benchmarks.run.options import RunOptions

    given: dict[str, Any] = {"profile": "mini", "device": "cpu", "mlflow": False, "floors": False} | options
    began = time.perf_counter()
    with redirect_stdout(StringIO()) as said:
        status = run_command(RunOptions(methods=methods, tasks=tasks, output=output, **given))
    if status:
        raise RuntimeError(f"exit status {status}: {said.getvalue()[-1000:]}")
    return time.perf_counter() - began


@contextmanager
def timed_methods(methods: list[str], spent: dict[str, float]) -> Iterator[None]:
    """Add the seconds in fit and in predict to ``spent`` during the block."""
    from benchmarks.registry import method_class

    def timed(original: Callable[..., Any], part: str) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            began = time.perf_counter()
            try:
                return original(*arguments, **named)
            finally:
                spent[part] += time.perf_counter() - began

        return call

    parts = [(cls, part) for cls in {method_class(name) for name in methods} for part in ("fit", "predict")]
    before = [getattr(cls, part) for cls, part in parts]
    try:
        for (cls, part), original in zip(parts, before, strict=True):
            setattr(cls, part, timed(original, part))
        yield
    finally:
        for (cls, part), original in zip(parts, before, strict=True):
            setattr(cls, part, original)


if __name__ == "__main__":
    start(app, f"python -m {PROGRAM}")
