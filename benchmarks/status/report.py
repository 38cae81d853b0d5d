"""The report of ``status``: as plain data for programs, and on one screen for people."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmarks.progress import duration
from benchmarks.records.listing import Folder
from benchmarks.run.units.plan_file import PlanFile
from benchmarks.status.found import Cells, Unfinished
from benchmarks.status.stages import STATES, Contents, Stages
from leaderboard.text import counted, printable

LINES = 8  # of one kind that are printed
MANY = 1000  # from which on a size is told in the next larger unit


def report(there: Contents, stages: Stages, listing: Folder, plan: PlanFile | None, no_plan: str) -> dict[str, Any]:
    """Everything that ``status`` tells, as plain data."""
    sizes = {name: folder.size for name, folder in sorted(listing.folders.items())}
    staging = listing.inside("staging")
    return {
        "output": str(there.output),
        "plan": {"cells": len(plan.cells), "units": len(plan.units)} if plan else None,
        "plan_fault": no_plan,
        "cells": {
            "done": sorted(there.cells.done),
            "failed": _by_reason(there.cells),
            "unreadable": list(there.cells.unreadable),
        },
        "units": stages.counts,
        "images": {"predicted": stages.predicted, "of": stages.images},
        "claims": [asdict(claim) for claim in there.claims],
        "checkpoints": [asdict(each) for each in there.checkpoints],
        "partial": [_plain(each) for each in there.unfinished],
        "staging": sorted([*staging.files, *staging.folders]),
        "bytes": sizes | {"files": sum(listing.files.values()), "all": listing.size},
    }


def _plain(each: Unfinished) -> dict[str, Any]:
    about = each.about
    where = {"dataset": about.belongs_to.get("dataset"), "split": about.split} if about else {}
    return {"fit": each.fit, **where, "predicted": each.predicted, "of": each.images}


def _by_reason(cells: Cells) -> dict[str, list[str]]:
    """The failed cells by the reason, which several often share."""
    found = defaultdict(list)
    for name, reason in cells.failed.items():
        found[reason].append(name)
    return dict(found)


def print_report(console: Console, found: Mapping[str, Any]) -> None:
    """Print the report: a table of the stages, then lines about what is going on, wrong and left over."""
    cells, images, partial = found["cells"], found["images"], found["partial"]
    failed = sum(map(len, cells["failed"].values()))
    plan = "no plan"
    if found["plan"]:
        plan = f"plan of {counted(found['plan']['units'], 'unit')} of {counted(found['plan']['cells'], 'cell')}"
    _say(console, f"{found['output']}: {counted(len(cells['done']), 'cell')} done, {failed:,} failed; {plan}")
    console.print(_table(found["units"]))
    if found["plan"] and images["of"]:
        _say(console, f"images predicted   {images['predicted']:,} of {images['of']:,}")
    claims: Sequence[Mapping[str, Any]] = found["claims"]
    _list(console, "running", [_held(claim) for claim in claims if not claim["stale"]])
    _list(console, "checkpoint", [_checkpoint(each) for each in found["checkpoints"]])
    _list(console, "unfinished", [_predictions(each) for each in partial if each["predicted"] != each["of"]])
    for reason, names in cells["failed"].items():
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        _say(console, f"failed      {names[0]}{more}: {reason}", "red")
    _list(console, "stale claim", [_held(claim) for claim in claims if claim["stale"]], "yellow")
    _list(console, "no record", cells["unreadable"], "yellow")
    if found["plan_fault"]:
        _say(console, f"no plan     {found['plan_fault']}", "yellow")
    if left := len(found["staging"]):
        _say(console, f"staging     {left:,} being written, or left by killed processes")
    sizes = {name.replace("files", "other files"): size for name, size in found["bytes"].items() if name != "all"}
    each = ", ".join(f"{name} {size_text(size)}" for name, size in sizes.items() if size)
    _say(console, f"on disk     {size_text(found['bytes']['all'])}: {each}")
    if todo := _next(found):
        _say(console, f"next        {todo}")


def _next(found: Mapping[str, Any]) -> str:
    """What to do about what is left, '' if nothing is or if a process works on it."""
    claims, cells = found["claims"], found["cells"]
    left = any(count for states in found["units"].values() for state, count in states.items() if state != "done")
    if any(not claim["stale"] for claim in claims) or not (left or claims or cells["failed"] or cells["unreadable"]):
        return ""
    also = "; that repeats failed cells too" if cells["failed"] else ""
    return f"call the same `run` command again, which goes on where it stopped{also}"


def _table(units: Mapping[str, Mapping[str, int]]) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=0, collapse_padding=True)
    table.add_column("units")
    for state in STATES:
        table.add_column(state, justify="right")
    for stage, counts in units.items():
        table.add_row(stage, *(f"{counts[state]:,}" for state in STATES))
    return table


def _list(console: Console, heading: str, lines: Iterable[str], style: str = "") -> None:
    """Print some lines of one kind, each after its heading, and the number of the others."""
    found = list(lines)
    for line in found[:LINES]:
        _say(console, f"{heading:<11} {line}", style)
    if len(found) > LINES:
        _say(console, f"{heading:<11} and {len(found) - LINES:,} more", style)


def _say(console: Console, line: str, style: str = "") -> None:
    console.print(Text(printable(line), style=style), soft_wrap=True)


def _held(claim: Mapping[str, Any]) -> str:
    job = f", job {claim['job']}" if claim["job"] else ""
    since = f"for {duration(claim['seconds'])}, " if claim["seconds"] is not None else ""
    renewed = f"renewed {duration(claim['renewed'])} ago"
    unit = "`run`" if claim["unit"].startswith("run--") else claim["unit"]
    return f"{unit}  {claim['host']}, process {claim['pid']}{job}, {since}{renewed}"


def _checkpoint(each: Mapping[str, Any]) -> str:
    return each["fit"] + (f"  step {each['steps']:,}" if each["steps"] is not None else "")


def _predictions(each: Mapping[str, Any]) -> str:
    if each["of"] is None:
        return f"{each['fit']}  {each['predicted']:,} images, of what is not known"
    return f"{each['fit']}  {each['split']} of {each['dataset']}: {each['predicted']:,} of {each['of']:,} images"


def size_text(count: float) -> str:
    """A number of bytes in words, such as '1.2 GB'."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < MANY:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"
        count /= MANY
    return f"{count:.1f} TB"
