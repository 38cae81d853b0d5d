"""The files of an import: keypoints in the neutral format, and a record beside them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Protocol

from benchmarks.errors import UserError
from benchmarks.records.digests import IMPORTS
from benchmarks.records.store import keypoint_columns, write_table
from benchmarks.registry import IMPORTED
from benchmarks.run.supervision import stated_landmarks
from leaderboard.digests import content_digest
from leaderboard.files import write_atomically
from leaderboard.text import fault
from methods.adapters.base import SPLITS
from methods.adapters.neutral import ImportRecord, SourceFile
from methods.base import MethodError
from methods.files import file_sha256
from methods.imported import paths, read_record, slug

if TYPE_CHECKING:
    from benchmarks.importing.joining import Joined
    from benchmarks.importing.tasks import TaskData

SHOWN = 60  # characters of a refused name in the message


class Given(Protocol):
    """The options that describe a method from elsewhere."""

    @property
    def method(self) -> str | None: ...
    @property
    def supervision(self) -> str: ...
    @property
    def saw_landmarks(self) -> bool | None: ...


def check_name(option: str, name: str | None) -> None:
    """Raise UserError for a name that is not one short printable line, or has no letters or digits for its folder."""
    given = name or ""
    if reason := fault(given) or ("" if slug(given) else "names no folder"):
        raise UserError(
            f"{option} {given[:SHOWN]!a}: the name {reason}; expected a name on one line with letters a to z or "
            "digits, for the row and its folder"
        )


def source_files(files: Mapping[Path, str]) -> tuple[SourceFile, ...]:
    """The files that keypoints were read from, by the names they are given here, with their sha256."""
    return tuple(SourceFile(name=name, sha256=file_sha256(path)) for path, name in files.items())


def make_record(
    data: TaskData, given: Given, format: str, files: tuple[SourceFile, ...], notes: Iterable[str]
) -> ImportRecord:
    """The record of keypoints of a task's images; ``write_import`` fills in the sha256 of the keypoints.

    Raises UserError for a supervision that is no name, or that needs ``--saw-landmarks`` or ``--no-saw-landmarks``.
    """
    if reason := fault(given.supervision):
        raise UserError(f"--supervision {given.supervision[:SHOWN]!a}: the name {reason}; say it in a word or two")
    return ImportRecord(
        method=given.method or "",
        supervision=given.supervision,
        saw_landmarks=stated_landmarks(given.supervision, given.saw_landmarks),
        task=data.task.id,
        profile=data.profile,
        dataset=data.dataset.card.id,
        num_keypoints=data.task.num_keypoints,
        format=format,
        files=files,
        counts={split: len(data.dataset.split(split)) for split in SPLITS},
        digests={split: data.dataset.digest(split) for split in SPLITS},
        predictions_sha256="",
        notes=tuple(notes),
    )


def write_import(output: Path, joined: Joined, record: ImportRecord) -> tuple[ImportRecord, Path]:
    """Write ``<output>/imports/<method>/<task>.<profile>.parquet`` and ``.json``, in place of an earlier import.

    Returns the record with the sha256 of the keypoints, and the folder. Raises UserError for a folder that cannot be
    written, or that holds another method's keypoints.
    """
    import pyarrow as pa

    folder = output / IMPORTS / slug(record.method)
    keypoints_path, record_path = paths(folder, record.task, record.profile)
    _check_folder(folder, record)
    columns = {
        "image_id": pa.array(list(joined.ids), pa.string()),
        "split": pa.array(list(joined.splits), pa.string()),
        **keypoint_columns(joined.keypoints, joined.scores),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        record_path.unlink(missing_ok=True)  # so that it never describes other keypoints
        write_table(keypoints_path, columns)
        record = record.model_copy(update={"predictions_sha256": file_sha256(keypoints_path)})
        record = record.model_copy(update={"digest": content_digest(ImportRecord(**record.model_dump()))})
        write_atomically(record_path, record.model_dump_json(indent=1) + "\n")
    except OSError as error:
        raise UserError(f"cannot write {folder}: {error.strerror or error}; choose another run directory") from error
    return record, folder


def _check_folder(folder: Path, record: ImportRecord) -> None:
    """Raise UserError where the folder has imports of another method, or with another supervision."""
    for path in sorted(folder.glob("*.*.json")):
        try:
            there = read_record(path)
        except MethodError:
            continue  # broken: an import of the same task replaces it
        if there.method != record.method:
            raise UserError(
                f"{folder} holds keypoints of '{there.method}'; take another name than '{record.method}', which would "
                "share the folder"
            )
        same = (there.supervision, there.saw_landmarks) == (record.supervision, record.saw_landmarks)
        if path.name != f"{record.task}.{record.profile}.json" and not same:
            raise UserError(
                f"{folder}: '{record.method}' is '{there.supervision}' (saw landmarks: {there.saw_landmarks}) on "
                f"{there.task}, got --supervision '{record.supervision}' (saw landmarks: {record.saw_landmarks}); give "
                "the same for all its tasks"
            )


def describe(
    record: ImportRecord, folder: Path, remark: str, task: str, data_root: Path | None, absent: Iterable[str]
) -> str:
    """The text that the command prints: the import, its notes, and the command that scores it.

    ``task`` holds the options that name the task; ``data_root`` is the one given on the command line; ``absent`` are
    notes on absent keypoints, which the record of the scores will have.
    """
    counts = ", ".join(f"{split} {count:,}" for split, count in record.counts.items())
    profile = f" --profile {record.profile}" if record.profile == "mini" else ""
    root = f" --data-root {quote(str(data_root))}" if data_root else ""
    output = "" if folder.parent.parent == Path("runs") else f" --output {quote(str(folder.parent.parent))}"
    command = f"run --method {quote(f'{IMPORTED}{folder}')} {task}{profile}{root}{output}"
    return "\n".join(
        [
            remark,
            f"imported {record.method}: K={record.num_keypoints} keypoints of {record.task} ({counts}), from "
            f"{', '.join(file.name for file in record.files[:4])}{' ...' if len(record.files) > 4 else ''}",
            *(f"note: {note}" for note in (*record.notes, *absent)),
            f"kept in {folder}; score it with:",
            f"  python -m benchmarks {command}",
        ]
    )
