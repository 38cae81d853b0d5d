"""Simulate a run of the paper's tasks on many GPUs: ``python -m benchmarks.scaling``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmarks.options import example
from benchmarks.printing import start
from benchmarks.run.options import SHARD_SIZE

PROGRAM = "benchmarks.scaling"
app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command(epilog=example("", "--gpus 1 --gpus 16 --seeds 1", module=PROGRAM))
def scaling(
    gpus: Annotated[
        list[int] | None, typer.Option(min=1, help="Number of GPUs, repeatable (default: 1, 8, 64 and 512).")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Seeds of each method on each task.")] = 3,
    shard_size: Annotated[
        int, typer.Option(min=1, metavar="N", help="Images of a split that are predicted as one unit of work.")
    ] = SHARD_SIZE,
    costs: Annotated[
        Path | None, typer.Option(help="TOML file of costs in place of benchmarks/scaling/costs.toml.")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="Markdown file to write, in place of printing.")] = None,
) -> None:
    """Simulate five methods and three baselines on the paper's 16 tasks, unit by unit, on many GPUs.

    The units are those of a plan; their seconds come from a table of measured and estimated costs. Nothing is run and
    no dataset is read. The first table says how long all takes and what bounds it, the second what would change that.
    """
    from benchmarks.scaling.costs import OWN, read_costs
    from benchmarks.scaling.plan import Settings
    from benchmarks.scaling.report import GPUS, report
    from leaderboard.files import write_atomically

    text = report(read_costs(costs or OWN), Settings(seeds=seeds, shard_size=shard_size), gpus or GPUS)
    if output is None:
        typer.echo(text)
    else:
        write_atomically(output, text + "\n")


if __name__ == "__main__":
    start(app, f"python -m {PROGRAM}")
