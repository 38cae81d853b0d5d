"""A pool without a cluster: workers that answer at once, in the way that a test says."""

from collections.abc import Callable
from types import SimpleNamespace

from rich.console import Console

from benchmarks.records.store import Store
from benchmarks.registry import opener
from benchmarks.run.cluster.drive import ClusterDrive, Here
from benchmarks.run.cluster.messages import About, Answer, Ended, Event, Job, Look, Lost, Ready
from benchmarks.run.cluster.view import View
from benchmarks.run.plan import Request, make_plan
from benchmarks.run.runner import Ledger
from benchmarks.run.units.claims import Claims
from benchmarks.run.units.unit import units_of
from benchmarks.run.worker import Worker
from benchmarks.tasks import TASKS

LOST = "lost"


class Pool:
    """``answer(worker, job)`` gives an Answer, LOST, or raises KeyboardInterrupt as Ctrl-C would; ``jobs`` were given.

    ``refusals`` has the reasons of workers that cannot work, and ``room`` is the number of workers that can be placed.
    """

    def __init__(self, answer: Callable, workers: int, room: int | None = None, refusals: dict | None = None) -> None:
        self.answer = answer
        self.room = workers if room is None else room
        self.refusals = refusals or {}
        self.jobs: list[tuple[str, Job]] = []
        self.ended: list[str] = []
        self.stops = 0
        self._waiting: list[Event] = []
        self._given: list[tuple[str, Job]] = []
        self._number = 0
        for _ in range(workers):
            self.add()

    def add(self) -> None:
        self._number += 1
        name = str(self._number)
        about = About(host=f"node{name}", process=f"process-{name}", device="cpu", refusal=self.refusals.get(name, ""))
        self._waiting.append(Ready(name, about))

    def places(self) -> int:
        return self.room

    def give(self, worker: str, job: Job) -> None:
        assert worker not in [busy for busy, _ in self._given]
        self.jobs.append((worker, job))
        self._given.append((worker, job))

    def events(self, seconds: float) -> list[Event]:
        found, self._waiting = self._waiting, []
        given, self._given = self._given, []
        while given:
            worker, job = given.pop(0)
            if self.stops:
                found.append(Ended(worker, Answer(status="stopped")))
                continue
            try:
                answer = self.answer(worker, job)
            except KeyboardInterrupt:
                self._given, self._waiting = [(worker, job), *given], found
                raise
            found.append(Lost(worker, "node down") if answer == LOST else Ended(worker, answer))
        return found

    def end(self, worker: str) -> None:
        self.ended.append(worker)

    def looks(self) -> dict[str, Look]:
        return {}

    def stop(self) -> None:
        self.stops += 1


class Said(View):
    """A view that keeps its lines."""

    def __init__(self, console: Console, cells: int) -> None:
        super().__init__(console, cells)
        self.lines: list[str] = []

    def say(self, text: str, style: str = "") -> None:
        self.lines.append(text)


class Clock:
    """A clock that goes on by ``step`` seconds each time it is read."""

    def __init__(self, step: float) -> None:
        self.step = step
        self.seconds = 0.0

    def __call__(self) -> float:
        self.seconds += self.step
        return self.seconds


def scene(folder, tasks=("toy_many",), seeds=1, floors=False, shard_size=8) -> SimpleNamespace:
    """Cells of the toy on some tasks, their units, a run directory, and ``drive(answer, workers)``."""
    request = Request(
        methods=["toy_colours"],
        tasks=[TASKS[task] for task in tasks],
        profile="paper",
        datasets=opener(folder),
        seeds=seeds,
        floors=floors,
    )
    plan = make_plan(request)
    store = Store(folder / "runs")
    store.prepare()
    units = units_of(plan.cells, request.datasets, shard_size)
    console = Console(quiet=True)
    tracked: list[str] = []
    found = SimpleNamespace(plan=plan, cells=plan.cells, units=units, store=store, tracked=tracked)

    def drive(answer, workers=1, step=0.0, **more):
        view = Said(console, len(plan.cells))
        found.view, found.lines = view, view.lines
        found.ledger = Ledger(plan, store, view, "failed", lambda record: tracked.append(record.cell_id))
        worker = Worker(store, request.datasets, "cpu", view, cells=plan.cells)
        found.pool = Pool(answer, workers, **more)
        found.claims = Claims(store.output)
        here = Here(store, worker, found.claims)
        with found.ledger.stoppable():
            ClusterDrive(found.ledger, view, here, found.pool, plan.cells, units, workers, Clock(step)).run()
        return found.ledger.outcome

    found.drive = drive
    return found


def succeed(cells) -> Callable:
    """Answers of a worker that does every unit."""
    known = {cell.id: cell for cell in cells}

    def answer(worker, job):
        record = known[job.unit.cell_id].record() if job.unit.stage == "score" else None
        return Answer(status="done", record=record, seconds=1.0)

    return answer
