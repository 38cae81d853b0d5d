"""How many units of each stage are done, running, waiting and failed, and how many images are predicted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks.records.digests import fit_digest
from benchmarks.run.cells import Cell
from benchmarks.run.units.holders import KnownClaim
from benchmarks.run.units.parts import belongs_to, end_of
from benchmarks.run.units.plan_file import PlanFile
from benchmarks.run.units.unit import STAGES, Unit
from benchmarks.status.found import Cells, Checkpoint, Unfinished, sets_in_use

State = Literal["done", "running", "waiting", "failed"]
STATES: tuple[State, ...] = ("done", "running", "waiting", "failed")


@dataclass(frozen=True)
class Stages:
    """``counts`` has the number of units by stage and state; ``predicted`` of the ``images`` have keypoints."""

    counts: dict[str, dict[State, int]]
    predicted: int
    images: int


@dataclass(frozen=True)
class Contents:
    """What a run directory holds."""

    output: Path
    cells: Cells
    fits: Collection[str]
    claims: Sequence[KnownClaim]
    checkpoints: Sequence[Checkpoint]
    unfinished: Sequence[Unfinished]

    @property
    def running(self) -> list[KnownClaim]:
        """The claims that are not stale."""
        return [claim for claim in self.claims if not claim.stale]


def stages_of_plan(plan: PlanFile, there: Contents) -> Stages:
    """The state of each unit of a plan.

    A unit is done if its cell is or if what it makes is there, running while somebody holds a claim on it, failed if
    its cell has failed, and waiting otherwise.
    """
    look = _Look(plan, there)
    counts = {stage: Counter[State]() for stage in STAGES}
    predicted = images = 0
    for unit in plan.units:
        rows = look.predicted(unit)
        counts[unit.stage][look.state(unit, rows)] += 1
        predicted, images = predicted + rows, images + unit.last - unit.first
    return Stages({stage: {state: counts[stage][state] for state in STATES} for stage in STAGES}, predicted, images)


def stages_found(there: Contents) -> Stages:
    """The same without a plan, as far as units have left something: fits, sets of images, and cells.

    A fit that no recorded cell names is that of a cell that waits for its score.
    """
    in_use = sets_in_use(there.output, there.cells)
    to_come = [each for each in there.unfinished if (each.fit, each.dataset) not in in_use]
    named = {fit for fit, _ in in_use}
    running = Counter(claim.stage for claim in there.running)
    claimed = {claim.unit.removeprefix("fit--") for claim in there.running if claim.stage == "fit"}
    begun = [each.fit for each in there.checkpoints if each.fit not in {*there.fits, *claimed}]
    whole = sum(each.predicted == each.images for each in to_come)
    cells = len({*there.fits, *begun, *(each.fit for each in to_come)} - named)
    done = {"fit": len(there.fits), "predict": there.cells.predictions + whole, "score": len(there.cells.done)}
    waiting = {
        "fit": len(begun),
        "predict": max(0, len(to_come) - whole - running["predict"]),
        "score": max(0, cells - running["score"]),
    }
    failed = {"fit": 0, "predict": 0, "score": len(there.cells.failed)}
    counts: dict[str, dict[State, int]] = {
        stage: {"done": done[stage], "running": running[stage], "waiting": waiting[stage], "failed": failed[stage]}
        for stage in STAGES
    }
    known = [each for each in there.unfinished if each.images is not None]
    return Stages(counts, sum(each.predicted for each in known), sum(each.images or 0 for each in known))


class _Look:
    """The plan's cells beside what is there; what several units need is worked out once."""

    def __init__(self, plan: PlanFile, there: Contents) -> None:
        self._cells = {cell.id: cell for cell in plan.cells}
        self._there = there
        self._running = {claim.unit for claim in there.running}
        self._unfinished: dict[str, list[Unfinished]] = {}
        for each in there.unfinished:
            self._unfinished.setdefault(each.fit, []).append(each)
        self._parts: dict[tuple[str, str], Mapping[int, list[int]]] = {}
        self._digests: dict[str, str | None] = {}
        self._fit_ids = {unit.cell_id: self._cells[unit.cell_id].fit_id for unit in plan.units if unit.stage == "fit"}
        self._needed = self._fits_needed()

    def state(self, unit: Unit, rows: int) -> State:
        """The state of a unit; ``rows`` is the number of its images that are predicted."""
        cells, fit = self._there.cells, self._fit_ids.get(unit.cell_id, "")
        if unit.stage == "fit":
            done, name = fit in self._there.fits or fit not in self._needed, f"fit--{fit}"
        else:
            done = unit.cell_id in cells.done or (unit.stage == "predict" and rows == unit.last - unit.first)
            name = unit.name
        if done:
            return "done"
        if name in self._running:
            return "running"
        return "failed" if unit.cell_id in cells.failed else "waiting"

    def predicted(self, unit: Unit) -> int:
        """The number of a unit's images that are predicted."""
        if unit.split is None or unit.cell_id in self._there.cells.done:
            return unit.last - unit.first
        key = unit.cell_id, unit.split
        if key not in self._parts:
            self._parts[key] = self._parts_of(self._cells[unit.cell_id], unit.split)
        return end_of(self._parts[key], unit.first, unit.last) - unit.first

    def _fits_needed(self) -> set[str]:
        """The fits of cells that are not done; a fit that was removed after all its cells were done is not missing."""
        return {cell.fit_id for name, cell in self._cells.items() if name not in self._there.cells.done}

    def _parts_of(self, cell: Cell, split: str) -> Mapping[int, list[int]]:
        """The parts of a cell's predictions of a split; splits with the same images share their parts."""
        fit = cell.fit_id
        for each in self._unfinished.get(fit, ()):
            about = each.about
            if about is None or cell.digests.get(about.split) != cell.digests.get(split):
                continue
            if fit not in self._digests:
                self._digests[fit] = fit_digest(self._there.output / "fits" / fit)
            if about.belongs_to == belongs_to(cell, self._digests[fit]):
                return each.parts
        return {}
