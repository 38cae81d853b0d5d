"""The output of a run on the terminal: its plan, its tables and its files; and the leaderboards that it writes."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from benchmarks.records.checks import examine
from benchmarks.records.image_errors import errors_of
from benchmarks.records.store import OVERLAY, Store, predictions_path
from benchmarks.registry import is_custom
from benchmarks.run.cells import NOTES, REMARKS
from benchmarks.run.options import Overwrite
from benchmarks.run.plan import Plan, Request
from benchmarks.run.runner import NO_LANDMARKS, Outcome, decide, outdated
from benchmarks.run.scoring import absent_notes
from benchmarks.tasks import SUITES, TASKS, Profile, Task
from leaderboard.files import write_atomically
from leaderboard.flags import ABSENT
from leaderboard.image_errors import ErrorsOf
from leaderboard.records import ResultRecord
from leaderboard.row_kinds import MEASURED
from leaderboard.suites import Suite
from leaderboard.tables import TABLES, rows
from leaderboard.terminal import print_ablations, print_measured
from leaderboard.text import markdown, printable
from metrics.protocols import PROTOCOLS

if TYPE_CHECKING:
    from benchmarks.registry import Open
    from datasets.base import DatasetCard

_EYE = re.compile(r"(left|right|l|r)?[ _.-]?(eye|pupil)([ _.-]?cent(er|re))?[ _.-]?(left|right|l|r)?", re.IGNORECASE)


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


def print_table(
    console: Console,
    records: Iterable[ResultRecord],
    tasks: Sequence[str],
    profile: Profile,
    errors: ErrorsOf | None = None,
) -> None:
    """Print the results of the run, tasks down and methods across, then its ablations.

    With ``errors``, methods that cannot be told from the best are bold too.
    """
    records = list(records)
    found = [row for row in rows(records, tasks, profile, errors=errors) if row.kind in MEASURED]
    if found:
        console.print()
        print_measured(console, found, profile)
    print_ablations(console, rows(records, tasks, profile, ablations=True, errors=errors), profile)


def write_leaderboards(store: Store, tasks: Iterable[str], profile: Profile) -> list[Path]:
    """Write the markdown leaderboard of every suite that holds one of the tasks, from all records; returns the files.

    Raises LeaderboardError if one cannot be written.
    """
    records = [record for record in examine(store.output).records if record.profile == profile]
    texts = leaderboards(store, records, tasks, profile)
    for path, text in texts.items():
        write_atomically(path, text)
    return list(texts)


def leaderboards(
    store: Store, records: Sequence[ResultRecord], tasks: Iterable[str], profile: Profile
) -> dict[Path, str]:
    """The markdown leaderboard of every suite that holds one of the tasks, by file, from the records of a profile.

    Tasks of no suite, such as custom data, have a leaderboard named 'own'. A suite is left out if its table would add
    nothing to those of earlier suites.
    """
    members = {task for suite in SUITES.values() for task in suite.tasks}
    own = Suite(name="own", tasks=tuple(sorted({record.task for record in records} - members)))
    texts, earlier, errors = {}, set[str](), errors_of(store.output)
    for suite in [*SUITES.values(), own]:
        table = TABLES[suite.kind]
        there = [record for record in records if record.task in suite.tasks]
        if set(tasks) & set(suite.tasks) and table.is_new(there, suite.tasks, earlier):
            path = store.leaderboard / f"{suite.name}.{profile}.md"
            heading = f"{'custom data' if suite is own else suite.name} ({profile} profile)"
            text = table.render(table.rows(there, suite.tasks, profile, errors=errors), "md", heading)
            if not table.own_fields:
                text += _unscored(there, suite.tasks) + _remarks(there, suite.tasks)
            texts[path] = text
        earlier.update(suite.tasks)
    return texts


def _unscored(records: Iterable[ResultRecord], tasks: Sequence[str]) -> str:
    """A line for each task that has keypoints but no landmarks to score them by, '' for none."""
    found = {record.task for record in records if is_unscored(record)}
    return "".join(f"\n{markdown(task)}: {NO_LANDMARKS}\n" for task in tasks if task in found)


def _remarks(records: Iterable[ResultRecord], tasks: Sequence[str]) -> str:
    """Return a line for each remark on the tasks, and for each note on keypoints from elsewhere or absent ones.

    The remarks on a task are those of its latest record; notes belong to one method.
    """
    found: dict[str, list[str]] = {}
    notes: dict[str, dict[str, None]] = {}
    for record in sorted(records, key=lambda record: str(record.provenance.get("date", ""))):
        absent = absent_notes(record.provenance.get(ABSENT, {}))
        remarks = record.provenance.get(REMARKS, found.get(record.task, []))
        found[record.task] = [remark for remark in remarks if remark not in absent]
        said = (f"{record.method_label}: {note}" for note in (*record.provenance.get(NOTES, ()), *absent))
        notes.setdefault(record.task, {}).update(dict.fromkeys(said))
    lines = ((task, text) for task in tasks for text in (*found.get(task, ()), *notes.get(task, ())))
    return "".join(f"\n{markdown(f'{task}: {text}')}\n" for task, text in lines)


def next_steps(output: Path, request: Request) -> list[str]:
    """Return lines with the commands that show the results beside all others of the run directory."""
    whole = {task for suite in request.suites for task in SUITES[suite].tasks}
    named = [("--suite", name) for name in request.suites]
    named += [("--task", task.id) for task in request.tasks if task.id not in whole]
    tables = " ".join(f"{option} {shlex.quote(name)}" for option, name in named)
    runs = f" --runs {shlex.quote(str(output))}" if output != Path("runs") else ""
    lines = [f"compare      python -m benchmarks leaderboard {tables} --profile {request.profile}{runs} --against best"]
    if any(task.id in TASKS for task in request.tasks):
        lines.append(f"site         python -m benchmarks publish --runs {shlex.quote(str(output))} --output site")
    return lines


def print_files(
    console: Console,
    store: Store,
    outcome: Outcome,
    leaderboards: Sequence[Path],
    mlflow: str,
    commands: Sequence[str] = (),
) -> None:
    """Print where tables, pictures and unscored keypoints are, and the lines of ``next_steps``.

    ``mlflow`` is the command that opens MLflow, or ''.
    """
    lines = [f"leaderboard  {path}" for path in leaderboards]
    for cell_id, record in outcome.records.items():
        if is_unscored(record):
            lines.append(f"keypoints    {predictions_path(store.cells / cell_id, 'test')}  ({NO_LANDMARKS})")
    lines += _pictures([store.cells / cell_id / OVERLAY for cell_id in outcome.records])
    lines += commands
    if mlflow:
        lines.append(f"MLflow       {mlflow}")
    for line in lines:
        console.print(Text(printable(line)), soft_wrap=True)


def _pictures(paths: Iterable[Path]) -> list[str]:
    """A line that names the pictures that exist: one by its path, several by their folder and number."""
    found = [path for path in paths if path.exists()]
    if len(found) <= 1:
        return [f"picture      {path}" for path in found]
    return [f"pictures     {found[0].parent.parent}/*/{OVERLAY} ({len(found)} of this run)"]


def is_unscored(record: ResultRecord) -> bool:
    """Whether a record has keypoints on images without landmarks."""
    return record.status == "done" and not any(_regresses(found.protocol) for found in record.scores)


def _regresses(protocol: str) -> bool:
    return protocol not in PROTOCOLS or PROTOCOLS[protocol].regresses
