"""Cells of imported keypoints: one for each task that a folder has an import of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from benchmarks.errors import UserError
from benchmarks.records.digests import IMPORTS, import_digests
from benchmarks.registry import IMPORTED
from benchmarks.run.cells import Cell
from benchmarks.tasks import options as task_options
from benchmarks.tasks import plain_name
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
        return next((found for found in self.records if (found.task, found.profile) == (task.id, profile)), None)

    def lack(self, task: Task, profile: Profile, datasets: Open) -> str:
        """The reason why a task's keypoints cannot be scored, or ''. Raises MethodError if they cannot be read."""
        from methods.imported import predictions_sha256

        record = self.record(task, profile)
        options = f"{task_options(task)} --profile {profile} --method {quote(self.label)}"
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
        other = plain_name(record.dataset) != plain_name(dataset.card.id)
        if other or changed:
            what = f"images of {record.dataset}" if other else f"another split '{changed[0]}'"
            return f"the keypoints in {self.folder} are for {what}, not those of {dataset.card.id} today; {again}"
        if record.predictions_sha256 != predictions_sha256(self.folder, task.id, profile):
            return f"the keypoints of {task.id} in {self.folder} have changed since they were imported; {again}"
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
            settings={"task": task.id},
            config={},
            identity={"predictions": record.predictions_sha256},
            is_floor=False,
            supervision=record.supervision,
            saw_landmarks=record.saw_landmarks,
            made_by={"format": record.format, "files": [file.model_dump() for file in record.files]},
            task=task,
            profile=profile,
            seed=0,
            limit=limit,
            digests={"fit": "", **{split: dataset.digest(split) for split in SPLITS}},
        )


def kept_import(cell: Cell, output: Path) -> dict[str, str]:
    """The sha256 of the files of a cell's import, if it is one of the run directory's own."""
    folder = Path(cell.method.removeprefix(IMPORTED))
    if cell.made_by is None or folder.parent.resolve() != (output / IMPORTS).resolve():
        return {}
    return import_digests(folder, cell.task.id, cell.profile)


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
