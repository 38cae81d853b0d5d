"""The files of an import: keypoints in the neutral format, and the record beside them."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.errors import UserError
from benchmarks.records.store import write_table
from benchmarks.registry import IMPORTED
from leaderboard.load import write_atomically
from methods.base import MethodError
from methods.imported import paths, predictions_sha256, read_record, slug

if TYPE_CHECKING:
    from benchmarks.importing.joining import Joined
    from methods.adapters.neutral import ImportRecord

FOLDER = "imports"


def write_import(output: Path, joined: Joined, record: ImportRecord) -> tuple[ImportRecord, Path]:
    """Write ``<output>/imports/<method>/<task>.<profile>.parquet`` and ``.json``; what stood there is replaced.

    Gives the record with the sha256 of the keypoints, and the folder. Raises UserError where it cannot be written, or
    where the folder holds another method's keypoints.
    """
    import pyarrow as pa

    folder = output / FOLDER / slug(record.method)
    keypoints_path, record_path = paths(folder, record.task, record.profile)
    _check_folder(folder, record)
    flat = np.ascontiguousarray(joined.keypoints, dtype=np.float64)
    columns = {
        "image_id": pa.array(list(joined.ids), pa.string()),
        "split": pa.array(list(joined.splits), pa.string()),
        "keypoints": pa.FixedSizeListArray.from_arrays(pa.array(flat.ravel()), flat.shape[1] * 2),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        record_path.unlink(missing_ok=True)  # no record stands beside keypoints that are not its own
        write_table(keypoints_path, columns)
        sha256 = predictions_sha256(folder, record.task, record.profile)
        record = record.model_copy(update={"predictions_sha256": sha256})
        write_atomically(record_path, record.model_dump_json(indent=1) + "\n")
    except OSError as error:
        raise UserError(
            f"cannot write {folder}: {error.strerror or error}; name another folder with --output"
        ) from error
    return record, folder


def _check_folder(folder: Path, record: ImportRecord) -> None:
    """Raise UserError where the folder's other imports would be no longer of one method."""
    for path in sorted(folder.glob("*.*.json")):
        try:
            there = read_record(path)
        except MethodError:
            continue  # broken: an import of the same task mends it
        if there.method != record.method:
            raise UserError(
                f"{folder} holds keypoints of '{there.method}'; take another name than '{record.method}', which has "
                "the same folder"
            )
        if path.name != f"{record.task}.{record.profile}.json" and there.supervision != record.supervision:
            raise UserError(
                f"{folder}: '{record.method}' is '{there.supervision}' on {there.task}, got --supervision "
                f"'{record.supervision}'; give the same for all its tasks"
            )


def describe(record: ImportRecord, folder: Path, remark: str, task: str, data_root: Path | None) -> str:
    """What the command prints: what was imported, what is to be known of it, and how it is scored.

    ``task`` are the options that name the task, ``data_root`` is the one that was named on the command line.
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
            *(f"note: {note}" for note in record.notes),
            f"kept in {folder}; score it with:",
            f"  python -m benchmarks {command}",
        ]
    )
