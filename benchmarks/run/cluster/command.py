"""``run --executor ray``: the cells of a plan on a Ray cluster."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from benchmarks.errors import UserError
from benchmarks.records.provenance import ROOT
from benchmarks.records.store import Store
from benchmarks.run.cells import Cell
from benchmarks.run.cluster.drive import ClusterDrive, Here, NoWorker
from benchmarks.run.cluster.messages import Setup
from benchmarks.run.cluster.nodes import choose_needs, choose_workers
from benchmarks.run.cluster.ray_pool import RayPool
from benchmarks.run.cluster.start import cluster, nodes_of
from benchmarks.run.cluster.view import View
from benchmarks.run.fitter import NotReady
from benchmarks.run.images import available_cpus
from benchmarks.run.options import RunOptions
from benchmarks.run.perform import Busy, rescore
from benchmarks.run.plan import Plan
from benchmarks.run.runner import WAIT, Ledger, Outcome
from benchmarks.run.units.claims import Claims
from benchmarks.run.units.plan_file import PlanFile
from benchmarks.run.units.unit import Unit, units_of
from benchmarks.run.worker import NotRecorded, Worker
from benchmarks.settings import choose_custom, choose_data_root
from benchmarks.signals import signals_deferred
from leaderboard.records import ResultRecord
from leaderboard.text import counted
from methods.parallel import world

if TYPE_CHECKING:
    from benchmarks.registry import Open

THREADS = ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
OWN = "KEYPOINTS_"  # beginning of this benchmark's variables


def check_options(options: RunOptions) -> None:
    """Raise UserError for options that do not go together."""
    given = {"--address": options.address, "--workers": options.workers, "--gpus-per-unit": options.gpus_per_unit}
    if options.executor != "ray":
        for name, value in given.items():
            if value is not None:
                raise UserError(f"{name} goes with --executor ray")
        return
    if world()[1] > 1:
        raise UserError("--executor ray starts workers of its own; start it without torchrun")
    if options.emit:
        raise UserError(f"--emit {options.emit} runs nothing; leave out --executor ray")
    if options.device not in ("auto", "cpu", "cuda"):
        raise UserError(
            f"--device {options.device}: expected auto, cpu or cuda with --executor ray, which chooses GPUs"
        )


def run_on_cluster(
    options: RunOptions,
    plan: Plan,
    datasets: Open,
    store: Store,
    view: View,
    track: Callable[[ResultRecord], None],
) -> Outcome:
    """Run every cell that needs it on a Ray cluster, and pass each new record to ``track``.

    Ctrl-C and SIGTERM end it. Raises UserError if the cluster cannot be reached or can never place the workers.
    """
    ledger = Ledger(plan, store, view, options.overwrite, track)
    refit = options.overwrite == "all"
    here = Here(store, Worker(store, datasets, "cpu", view, cells=plan.cells, refit=refit), Claims(store.output))
    with ledger.stoppable():
        cells = _to_run(ledger, here)
        if cells:
            units = units_of(cells, datasets, options.shard_size)
            if refit:
                for cell in cells:
                    store.drop_partial(cell.fit_id)
            _run(options, ledger, view, here, cells, units)
    return ledger.outcome


def _to_run(ledger: Ledger, here: Here) -> list[Cell]:
    """The cells that must be run; the others are kept, or scored again here."""
    cells = []
    for number, cell in ledger.cells.values():
        decision = ledger.decide(number, cell)
        if decision.record is not None and decision.action == "keep":
            ledger.note(cell, decision.record, False)
        elif decision.record is None or decision.action == "run" or not _rescored(ledger, here, cell, decision.record):
            cells.append(cell)
    return cells


def _rescored(ledger: Ledger, here: Here, cell: Cell, record: ResultRecord) -> bool:
    """Score a cell again, once no other process does so; returns False if its predictions cannot be read."""
    while True:
        try:
            fresh = rescore(cell, record, here.worker, here.claims)
            break
        except Busy:
            time.sleep(WAIT)
        except NotReady:
            return False
        except NotRecorded as unwritten:
            ledger.unwritable(unwritten.record, str(unwritten))
            ledger.note(cell, unwritten.record, False)
            return True
    ledger.finished(fresh)
    ledger.note(cell, fresh, True)
    return True


def _run(options: RunOptions, ledger: Ledger, view: View, here: Here, cells: list[Cell], units: list[Unit]) -> None:
    output, environment, threads = here.store.output.resolve(), _environment(), _torch_threads(options.device)
    view.phase("starting Ray")
    with cluster(options.address) as ray, _marked(output) as (mark, key):
        nodes = nodes_of(ray)
        needs = choose_needs(options.gpus_per_unit, options.device, _threads(), nodes)
        workers = min(choose_workers(options.workers, needs, nodes), options.workers or len(units))
        what = f"{counted(len(units), 'unit')} of {counted(len(cells), 'cell')}"
        view.say(f"Ray: {what} for {counted(workers, 'worker')} with {needs.text} each")
        setup = Setup(
            plan=_plan_file(options, ledger, "cpu" if not needs.gpus else options.device),
            output=output,
            mark=mark,
            key=key,
            refit=options.overwrite == "all",
            began=here.store.now(),
            environment=environment,
            threads=threads,
            path=_import_path(),
        )
        pool = RayPool(ray, setup, needs, workers)
        try:
            ClusterDrive(ledger, view, here, pool, cells, units, workers).run()
        except NoWorker as error:
            ledger.outcome.unwritable = str(error)
            ledger.outcome.left += len(cells) - sum(cell.id in ledger.outcome.records for cell in cells)


def _plan_file(options: RunOptions, ledger: Ledger, device: str) -> PlanFile:
    """The plan for the workers, without units, which come one by one."""
    choices = choose_custom(options.split, options.interocular, options.datasets)
    return PlanFile(
        data_root=choose_data_root(options.data_root)[0],
        split=choices.split,
        interocular=choices.interocular,
        device=device,
        argv=tuple(sys.argv[1:]),
        cells=tuple(cell for _, cell in ledger.cells.values()),
        units=(),
    )


@contextmanager
def _marked(output: Path) -> Iterator[tuple[str, str]]:
    """Write a file into the run directory, by which workers know it; yields its name and text."""
    name, key = f".cluster-{uuid4().hex[:8]}", uuid4().hex
    path = output / name
    path.write_text(key, encoding="utf-8")
    try:
        yield name, key
    finally:
        path.unlink(missing_ok=True)


def _environment() -> dict[str, str | None]:
    """The variables that the workers get from this process, None for one that must not be set."""
    found: dict[str, str | None] = {name: os.environ.get(name) for name in THREADS}
    return found | {name: value for name, value in os.environ.items() if name.startswith(OWN)}


def _import_path() -> tuple[str, ...]:
    """The folders from which this process imports modules, besides those of Python's installation."""
    installed = (sys.prefix, sys.base_prefix, sys.exec_prefix)
    folders = [str(ROOT), *(str(Path(folder).resolve()) for folder in sys.path if not folder.startswith(installed))]
    return tuple(dict.fromkeys(folder for folder in folders if Path(folder).is_dir()))


def _threads() -> int:
    """The number of threads that a process computes with on this machine's CPUs."""
    text = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    return int(text) if text.isdecimal() and int(text) else available_cpus()


def _torch_threads(device: str) -> int | None:
    """Torch's number of threads in this process; None if a run in this process would not load torch here."""
    if device != "cpu":
        with signals_deferred():
            import torch  # noqa: F401
    torch_module: Any = sys.modules.get("torch")
    return None if torch_module is None else int(torch_module.get_num_threads())
