"""The driver of a cluster: it gives units to workers, repeats what is known to pass, and keeps the records in view."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.errors import UserError, first_line
from benchmarks.records.store import Store
from benchmarks.run.cells import Cell
from benchmarks.run.cluster.messages import About, Answer, Ended, Event, Job, Lost, Pool, Ready
from benchmarks.run.cluster.schedule import Schedule
from benchmarks.run.cluster.view import Running, View
from benchmarks.run.fitter import NotReady
from benchmarks.run.runner import Ledger
from benchmarks.run.units.claims import Claims
from benchmarks.run.units.unit import Unit, claim_name
from benchmarks.run.worker import NotRecorded, Worker
from benchmarks.signals import again
from leaderboard.records import ResultRecord

TICK = 0.5  # seconds in which nothing needs to happen
STOPPING = 300.0  # seconds that stopped units have to write their checkpoints
STILLBORN = 3  # workers that end before they have begun, after which no other is started


class LostWorker(Exception):
    """The worker of a unit ended again and again."""


class NoWorker(UserError):
    """No worker is left, or none can begin."""


@dataclass(frozen=True)
class Here:
    """What the driver itself writes with: ``worker`` records failures, and ``claims`` frees those of lost workers."""

    store: Store
    worker: Worker
    claims: Claims


class ClusterDrive:
    """Does the units of some cells of a run on a pool that has begun to start ``workers``. ``clock`` gives seconds."""

    def __init__(
        self,
        ledger: Ledger,
        view: View,
        here: Here,
        pool: Pool,
        cells: Sequence[Cell],
        units: Sequence[Unit],
        workers: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ledger = ledger
        self._view = view
        self._here = here
        self._pool = pool
        self._cells = {cell.id: cell for cell in cells}
        self._units: dict[str, list[Unit]] = {cell.id: [] for cell in cells}
        self._schedule = Schedule(cells, units, clock)
        self._starting = workers
        self._clock = clock
        self._idle: set[str] = set()
        self._halved: set[Unit] = set()
        self._stillborn = 0
        self._ending = False
        for unit in units:
            view.tally.add(unit)
            self._units[unit.cell_id].append(unit)

    def run(self) -> None:
        """Do all units. Ctrl-C and SIGTERM let the running units end with their checkpoints kept.

        Raises NoWorker if no worker is left, and KeyboardInterrupt.
        """
        try:
            while not self._schedule.is_over and not (self._unwritable and not self._view.running_units):
                self._give()
                self._wait()
            self._ledger.outcome.left += self._left() if self._unwritable else 0
        except KeyboardInterrupt as stop:
            self._stop()
            raise again(stop) from stop

    @property
    def _unwritable(self) -> bool:
        return bool(self._ledger.outcome.unwritable)

    def _left(self) -> int:
        return sum(self._schedule.is_open(cell) for cell in self._cells)

    def _give(self) -> None:
        """Give units to the workers that have none."""
        for worker in sorted(self._idle, key=int):
            unit = None if self._unwritable else self._schedule.next(worker)
            if unit is None:
                continue
            self._idle.discard(worker)
            halved = unit in self._halved
            title = self._ledger.title(self._cells[unit.cell_id])
            self._view.running_units[worker] = Running(unit, title, self._clock())
            self._pool.give(worker, Job(unit=unit, halved=halved and unit.stage == "predict", last=halved))

    def _wait(self) -> None:
        for event in self._pool.events(TICK):
            self._handle(event)
        if not self._view.is_due_to_look():
            return
        self._view.update(self._pool.looks())
        if not self._view.workers and not self._pool.places():
            raise NoWorker("the cluster has no place for a worker any more; add nodes, then run the same command")

    def _handle(self, event: Event) -> None:
        if isinstance(event, Ready):
            self._begin(event)
        elif isinstance(event, Lost):
            self._lose(event)
        else:
            self._end(event)

    def _begin(self, event: Ready) -> None:
        self._starting -= 1
        if event.about.refusal:
            host = event.about.host or "a node"
            self._view.say(f"worker {event.worker} on {host} is not used: {event.about.refusal}", "yellow")
            self._retire(event.worker, event.about.refusal)
            return
        self._stillborn = 0
        self._view.workers[event.worker] = event.about
        self._idle.add(event.worker)

    def _end(self, event: Ended) -> None:
        running, answer = self._view.running_units.pop(event.worker), event.answer
        unit = running.unit
        for text, style in answer.said:
            self._view.say(text, style)
        self._idle.add(event.worker)
        if answer.status in ("done", "kept"):
            self._done(unit, answer)
        elif answer.status == "claimed":
            self._schedule.later(unit, 1.0)
        elif answer.status == "waiting":
            if self._schedule.waits_too_long(unit):
                self._fail_here(unit, NotReady(answer.reason))
        elif answer.status == "memory":
            self._out_of_memory(event.worker, unit, answer)
        elif answer.status == "refused":
            self._schedule.again(unit)
            self._view.say(f"{self._where(event.worker)} gets no more units: {answer.reason}", "yellow")
            self._retire(event.worker, answer.reason)
        elif answer.status == "stopped":
            self._schedule.again(unit)
        elif answer.record is not None:
            self._fail(unit, answer.record, answer.reason if answer.status == "unrecorded" else "")

    def _done(self, unit: Unit, answer: Answer) -> None:
        self._schedule.done(unit)
        self._view.tally.end(unit, answer.seconds if answer.status == "done" else None)
        if unit.stage != "score":
            return
        cell, record = self._cells[unit.cell_id], answer.record or self._here.store.record(unit.cell_id)
        if record is None:
            raise UserError(f"the record of {cell.id} cannot be read on this machine; put --output on a shared folder")
        self._start(cell)
        self._ledger.finished(record)
        self._ledger.note(cell, record, answer.status == "done" or unit in self._schedule.losses)

    def _start(self, cell: Cell) -> None:
        """The next line is about this cell."""
        number, _ = self._ledger.cells[cell.id]
        self._view.start(self._ledger.title(cell), number)

    def _fail_here(self, unit: Unit, error: Exception) -> None:
        try:
            self._fail(unit, self._here.worker.record_failure(self._cells[unit.cell_id], error))
        except NotRecorded as unwritten:
            self._fail(unit, unwritten.record, str(unwritten))

    def _fail(self, unit: Unit, record: ResultRecord, unrecorded: str = "") -> None:
        """A unit has failed, and its cell with it; a fit also fails the cells that share it."""
        failed = self._schedule.fail(unit)
        for name in failed:
            cell = self._cells[name]
            self._view.tally.fail(self._units[name])
            self._start(cell)
            own = record
            if name != unit.cell_id:
                own = cell.record(provenance=record.provenance, failure=record.failure)
                unrecorded = unrecorded or self._record(own)
            if unrecorded:
                self._ledger.unwritable(own, unrecorded)
            else:
                self._ledger.finished(own)
            self._ledger.note(cell, own, not unrecorded)

    def _record(self, record: ResultRecord) -> str:
        """Record a failure; returns the reason if that is impossible."""
        try:
            self._here.store.record_failure(record)
        except Exception as error:
            return first_line(error)
        return ""

    def _out_of_memory(self, worker: str, unit: Unit, answer: Answer) -> None:
        """Do a unit again, once, in a new process that has all memory for itself; a prediction in smaller batches."""
        how = "with half the batch" if unit.stage == "predict" else "as before, since its batch is part of the method"
        self._view.say(f"{self._where(worker)}: {answer.reason}; {unit.name} is done again in a new process, {how}")
        self._halved.add(unit)
        self._schedule.lose(worker, None)
        self._schedule.again(unit)
        self._forget(worker)
        self._pool.end(worker)
        self._replace(answer.reason)

    def _lose(self, event: Lost) -> None:
        """A worker has ended by itself: its claim is removed, and its unit is done by another one."""
        worker, begun = event.worker, event.worker in self._view.workers
        running, about, where = self._view.running_units.pop(worker, None), *self._forget(worker)
        if not begun:
            self._starting -= 1
            self._stillborn += 1
        unit = running.unit if running else None
        if unit is not None:
            self._here.claims.release(claim_name(unit, self._cells[unit.cell_id]), about.process)
        again = f"; {unit.name} is done again" if unit else ""
        is_again = self._schedule.lose(worker, unit)
        if not self._ending:
            self._view.say(f"{where} was lost: {event.reason}{again if is_again else ''}", "yellow")
        if unit is not None and not is_again:
            times = self._schedule.losses[unit]
            self._fail_here(unit, LostWorker(f"{unit.stage}: its worker was lost {times} times, last: {event.reason}"))
        self._replace(event.reason)

    def _retire(self, worker: str, reason: str) -> None:
        """End a worker that cannot do this plan."""
        self._schedule.lose(worker, None)
        self._forget(worker)
        self._pool.end(worker)
        self._check(reason)

    def _forget(self, worker: str) -> tuple[About, str]:
        where = self._where(worker)
        self._idle.discard(worker)
        return self._view.workers.pop(worker, About()), where

    def _where(self, worker: str) -> str:
        about = self._view.workers.get(worker)
        return f"worker {worker} on {about.host}" if about else f"worker {worker}"

    def _replace(self, reason: str) -> None:
        """Start another worker if the cluster has a place for it."""
        if self._ending:
            return
        workers = len(self._view.workers) + self._starting
        if self._stillborn < STILLBORN and self._pool.places() > workers:
            self._pool.add()
            self._starting += 1
        self._check(reason)

    def _check(self, reason: str) -> None:
        if not self._view.workers and not self._starting and not self._ending:
            raise NoWorker(f"no worker is left ({reason}); mend that, then run the same command")

    def _stop(self) -> None:
        """Let the running units end with their checkpoints kept; a second Ctrl-C comes out of here at once."""
        self._ending = True
        count = len(self._view.running_units)
        if not count:
            return
        keep = "unit keeps what it has" if count == 1 else "units keep what they have"
        self._view.say(f"stopping: {count} running {keep}; Ctrl-C again ends at once", "yellow")
        self._pool.stop()
        ends = self._clock() + STOPPING
        while self._view.running_units and self._clock() < ends:
            for event in self._pool.events(TICK):
                self._handle(event)
