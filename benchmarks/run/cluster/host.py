"""A worker process of a cluster: it does one unit at a time, and keeps its model between units."""

from __future__ import annotations

import ctypes
import os
import platform
import sys
import threading
import time
from collections.abc import Callable
from io import StringIO

from rich.console import Console

from benchmarks.errors import UserError, first_line
from benchmarks.progress import Progress, Stage
from benchmarks.records.provenance import git_state
from benchmarks.records.store import Store
from benchmarks.registry import method_class
from benchmarks.run.cells import Cell
from benchmarks.run.cluster.messages import About, Answer, Job, Look, Setup
from benchmarks.run.images import BATCH_SIZE
from benchmarks.run.perform import perform
from benchmarks.run.units.claims import Claims
from benchmarks.run.units.plan_file import check_plan
from benchmarks.run.units.unit import Unit
from benchmarks.run.worker import NotRecorded, Worker
from benchmarks.settings import choose_device
from leaderboard.process import this_process
from leaderboard.records import ResultRecord

PREDICT_BATCH = "predict_batch"  # setting of a method that is halved where it changes no keypoint


class OutOfMemory(Exception):
    """There was too little memory for a unit, which is done again with a smaller batch."""


class Host:
    """Does units in this process. ``look`` and ``stop`` may be called from other threads."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._store = Store(setup.output)
        self._claims = Claims(setup.output)
        self._open = setup.plan.datasets()
        self._cells = {cell.id: cell for cell in setup.plan.cells}
        self._checked: set[str] = set()
        self._progress = _Watched()
        self._worker: _Worker | None = None
        self._lock = threading.Lock()
        self._thread: int | None = None
        self._stopped = False

    def about(self) -> About:
        """This worker, with the reason if it cannot work: another run directory, or a missing device."""
        refusal = ""
        try:
            self._check_output()
            self._make_worker()
        except Exception as error:  # such as a package that is missing here
            refusal = first_line(error)
        device = "" if self._worker is None else self._worker.device
        return About(host=platform.node(), pid=os.getpid(), process=this_process(), device=device, refusal=refusal)

    def do(self, job: Job) -> Answer:
        """Do a unit, unless it is done already or another process does it."""
        started = time.perf_counter()
        try:
            with self._lock:
                self._thread = threading.get_ident()
            answer = Answer(status="stopped") if self._stopped else self._answer(job)
        except KeyboardInterrupt:
            answer = Answer(status="stopped")
        finally:
            with self._lock:
                self._thread = None
        said = self._progress.take()
        return answer.model_copy(update={"said": said, "seconds": time.perf_counter() - started})

    def look(self) -> Look:
        """How far the running unit is."""
        return self._progress.state

    def stop(self) -> None:
        """Raise KeyboardInterrupt in the running unit, so that it ends as after Ctrl-C; do no other unit."""
        with self._lock:
            if self._thread is not None and not self._stopped:
                kind = ctypes.py_object(KeyboardInterrupt)
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._thread), kind)
            self._stopped = True

    def _answer(self, job: Job) -> Answer:
        worker, unit, cell = self._make_worker(), job.unit, self._cells[job.unit.cell_id]
        if cell.id not in self._checked:
            try:
                check_plan(cell, self._open)
            except Exception as error:  # such as data that this node lacks
                return Answer(status="refused", reason=first_line(error))
            self._checked.add(cell.id)
        worker.retried = not job.last
        worker.batch_size = BATCH_SIZE // 2 if job.halved else BATCH_SIZE
        self._progress.begin(unit)
        try:
            result = perform(unit, halved(cell) if job.halved else cell, worker, self._claims)
        except OutOfMemory as error:
            return Answer(status="memory", reason=first_line(error))
        except NotRecorded as error:
            return Answer(status="unrecorded", reason=str(error), record=error.record)
        record = result.record
        if record is None and result.status == "kept" and unit.stage == "score":
            record = self._store.record(cell.id)
        return Answer(status=result.status, reason=result.reason, record=record)

    def _check_output(self) -> None:
        setup = self._setup
        path = setup.output / setup.mark
        try:
            same = path.read_text("utf-8") == setup.key
        except OSError:
            same = False
        if not same:
            raise UserError(
                f"{setup.output} is not the run directory of this command; put --output on a file system that all "
                "nodes have at the same path"
            )

    def _make_worker(self) -> _Worker:
        """The worker of this process. Threads are set here, in the thread that does the units."""
        if self._worker is None:
            setup, plan = self._setup, self._setup.plan
            device = choose_device(plan.device)
            if setup.threads is not None:
                import torch

                torch.set_num_threads(setup.threads)
            git_state()  # cached now, as another commit may be checked out during the run
            self._worker = _Worker(
                self._store,
                self._open,
                device,
                self._progress,
                cells=plan.cells,
                refit=setup.refit,
                argv=plan.argv,
                began=setup.began,
            )
            self._worker.device = device
        return self._worker


class _Worker(Worker):
    """A worker that leaves an out of memory error to the driver, while ``retried`` is set."""

    retried = False
    device = ""

    def record_failure(self, cell: Cell, error: Exception) -> ResultRecord:
        if self.retried and is_out_of_memory(error):
            raise OutOfMemory(first_line(error)) from error
        return super().record_failure(cell, error)


class _Watched(Progress):
    """Progress that nobody sees here: the driver asks for its state and for its lines."""

    def __init__(self) -> None:
        super().__init__(Console(file=StringIO()), 0)
        self.state = Look()
        self._lines: list[tuple[str, str]] = []

    def begin(self, unit: Unit) -> None:
        """Another unit begins."""
        self.state = Look(phase=unit.stage)

    def phase(self, text: str) -> None:
        self.state = Look(phase=text)

    def stage(self, name: str, unit: str, images: Callable[[], int] | None = None) -> Stage:
        return _WatchedStage(self, name, unit, images)

    def say(self, text: str, style: str = "") -> None:
        self._lines.append((text, style))

    def take(self) -> tuple[tuple[str, str], ...]:
        """The lines that were said since the last call."""
        lines, self._lines = tuple(self._lines), []
        return lines


class _WatchedStage(Stage):
    """A stage that keeps its steps, the seconds since the first report, and the images used since then."""

    def __init__(self, progress: _Watched, name: str, unit: str, images: Callable[[], int] | None) -> None:
        super().__init__(progress, name, unit, images)
        self._watched = progress
        self._given = images
        self._name = name
        self._begun: tuple[float, int, int] | None = None

    def __call__(self, done: int, total: int, **scalars: float) -> None:
        if scalars:
            self.history.append({"step": done, **scalars})
        now, given = time.monotonic(), self._given() if self._given else done  # steps of a prediction are images
        if self._begun is None:
            self._begun = (now, done, given)
        started, _, before = self._begun
        scalar = next((f"{name} {value:.4g}" for name, value in scalars.items()), "")
        self._watched.state = Look(
            phase=self._name, done=done, total=total, images=given - before, seconds=now - started, scalar=scalar
        )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a device or this process had too little memory."""
    torch = sys.modules.get("torch")
    kinds = (MemoryError, *([torch.OutOfMemoryError] if torch else []))
    return isinstance(error, kinds) or (isinstance(error, RuntimeError) and "out of memory" in str(error).lower())


def halved(cell: Cell) -> Cell:
    """The cell with half its batch of predictions, if its method has a setting for it that changes no keypoint."""
    field = method_class(cell.method).Config.model_fields.get(PREDICT_BATCH)
    if field is None or not field.exclude:
        return cell
    now = getattr(method_class(cell.method).config_for(cell.profile, cell.settings), PREDICT_BATCH)
    return cell.model_copy(update={"settings": {**cell.settings, PREDICT_BATCH: max(1, now // 2)}})
