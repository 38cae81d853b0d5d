"""Cells of imported keypoints: one for each task that a folder has an import of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from benchmarks.errors import UserError
from benchmarks.records.digests import IMPORTS, import_digests
from benchmarks.registry import IMPORTED, NO_CHOICES, is_custom
from benchmarks.run.cells import NOTES, Cell, without_stem
from benchmarks.tasks import options as task_options
from leaderboard.digests import content_digest
from leaderboard.text import fault

if TYPE_CHECKING:
    from benchmarks.registry import Open
    from benchmarks.tasks import Profile, Task
    from datasets.base import KeypointDataset, Split
    from methods.adapters.neutral import ImportRecord

SPLITS: tuple[Split, ...] = ("regress", "test")


@dataclass(frozen=True)
class ImportedMethod:
    """A folder of imports: ``name`` is ``imported:FOLDER``, ``records`` describe its keypoints."""

    name: str
    records: tuple[ImportRecord, ...]

    @property
    def label(self) -> str:
        """The method's name in tables."""
        return self.records[0].method

    @property
    def folder(self) -> Path:
        """The folder of the keypoints."""
        return Path(self.name.removeprefix(IMPORTED))

    def record(self, task: Task, profile: Profile) -> ImportRecord | None:
        """The record of a task's import, None without one."""
        known = [found for found in self.records if found.profile == profile]
        same = [found for found in known if found.task == task.id]
        if is_custom(task.dataset) and not same:  # a file that was renamed since
            same = [found for found in known if without_stem(found.task) == without_stem(task.id)]
        return same[0] if same else None

    def lack(self, task: Task, profile: Profile, datasets: Open) -> str:
        """The reason why a task's keypoints cannot be scored, or ''. Raises MethodError if they cannot be read."""
        from methods.imported import predictions_sha256

        record = self.record(task, profile)
        choices = datasets(task.dataset).choices if is_custom(task.dataset) else NO_CHOICES
        options = f"{task_options(task, choices)} --profile {profile} --method {quote(self.label)}"
        command = f"python -m benchmarks import FORMAT PATH {options}"
        again = f"import again: {command}"
        if record is None:
            there = ", ".join(f"{found.task} ({found.profile})" for found in self.records)
            return f"{self.folder} has imports of {there}; make this one with: {command}"
        if record.digest is not None and record.digest != content_digest(record):
            return f"the record of {task.id} in {self.folder} was changed after the import; {again}"
        dataset = datasets(task.dataset_id(profile))
        found, reason = dataset.annotated()
        if not found:
            return reason
        changed = [split for split in SPLITS if record.digests.get(split) != dataset.digest(split)]
        kinds = {name.partition(":")[0] for name in (record.dataset, dataset.card.id)}
        other = len(kinds) > 1
        if other or changed:
            what = f"images of {record.dataset}" if other else f"another split '{changed[0]}'"
            return f"the keypoints in {self.folder} are for {what}, not those of {dataset.card.id} today; {again}"
        if record.predictions_sha256 != predictions_sha256(self.folder, record.task, profile):
            return f"the keypoints of {record.task} in {self.folder} have changed since they were imported; {again}"
        return ""

    def cell(self, task: Task, profile: Profile, limit: int | None, dataset: KeypointDataset) -> Cell:
        """The cell of a task. Raises UserError if the folder has no import of it."""
        from methods.imported import Imported

        record = self.record(task, profile)
        if record is None:
            raise UserError(f"{self.folder} has no import of {task.id}")
        return Cell(
            method=self.name,
            label=self.label,
            version=Imported.version,
            settings={"task": record.task},
            config={},
            identity={"predictions": record.predictions_sha256},
            is_floor=False,
            supervision=record.supervision,
            saw_landmarks=record.saw_landmarks,
            made_by=_made_by(record, dataset),
            task=task,
            profile=profile,
            seed=0,
            limit=limit,
            digests={"fit": "", **{split: dataset.digest(split) for split in SPLITS}},
        )


def check_import(cell: Cell) -> None:
    """Raise UserError if imported keypoints have changed since a cell was planned; MethodError without them."""
    from methods.imported import predictions_sha256

    folder = Path(cell.method.removeprefix(IMPORTED))
    if predictions_sha256(folder, cell.settings["task"], cell.profile) != cell.identity["predictions"]:
        raise UserError(f"the keypoints in {folder} have changed since the plan was made; make the plan again")


def kept_import(cell: Cell, output: Path) -> dict[str, str]:
    """The sha256 of the files of a cell's import, if it is one of the run directory's own, under the task's id."""
    folder = Path(cell.method.removeprefix(IMPORTED))
    if (
        cell.made_by is None
        or cell.settings.get("task") != cell.task.id
        or folder.parent.resolve() != (output / IMPORTS).resolve()
    ):
        return {}
    return import_digests(folder, cell.task.id, cell.profile)


def _made_by(record: ImportRecord, dataset: KeypointDataset) -> dict[str, Any]:
    """The source of imported keypoints and the notes on it, for the provenance of a record."""
    found: dict[str, Any] = {
        "format": record.format,
        "files": [file.model_dump() for file in record.files],
        NOTES: [note for note in record.notes if note not in dataset.card.remarks],
    }
    return found | ({"submission": record.submission.model_dump(mode="json")} if record.submission else {})


def imports(names: Iterable[str]) -> list[ImportedMethod]:
    """The imported methods of the names.

    Raises MethodError without imports, UserError for a label that is not one printable line and for two of one label.
    """
    from methods.imported import imported_method, records

    found: dict[str, ImportedMethod] = {}
    for name in dict.fromkeys(names):
        folder = Path(name.removeprefix(IMPORTED))
        label = imported_method(folder).card.name
        if reason := fault(label):
            raise UserError(f"{folder}: the name of the method {reason}; import again with --method NAME")
        if label in found:
            raise UserError(
                f"{found[label].folder} and {folder} are both called '{label}'; import one under another name"
            )
        found[label] = ImportedMethod(name, tuple(records(folder)))
    return list(found.values())
