"""The ``status`` command from options to exit status."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from benchmarks.errors import UserError
from benchmarks.records.listing import PLAN, Folder, list_run
from benchmarks.run.units.holders import claims_in
from benchmarks.run.units.plan_file import PlanFile, read_plan
from benchmarks.status.found import cells_in, checkpoints_in, fits_in, unfinished_in
from benchmarks.status.options import StatusOptions
from benchmarks.status.report import print_report, report
from benchmarks.status.stages import Contents, Stages, stages_found, stages_of_plan

DONE, BAD, UNFINISHED = 0, 1, 3


@dataclass(frozen=True)
class Status:
    """What a run directory holds; ``no_plan`` says why there is no plan, or is ''."""

    listing: Folder
    contents: Contents
    stages: Stages
    plan: PlanFile | None
    no_plan: str

    @property
    def exit_status(self) -> int:
        """1 if a cell failed or a claim is stale, 3 if units are left or begun, else 0."""
        contents = self.contents
        if contents.cells.failed or contents.cells.unreadable or any(claim.stale for claim in contents.claims):
            return BAD
        counts = self.stages.counts.values()
        left = any(count for states in counts for state, count in states.items() if state != "done")
        return UNFINISHED if left or contents.claims or self.no_plan else DONE


def status_command(options: StatusOptions) -> int:
    """Print what a run directory holds; returns the exit status. Raises UserError if it is none."""
    found = status_of(options.output)
    plain = report(found.contents, found.stages, found.listing, found.plan, found.no_plan)
    if options.format == "json":
        sys.stdout.write(json.dumps(plain, indent=1) + "\n")
    else:
        print_report(Console(highlight=False), plain)
    return found.exit_status


def status_of(output: Path) -> Status:
    """What a run directory holds. Raises UserError if the folder is no run directory."""
    listing = list_run(output)
    contents = Contents(
        output=output,
        cells=cells_in(output, listing),
        fits=fits_in(listing),
        claims=claims_in(output, listing.inside("claims").files),
        checkpoints=checkpoints_in(output, listing),
        unfinished=unfinished_in(output, listing),
    )
    plan, no_plan = None, ""
    if PLAN in listing.files:
        try:
            plan = read_plan(output / PLAN)
        except UserError as error:
            no_plan = str(error)
    return Status(listing, contents, stages_of_plan(plan, contents) if plan else stages_found(contents), plan, no_plan)
