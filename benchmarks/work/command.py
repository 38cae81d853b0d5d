"""The ``work`` command from options to exit status."""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from collections.abc import Sequence
from typing import Any

from rich.console import Console

from benchmarks.errors import UserError, correctable
from benchmarks.progress import Progress
from benchmarks.records.provenance import git_state
from benchmarks.records.store import Store
from benchmarks.run.cells import Cell
from benchmarks.run.perform import Result, perform
from benchmarks.run.units.claims import Claims
from benchmarks.run.units.plan_file import PlanFile, check_plan, read_plan
from benchmarks.run.units.unit import Unit
from benchmarks.run.worker import Worker
from benchmarks.settings import choose_device
from benchmarks.work.options import WorkOptions
from leaderboard.records import ResultRecord
from methods.parallel import world

WAIT = 2.0  # seconds between two looks at a unit that another process does


def work_command(options: WorkOptions) -> int:
    """Do one unit of a plan; returns the exit status.

    Prints one line of JSON at the start and one at the end; all other lines go to stderr. Raises UserError for a plan
    that cannot be read, a unit that it does not have, code or data that are not those of the plan, and torchrun.
    """
    if world()[1] > 1:
        raise UserError("work does a unit in one process; start it without torchrun")
    plan = read_plan(options.plan)
    unit = plan.unit(options.unit)
    cell = plan.cell(unit)
    datasets = plan.datasets(options.data_root)
    check_plan(cell, datasets)
    device = choose_device(options.device or plan.device)
    store = Store(options.output)
    store.prepare()
    git_state()  # cached now, as another commit may be checked out during the work
    progress = Progress(Console(stderr=True, highlight=False), len(plan.cells))
    began = options.plan.stat().st_mtime
    worker = Worker(store, datasets, device, progress, cells=plan.cells, argv=plan.argv, began=began)
    _say("start", options.unit, unit)
    started = time.perf_counter()
    progress.start(f"{cell.task.id} · {cell.method_id} seed {cell.seed}", plan.cells.index(cell) + 1)
    claims, sharing = Claims(store.output), _sharing(plan, unit, cell)
    result = perform(unit, cell, worker, claims, options.force, sharing)
    if result.status == "claimed" and options.wait:
        progress.say(f"waiting for {result.reason}")
    while result.status == "claimed" and options.wait:
        time.sleep(WAIT)
        result = perform(unit, cell, worker, claims, options.force, sharing)
    first = _first(plan.before(options.unit)) if result.status == "waiting" else ""
    _say("end", options.unit, unit, **_end(result, time.perf_counter() - started, first))
    return _exit_status(result)


def _sharing(plan: PlanFile, unit: Unit, cell: Cell) -> list[Cell]:
    """The other cells of the plan that fail if this unit does."""
    others = [other for other in plan.cells if other.fit_id == cell.fit_id and other.id != cell.id]
    return others if unit.stage == "fit" else []


def _first(numbers: Sequence[int]) -> str:
    """What to do before a unit that needs those with these numbers, such as '; first do units 0, 4 to 9'."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1] = [runs[-1][0], number]
        else:
            runs.append([number])
    words = ", ".join(" to ".join(map(str, run)) for run in runs)
    return f"; first do unit{'s' * (len(numbers) > 1)} {words}" if numbers else ""


def _end(result: Result, seconds: float, first: str) -> dict[str, Any]:
    reason = {"reason": result.reason + first} if result.reason else {}
    return {"status": result.status, "seconds": round(seconds, 3)} | reason


def _exit_status(result: Result) -> int:
    """0 if the unit is done or another process does it, 2 for what the user can correct, 1 for any other failure."""
    if result.status == "waiting":
        return 2
    return 0 if result.status != "failed" or result.record is None else failure_status(result.record)


def failure_status(record: ResultRecord) -> int:
    """2 if the user can correct the failure of a record, else 1."""
    correct = {error.__name__ for error in correctable()}
    return 2 if record.failure and record.failure.type in correct else 1


def _say(event: str, number: int, unit: Unit, **more: Any) -> None:
    about = {"event": event, "unit": number, **unit.model_dump(mode="json", exclude_defaults=True)}
    where = {"host": platform.node(), "pid": os.getpid()}
    sys.stdout.write(json.dumps(about | where | more) + "\n")
    sys.stdout.flush()
