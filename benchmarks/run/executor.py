"""Running one cell: fit, predict, score, record."""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from benchmarks.errors import UserError, first_line
from benchmarks.progress import Progress
from benchmarks.records.digests import fit_digest, read_fit
from benchmarks.records.provenance import peak_memory_mb, provenance, reset_peak_memory
from benchmarks.records.store import OVERLAY, Store, copy_files, has_predictions, write_predictions, write_record
from benchmarks.registry import method_class
from benchmarks.run.cells import Cell
from benchmarks.run.distributed import Coordinator, fit_images
from benchmarks.run.fits import BrokenFit, keep_fit, load_fit, stamp, was_resumed, write_history
from benchmarks.run.images import DatasetImages, ImageCache
from benchmarks.run.imported import kept_import
from benchmarks.run.overlay import write_overlay
from benchmarks.run.predictions import PartialPredictions, predict_all
from benchmarks.run.scoring import remarks, score_cell, score_records
from benchmarks.run.supervision import keypoints_given
from benchmarks.tasks import plain_name
from leaderboard.records import Digests, Failure, ResultRecord

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from benchmarks.registry import Open
    from datasets.base import KeypointDataset, Split
    from methods.base import Method

    Made = tuple[NDArray[np.float64], float]


class NotRecorded(UserError):
    """The failure of a cell cannot be recorded, because nothing can be written to the run directory."""

    def __init__(self, record: ResultRecord, reason: str) -> None:
        super().__init__(reason)
        self.record = record


class Executor(Protocol):
    """Runs cells and keeps their records in the run directory."""

    def submit(self, cell: Cell) -> ResultRecord:
        """Run a cell; if it fails, the record says so. Raises NotRecorded if no record can be written."""
        ...

    def rescore(self, cell: Cell, record: ResultRecord) -> ResultRecord:
        """Score the cached predictions of a finished cell again. Raises NotRecorded as ``submit`` does."""
        ...


