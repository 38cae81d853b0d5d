"""Run the cells of a plan: finished cells are kept; a failed cell is recorded, and the others still run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from benchmarks.errors import correctable
from benchmarks.progress import Progress, duration
from benchmarks.records.checks import lost_fit, record_fault
from benchmarks.records.store import Store
from benchmarks.run.cells import Cell
from benchmarks.run.executor import Executor, NotRecorded
from benchmarks.run.options import Overwrite
from benchmarks.run.plan import Plan
from benchmarks.run.scoring import is_current
from benchmarks.signals import exit_status
from leaderboard.markdown import DECIMALS
from leaderboard.records import ResultRecord
from metrics.protocols import value_text

Action = Literal["run", "rescore", "keep"]
AGAIN: Mapping[Action, str] = {"run": "run again", "rescore": "scored again", "keep": "kept"}
NO_LANDMARKS = "no landmarks: keypoints only"


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

    As soon as nothing can be written to the run directory, no further cell is tried.
    """
    outcome = Outcome()
    try:
        with progress.running():
            for cell in plan.cells:
                if outcome.unwritable and decide(cell, store, overwrite).action != "keep":
                    outcome.left += 1
                    continue
                try:
                    record, is_new = _one(cell, store, executor, progress, overwrite)
                except NotRecorded as error:
                    outcome.unwritable, record, is_new = str(error), error.record, False
                    progress.finish(_verdict(record), "red")
                outcome.records[cell.id] = record
                line = outdated(cell, record)
                if line and cell.method_id not in outcome.outdated:
                    outcome.outdated[cell.method_id] = line
                    progress.say(f"{cell.method_id}: {line}", "yellow")
                if record.failure and not _is_kept(record, store):
                    outcome.unrecorded.add(cell.id)
                elif is_new:
                    track(record)
    except KeyboardInterrupt as stop:
        outcome.stopped = exit_status(stop)
    return outcome


def _is_kept(record: ResultRecord, store: Store) -> bool:
    """Whether the run directory holds this failure, and not a finished record."""
    kept = store.record(record.cell_id)
    return kept is not None and kept.status == "failed"


def _one(
    cell: Cell, store: Store, executor: Executor, progress: Progress, overwrite: Overwrite
) -> tuple[ResultRecord, bool]:
    """The record of a cell, and whether it is new."""
    decision = decide(cell, store, overwrite)
    record, action = decision.record, decision.action
    seed = f" seed {cell.seed}" if cell.seed else ""
    variant = f", {cell.variant.name}" if cell.variant else ""
    progress.start(f"{cell.task.id} · {cell.method_id}{variant}{seed}")
    if decision.reason:
        progress.say(f"{cell.id}: {decision.reason}: {AGAIN[action]}", "yellow")
    if record is not None and action == "keep":
        lost = ", its fit is missing" if lost_fit(store.output, record) else ""
        progress.finish(f"{_verdict(record)}  (finished before{lost})", "bright_black")
        return record, False
    fresh = executor.rescore(cell, record) if record is not None and action == "rescore" else executor.submit(cell)
    progress.finish(_verdict(fresh), "red" if fresh.failure else "")
    return fresh, True


def _verdict(record: ResultRecord) -> str:
    if record.failure:
        return f"failed: {record.failure.type}: {record.failure.message}"
    headline = record.scores[0] if record.scores else None
    found = NO_LANDMARKS
    if headline:
        value = value_text(headline.protocol, headline.value, DECIMALS)
        found = f"{value} {headline.unit} ({headline.protocol})"
    return f"{found}  {duration(sum(record.seconds.values()))}"
