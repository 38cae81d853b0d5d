"""Running one cell: fit, predict, score, record. Where it runs is the executor's business alone."""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from benchmarks.cells import Cell
from benchmarks.errors import first_line
from benchmarks.images import DatasetImages, ImageCache
from benchmarks.overlay import write_overlay
from benchmarks.progress import Progress
from benchmarks.provenance import peak_memory_mb, provenance, reset_peak_memory
from benchmarks.registry import method_class
from benchmarks.scoring import score_cell, score_records
from benchmarks.store import HISTORY, OVERLAY, Store, write_predictions, write_record, write_table
from leaderboard.load import write_atomically
from leaderboard.records import Failure, ResultRecord
from methods.base import MethodError

if TYPE_CHECKING:
    from benchmarks.registry import Open
    from datasets.base import KeypointDataset, Split
    from methods.base import Method

FIT = "fit.json"


class Executor(Protocol):
    """Runs cells and keeps their records in the run directory."""

    def submit(self, cell: Cell) -> ResultRecord:
        """Run a cell; a failure is a record too."""
        ...

    def rescore(self, cell: Cell, record: ResultRecord) -> ResultRecord:
        """Score the cached predictions of a finished cell anew."""
        ...


class InProcess:
    """Runs cells one after the other in this process, on the datasets that ``datasets`` opens.

    ``refit`` leaves what earlier runs learned alone, so that a cell is fitted again.
    """

    def __init__(self, store: Store, datasets: Open, device: str, progress: Progress, refit: bool = False) -> None:
        self._store = store
        self._device = device
        self._progress = progress
        self._open = datasets
        self._images = ImageCache()
        self._refit = refit
        self._fitted: set[str] = set()

    def submit(self, cell: Cell) -> ResultRecord:
        """Run a cell: its folder appears when all of it is there, or with a record of the failure."""
        folder = self._store.cells / cell.id
        try:
            with self._store.staged(folder) as filling:
                record = self._run(cell, filling)
                write_record(filling, record)
        except Exception as error:
            record = self._failed(cell, error)
            with self._store.staged(folder) as filling:
                write_record(filling, record)
        return record

    def rescore(self, cell: Cell, record: ResultRecord) -> ResultRecord:
        """Score the cached predictions again and replace the record; without predictions, run the cell."""
        folder = self._store.cells / cell.id
        try:
            scores = score_cell(cell, folder, self._open(cell.dataset))
            renewed = record.model_copy(update={"scores": score_records(scores)})
        except FileNotFoundError:
            return self.submit(cell)
        except Exception as error:
            renewed = self._failed(cell, error)
        write_record(folder, renewed)
        return renewed

    def _failed(self, cell: Cell, error: Exception) -> ResultRecord:
        trace = "".join(traceback.format_exception(error))
        failure = Failure(type=type(error).__name__, message=first_line(error), traceback=trace)
        return cell.record(provenance=provenance(self._device), failure=failure)

    def _run(self, cell: Cell, folder: Path) -> ResultRecord:
        reset_peak_memory(self._device)
        cls = method_class(cell.method)
        method = cls(config=cls.config_for(cell.profile, cell.settings), device=self._device)
        seconds: dict[str, float] = {}
        reused = self._fit(cell, method, folder, seconds)
        dataset = self._open(cell.dataset)
        with _timed(seconds, "predict"):
            if cell.task.protocols:
                self._predict(cell, method, dataset, "regress", folder)
            self._predict(cell, method, dataset, "test", folder)
        with _timed(seconds, "score"):
            scores = score_cell(cell, folder, dataset) if cell.task.protocols else []
        if not cell.is_floor:
            write_overlay(folder / OVERLAY, cell, folder, dataset, scores[0] if scores else None)
        found = provenance(self._device) | {"fit_id": cell.fit_id, "fit_reused": reused}
        return cell.record(score_records(scores), seconds, peak_memory_mb(self._device), found)

    def _fit(self, cell: Cell, method: Method, folder: Path, seconds: dict[str, float]) -> bool:
        """Learn, or take up what a finished fit of the same identity left; says which of the two it was."""
        kept = self._store.fits / cell.fit_id
        may_reuse = (kept / FIT).exists() and (not self._refit or cell.fit_id in self._fitted)
        if may_reuse and _loads(method, kept):
            seconds["fit"] = json.loads((kept / FIT).read_text())["seconds"]
            if (kept / HISTORY).exists():
                (folder / HISTORY).write_bytes((kept / HISTORY).read_bytes())
            return True
        dataset = self._open(cell.fit_dataset)
        stage = self._progress.stage("fit", "steps")
        with _timed(seconds, "fit"):
            images = self._stream(cell, method, dataset, "fit")
            method.fit(images, cell.task.num_keypoints, cell.seed, stage)
        _write_history(folder, stage.history)
        self._keep_fit(kept, method, stage.history, seconds["fit"])
        self._fitted.add(cell.fit_id)
        return False

    def _keep_fit(self, kept: Path, method: Method, history: list[dict[str, float]], seconds: float) -> None:
        try:
            with self._store.staged(kept) as filling:
                method.save(filling)
                _write_history(filling, history)
                write_atomically(filling / FIT, json.dumps({"seconds": seconds}))
        except MethodError:
            return  # it learns nothing that could be kept

    def _predict(self, cell: Cell, method: Method, dataset: KeypointDataset, split: Split, folder: Path) -> None:
        """Keypoints of a split. Raises MethodError where they are not (B, K, 2) finite numbers."""
        images = self._stream(cell, method, dataset, split)
        stage = self._progress.stage(f"predict {split}", "images")
        found = []
        stage(0, len(images))
        for batch in images:
            keypoints = np.asarray(method.predict(batch), dtype=np.float64)
            expected = (len(batch.ids), cell.task.num_keypoints, 2)
            if keypoints.shape != expected or not np.isfinite(keypoints).all():
                raise MethodError(
                    f"{cell.method}: predict gave {keypoints.shape} for images {batch.ids[0]} to {batch.ids[-1]} of "
                    f"{dataset.card.id}, expected finite numbers of shape {expected}"
                )
            found.append(keypoints)
            stage(sum(map(len, found)), len(images))
        write_predictions(folder, split, images.ids, np.concatenate(found))

    def _stream(self, cell: Cell, method: Method, dataset: KeypointDataset, split: Split) -> DatasetImages:
        ids = dataset.split(split)[: cell.limit]
        return DatasetImages(dataset, ids, method.image_size, self._images)


@contextmanager
def _timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    seconds[name] = time.perf_counter() - started


def _loads(method: Method, folder: Path) -> bool:
    try:
        method.load(folder)
    except MethodError:
        return False  # what is there is broken: fit again
    return True


def _write_history(folder: Path, history: list[dict[str, float]]) -> None:
    if not history:
        return
    names = list(dict.fromkeys(name for row in history for name in row))
    columns = {name: [float(row.get(name, "nan")) for row in history] for name in names}
    write_table(folder / HISTORY, columns)
