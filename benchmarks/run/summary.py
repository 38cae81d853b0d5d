"""What a run says before it starts and when it ends: the plan, the table, the files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmarks.records.store import OVERLAY, Store, predictions_path
from benchmarks.registry import is_own
from benchmarks.run.cells import REMARKS
from benchmarks.run.options import Overwrite
from benchmarks.run.plan import Plan
from benchmarks.run.runner import NO_LANDMARKS, Outcome, decide
from benchmarks.tasks import SUITES, Profile, Task
from leaderboard.kinds import LEGEND, MEASURED, marks, shown
from leaderboard.load import load_records, write_atomically
from leaderboard.markdown import change_text, counts
from leaderboard.misalignment import PAIR_SUITES, misalignment_rows, render_misalignment
from leaderboard.origins import table_line
from leaderboard.records import ResultRecord
from leaderboard.tables import VARIANT_SUITES, render, rows

if TYPE_CHECKING:
    from benchmarks.registry import Open

HEADING_WIDTH = 11
Row = dict[str, Any]
_LIMIT = re.compile(r" \(limit \d+\)")  # said once, below the table


def print_skipped(console: Console, skipped: dict[str, str]) -> None:
    """One line for each task that cannot be run, with what it lacks."""
    for task, reason in skipped.items():
        console.print(Text(f"skipped {task}: {reason}", style="yellow"), soft_wrap=True)


def print_remarks(console: Console, tasks: Iterable[Task], datasets: Open) -> None:
    """What a user of the numbers has to know of the custom data of tasks."""
    first = {task.dataset: task.id for task in reversed(list(tasks)) if is_own(task.dataset)}
    for dataset, task in reversed(first.items()):
        for remark in datasets(dataset).card.remarks:
            console.print(Text(f"note on {task}: {remark}"), soft_wrap=True)


def print_plan(console: Console, plan: Plan, store: Store, overwrite: Overwrite) -> None:
    """What ``--dry-run`` prints: each cell and what would be done with it."""
    names = {"run": "run", "rescore": "score again", "keep": "finished"}
    counts: dict[str, int] = {}
    for cell in plan.cells:
        record = store.record(cell.id)
        action = names[decide(cell, record, overwrite)]
        counts[action] = counts.get(action, 0) + 1
        variant = f"  {cell.variant.name}" if cell.variant else ""
        console.print(Text(f"{action:<12} {cell.id}{variant}"), soft_wrap=True)
    total = ", ".join(f"{count} {action}" for action, count in counts.items())
    console.print(f"{len(plan.cells)} cells: {total}; nothing was run or written")


def print_table(console: Console, records: Iterable[ResultRecord], tasks: Sequence[str], profile: Profile) -> None:
    """The run's own results, tasks down and methods across, the best value of a task in bold; below it ablations.

    Floors come first, then methods, supervised ones last.
    """
    records = list(records)
    found = [row for row in rows(records, tasks, profile) if row["kind"] in MEASURED]
    labels = sorted({(not row["is_floor"], row["supervised"], shown(row)) for row in found})
    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("task", overflow="fold")
    for is_method, _, label in labels:
        style = "" if is_method else "bright_black"
        table.add_column(_heading(label), justify="right", no_wrap=True, style=style)
    for task, protocol in _lines(found):
        line = {shown(row): row for row in found if row["task"] == task and row["protocol"] in (protocol, None)}
        table.add_row(_task_heading(task, line.values()), *(_value(line, label) for *_, label in labels))
    if table.row_count:
        console.print()
        console.print(table)
        _print_below(console, _caption(found, profile), found)
    _print_variants(console, rows(records, tasks, profile, variants=True), profile)


def _print_variants(console: Console, found: Sequence[Row], profile: Profile) -> None:
    """The ablations of a run, one a line, each with what it changes in the value."""
    measured = [row for row in found if row["kind"] in MEASURED and not row["is_floor"]]
    if not measured:
        return
    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("task", no_wrap=True)
    table.add_column("method", overflow="fold")
    for name in ("value", "change"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in measured:
        line = {shown(other): other for other in measured if other["task"] == row["task"]}
        label = _LIMIT.sub("", shown(row))
        table.add_row(_task_heading(row["task"], [row]), label, _value(line, shown(row)), change_text(row))
    console.print(table)
    text = f"ablations, {_caption(measured, profile)}; change: from the same method as it is"
    _print_below(console, text, measured)


def _print_below(console: Console, caption: str, found: Sequence[Row]) -> None:
    """The caption of a table, and a line where its results are not all of one clean commit."""
    console.print(caption, style="italic", soft_wrap=True)
    if origins := table_line(found):
        console.print(Text(origins, style="yellow"), soft_wrap=True)
    console.print()


def write_leaderboards(store: Store, tasks: Iterable[str], profile: Profile) -> list[Path]:
    """Write the markdown leaderboard of every suite that holds one of the tasks, over all records there are.

    The tasks of no suite, such as those on own data, have a leaderboard named 'own'. A suite that has nothing of its
    own yet, but tasks that an earlier one has too, has none.
    """
    records = load_records(store.output)
    others = {record.task for record in records if record.profile == profile}.difference(*SUITES.values())
    boards = {suite: (suite, members) for suite, members in SUITES.items()} | {"own": ("own data", sorted(others))}
    written = []
    for name, (title, members) in boards.items():
        if set(tasks) & set(members) and _has_own(name, members, profile, records):
            path = store.leaderboard / f"{name}.{profile}.md"
            heading = f"{title} ({profile} profile)"
            if name in PAIR_SUITES:
                text = render_misalignment(misalignment_rows(records, members, profile), "md", heading)
            else:
                found = rows(records, members, profile, variants=name in VARIANT_SUITES)
                text = render(found, "md", heading) + _unscored(records, members, profile)
                text += _remarks(records, members, profile)
            write_atomically(path, text)
            written.append(path)
    return written


def _has_own(suite: str, members: Iterable[str], profile: Profile, records: Iterable[ResultRecord]) -> bool:
    """Whether a suite has ablations or pairs, where it is for them, or else tasks that no earlier suite has."""
    if suite in PAIR_SUITES:
        return bool(misalignment_rows(records, list(members), profile))
    there = [record for record in records if record.profile == profile and record.task in members]
    if suite in VARIANT_SUITES:
        return any(record.variant for record in there)
    earlier = {task for name in takewhile(lambda name: name != suite, SUITES) for task in SUITES[name]}
    return any(record.task not in earlier for record in there)


def _unscored(records: Iterable[ResultRecord], tasks: Sequence[str], profile: Profile) -> str:
    """A line for each of the tasks that has keypoints and nothing to score them by, '' for none."""
    found = {record.task for record in records if record.profile == profile and is_unscored(record)}
    return "".join(f"\n{task}: {NO_LANDMARKS}\n" for task in tasks if task in found)


def _remarks(records: Iterable[ResultRecord], tasks: Sequence[str], profile: Profile) -> str:
    """A line for each remark on the custom data of the tasks, as its latest record has it."""
    found = {
        record.task: record.provenance[REMARKS]
        for record in sorted(records, key=lambda record: str(record.provenance.get("date", "")))
        if record.profile == profile and record.task in tasks and REMARKS in record.provenance
    }
    return "".join(f"\n{task}: {remark}\n" for task in tasks for remark in found.get(task, ()))


def print_files(console: Console, store: Store, outcome: Outcome, leaderboards: Sequence[Path], mlflow: str) -> None:
    """Where tables, pictures and unscored keypoints are, and what opens MLflow's page on the run ('' for nothing)."""
    lines = [f"leaderboard  {path}" for path in leaderboards]
    for cell_id, record in outcome.records.items():
        if is_unscored(record):
            lines.append(f"keypoints    {predictions_path(store.cells / cell_id, 'test')}  ({NO_LANDMARKS})")
    pictures = [store.cells / cell_id / OVERLAY for cell_id in outcome.records]
    lines += [f"picture      {path}" for path in pictures if path.exists()]
    if mlflow:
        lines.append(f"MLflow       {mlflow}")
    for line in lines:
        console.print(Text(line), soft_wrap=True)