class InProcess:
    """Runs cells one after the other in this process, on the datasets that ``datasets`` opens.

    An interrupted cell continues from the last checkpoint of its fit (if the method writes checkpoints) or from the
    last part of its predictions. ``coordinator`` makes workers join fits. ``refit`` fits every cell again instead of
    using the fits of earlier runs.
    """

    def __init__(
        self,
        store: Store,
        datasets: Open,
        device: str,
        progress: Progress,
        coordinator: Coordinator,
        refit: bool = False,
    ) -> None:
        self._coordinator = coordinator
        self._store = store
        self._device = device
        self._progress = progress
        self._open = datasets
        self._images = ImageCache()
        self._refit = refit
        self._fitted: set[str] = set()

    def submit(self, cell: Cell) -> ResultRecord:
        """Run a cell; its folder appears when it is complete, or with a record of the failure."""
        try:
            with self._store.staged(self._store.cells / cell.id) as filling:
                record = write_record(filling, self._run(cell, filling))
        except Exception as error:
            return self._failed(cell, error)
        return record

    def rescore(self, cell: Cell, record: ResultRecord) -> ResultRecord:
        """Score the cached predictions again and replace the record; run the cell if they cannot be read."""
        folder = self._store.cells / cell.id
        self._progress.phase("score")
        if not has_predictions(folder):
            return self.submit(cell)
        try:
            with self._store.staged(folder) as filling:
                copy_files(folder, filling)  # the pictures stay
                dataset = self._open(cell.dataset)
                scores = score_cell(cell, filling, dataset)
                found = record.provenance | remarks(cell, dataset, scores)
                renewed = record.model_copy(update={"scores": score_records(scores), "provenance": found})
                renewed = write_record(filling, renewed)
        except Exception as error:
            return self._failed(cell, error)
        return renewed

    def _failed(self, cell: Cell, error: Exception) -> ResultRecord:
        """Record a failure. Raises NotRecorded if that is impossible."""
        trace = "".join(traceback.format_exception(error))
        failure = Failure(type=type(error).__name__, message=first_line(error), traceback=trace)
        record = cell.record(provenance=provenance(self._device), failure=failure)
        try:
            written = self._store.record_failure(record)
        except Exception as unwritten:
            raise NotRecorded(record, first_line(unwritten)) from error
        if not written:
            self._progress.say(f"the record of an earlier run of {cell.id} is kept")
        return record

    def _run(self, cell: Cell, folder: Path) -> ResultRecord:
        reset_peak_memory(self._device)
        cls = method_class(cell.method)
        method = cls(config=cls.config_for(cell.profile, cell.settings), device=self._device)
        num_keypoints = keypoints_given(cell, self._open)
        seconds: dict[str, float] = {}
        fit = self._fit(cell, method, folder, seconds)
        dataset = self._open(cell.dataset)
        seconds["predict"], images = self._predict_splits(cell, method, dataset, folder)
        self._progress.phase("score")
        with _timed(seconds, "score"):
            scores = score_cell(cell, folder, dataset) if cell.task.protocols else []
        if not cell.is_floor and dataset.available()[0]:
            self._progress.phase("picture")
            write_overlay(folder / OVERLAY, cell, folder, dataset, scores[0] if scores else None)
        found = provenance(self._device) | {"fit_id": cell.fit_id, **fit, "processes": self._coordinator.size}
        found |= {"images_predicted": images} | remarks(cell, dataset, scores)
        memory, parameters = peak_memory_mb(self._device), method.parameters()
        found |= (
            {"parameters": {name: int(number) for name, number in asdict(parameters).items()}} if parameters else {}
        )
        record = cell.record(score_records(scores), seconds, memory, found)
        return record.model_copy(update={"num_keypoints": num_keypoints, "digests": self._digests(cell)})

    def _digests(self, cell: Cell) -> Digests:
        """The digests of what a cell was made from; a fit of an earlier run has the source that it was made with."""
        kept = self._store.fits / cell.fit_id
        found = read_fit(kept)
        source = found.source if found and found.source else cell.source
        return Digests(fit=fit_digest(kept), source=source, imported=kept_import(cell, self._store.output))

    def _fit(self, cell: Cell, method: Method, folder: Path, seconds: dict[str, float]) -> dict[str, bool]:
        """Fit, or load a finished fit of the same identity; returns ``fit_reused`` and ``fit_resumed``.

        If the fit continued from a checkpoint, ``fit_resumed`` is True, and ``seconds`` counts from that checkpoint. If
        another run has kept the same fit in the meantime, that one is loaded, so that the cells of both share it.
        """
        kept = self._store.fits / cell.fit_id
        before = stamp(kept)
        may_reuse = kept.is_dir() and (not self._refit or cell.fit_id in self._fitted)
        if may_reuse and self._loads(method, kept, folder, seconds):
            return {"fit_reused": True, "fit_resumed": was_resumed(kept)}
        self._store.drop_partial(cell.fit_id)  # predictions of an earlier fit are not continued with this one
        resumed = self._give_checkpoints(cell, method)
        with self._coordinator.gathered(cell, method):
            images = fit_images(cell, method, self._open, self._images)
        stage = self._progress.stage("fit", "steps", lambda: images.given)
        with _timed(seconds, "fit"):
            method.fit(images, keypoints_given(cell, self._open), cell.seed, stage)
        write_history(folder, stage.history)
        is_kept = keep_fit(self._store, kept, method, stage.history, seconds["fit"], cell.source, before, resumed)
        self._fitted.add(cell.fit_id)
        if not is_kept and self._loads(method, kept, folder, seconds):
            return {"fit_reused": True, "fit_resumed": was_resumed(kept)}
        return {"fit_reused": False, "fit_resumed": resumed}

    def _loads(self, method: Method, kept: Path, folder: Path, seconds: dict[str, float]) -> bool:
        """Load a kept fit with its seconds and curves; False, with a line that says why, if any of it is broken."""
        try:
            seconds["fit"] = load_fit(method, kept, folder)
        except BrokenFit as broken:
            self._progress.say(f"{broken}: fitted again", "yellow")
            return False
        return True

    def _give_checkpoints(self, cell: Cell, method: Method) -> bool:
        """Set the folder for the method's checkpoints; returns whether the folder exists already."""
        method.checkpoints = self._store.checkpoints(cell.fit_id)
        if self._refit or not method.checkpoints.is_dir():
            self._store.drop_checkpoints(cell.fit_id)
        return method.checkpoints.exists()

    def _predict_splits(self, cell: Cell, method: Method, dataset: KeypointDataset, folder: Path) -> tuple[float, int]:
        """Write the keypoints of the splits that are scored; returns the seconds and the number of images.

        Splits of the same images are predicted once.
        """
        made: dict[tuple[str, ...], Made] = {}
        splits: tuple[Split, ...] = ("regress", "test") if cell.task.protocols else ("test",)
        for split in splits:
            ids = dataset.split(split)[: cell.limit]
            if ids not in made:
                made[ids] = self._predict(cell, method, dataset, ids, split)
            write_predictions(folder, split, ids, made[ids][0])
        return sum(seconds for _, seconds in made.values()), sum(map(len, made))

    def _predict(self, cell: Cell, method: Method, dataset: KeypointDataset, ids: Sequence[str], split: Split) -> Made:
        """Predict the keypoints of images, continuing from partial predictions; also returns the seconds."""
        dataset_name = plain_name(cell.dataset)
        belongs_to = {"fit": cell.fit_id, "config": cell.config, "dataset": dataset_name, "digests": cell.digests}
        num_keypoints = keypoints_given(cell, self._open)
        partial = PartialPredictions(self._store.partial(cell.fit_id), belongs_to, ids, num_keypoints)
        stage = self._progress.stage(f"predict {split}", "images")

        def images(first: int) -> DatasetImages:
            return DatasetImages(dataset, ids[first:], method.image_size, self._images)

        return predict_all(method, images, len(ids), partial, stage)


@contextmanager
def _timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    seconds[name] = time.perf_counter() - started
