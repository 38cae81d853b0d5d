"""The commands ``agreement`` and ``correlation`` from their options to the texts that they print."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import typer

from benchmarks.errors import UserError, unknown
from benchmarks.label_free.agreement import render, seed_agreements
from benchmarks.records.checks import whole_records
from benchmarks.settings import choose_profile
from benchmarks.tasks import SUITES
from leaderboard import correlation_tables
from leaderboard.correlation import correlations
from leaderboard.correlation_tables import PlainFormat, read_agreements
from leaderboard.files import write_atomically
from leaderboard.load import load_results
from leaderboard.records import ResultRecord
from leaderboard.text import printable

RUNS = Path("runs")


def agreement_command(
    runs: Path, suites: Sequence[str], profile: str | None, format: PlainFormat, output: Path | None
) -> None:
    """Print or write how well the keypoints of several seeds agree. Raises UserError for an unknown suite."""
    chosen, records = choose_profile(profile, None)[0], whole_records(runs)
    _write(render(seed_agreements(runs, records, _tasks(suites, records), chosen), format), output)


def correlation_command(
    runs: Path, suites: Sequence[str], profile: str | None, format: PlainFormat, output: Path | None
) -> None:
    """Print or write how measures without landmarks correlate with the error of landmarks.

    ``runs`` is a run directory, or a folder of committed results with the agreement of seeds beside them. Raises
    UserError for an unknown suite, and if no task has enough methods with such measures.
    """
    chosen = choose_profile(profile, None)[0]
    if (runs / "cells").is_dir() or not any(runs.glob("*.json")):
        records = whole_records(runs)
        tasks = _tasks(suites, records)
        seeds = seed_agreements(runs, records, tasks, chosen)
        agreements = {frozenset(each.cells): each.distance for each in seeds}
    else:
        records = load_results(runs)
        tasks = _tasks(suites, records)
        agreements = read_agreements(runs / "agreement" / f"{chosen}.json")
    found = correlations([record for record in records if record.task in tasks], chosen, agreements)
    if not found:
        raise UserError(
            f"{runs}: no task of the {chosen} profile has three methods, which learn without landmarks, with measures "
            "of the family label_free; run more methods, or run those again that were run before there were such "
            "measures"
        )
    _write(correlation_tables.render(found, format), output)


def _tasks(suites: Sequence[str], records: Sequence[ResultRecord]) -> list[str]:
    """The tasks of the suites, or those of all records without any."""
    for suite in suites:
        if suite not in SUITES:
            raise unknown("suite", suite, SUITES)
    there = dict.fromkeys(record.task for record in records)
    return list(dict.fromkeys(task for suite in suites for task in SUITES[suite].tasks)) if suites else sorted(there)


def _write(text: str, output: Path | None) -> None:
    if output is None:
        typer.echo(printable(text), nl=False)
    else:
        write_atomically(output, printable(text))
