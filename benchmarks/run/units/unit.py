"""A unit of work: the fit of a cell, the keypoints of some images, or the scores of a cell, as plain data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal, get_args

from pydantic import BaseModel, ConfigDict

from benchmarks.errors import UserError
from benchmarks.registry import method_class
from benchmarks.run.options import SHARD_SIZE
from benchmarks.run.warped import warped_ids
from methods.base import Method
from metrics.protocols import PROTOCOLS

if TYPE_CHECKING:
    from benchmarks.registry import Open
    from benchmarks.run.cells import Cell

Predicted = Literal["regress", "test", "warped"]
PREDICTED: tuple[Predicted, ...] = get_args(Predicted)
Stage = Literal["fit", "predict", "score"]
STAGES: tuple[Stage, ...] = ("fit", "predict", "score")


class Unit(BaseModel):
    """A part of the work on a cell.

    ``stage`` "fit" learns the keypoints, "predict" finds them in the images ``first`` to ``last`` (exclusive) of a
    ``split`` ("warped" are warped copies of test images), and "score" makes the record. Cells that share a fit have one
    unit for it, under the first of them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    cell_id: str
    stage: Stage
    split: Predicted | None = None
    first: int = 0
    last: int = 0

    @property
    def name(self) -> str:
        """A name that can be that of a file, such as 'predict--<cell>--test-00000000-00002048'."""
        rows = f"--{self.split}-{self.first:08d}-{self.last:08d}" if self.stage == "predict" else ""
        return f"{self.stage}--{self.cell_id}{rows}"


def splits_of(cell: Cell, datasets: Open) -> dict[Predicted, tuple[str, ...]]:
    """The image ids of the splits that a cell predicts: the test images, and what else its protocols need."""
    dataset, protocols = datasets(cell.dataset), [PROTOCOLS[name] for name in cell.task.protocols]
    test = dataset.split("test")[: cell.limit]
    found: dict[Predicted, tuple[str, ...]] = {}
    if any(protocol.regresses for protocol in protocols):
        found["regress"] = dataset.split("regress")[: cell.limit]
    found["test"] = test
    if any("model" in protocol.needs for protocol in protocols):
        found["warped"] = warped_ids(test)
    return found


def different_splits(splits: dict[Predicted, tuple[str, ...]]) -> dict[Predicted, tuple[str, ...]]:
    """The splits without those that have the images of an earlier one, which are predicted once."""
    first = {ids: split for split, ids in reversed(splits.items())}
    return {split: ids for ids, split in reversed(first.items())}


def units_of(cells: Sequence[Cell], datasets: Open, shard_size: int = SHARD_SIZE) -> list[Unit]:
    """The units of a plan, stage by stage, so that a unit comes after all that it needs; within a stage by cell.

    Raises UserError for a shard size below 1.
    """
    if shard_size < 1:
        raise UserError(f"--shard-size {shard_size}: expected at least 1 image")
    return [
        *(Unit(cell_id=cell.id, stage="fit") for cell in first_of_fits(cells).values() if keeps_fit(cell)),
        *(unit for cell in cells for unit in predict_units(cell, datasets, shard_size)),
        *(Unit(cell_id=cell.id, stage="score") for cell in cells),
    ]


def keeps_fit(cell: Cell) -> bool:
    """Whether the method of a cell can save its fit; any other method is fitted again by each process."""
    return method_class(cell.method).save is not Method.save


def claim_name(unit: Unit, cell: Cell) -> str:
    """The name of the claim on a unit: its own, or that of the fit, which cells of other plans may share."""
    return f"fit--{cell.fit_id}" if unit.stage == "fit" else unit.name


def first_of_fits(cells: Iterable[Cell]) -> dict[str, Cell]:
    """The first cell of each fit, by the id of the fit."""
    found: dict[str, Cell] = {}
    for cell in cells:
        found.setdefault(cell.fit_id, cell)
    return found


def predict_units(cell: Cell, datasets: Open, shard_size: int) -> list[Unit]:
    """The units that predict a cell's images, at most ``shard_size`` images each."""
    return [
        Unit(cell_id=cell.id, stage="predict", split=split, first=first, last=min(first + shard_size, len(ids)))
        for split, ids in different_splits(splits_of(cell, datasets)).items()
        for first in range(0, len(ids), shard_size)
    ]
