"""The ``submit`` command: check a folder, compute its rows, and print them beside the committed ones."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from benchmarks.errors import UserError, correctable, first_line, near_match
from benchmarks.importing.tasks import open_task
from benchmarks.importing.writing import make_record
from benchmarks.records.image_errors import errors_of
from benchmarks.records.store import Store
from benchmarks.registry import METHODS
from benchmarks.run.scoring import absent_notes
from benchmarks.score.record import score_import
from benchmarks.submit.card import CARD, Card, Source, parse_card
from benchmarks.submit.files import check_folder, copy_file, download, read_card
from benchmarks.submit.predictions import Checked, check_predictions
from benchmarks.submit.problems import SHOWN, Problem, short
from benchmarks.submit.report import Scored, failed, scored
from benchmarks.tasks import TASKS
from leaderboard.committed_errors import committed_errors
from leaderboard.flags import ABSENT
from leaderboard.load import RESULTS, load_results
from leaderboard.origins import is_submitted
from methods.adapters.neutral import Neutral, SourceFile
from methods.files import file_sha256

if TYPE_CHECKING:
    from benchmarks.importing.tasks import TaskData
    from leaderboard.records import ResultRecord
    from methods.adapters.base import Split, SplitTruth


@dataclass(frozen=True)
class _Ready:
    """A task whose predictions are checked: its data, its keypoints and the files that they come from."""

    data: TaskData
    checked: Checked
    files: tuple[SourceFile, ...]


def submit_command(
    folder: Path, output: Path | None, data_root: Path | None, format: Literal["md", "json"]
) -> tuple[int, str]:
    """Check a submission and compute its rows; returns the exit status and the text to print.

    With ``output`` the rows are kept in that run directory, but none if anything is wrong. Raises UserError if there is
    no card to read.
    """
    folder = Path(folder.absolute())
    text = read_card(folder)
    committed = load_results()
    others = [each.method_label for each in committed if not is_submitted(each)]
    card, problems = parse_card(text, folder.name, [*METHODS.entries, *others])
    problems += check_folder(folder, card.sources() if card else None)
    if card is None:
        return 2, failed(folder.name, problems, format)
    with tempfile.TemporaryDirectory() as scratch:
        ready: list[_Ready] = []
        for number, task in enumerate(card.predictions):
            copies = Path(scratch) / str(number)
            copies.mkdir()
            found, wrong = _check_task(card, task, _Copier(folder, copies), data_root)
            problems += wrong
            ready += [found] if found else []
        if problems:
            return 2, failed(folder.name, problems, format)
        runs = output or Path(scratch) / "runs"
        records = [_score(card, each, runs) for each in ready]
        notes = [f"{each.data.task.id}: {note}" for each in ready for note in each.checked.notes]
        notes += [f"{each.task}: {note}" for each in records for note in absent_notes(each.provenance.get(ABSENT, {}))]
        result = Scored(
            card, tuple(records), tuple(committed), tuple(notes), output, (errors_of(runs), committed_errors(RESULTS))
        )
        return 0, scored(result, format)


@dataclass(frozen=True)
class _Copier:
    """Copies the files of a submission's folder, and those at addresses, into another folder."""

    folder: Path
    target: Path

    def copy(self, source: Source, number: int) -> tuple[Path | None, list[Problem]]:
        """The copy of a file, None without one, and what is wrong; ``check_folder`` tells of a missing file."""
        path = self.target / f"{number}{Path(source.name).suffix}"
        if source.file is None:
            wrong = download(source, path)
            return (None if wrong else path), wrong
        try:
            copy_file(self.folder / source.file, path)
        except FileNotFoundError:
            return None, []
        except (OSError, ValueError) as error:
            return None, [Problem(source.file, getattr(error, "strerror", None) or str(error), "", "replace it")]
        return path, []


def _check_task(card: Card, task: str, copier: _Copier, data_root: Path | None) -> tuple[_Ready | None, list[Problem]]:
    """Check the predictions of a task; what is wrong comes second."""
    problems: list[Problem] = []
    if task not in TASKS:
        got = f"unknown task {short(task)}{near_match(task[:SHOWN], TASKS)}"
        return None, [Problem(f"{CARD}, predictions", got)]
    data: TaskData | None = None
    truths: dict[Split, SplitTruth] | None = None
    try:
        data = open_task(task, card.profile, data_root)
        truths = data.truths()
        for split in truths:
            data.dataset.digest(split)
    except correctable() as error:
        reason = first_line(error).removeprefix(f"task {task} has no annotations here: ")
        got = f"cannot be scored here: {reason}"
        problems.append(Problem(f"task {task}", got, "", "run the command where the dataset is, with --data-root"))
        truths = None
    copies: dict[str, Path] = {}
    for number, source in enumerate(card.predictions[task]):
        path, wrong = copier.copy(source, number)
        problems += wrong
        copies |= {source.name: path} if path else {}
    whole = len(copies) == len(card.predictions[task])
    checked = check_predictions(task, copies, TASKS[task].num_keypoints, truths if whole else None)
    problems += checked.problems
    if data is None or checked.joined is None or problems:
        return None, problems
    files = tuple(SourceFile(name=name, sha256=file_sha256(path)) for name, path in copies.items())
    return _Ready(data, checked, files), []


def _score(card: Card, ready: _Ready, runs: Path) -> ResultRecord:
    """Score checked keypoints as ``score --record`` does, in a run directory. Raises UserError if that fails."""
    if ready.checked.joined is None:
        raise UserError(f"task {ready.data.task.id}: the keypoints are not complete")
    record = make_record(ready.data, card, Neutral.card.id, ready.files, ready.checked.notes)
    record = record.model_copy(update={"submission": card.submission()})
    cell = score_import(runs, ready.checked.joined, record, ready.data)
    found = Store(runs).record(cell.name)
    if found is None:
        raise UserError(f"{cell} has no record that can be read")
    return found
