"""The output of a run on the terminal: its plan, its tables and its files; and the leaderboards that it writes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmarks.records.checks import examine
from benchmarks.records.image_errors import errors_of
from benchmarks.records.store import OVERLAY, Store, predictions_path
from benchmarks.registry import is_custom
from benchmarks.run.cells import NOTES, REMARKS
from benchmarks.run.options import Overwrite
from benchmarks.run.plan import Plan
from benchmarks.run.runner import NO_LANDMARKS, Outcome, decide, outdated
from benchmarks.tasks import SUITES, Profile, Task
from leaderboard.files import write_atomically
from leaderboard.markdown import DECIMALS, change_text, comparable
from leaderboard.origins import table_line
from leaderboard.records import ResultRecord
from leaderboard.row_kinds import LEGEND, MEASURED, marks, shown
from leaderboard.rows import Row, known
from leaderboard.suites import Suite
from leaderboard.tables import TABLES, rows
from leaderboard.text import markdown, printable
from metrics.protocols import value_text

if TYPE_CHECKING:
    from benchmarks.registry import Open
    from datasets.base import DatasetCard

HEADING_WIDTH = 11
_EYE = re.compile(r"(left|right|l|r)?[ _.-]?(eye|pupil)([ _.-]?cent(er|re))?[ _.-]?(left|right|l|r)?", re.IGNORECASE)
_LIMIT = re.compile(r" \(limit \d+\)")  # in labels; the caption has it once


def print_skipped(console: Console, skipped: dict[str, str]) -> None:
    """Print one line for each task that cannot be run, with the reason."""
    for task, reason in skipped.items():
        console.print(Text(printable(f"skipped {task}: {reason}"), style="yellow"), soft_wrap=True)


def print_remarks(console: Console, tasks: Iterable[Task], datasets: Open) -> None:
    """Print the remarks on the custom data of the tasks, each dataset once."""
    first = {task.dataset: task.id for task in reversed(list(tasks)) if is_custom(task.dataset)}
    for dataset, task in reversed(first.items()):
        card = datasets(dataset).card
        for remark in (*card.remarks, *eyes_hint(card)):
            console.print(Text(printable(f"note on {task}: {remark}")), soft_wrap=True)


def eyes_hint(card: DatasetCard) -> list[str]:
    """A remark on landmarks whose names say that they are the two eyes, unless the card states the eyes."""
    eyes = [name for name in card.landmark_names if _EYE.fullmatch(name)]
    if card.interocular or len(eyes) != 2:
        return []
    return [f"--interocular {','.join(eyes)} would add errors in percent of the distance of these eyes"]


def print_plan(console: Console, plan: Plan, store: Store, overwrite: Overwrite) -> None:
    """Print each cell and the action that a run would take (``--dry-run``)."""
    names = {"run": "run", "rescore": "score again", "keep": "finished"}
    actions: list[str] = []
    lines: dict[str, str] = {}
    for cell in plan.cells:
        decision = decide(cell, store, overwrite)
        actions.append(names[decision.action])
        variant = f"  {cell.variant.name}" if cell.variant else ""
        reason = f"  {decision.reason}" if decision.reason else ""
        console.print(Text(printable(f"{actions[-1]:<12} {cell.id}{variant}{reason}")), soft_wrap=True)
        if decision.record and decision.action != "run" and (line := outdated(cell, decision.record)):
            lines.setdefault(cell.method_id, line)
    print_outdated(console, lines)
    total = ", ".join(f"{count} {action}" for action, count in Counter(actions).items())
    console.print(f"{len(plan.cells)} cells: {total}; nothing was run or written")


def print_outdated(console: Console, lines: Mapping[str, str]) -> None:
    """Print the line of each method whose source changed since its numbers were measured."""
    for method, line in lines.items():
        console.print(Text(printable(f"{method}: {line}"), style="yellow"), soft_wrap=True)


def print_table(console: Console, records: Iterable[ResultRecord], tasks: Sequence[str], profile: Profile) -> None:
    """Print the results of the run, tasks down and methods across, the best value of a task in bold, then ablations.

    Baselines (floors) come first, then methods, then supervised methods.
    """
    records = list(records)
    found = [row for row in rows(records, tasks, profile) if row.kind in MEASURED]
    labels = sorted({(not row.is_floor, row.supervised, shown(row)) for row in found})
    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("task", overflow="fold")
    for is_method, _, label in labels:
        style = "" if is_method else "bright_black"
        table.add_column(Text(_heading(label)), justify="right", no_wrap=True, style=style)
    for task, protocol in _lines(found):
        line = {shown(row): row for row in found if row.task == task and row.protocol in (protocol, None)}
        table.add_row(Text(_task_heading(task, line.values())), *(_value(line, label) for *_, label in labels))
    if table.row_count:
        console.print()
        console.print(table)
        _print_below(console, _caption(found, profile), found)
    _print_ablations(console, rows(records, tasks, profile, ablations=True), profile)


def _print_ablations(console: Console, found: Sequence[Row], profile: Profile) -> None:
    """Print the ablations of a run, one per line, each with the change that it makes."""
    measured = [row for row in found if row.kind in MEASURED and not row.is_floor]
    if not measured:
        return
    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("task", no_wrap=True)
    table.add_column("method", overflow="fold")
    for name in ("value", "change"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in measured:
        line = {shown(other): other for other in measured if other.task == row.task}
        label = _LIMIT.sub("", shown(row))
        value = _value(line, shown(row))
        table.add_row(Text(_task_heading(row.task, [row])), Text(label), value, change_text(row))
    console.print(table)
    text = f"ablations, {_caption(measured, profile)}; change: difference from the full method"
    _print_below(console, text, measured)


def _print_below(console: Console, caption: str, found: Sequence[Row]) -> None:
    """Print the caption of a table, and a line if its results are not all of one clean commit."""
    console.print(caption, style="italic", soft_wrap=True)
    if origins := table_line(found):
        console.print(Text(origins, style="yellow"), soft_wrap=True)
    console.print()


def write_leaderboards(store: Store, tasks: Iterable[str], profile: Profile) -> list[Path]:
    """Write the markdown leaderboard of every suite that holds one of the tasks, from all records; returns the files.

    Tasks of no suite, such as custom data, have a leaderboard named 'own'. A suite is left out if its table would add
    nothing to those of earlier suites.
    """
    records = [record for record in examine(store.output).records if record.profile == profile]
    members = {task for suite in SUITES.values() for task in suite.tasks}
    own = Suite(name="own", tasks=tuple(sorted({record.task for record in records} - members)))
    written, earlier, errors = [], set[str](), errors_of(store.output)
    for suite in [*SUITES.values(), own]:
        table = TABLES[suite.kind]
        there = [record for record in records if record.task in suite.tasks]
        if set(tasks) & set(suite.tasks) and table.is_new(there, suite.tasks, earlier):
            path = store.leaderboard / f"{suite.name}.{profile}.md"
            heading = f"{'custom data' if suite is own else suite.name} ({profile} profile)"
            text = table.render(table.rows(there, suite.tasks, profile, errors=errors), "md", heading)
            if not table.own_fields:
                text += _unscored(there, suite.tasks) + _remarks(there, suite.tasks)
            write_atomically(path, text)
            written.append(path)
        earlier.update(suite.tasks)
    return written


def _unscored(records: Iterable[ResultRecord], tasks: Sequence[str]) -> str:
    """A line for each task that has keypoints but no landmarks to score them by, '' for none."""
    found = {record.task for record in records if is_unscored(record)}
    return "".join(f"\n{markdown(task)}: {NO_LANDMARKS}\n" for task in tasks if task in found)


def _remarks(records: Iterable[ResultRecord], tasks: Sequence[str]) -> str:
    """Return a line for each remark on the custom data of the tasks, and for each note on keypoints from elsewhere.

    The remarks on a task are those of its latest record.
    """
    found: dict[str, list[str]] = {}
    notes: dict[str, dict[str, None]] = {}
    for record in sorted(records, key=lambda record: str(record.provenance.get("date", ""))):
        found[record.task] = record.provenance.get(REMARKS, found.get(record.task, []))
        said = (f"{record.method_label}: {note}" for note in record.provenance.get(NOTES, ()))
        notes.setdefault(record.task, {}).update(dict.fromkeys(said))
    lines = ((task, text) for task in tasks for text in (*found.get(task, ()), *notes.get(task, ())))
    return "".join(f"\n{markdown(f'{task}: {text}')}\n" for task, text in lines)


def print_files(console: Console, store: Store, outcome: Outcome, leaderboards: Sequence[Path], mlflow: str) -> None:
    """Print where tables, pictures and unscored keypoints are; ``mlflow`` is the command that opens MLflow, or ''."""
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
    """Whether a record has keypoints on images without landmarks."""
    return record.status == "done" and not record.scores


def _lines(found: Sequence[Row]) -> list[tuple[str, str | None]]:
    """Task and protocol of each line; the protocol is None for a task that failed for every method."""
    scored = {row.task for row in found if row.protocol}
    pairs = ((row.task, row.protocol) for row in found if row.protocol or row.task not in scored)
    return list(dict.fromkeys(pairs))


def _heading(label: str) -> str:
    """A label, broken after spaces, = and _ into lines of at most HEADING_WIDTH characters where possible."""
    lines: list[str] = []
    for word in re.findall(r"[^\s=_]+[\s=_]?", _LIMIT.sub("", label)):
        if lines and len(lines[-1] + word.rstrip()) <= HEADING_WIDTH:
            lines[-1] += word
        else:
            lines.append(word)
    return "\n".join(line.rstrip() for line in lines)


def _task_heading(task: str, line: Iterable[Row]) -> str:
    for row in line:
        if row.protocol:
            return f"{task} ({row.unit}) {'↑' if row.higher_is_better else '↓'}"
    return task


def _value(line: dict[str, Row], label: str) -> Text:
    row = line.get(label)
    if row is None:
        return Text("–")
    if row.value is None:
        return Text("failed", style="red")
    ranked = [known(other.value) for other in line.values() if other.value is not None and comparable(other)]
    best = (max if row.higher_is_better else min)(ranked, default=None)
    style = "bold green" if row.value == best and comparable(row) else ""
    return Text(value_text(row.protocol, row.value, DECIMALS), style=style)


def _caption(found: Sequence[Row], profile: Profile) -> str:
    limits = {row.limit for row in found if row.limit is not None}
    cut = f"; every split cut to {max(limits)} images by --limit: not comparable" if limits else ""
    legend = "".join(f"; {text}" for mark, text in LEGEND.items() if any(mark in marks(row) for row in found))
    return f"{profile} profile, best in bold{cut}{legend}"
