"""The run directory, in which every folder and file appears whole or not at all.

* ``cells/<cell id>/``: record (result.json), predictions, errors, history and picture of a cell
* ``fits/<fit id>/``: a saved fit, shared by all cells with the same fit id
* ``fits/<fit id>.partial/``: checkpoints of an unfinished fit
* ``partial/<fit id>/``: predictions of unfinished cells, removed when all cells of the fit are finished
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from pydantic import ValidationError

from benchmarks.errors import UserError
from benchmarks.records.digests import file_digests
from leaderboard.digests import sealed
from leaderboard.files import replacing, write_atomically
from leaderboard.records import Digests, ResultRecord

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

RESULT = "result.json"
ERRORS = "errors.parquet"
HISTORY = "history.parquet"
OVERLAY = "overlay.png"
KEPT = ("predictions_regress.parquet", "predictions_test.parquet", HISTORY, OVERLAY, ERRORS)  # with their digests


class Store:
    """Reads and writes one run directory."""

    def __init__(self, output: Path) -> None:
        self.output = output
        self.cells = output / "cells"
        self.fits = output / "fits"
        self.leaderboard = output / "leaderboard"
        self._partial = output / "partial"
        self._staging = output / "staging"

    def prepare(self) -> None:
        """Make the folders. Raises UserError if they are not writable."""
        try:
            for folder in (self.cells, self.fits, self.leaderboard, self._staging):
                folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=self._staging).close()
        except OSError as error:
            raise UserError(
                f"cannot write to output folder {self.output}: {error.strerror or error}; name another with --output"
            ) from error

    def record(self, cell_id: str) -> ResultRecord | None:
        """The record of a cell; None if there is none that this version can read."""
        path = self.cells / cell_id / RESULT
        try:
            return ResultRecord.model_validate_json(path.read_bytes())
        except (OSError, ValidationError):
            return None

    def checkpoints(self, fit_id: str) -> Path:
        """The folder for the checkpoints of a fit."""
        return self.fits / f"{fit_id}.partial"

    def partial(self, fit_id: str) -> Path:
        """The folder for predictions made with a fit, until their cells are finished."""
        return self._partial / fit_id

    def drop_partial(self, fit_id: str) -> None:
        """Remove the unfinished predictions of a fit."""
        shutil.rmtree(self.partial(fit_id), ignore_errors=True)
        with suppress(OSError):
            self._partial.rmdir()

    @contextmanager
    def staged(self, folder: Path) -> Iterator[Path]:
        """Yield an empty folder to fill; at the end it replaces ``folder``, on an exception it is removed."""
        filling = self._staging / f"{folder.name}.{uuid4().hex[:8]}"
        filling.mkdir()
        try:
            yield filling
            replaced = filling.with_name(filling.name + ".old")
            if folder.exists():
                folder.rename(replaced)
            filling.rename(folder)
            shutil.rmtree(replaced, ignore_errors=True)
        finally:
            shutil.rmtree(filling, ignore_errors=True)


def write_record(folder: Path, record: ResultRecord) -> ResultRecord:
    """Write ``result.json`` with the digests of the folder's files and its own; a cell exists once it has this file.

    Returns the record as it was written.
    """
    digests = (record.digests or Digests()).model_copy(update={"files": file_digests(folder, KEPT)})
    record = sealed(record.model_copy(update={"digests": digests}))
    write_atomically(folder / RESULT, record.model_dump_json(indent=1) + "\n")
    return record


def predictions_path(folder: Path, split: str) -> Path:
    """The file with the keypoints of a split."""
    return folder / f"predictions_{split}.parquet"


def write_predictions(folder: Path, split: str, ids: Sequence[str], keypoints: NDArray[np.float64]) -> None:
    """Write keypoints (N, K, 2): one row an image with ``image_id``, ``split`` and 2K float64 x0, y0, x1, y1, ..."""
    columns = {"image_id": list(ids), "split": [split] * len(ids), "keypoints": keypoint_column(keypoints)}
    write_table(predictions_path(folder, split), columns)


def read_predictions(folder: Path, split: str) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """Read the ids and keypoints (N, K, 2) that ``write_predictions`` wrote."""
    table, keypoints = read_keypoints(predictions_path(folder, split))
    return tuple(table["image_id"].to_pylist()), keypoints


def keypoint_column(keypoints: NDArray[np.float64]) -> pa.FixedSizeListArray:
    """Keypoints (N, K, 2) as a parquet column of 2K float64 a row."""
    import numpy as np
    import pyarrow as pa

    width = keypoints.shape[1] * keypoints.shape[2]
    return pa.FixedSizeListArray.from_arrays(pa.array(np.asarray(keypoints, dtype=np.float64).ravel()), width)


def read_keypoints(path: Path) -> tuple[pa.Table, NDArray[np.float64]]:
    """Read a parquet table, and its column ``keypoints`` as an array (N, K, 2).

    Raises OSError if a page differs from the checksum that ``write_table`` gave it; files of older versions have none.
    """
    import numpy as np
    import pyarrow.parquet as pq

    table = pq.read_table(path, page_checksum_verification=True)
    flat = table["keypoints"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return table, np.asarray(flat, dtype=np.float64).reshape(len(table), -1, 2)


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
