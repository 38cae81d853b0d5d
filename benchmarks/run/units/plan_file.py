"""The file of a plan: cells and units as plain data, with what a process needs to open their datasets."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from benchmarks.errors import UserError, first_line
from benchmarks.records.digests import source_digests
from benchmarks.registry import opener
from benchmarks.run.cells import Cell
from benchmarks.run.imported import check_import
from benchmarks.run.options import SHARD_SIZE
from benchmarks.run.units.unit import Unit, units_of
from datasets.base import SPLITS, Choices
from leaderboard.files import write_atomically

if TYPE_CHECKING:
    from benchmarks.registry import Open


class PlanFile(BaseModel):
    """The work of a ``run`` as plain data.

    ``data_root``, ``split`` and ``interocular`` are options of ``run``, with which the datasets are opened. ``device``
    is that of the option, such as "auto", which each process resolves for itself. ``argv`` is the command of ``run``.
    ``digest`` is that of all these, in the file alone.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    plan_version: Literal[1] = 1
    data_root: Path | None = None
    split: Path | None = None
    interocular: str | None = None
    device: str = "auto"
    argv: tuple[str, ...] = ()
    cells: tuple[Cell, ...]
    units: tuple[Unit, ...]
    digest: str = ""

    @property
    def content_sha256(self) -> str:
        """The sha256 of everything but the digest."""
        return sha256(self.model_dump_json(exclude={"digest"}).encode()).hexdigest()

    @model_validator(mode="after")
    def _whole(self) -> PlanFile:
        known = {cell.id for cell in self.cells}
        if strange := next((unit.name for unit in self.units if unit.cell_id not in known), None):
            raise ValueError(f"unit {strange} is of no cell of the plan")
        return self

    def datasets(self, root: Path | None = None) -> Open:
        """A function that opens the plan's datasets by name; ``root`` replaces the data root."""
        return opener(root or self.data_root, Choices(self.split, self.interocular))

    def unit(self, number: int) -> Unit:
        """A unit by its number. Raises UserError for a number that the plan does not have."""
        if not 0 <= number < len(self.units):
            raise UserError(f"--unit {number}: the plan has units 0 to {len(self.units) - 1}")
        return self.units[number]

    def before(self, number: int) -> list[int]:
        """The numbers of the units that a unit needs: the fit of its cell, and all predictions for a score."""
        unit = self.units[number]
        fit = self.cell(unit).fit_id
        fits = {cell.id for cell in self.cells if cell.fit_id == fit}
        return [
            earlier
            for earlier, other in enumerate(self.units)
            if (other.stage == "fit" and other.cell_id in fits and unit.stage != "fit")
            or (other.stage == "predict" and other.cell_id == unit.cell_id and unit.stage == "score")
        ]

    def cell(self, unit: Unit) -> Cell:
        """The cell of a unit."""
        return next(cell for cell in self.cells if cell.id == unit.cell_id)


def make_plan_file(
    cells: Sequence[Cell],
    datasets: Open,
    root: Path | None,
    choices: Choices,
    device: str = "auto",
    shard_size: int = SHARD_SIZE,
    argv: Sequence[str] = (),
) -> PlanFile:
    """The file of a plan with these cells."""
    return PlanFile(
        data_root=root,
        split=choices.split,
        interocular=choices.interocular,
        device=device,
        argv=tuple(argv),
        cells=tuple(cells),
        units=tuple(units_of(cells, datasets, shard_size)),
    )


def write_plan(path: Path, plan: PlanFile) -> None:
    """Write a plan. Raises LeaderboardError, naming the path, if that fails."""
    sealed = plan.model_copy(update={"digest": plan.content_sha256})
    write_atomically(path, sealed.model_dump_json(indent=1) + "\n")


def read_plan(path: Path) -> PlanFile:
    """Read a plan.

    Raises UserError, naming the path, if there is none that this version can read, or if it was changed.
    """
    try:
        plan = PlanFile.model_validate_json(path.read_bytes())
    except OSError as error:
        raise UserError(f"cannot read plan {path}: {error.strerror or error}; `run --emit plan` writes one") from error
    except (ValidationError, ValueError) as error:
        first = error.errors()[0]["msg"] if isinstance(error, ValidationError) else first_line(error)
        raise UserError(
            f"{path} is no plan of this version ({first}); write it again with `run --emit plan`"
        ) from error
    if plan.digest != plan.content_sha256:
        raise UserError(f"{path} has changed since it was written; write it again with `run --emit plan`")
    return plan.model_copy(update={"digest": ""})


def check_plan(cell: Cell, datasets: Open) -> None:
    """Raise UserError if the code of the cell's method or the data are not those that the plan was made for.

    Of imported keypoints, which have no fit, the keypoints are compared. Raises MethodError if they cannot be read.
    """
    if cell.made_by is not None:
        check_import(cell)
    else:
        here = source_digests(cell.method)
        changed = sorted(name for name in here.keys() | cell.source.keys() if here.get(name) != cell.source.get(name))
        if changed:
            raise UserError(f"{changed[0]} is not as it was when the plan was made; make the plan again with this code")
    for split in filter(cell.digests.get, SPLITS):
        name = cell.fit_dataset if split == "fit" else cell.dataset
        if datasets(name).digest(split) != cell.digests[split]:
            raise UserError(
                f"split {split} of {name} is not as it was when the plan was made; name the same data with "
                "--data-root, or make the plan again"
            )
