"""The run directory, in which every folder and file appears whole or not at all.

* ``cells/<cell id>/``: record (result.json), predictions, errors, history and picture of a cell
* ``fits/<fit id>/``: a saved fit, shared by all cells with the same fit id
* ``fits/<fit id>.partial/``: checkpoints of an unfinished fit
* ``partial/<fit id>/``: predictions of unfinished cells, removed when all cells of the fit are finished
* ``staging/``: folders that are being filled (``benchmarks.records.staging``)
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from benchmarks.errors import UserError
from benchmarks.records.digests import file_digests
from benchmarks.records.staging import Staging, remove
from leaderboard.digests import sealed
from leaderboard.files import FULL, cannot_write, replacing
from leaderboard.records import Digests, ResultRecord
from methods.base import SCORES

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from methods.presence import Found

RESULT = "result.json"
ERRORS = "errors.parquet"
HISTORY = "history.parquet"
OVERLAY = "overlay.png"
_PREDICTIONS = ("predictions_regress.parquet", "predictions_test.parquet", "predictions_warped.parquet")
KEPT = (*_PREDICTIONS, HISTORY, OVERLAY, ERRORS)  # with their digests


class Store:
    """Reads and writes one run directory."""

    def __init__(self, output: Path) -> None:
        self.output = output
        self.cells = output / "cells"
        self.fits = output / "fits"
        self.leaderboard = output / "leaderboard"
        self._partial = output / "partial"
        self._staging = Staging(output)

    def prepare(self) -> None:
        """Make the folders and remove what killed runs left in ``staging/``. Raises UserError if that is impossible."""
        try:
            for folder in (self.cells, self.fits, self.leaderboard, self._staging.folder):
                folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=self._staging.folder).close()
            self._staging.sweep()
        except OSError as error:
            raise UserError(
                f"cannot write to output folder {self.output}: {error.strerror or error}; name another with --output"
            ) from error

    @property
    def staging(self) -> Staging:
        """The folder for what is being filled."""
        return self._staging

    def now(self) -> float:
        """The time of the file system that the run directory is on. Raises UserError if nothing can be written."""
        try:
            with tempfile.NamedTemporaryFile(dir=self._staging.folder) as file:
                return os.fstat(file.fileno()).st_mtime
        except OSError as error:
            raise UserError(cannot_write(self._staging.folder, error)) from error

    def record(self, cell_id: str) -> ResultRecord | None:
        """The record of a cell; None if there is none that this version can read."""
        return _record(self.cells / cell_id)

    def written(self, cell_id: str) -> float:
        """The time of the file system at which the record of a cell was written, 0 without one."""
        try:
            return (self.cells / cell_id / RESULT).stat().st_mtime
        except OSError:
            return 0.0

    def checkpoints(self, fit_id: str) -> Path:
        """The folder for the checkpoints of a fit."""
        return self.fits / f"{fit_id}.partial"

    def partial(self, fit_id: str) -> Path:
        """The folder for predictions made with a fit, until their cells are finished."""
        return self._partial / fit_id

    def drop_partial(self, fit_id: str) -> None:
        """Remove the unfinished predictions of a fit."""
        remove(self.partial(fit_id))
        with suppress(OSError):
            self._partial.rmdir()

    def drop_checkpoints(self, fit_id: str) -> None:
        """Remove the checkpoints of a fit."""
        remove(self.checkpoints(fit_id))

    @contextmanager
    def staged(self, folder: Path, keeps: Callable[[Path], bool] = lambda old: False) -> Iterator[Path]:
        """Yield an empty folder to fill; at the end it replaces ``folder``, on an exception it is removed.

        ``keeps(old)`` says whether the folder that is in place stays there. Raises UserError, naming the file in
        ``folder``, if the run directory cannot be written.
        """
        filling = None
        try:
            with self._staging.filled(folder, keeps) as filling:
                yield filling
        except OSError as error:
            path = Path(os.fsdecode(error.filename)) if isinstance(error.filename, str | bytes) else None
            if path is None:
                path = folder if error.errno in FULL else Path()
            elif path.is_relative_to(self._staging.folder):
                path = folder / path.relative_to(filling) if filling and path.is_relative_to(filling) else folder
            if not path.is_relative_to(self.cells) and not path.is_relative_to(self.fits):
                raise  # of another file, such as an image that cannot be read
            raise UserError(cannot_write(path, error)) from error

    def record_failure(self, record: ResultRecord) -> bool:
        """Write the record of a failed cell, unless a finished record is there; returns whether it was written.

        Raises UserError, naming the file, if the run directory cannot be written.
        """
        folder = self.cells / record.cell_id
        with self.staged(folder, _is_done) as filling:
            write_record(filling, record)
        return not _is_done(folder)


def _record(folder: Path) -> ResultRecord | None:
    try:
        return ResultRecord.model_validate_json((folder / RESULT).read_bytes())
    except (OSError, ValidationError):
        return None


def _is_done(folder: Path) -> bool:
    """Whether a folder has the record of a finished cell."""
    record = _record(folder)
    return record is not None and record.status == "done"


def write_record(folder: Path, record: ResultRecord) -> ResultRecord:
    """Write ``result.json`` with the digests of the folder's files and its own; a cell exists once it has this file.

    Returns the record as it was written. Raises OSError if that fails.
    """
    digests = (record.digests or Digests()).model_copy(update={"files": file_digests(folder, KEPT)})
    record = sealed(record.model_copy(update={"digests": digests}))
    with replacing(folder / RESULT) as partial:
        partial.write_text(record.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return record


def copy_files(folder: Path, to: Path) -> None:
    """Copy the files of a cell's folder, not what is in folders below it."""
    for path in folder.iterdir():
        if path.is_file():
            shutil.copyfile(path, to / path.name)


