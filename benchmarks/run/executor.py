"""Running one cell unit by unit: fit, predict, score, record."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from benchmarks.progress import Progress
from benchmarks.records.store import Store
from benchmarks.run.cells import Cell
from benchmarks.run.distributed import Coordinator
from benchmarks.run.fitter import NotReady
from benchmarks.run.options import SHARD_SIZE
from benchmarks.run.perform import Busy, Result, perform, rescore
from benchmarks.run.units.claims import Claims
from benchmarks.run.units.unit import Unit, units_of
from benchmarks.run.worker import Worker
from leaderboard.records import ResultRecord

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.registry import Open

ATTEMPTS = 5  # to go through the units of a cell, whose files may be replaced or removed in the meantime


class Executor(Protocol):
    """Runs cells and keeps their records in the run directory."""

    def submit(self, cell: Cell) -> ResultRecord:
        """Run a cell; if it fails, the record says so.

        Raises NotRecorded if no record can be written, and Busy if another process works on the cell.
        """
        ...

    def rescore(self, cell: Cell, record: ResultRecord) -> ResultRecord:
        """Score the cached predictions of a finished cell again. Raises as ``submit`` does."""
        ...


class InProcess:
    """Runs cells one after the other in this process; the arguments are those of ``Worker``."""

    def __init__(
        self,
        store: Store,
        datasets: Open,
        device: str,
        progress: Progress,
        coordinator: Coordinator,
        refit: bool = False,
        cells: Sequence[Cell] = (),
        shard_size: int = SHARD_SIZE,
    ) -> None:
        self._worker = Worker(store, datasets, device, progress, coordinator, cells, refit)
        self._claims = Claims(store.output)
        self._store = store
        self._open = datasets
        self._shard_size = shard_size

    def submit(self, cell: Cell) -> ResultRecord:
        """Run a cell; units that another process has done are not done again."""
        try:
            units = units_of([cell], self._open, self._shard_size)
        except Exception as error:
            return self._worker.record_failure(cell, error)
        for last in [False] * (ATTEMPTS - 1) + [True]:
            result = self._through(cell, units)
            if result.status == "claimed":
                raise Busy(result.reason)
            if result.status == "waiting" and last:
                return self._worker.record_failure(cell, NotReady(result.reason))
            record = result.record or self._store.record(cell.id)
            if result.status != "waiting" and record is not None:
                return record
        raise Busy("its record")  # another process has removed it

    def _through(self, cell: Cell, units: Sequence[Unit]) -> Result:
        """Do the units of a cell as far as possible; returns the result that is in the way, else that of the last."""
        busy = None
        for unit in units:
            if busy and unit.stage == "score":
                break
            result = perform(unit, cell, self._worker, self._claims)
            if result.status == "failed":
                return result
            if result.status == "claimed":
                busy = busy or replace(result, reason=f"{unit.stage} by {result.reason}")
            if result.status == "waiting" or (busy and unit.stage == "fit"):
                break
        return busy or result

    def rescore(self, cell: Cell, record: ResultRecord) -> ResultRecord:
        """Score the cached predictions again and replace the record; run the cell if they cannot be read."""
        try:
            return rescore(cell, record, self._worker, self._claims)
        except NotReady:
            return self.submit(cell)
