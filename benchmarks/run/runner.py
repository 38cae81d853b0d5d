"""Run the cells of a plan: finished cells are kept; a failed cell is recorded, and the others still run."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from benchmarks.errors import correctable
from benchmarks.progress import Progress, duration
from benchmarks.records.checks import lost_fit, record_fault
from benchmarks.records.store import Store
from benchmarks.run.cells import Cell
from benchmarks.run.executor import Executor
from benchmarks.run.options import Overwrite
from benchmarks.run.perform import Busy
from benchmarks.run.plan import Plan
from benchmarks.run.scoring import is_current
from benchmarks.run.worker import NotRecorded
from benchmarks.signals import exit_status
from leaderboard.ranking import DECIMALS
from leaderboard.records import ResultRecord
from metrics.protocols import value_text

Action = Literal["run", "rescore", "keep"]
AGAIN: Mapping[Action, str] = {"run": "run again", "rescore": "scored again", "keep": "kept"}
NO_LANDMARKS = "no landmarks: keypoints only"
WAIT = 1.0  # seconds between two looks at units that other processes work on


@dataclass
class Outcome:
    """The records of a run by cell id, and its exit status if a signal stopped it, else 0.

    ``outdated`` has a line for each method whose source changed since a kept number was measured, by method.
    ``unrecorded`` holds the ids of failed cells whose failure is not kept in the run directory. ``unwritable`` says why
    the run directory could not be written, '' if it could; ``left`` is the number of cells that were not tried then.
    """

    records: dict[str, ResultRecord] = field(default_factory=dict)
    stopped: int = 0
    outdated: dict[str, str] = field(default_factory=dict)
    unrecorded: set[str] = field(default_factory=set)
    unwritable: str = ""
    left: int = 0

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C or SIGTERM stopped the run."""
        return self.stopped != 0

    @property
    def exit_status(self) -> int:
        """0 without failures, 2 if the user can correct all of them, else 1; 130 after Ctrl-C, 143 after SIGTERM."""
        if self.stopped:
            return self.stopped
        if self.unwritable:
            return 2
        types = {record.failure.type for record in self.records.values() if record.failure}
        if not types:
            return 0
        return 2 if types <= {error.__name__ for error in correctable()} else 1


@dataclass(frozen=True)
class Decision:
    """What is done with a cell that has this record; ``reason`` says what is wrong with a finished cell, or is ''."""

    action: Action
    record: ResultRecord | None
    reason: str = ""


def decide(cell: Cell, store: Store, overwrite: Overwrite) -> Decision:
    """Choose whether a cell is run, only scored again, or kept.

    A finished cell whose record, files, fit or import are not as they were recorded is run again; if only its errors
    differ, it is scored again.
    """
    record = store.record(cell.id)
    if overwrite == "all":
        return Decision("run", record)
    if fault := record_fault(store.output, cell.id):
        done = record is not None and record.status == "done"
        return Decision("rescore" if fault.scorable and done else "run", record, fault.text)
    if record is None:
        return Decision("run", record)
    if record.status == "failed":
        return Decision("run" if overwrite == "failed" else "keep", record)
    return Decision("keep" if is_current(cell, record) else "rescore", record)


def outdated(cell: Cell, record: ResultRecord) -> str:
    """A line if the method's source is not that which a done record was measured with, or ''."""
    before = record.digests.source if record.digests else {}
    if not before or not cell.source or record.status == "failed":
        return ""
    changed = sorted(name for name in before.keys() | cell.source.keys() if before.get(name) != cell.source.get(name))
    if not changed:
        return ""
    more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
    return (
        f"{changed[0]}{more} changed since this was measured (version {cell.version} both times): raise version, or "
        "--overwrite all"
    )


def drive(
    plan: Plan,
    store: Store,
    executor: Executor,
    progress: Progress,
    overwrite: Overwrite,
    track: Callable[[ResultRecord], None],
) -> Outcome:
    """Run every cell that needs it and pass each new record to ``track``; Ctrl-C and SIGTERM end the loop.

    A cell that another process works on comes again after the others; what another process has recorded since this run
    began is kept, also a failure. As soon as nothing can be written to the run directory, no further cell is tried.
    """
    return Drive(plan, store, executor, progress, overwrite, track).run()


