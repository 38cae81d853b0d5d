"""Doing one unit of work under a claim, so that no other process does it at the same time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from benchmarks.run.cells import Cell
from benchmarks.run.fitter import NotReady
from benchmarks.run.units.claims import Claims
from benchmarks.run.units.unit import Unit, claim_name
from benchmarks.run.worker import Worker
from leaderboard.records import ResultRecord

Status = Literal["done", "kept", "claimed", "waiting", "failed"]


class Busy(Exception):
    """Another process works on units of the cell; the message says which."""


@dataclass(frozen=True)
class Result:
    """What became of a unit.

    "done" was done now, "kept" was there already, "claimed" is being done by another process, "waiting" lacks what
    another unit makes, and "failed" raised an error. ``reason`` says who has the claim, what is lacking or which
    error; ``record`` is that of the cell after "score", or of the failure.
    """

    status: Status
    reason: str = ""
    record: ResultRecord | None = None


def perform(
    unit: Unit, cell: Cell, worker: Worker, claims: Claims, force: bool = False, sharing: Sequence[Cell] = ()
) -> Result:
    """Do a unit unless it is done, claimed, or lacks something; an error is recorded as the failure of the cell.

    ``force`` does the unit whether it is done or claimed. A fit that fails also fails the cells ``sharing`` it. Raises
    NotRecorded if a failure cannot be recorded.
    """
    try:
        if not force and _is_done(unit, cell, worker):
            return Result("kept")
        name = claim_name(unit, cell)
        with claims.taken(name, force) as held:
            if not held:
                found = claims.find(name)
                return Result("claimed", found.claim.holder if found else "a process that has just ended")
            if not force and _is_done(unit, cell, worker):
                return Result("kept")
            worker.begin(cell)
            return Result("done", record=_do(unit, cell, worker))
    except NotReady as lacking:
        return Result("waiting", str(lacking))
    except Exception as error:
        record = worker.record_failure(cell, error)
        for other in sharing:
            worker.record_failure(other, error)
        return Result("failed", record.failure.message if record.failure else "", record)


def rescore(cell: Cell, record: ResultRecord, worker: Worker, claims: Claims) -> ResultRecord:
    """Score the kept keypoints of a finished cell again; an error is recorded as its failure.

    Raises NotReady if the keypoints cannot be read, Busy if another process scores the cell, and NotRecorded.
    """
    name = claim_name(Unit(cell_id=cell.id, stage="score"), cell)
    try:
        with claims.taken(name) as held:
            if not held:
                raise Busy("score by another process")
            return worker.rescore(cell, record)
    except (Busy, NotReady):
        raise
    except Exception as error:
        return worker.record_failure(cell, error)


def _is_done(unit: Unit, cell: Cell, worker: Worker) -> bool:
    if unit.stage == "fit":
        return worker.is_fitted(cell)
    if unit.stage == "score" or unit.split is None:
        return worker.is_scored(cell)
    return worker.is_predicted(cell, unit.split, unit.first, unit.last)


def _do(unit: Unit, cell: Cell, worker: Worker) -> ResultRecord | None:
    if unit.stage == "fit":
        worker.fit(cell)
    elif unit.stage == "predict" and unit.split is not None:
        worker.predict(cell, unit.split, unit.first, unit.last)
    else:
        return worker.score(cell)
    return None
