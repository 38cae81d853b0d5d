"""The ``leaderboard`` command: tables of a run directory, and the generated tables of a README."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import typer

from benchmarks.errors import unknown
from benchmarks.settings import choose_profile
from benchmarks.tasks import SUITES
from leaderboard import readme
from leaderboard.load import load_records
from leaderboard.tables import Format, render, rows


def suite_text(
    suites: Sequence[str], profile_option: str | None, data_root: Path | None, runs: Path, format: Format
) -> str:
    """The tables of the suites (all, where none is named) as one text."""
    for suite in suites:
        if suite not in SUITES:
            raise unknown("suite", suite, SUITES)
    profile, _, _ = choose_profile(profile_option, data_root)
    records = load_records(runs)
    chosen = suites or list(SUITES)
    if format == "md":
        parts = [render(rows(records, SUITES[name], profile), "md", f"{name} ({profile} profile)") for name in chosen]
        return "\n".join(parts)
    tasks = list(dict.fromkeys(task for name in chosen for task in SUITES[name]))
    return render(rows(records, tasks, profile), format)


def check_readme(path: Path) -> int:
    """0 where the tables of a README are those of the committed results, else 1 with their names on stderr."""
    stale = readme.check(path, SUITES)
    if stale:
        cure = f"renew them with python -m benchmarks leaderboard --update {path}"
        typer.echo(f"{path}: stale tables {', '.join(stale)}; {cure}", err=True)
        return 1
    typer.echo(f"{path}: tables are up to date")
    return 0


def update_readme(path: Path, runs: Path | None) -> int:
    """Write the tables of a README anew, after making the records of ``runs``, where given, the committed results."""
    if runs is not None:
        for file, count in readme.commit(path, load_records(runs), SUITES).items():
            typer.echo(f"{file}: {count} records")
    changed = readme.update(path, SUITES)
    typer.echo(f"{path}: {'tables renewed' if changed else 'tables were up to date'}")
    return 0
