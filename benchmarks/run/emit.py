"""``run --emit``: write what is to be run as a plan of units, which ``work`` does one by one, here or on a cluster."""

from __future__ import annotations

import sys
from shlex import quote
from typing import TYPE_CHECKING

from rich.text import Text

from benchmarks.errors import UserError
from benchmarks.records.listing import PLAN
from benchmarks.run.cluster.sbatch_options import parse_options
from benchmarks.run.cluster.slurm import write_scripts
from benchmarks.run.runner import decide
from benchmarks.run.units.plan_file import make_plan_file, write_plan
from benchmarks.settings import choose_custom, choose_data_root
from leaderboard.text import counted, printable

if TYPE_CHECKING:
    from rich.console import Console

    from benchmarks.records.store import Store
    from benchmarks.run.options import RunOptions
    from benchmarks.run.plan import Plan, Request


def check_emit(options: RunOptions) -> None:
    """Raise UserError for options that do not go together, and for a bad ``--slurm``.

    ``--overwrite all`` does not go with ``--emit``, because ``work`` never does again what is done.
    """
    if options.slurm and options.emit != "slurm":
        raise UserError("--slurm goes with --emit slurm; leave it out to run here")
    parse_options(options.slurm)
    if options.emit and options.overwrite == "all":
        raise UserError("--emit goes with --overwrite failed or never; name a new --output to do everything again")


def emit(options: RunOptions, plan: Plan, request: Request, store: Store, console: Console) -> int:
    """Write the plan of the cells that are not finished, and the scripts of a cluster; returns the exit status."""
    cells = [cell for cell in plan.cells if decide(cell, store, options.overwrite).action == "run"]
    store.prepare()
    choices = choose_custom(options.split, options.interocular, options.datasets)
    root, _ = choose_data_root(options.data_root)
    made = make_plan_file(cells, request.datasets, root, choices, options.device, options.shard_size, sys.argv[1:])
    path = store.output / PLAN
    write_plan(path, made)
    lines = [f"{path}: {counted(len(made.units), 'unit')} of {counted(len(cells), 'cell')}"]
    without = "--emit"
    if not made.units:
        lines[0] += "; nothing is left to do"
    elif options.emit == "slurm":
        script = write_scripts(store.output, made, parse_options(options.slurm))
        lines.append(f"submit  bash {quote(str(script))}")
        without = "--emit and --slurm" if options.slurm else "--emit"
    else:
        work = f"python -m benchmarks work {quote(str(path))} --unit N --output {quote(str(store.output))}"
        lines.append(f"work    {work}  for N from 0 to {len(made.units) - 1}")
    lines.append(f"tables  the same command without {without}")
    for line in lines:
        console.print(Text(printable(line)), soft_wrap=True)
    return 0