def is_unscored(record: ResultRecord) -> bool:
    """Whether a record is of keypoints on images without landmarks."""
    return record.status == "done" and not record.scores


def _lines(found: Sequence[Row]) -> list[tuple[str, str | None]]:
    """Task and protocol of each line; a task that failed everywhere has one without a protocol."""
    scored = {row["task"] for row in found if row["protocol"]}
    pairs = ((row["task"], row["protocol"]) for row in found if row["protocol"] or row["task"] not in scored)
    return list(dict.fromkeys(pairs))


def _heading(label: str) -> str:
    """A label in lines of at most HEADING_WIDTH characters, as far as there is a space, = or _ to break it after."""
    lines: list[str] = []
    for word in re.findall(r"[^\s=_]+[\s=_]?", _LIMIT.sub("", label)):
        if lines and len(lines[-1] + word.rstrip()) <= HEADING_WIDTH:
            lines[-1] += word
        else:
            lines.append(word)
    return "\n".join(line.rstrip() for line in lines)


def _task_heading(task: str, line: Iterable[Row]) -> str:
    for row in line:
        if row["protocol"]:
            return f"{task} ({row['unit']}) {'↑' if row['higher_is_better'] else '↓'}"
    return task


def _value(line: dict[str, Row], label: str) -> Text:
    row = line.get(label)
    if row is None:
        return Text("–")
    if row["value"] is None:
        return Text("failed", style="red")
    ranked = [other["value"] for other in line.values() if other["value"] is not None and counts(other)]
    best = (max if row["higher_is_better"] else min)(ranked, default=None)
    return Text(f"{row['value']:.2f}", style="bold green" if row["value"] == best and counts(row) else "")


def _caption(found: Sequence[Row], profile: Profile) -> str:
    limits = {row["limit"] for row in found if row["limit"] is not None}
    cut = f"; every split cut to {max(limits)} images by --limit: not comparable" if limits else ""
    legend = "".join(f"; {text}" for mark, text in LEGEND.items() if any(mark in marks(row) for row in found))
    return f"{profile} profile, best in bold{cut}{legend}"
