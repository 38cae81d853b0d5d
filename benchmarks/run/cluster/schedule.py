"""The order of units: a fit before its predictions, these before their score, each on a worker that holds the fit."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from benchmarks.run.cells import Cell
from benchmarks.run.units.unit import Unit, keeps_fit

LOSSES = 3  # how often a unit is done again after its worker was lost
PATIENCE = 120.0  # seconds in which what an earlier unit made must appear on this file system


@dataclass
class Group:
    """The units of the cells that share a fit.

    ``ready`` can be done now, and ``predictions`` wait for the fit. ``workers`` hold the fit. A fit that cannot be kept
    on disk has no unit of its own, and its units are done by one worker.
    """

    cells: list[str] = field(default_factory=list)
    ready: deque[Unit] = field(default_factory=deque)
    predictions: list[Unit] = field(default_factory=list)
    workers: set[str] = field(default_factory=set)
    kept: bool = True


class Schedule:
    """Chooses units for workers until every cell has been finished or has failed. ``now`` gives seconds."""

    def __init__(
        self,
        cells: Sequence[Cell],
        units: Iterable[Unit],
        now: Callable[[], float] = time.monotonic,
        kept: Callable[[Cell], bool] = keeps_fit,
    ) -> None:
        self._now = now
        self._groups: dict[str, Group] = {}
        self._of_cell: dict[str, Group] = {}
        for cell in cells:
            is_kept = kept(cell)
            group = self._groups.setdefault(cell.fit_id if is_kept else cell.id, Group(kept=is_kept))
            group.cells.append(cell.id)
            self._of_cell[cell.id] = group
        self._open = {cell.id for cell in cells}
        self._unpredicted = dict.fromkeys(self._open, 0)
        self._scores: dict[str, Unit] = {}
        self._later: list[tuple[float, Unit]] = []
        self._since: dict[Unit, float] = {}
        self.total = 0
        self.losses: dict[Unit, int] = {}
        for unit in units:
            self._add(unit)
        for unit in self._scores.values():
            if not self._unpredicted[unit.cell_id]:  # a cell without images
                group = self._of_cell[unit.cell_id]
                (group.predictions if group.kept else group.ready).append(unit)

    def _add(self, unit: Unit) -> None:
        self.total += 1
        group = self._of_cell[unit.cell_id]
        if unit.stage == "fit":
            group.ready.append(unit)
        elif unit.stage == "predict":
            self._unpredicted[unit.cell_id] += 1
            (group.predictions if group.kept else group.ready).append(unit)
        else:
            self._scores[unit.cell_id] = unit

    @property
    def is_over(self) -> bool:
        """Whether no cell is left."""
        return not self._open

    def is_open(self, cell_id: str) -> bool:
        """Whether a cell has neither been finished nor failed."""
        return cell_id in self._open

    def next(self, worker: str) -> Unit | None:
        """The next unit for a worker, None if none can be done now.

        A worker goes on with the fit that it holds, then takes the first fit that nobody works on, then helps where the
        most units are left for each worker.
        """
        self._wake()
        groups = [group for group in self._groups.values() if self._ready(group)]
        own = [group for group in groups if worker in group.workers]
        fresh = [group for group in groups if not group.workers]
        shared = [group for group in groups if group.kept]
        busiest = max(shared, key=lambda group: len(group.ready) / (1 + len(group.workers)), default=None)
        group = next(iter([*own, *fresh]), busiest)
        if group is None:
            return None
        for other in self._groups.values():
            other.workers.discard(worker)
        group.workers.add(worker)
        return group.ready.popleft()

    def done(self, unit: Unit) -> None:
        """A unit is done: what needs it can be done now."""
        group = self._of_cell[unit.cell_id]
        self._since.pop(unit, None)
        if unit.stage == "fit":
            group.ready.extend(group.predictions)
            group.predictions = []
        elif unit.stage == "predict":
            self._unpredicted[unit.cell_id] -= 1
            if not self._unpredicted[unit.cell_id]:
                group.ready.appendleft(self._scores[unit.cell_id])
        else:
            self._open.discard(unit.cell_id)

    def fail(self, unit: Unit) -> list[str]:
        """A unit has failed: returns the cells that fail with it and were open, its own first.

        Without a fit, no cell that shares it can be finished.
        """
        cells = self._of_cell[unit.cell_id].cells if unit.stage == "fit" else []
        failed = [cell for cell in dict.fromkeys([unit.cell_id, *cells]) if cell in self._open]
        self._open.difference_update(failed)
        return failed

    def again(self, unit: Unit) -> None:
        """A unit was not done and comes again before the other units of its fit."""
        self._of_cell[unit.cell_id].ready.appendleft(unit)

    def lose(self, worker: str, unit: Unit | None) -> bool:
        """A worker was lost; its unit, if it had one, comes again. Returns False if it was lost too often for that."""
        for group in self._groups.values():
            group.workers.discard(worker)
        if unit is None:
            return True
        self.losses[unit] = self.losses.get(unit, 0) + 1
        if self.losses[unit] > LOSSES:
            return False
        self.again(unit)
        return True

    def later(self, unit: Unit, seconds: float) -> None:
        """A unit comes again after some seconds."""
        self._later.append((self._now() + seconds, unit))

    def waits_too_long(self, unit: Unit) -> bool:
        """Whether a unit has been waiting for what others make for longer than PATIENCE; it comes again if not."""
        first = self._since.setdefault(unit, self._now())
        if self._now() - first > PATIENCE:
            return True
        self.later(unit, 1.0)
        return False

    def _ready(self, group: Group) -> bool:
        while group.ready and group.ready[0].cell_id not in self._open:
            group.ready.popleft()
        return bool(group.ready)

    def _wake(self) -> None:
        now = self._now()
        for due, unit in self._later:
            if due <= now:
                self.again(unit)
        self._later = [(due, unit) for due, unit in self._later if due > now]
