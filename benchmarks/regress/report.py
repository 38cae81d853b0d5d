"""Print the findings of ``regress``: a line for each part, then a table for each meaning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmarks.progress import duration
from benchmarks.regress.compare import Finding, Verdict
from benchmarks.regress.references import References

ROWS = 40
_NARROWEST = 150  # columns in files and logs, so that a row stays on one line
_HEADINGS = ("cell", "metric", "reference", "now", "difference", "tolerance")


def console_for_tables() -> Console:
    """Make a console that does not wrap tables in files and logs."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=max(_NARROWEST, console.width))


def print_part(console: Console, part: str, verdict: Verdict, seconds: float) -> None:
    """Print the numbers of values of a part that were measured and that moved."""
    text = f"{part}: {len(verdict.measured)} cells, {verdict.values} values, {len(verdict.findings)} moved"
    failed = f", {len(verdict.failed)} cells failed" if verdict.failed else ""
    bad = bool(verdict.findings or verdict.failed)
    console.print(Text(f"{text}{failed}  ({duration(seconds)})", style="red" if bad else ""))


def print_versions(console: Console, references: References, made_with: Mapping[str, Any], parts: set[str]) -> None:
    """Print a line for each part whose references were made with other library versions than the present ones."""
    for part in sorted(parts & references.made_with.keys()):
        before, now = (_flat(some) for some in (references.made_with[part], made_with))
        changed = [
            f"{name} {before.get(name, 'none')}, here {now.get(name, 'none')}"
            for name in sorted(before.keys() | now.keys())
            if before.get(name) != now.get(name)
        ]
        if changed:
            console.print(Text(f"references of {part} were made with {'; '.join(changed)}"), soft_wrap=True)


def print_findings(console: Console, findings: Sequence[Finding], every_row: bool) -> None:
    """Print what moved, a table for each meaning, with the reason for the width of the tolerance above it."""
    shown = findings if every_row else findings[:ROWS]
    groups: dict[tuple[str, str], list[Finding]] = {}
    for found in shown:
        groups.setdefault((found.meaning, found.reason), []).append(found)
    for (meaning, reason), rows in groups.items():
        console.print(Text(f"\n{meaning}", style="bold"), soft_wrap=True)
        if reason:
            console.print(Text(f"tolerance: {reason}", style="bright_black"), soft_wrap=True)
        console.print(_table(rows))
    if len(shown) < len(findings):
        console.print(f"and {len(findings) - len(shown)} more; --all shows them")


def _table(rows: Sequence[Finding]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in _HEADINGS:
        is_name = heading in ("cell", "metric")
        table.add_column(heading, justify="left" if is_name else "right", overflow="fold", no_wrap=not is_name)
    for found in rows:
        difference = "" if found.difference is None else f"{found.difference:+.3g}"
        allowed = "" if found.allowed is None else f"{found.allowed:.2g}"
        table.add_row(found.cell, found.metric, found.reference, found.now, difference, allowed)
    return table


def _flat(made_with: Mapping[str, Any]) -> dict[str, str]:
    """Versions of Python and the libraries by name."""
    return {"python": str(made_with.get("python")), **{k: str(v) for k, v in made_with.get("versions", {}).items()}}