def predictions_path(folder: Path, split: str) -> Path:
    """The file with the keypoints of a split."""
    return folder / f"predictions_{split}.parquet"


def write_predictions(
    folder: Path,
    split: str,
    ids: Sequence[str],
    keypoints: NDArray[np.float64],
    scores: NDArray[np.float64] | None = None,
) -> None:
    """Write keypoints (N, K, 2): one row an image with ``image_id``, ``split`` and 2K float64 x0, y0, x1, y1, ...

    Scores (N, K), if there are any, are another column, ``scores``, of K float64.
    """
    columns = {"image_id": list(ids), "split": [split] * len(ids), **keypoint_columns(keypoints, scores)}
    write_table(predictions_path(folder, split), columns)


def read_predictions(folder: Path, split: str) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """Read the ids and keypoints (N, K, 2) that ``write_predictions`` wrote."""
    table, found = read_keypoints(predictions_path(folder, split))
    return tuple(table["image_id"].to_pylist()), found.keypoints


def has_predictions(folder: Path, splits: Sequence[str]) -> bool:
    """Whether the keypoints of these splits of a finished cell can be read."""
    try:
        return all(read_predictions(folder, split) for split in splits)
    except Exception:  # pyarrow raises many kinds for files that are damaged
        return False


def keypoint_columns(
    keypoints: NDArray[np.float64], scores: NDArray[np.float64] | None
) -> dict[str, pa.FixedSizeListArray]:
    """Keypoints (N, K, 2) as a parquet column of 2K float64 a row, and their scores, if any, as one of K."""
    columns = {"keypoints": _lists(keypoints.reshape(len(keypoints), keypoints.shape[1] * 2))}
    return columns if scores is None else columns | {SCORES: _lists(scores)}


def _lists(values: NDArray[np.float64]) -> pa.FixedSizeListArray:
    import numpy as np
    import pyarrow as pa

    return pa.FixedSizeListArray.from_arrays(pa.array(np.asarray(values, np.float64).ravel()), values.shape[1])


def read_keypoints(path: Path) -> tuple[pa.Table, Found]:
    """Read a parquet table, and its columns ``keypoints`` (N, K, 2) and, where it has one, ``scores`` (N, K).

    Raises OSError if a page differs from the checksum that ``write_table`` gave it; files of older versions have none.
    """
    import numpy as np
    import pyarrow.parquet as pq

    from methods.presence import Found

    table = pq.read_table(path, page_checksum_verification=True)
    flat = {
        name: np.asarray(table[name].combine_chunks().flatten().to_numpy(zero_copy_only=False), dtype=np.float64)
        for name in ("keypoints", SCORES)
        if name in table.column_names
    }
    keypoints = flat["keypoints"].reshape(len(table), -1, 2)
    return table, Found(keypoints, flat[SCORES].reshape(len(table), -1) if SCORES in flat else None)


def write_table(path: Path, columns: dict[str, Any]) -> None:
    """Write columns of equal length as a parquet file, whole or not at all. Raises OSError if that fails."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with replacing(path) as partial:
        pq.write_table(pa.table(columns), partial, write_page_checksum=True)


def read_columns(path: Path) -> dict[str, list[Any]]:
    """Read the columns of a parquet file."""
    import pyarrow.parquet as pq

    columns: dict[str, list[Any]] = pq.read_table(path).to_pydict()
    return columns
