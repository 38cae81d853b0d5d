"""A run directory under examination: what is wrong with it, who works in it, and which commands made its cells."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from benchmarks.errors import UserError
from benchmarks.records.digests import IMPORTS
from benchmarks.records.listing import PLAN, Folder
from benchmarks.records.store import Store
from benchmarks.run.units.holders import KnownClaim, claims_in
from benchmarks.run.units.plan_file import PlanFile, read_plan
from leaderboard.records import ResultRecord

_DROPPED = {"--output": 1, "--emit": 1, "--overwrite": 1, "--dry-run": 0}  # options of run with their values
_CELL = re.compile(r"(\w+)--(\w+)--(mini|paper)--s(\d+)--[0-9a-f]{8}")


@dataclass(frozen=True)
class Fault:
    """What is wrong at a place of the run directory, and the cure.

    ``cure`` follows "would be" or stands alone, such as "removed". ``repair`` does it, and returns a reason if it
    could not; without it the fault is left, and ``commands`` do what is needed.
    """

    where: str
    what: str
    cure: str
    repair: Callable[[], str] | None = None
    commands: tuple[str, ...] = ()


class RunFolder:
    """A run directory and what is known of it; ``listing`` has the names of its files."""

    def __init__(self, output: Path, listing: Folder) -> None:
        self.output = output
        self.listing = listing
        self.store = Store(output)
        self.claims = claims_in(output, listing.inside("claims").files)

    @property
    def live(self) -> list[KnownClaim]:
        """The claims of processes that work here."""
        return [claim for claim in self.claims if not claim.stale]

    def is_busy(self, fit: str = "", cell: str = "") -> bool:
        """Whether another process works on a fit or a cell, or on a cell whose fit is not known."""
        if cell and any(claim.cell == cell for claim in self.live):
            return True
        known = {claim.cell: self._fits.get(claim.cell) for claim in self.live if claim.cell}
        claimed = {claim.unit.removeprefix("fit--") for claim in self.live if claim.stage == "fit"}
        others = [claim for claim in self.live if not claim.cell and claim.stage != "fit"]
        return bool(fit) and (fit in claimed or fit in known.values() or None in known.values() or bool(others))

    @cached_property
    def cells(self) -> list[str]:
        """The names of the cells' folders."""
        return sorted(self.listing.inside("cells").folders)

    @cached_property
    def records(self) -> dict[str, ResultRecord]:
        """The records that can be read, by cell; whether they are whole is not said."""
        found = {name: self.store.record(name) for name in self.cells}
        return {name: record for name, record in found.items() if record is not None}

    @cached_property
    def plan(self) -> PlanFile | None:
        """The plan of the run directory, if there is one that is whole."""
        try:
            return read_plan(self.output / PLAN)
        except UserError:
            return None

    @cached_property
    def _fits(self) -> dict[str, str]:
        """The fits of cells, as their records and the plan tell."""
        found = {name: str(record.provenance.get("fit_id", "")) for name, record in self.records.items()}
        return found | ({cell.id: cell.fit_id for cell in self.plan.cells} if self.plan else {})

    def commands_of_cell(self, name: str) -> tuple[str, ...]:
        """The command that made a cell.

        If neither its record nor the plan tells, these are a command with default settings, and those of other cells
        of the same method, task and profile, which may have made this one too.
        """
        if (record := self.records.get(name)) and record.cell_id == name and (found := self._commands([record])):
            return found
        if self.plan and any(cell.id == name for cell in self.plan.cells):
            return (self.command(self.plan.argv),)
        alike = name.rsplit("--", 2)[0] + "--"
        others = self._commands(record for cell, record in self.records.items() if cell.startswith(alike))
        return (*self._usual_command(name), *others)

    def _usual_command(self, name: str) -> tuple[str, ...]:
        """A command that makes a cell of this name if its settings are the defaults."""
        if (found := _CELL.fullmatch(name)) is None:
            return ()
        method, task, profile, seed = found.groups()
        if imported := re.fullmatch(r"imported_(\w+)", method):
            method = f"imported:{self.output / IMPORTS / imported[1]}"
        argv = ["run", "--method", method, "--task", task, "--profile", profile, "--seeds", str(int(seed) + 1)]
        return (self.command([*argv, "--no-floors"]),)

    def commands_of_fit(self, name: str) -> tuple[str, ...]:
        """The commands of the cells that were made with a fit; if no record tells, those of the same method."""
        records = [record for record in self.records.values() if record.provenance.get("fit_id") == name]
        if found := self._commands(records):
            return found
        if self.plan and any(cell.fit_id == name for cell in self.plan.cells):
            return (self.command(self.plan.argv),)
        alike = name.partition("--")[0] + "--"
        return self._commands(record for cell, record in self.records.items() if cell.startswith(alike))

    def plan_command(self) -> tuple[str, ...]:
        """The command that writes the plan again, if the plan tells."""
        try:
            argv = json.loads((self.output / PLAN).read_bytes())["argv"]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return ()
        return (f"{self.command(argv)} --emit plan",) if _is_run(argv) else ()

    def command(self, argv: Sequence[str]) -> str:
        """A command line of ``run`` that does in this run directory what is left; '' for other arguments."""
        if not _is_run(argv):
            return ""
        kept, skipped = [], 0
        for argument in argv:
            option, equals, _ = argument.partition("=")
            if skipped:
                skipped -= 1
            elif option in _DROPPED:
                skipped = 0 if equals else _DROPPED[option]
            else:
                kept.append(argument)
        return f"python -m benchmarks {shlex.join([*kept, '--output', str(self.output)])}"

    def _commands(self, records: Iterable[ResultRecord]) -> tuple[str, ...]:
        found = {self.command(record.provenance.get("argv") or ()): None for record in records}
        return tuple(sorted(filter(None, found)))


def _is_run(argv: object) -> bool:
    """Whether these are the arguments of a ``run``, as a record or a plan keeps them."""
    return (
        isinstance(argv, list | tuple)
        and all(isinstance(each, str) for each in argv)
        and argv[:1] in (["run"], ("run",))
    )