class Ledger:
    """What becomes of the cells of a run, as lines on the terminal and as an Outcome.

    ``shared`` has the ids of cells that another process works on.
    """

    def __init__(
        self,
        plan: Plan,
        store: Store,
        progress: Progress,
        overwrite: Overwrite,
        track: Callable[[ResultRecord], None],
    ) -> None:
        self.cells = {cell.id: (number, cell) for number, cell in enumerate(plan.cells, start=1)}
        self.shared: set[str] = set()
        self.outcome = Outcome()
        self._several_seeds = len({cell.seed for cell in plan.cells}) > 1
        self._store = store
        self._progress = progress
        self._overwrite = overwrite
        self._track = track
        self._began = store.now()

    @contextmanager
    def stoppable(self) -> Iterator[None]:
        """Show the progress in the block; Ctrl-C and SIGTERM end the block, and the outcome has the exit status."""
        outcome = self.outcome
        try:
            with self._progress.running():
                yield
        except KeyboardInterrupt as stop:
            outcome.stopped = exit_status(stop)
        outcome.records = {cell_id: outcome.records[cell_id] for cell_id in self.cells if cell_id in outcome.records}

    def decide(self, number: int, cell: Cell) -> Decision:
        """Choose what is done with a cell, and print a line if it is kept or if its result is not as it was."""
        is_new = self._store.written(cell.id) >= self._began
        decision = decide(cell, self._store, "never" if is_new else self._overwrite)
        if cell.id not in self.shared or decision.action == "keep":
            self._progress.start(self.title(cell), number)
        if decision.reason:
            self._progress.say(f"{cell.id}: {decision.reason}: {AGAIN[decision.action]}", "yellow")
        if decision.record is not None and decision.action == "keep":
            by = "by another process" if is_new else "before"
            lost = ", its fit is missing" if lost_fit(self._store.output, decision.record) else ""
            self._progress.finish(f"{_verdict(decision.record)}  (finished {by}{lost})", "bright_black")
        return decision

    def is_left(self, cell: Cell) -> bool:
        """Whether a cell is not tried because the run directory cannot be written; such cells are counted."""
        outcome = self.outcome
        if not outcome.unwritable or decide(cell, self._store, self._overwrite).action == "keep":
            return False
        outcome.left += 1
        return True

    def unwritable(self, record: ResultRecord, reason: str) -> None:
        """The failure of a cell cannot be recorded."""
        self.outcome.unwritable = reason
        self._progress.finish(_verdict(record), "red")

    def finished(self, record: ResultRecord) -> None:
        """Print the result of a cell."""
        self._progress.finish(_verdict(record), "red" if record.failure else "")

    def note(self, cell: Cell, record: ResultRecord, is_new: bool) -> None:
        """Add the record of a cell to the outcome, and pass a new one on."""
        outcome = self.outcome
        outcome.records[cell.id] = record
        line = outdated(cell, record)
        if line and cell.method_id not in outcome.outdated:
            outcome.outdated[cell.method_id] = line
            self._progress.say(f"{cell.method_id}: {line}", "yellow")
        if record.failure and not _is_kept(record, self._store):
            outcome.unrecorded.add(cell.id)
        elif is_new:
            self._track(record)

    def title(self, cell: Cell) -> str:
        """The title of a cell in lines of progress."""
        seed = f" seed {cell.seed}" if self._several_seeds else ""
        variant = f", {cell.variant.name}" if cell.variant else ""
        return f"{cell.task.id} · {cell.method_id}{variant}{seed}"


class Drive:
    """Runs the cells one after another; those that another process works on come again after the others."""

    def __init__(
        self,
        plan: Plan,
        store: Store,
        executor: Executor,
        progress: Progress,
        overwrite: Overwrite,
        track: Callable[[ResultRecord], None],
    ) -> None:
        self._ledger = Ledger(plan, store, progress, overwrite, track)
        self._executor = executor
        self._progress = progress

    def run(self) -> Outcome:
        left = deque(self._ledger.cells.values())
        with self._ledger.stoppable():
            while left:
                left = self._round(left)
        return self._ledger.outcome

    def _round(self, cells: deque[tuple[int, Cell]]) -> deque[tuple[int, Cell]]:
        """Try each cell once; returns those that another process works on, after a wait if these are all."""
        busy: deque[tuple[int, Cell]] = deque()
        reason = ""
        for number, cell in cells:
            try:
                self._try(number, cell)
            except Busy as found:
                reason = str(found)
                busy.append((number, cell))
                self._ledger.shared.add(cell.id)
        if len(busy) == len(cells):
            self._progress.phase(f"waiting for another process: {reason}")
            time.sleep(WAIT)
        return busy

    def _try(self, number: int, cell: Cell) -> None:
        if self._ledger.is_left(cell):
            return
        try:
            record, is_new = self._one(number, cell)
        except NotRecorded as error:
            record, is_new = error.record, False
            self._ledger.unwritable(record, str(error))
        self._ledger.note(cell, record, is_new)

    def _one(self, number: int, cell: Cell) -> tuple[ResultRecord, bool]:
        """The record of a cell, and whether it is new."""
        decision = self._ledger.decide(number, cell)
        record, action = decision.record, decision.action
        if record is not None and action == "keep":
            return record, False
        run = self._executor
        fresh = run.rescore(cell, record) if record is not None and action == "rescore" else run.submit(cell)
        self._ledger.finished(fresh)
        return fresh, True


def _is_kept(record: ResultRecord, store: Store) -> bool:
    """Whether the run directory holds this failure, and not a finished record."""
    kept = store.record(record.cell_id)
    return kept is not None and kept.status == "failed"


def _verdict(record: ResultRecord) -> str:
    if record.failure:
        return f"failed: {record.failure.type}: {record.failure.message}"
    headline = record.scores[0] if record.scores else None
    found = NO_LANDMARKS
    if headline:
        value = value_text(headline.protocol, headline.value, DECIMALS)
        found = f"{value} {headline.unit} ({headline.protocol})"
    return f"{found}  {duration(sum(record.seconds.values()))}"
