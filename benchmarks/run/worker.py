"""The stages of a cell: fit, predict and score. Each can be done by another process; all they share is on disk."""

from __future__ import annotations

import json
import math
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.errors import UserError, first_line
from benchmarks.progress import Progress
from benchmarks.records.checks import record_fault
from benchmarks.records.digests import read_fit
from benchmarks.records.provenance import machine, peak_memory_mb, provenance, reset_peak_memory
from benchmarks.records.store import OVERLAY, Store, copy_files, has_predictions, write_predictions, write_record
from benchmarks.run.cells import NO_VALUE, Cell
from benchmarks.run.distributed import Coordinator
from benchmarks.run.fitter import Fitter, NotReady
from benchmarks.run.images import BATCH_SIZE, DatasetImages, ImageCache, WarpedImages
from benchmarks.run.imported import kept_import
from benchmarks.run.overlay import write_overlay
from benchmarks.run.predictions import PartialPredictions, Rows, predict_rows
from benchmarks.run.scoring import count_absent, is_current, remarks, score_cell, score_records
from benchmarks.run.supervision import keypoints_given
from benchmarks.run.units.parts import belongs_to
from benchmarks.run.units.unit import Predicted, splits_of
from leaderboard.records import Digests, Failure, ResultRecord
from metrics.protocols import PROTOCOLS

if TYPE_CHECKING:
    from benchmarks.registry import Open


BATCH = "predict_batch"  # provenance key of a smaller batch than usual, after an out of memory error


class NotRecorded(UserError):
    """The failure of a cell cannot be recorded, because nothing can be written to the run directory."""

    def __init__(self, record: ResultRecord, reason: str) -> None:
        super().__init__(reason)
        self.record = record


class Worker:
    """Does the stages of cells in this process, on the datasets that ``datasets`` opens.

    An interrupted stage continues from the last checkpoint of its fit (if the method writes checkpoints) or from the
    last part of its predictions. ``cells`` are those of the plan, in order. ``coordinator`` makes the processes of
    torchrun join fits. ``refit`` does everything again that was kept before the run began. ``argv`` is the command in
    the provenance and ``began`` the time of the file system at which the run began, by default those of this process.
    The attribute ``batch_size`` is the number of images that a method predicts at once; a smaller one than usual is
    recorded.
    """

    def __init__(
        self,
        store: Store,
        datasets: Open,
        device: str,
        progress: Progress,
        coordinator: Coordinator | None = None,
        cells: Sequence[Cell] = (),
        refit: bool = False,
        argv: Sequence[str] | None = None,
        began: float | None = None,
    ) -> None:
        self._coordinator = coordinator or Coordinator(device)
        self._store = store
        self._device = device
        self._progress = progress
        self._open = datasets
        self._images = ImageCache()
        self._refit = refit
        self._argv = argv
        self.batch_size = BATCH_SIZE
        self._began = store.now() if began is None else began
        self._fits = Fitter(
            store, datasets, device, progress, self._coordinator, self._images, cells, refit, self._began
        )

    def begin(self, cell: Cell) -> None:
        """A unit of a cell begins: its peak memory counts from now on, without the model of another fit."""
        self._fits.free(cell)
        reset_peak_memory(self._device)

    def is_fitted(self, cell: Cell) -> bool:
        """Whether the fit of a cell is there; it is loaded into this process."""
        return self._fits.is_fitted(cell)

    def fit(self, cell: Cell) -> None:
        """Learn the keypoints of a cell, and keep what was learned."""
        self._fits.fit(cell)

    def is_predicted(self, cell: Cell, split: Predicted, first: int, last: int) -> bool:
        """Whether the keypoints of these images are there, in parts or in a finished cell."""
        if self.is_scored(cell):
            return True
        try:
            partial = self._partial(cell, split, self._fits.digest(cell))
        except NotReady:
            return False
        return len(partial.resume(first, last)) == last - first

    def predict(self, cell: Cell, split: Predicted, first: int, last: int) -> None:
        """Predict the keypoints of the images ``first`` to ``last`` (exclusive) of a split.

        Raises NotReady if the fit is not there yet.
        """
        fitted = self._fits.fitted(cell)
        method, dataset = fitted.method, self._open(cell.dataset)
        partial = self._partial(cell, split, fitted.digest)

        def images(first: int, last: int) -> DatasetImages:
            ids, kind = partial.ids[first:last], WarpedImages if split == "warped" else DatasetImages
            return kind(dataset, ids, method.image_size, self._images, self.batch_size)

        predict_rows(method, images, first, last, partial, self._progress.stage(f"predict {split}", "images"))

    def is_scored(self, cell: Cell) -> bool:
        """Whether a cell has the record that scoring would make."""
        record = None if self._refit and self._store.written(cell.id) < self._began else self._store.record(cell.id)
        if record is None or record.status == "failed" or not is_current(cell, record):
            return False
        return not record_fault(self._store.output, cell.id)

    def score(self, cell: Cell) -> ResultRecord:
        """Score a cell and keep its record; its folder appears when it is complete.

        Raises NotReady if keypoints are not there yet, or if another process replaces the fit in the meantime.
        """
        fit = self._fits.digest(cell)
        with self._store.staged(self._store.cells / cell.id) as filling:
            record = self._scored(cell, filling, fit)
            if self._fits.digest(cell) != fit:
                raise NotReady(f"its fit {cell.fit_id} was replaced in the meantime")
            return write_record(filling, record)

    def rescore(self, cell: Cell, record: ResultRecord) -> ResultRecord:
        """Score the kept predictions of a finished cell again and replace the record; one that is current stays.

        Raises NotReady without predictions that can be read.
        """
        folder = self._store.cells / cell.id
        if self.is_scored(cell) and (current := self._store.record(cell.id)):
            return current
        self._progress.phase("score")
        if not has_predictions(folder, [split for split in splits_of(cell, self._open) if split != "warped"]):
            raise NotReady(f"the predictions of {cell.id} cannot be read")
        with self._store.staged(folder) as filling:
            copy_files(folder, filling)  # the pictures stay
            dataset = self._open(cell.dataset)
            scores = score_cell(cell, filling, dataset)
            gaps = count_absent(filling, splits_of(cell, self._open))
            kept = {name: value for name, value in record.provenance.items() if name != NO_VALUE}
            found = kept | remarks(cell, dataset, scores, gaps)
            renewed = record.model_copy(update={"scores": score_records(scores), "provenance": found})
            return write_record(filling, renewed)

    def record_failure(self, cell: Cell, error: Exception) -> ResultRecord:
        """Record that a cell failed, unless it has a finished record. Raises NotRecorded if that is impossible."""
        trace = "".join(traceback.format_exception(error))
        failure = Failure(type=type(error).__name__, message=first_line(error), traceback=trace)
        record = cell.record(provenance=self._provenance(), failure=failure)
        try:
            written = self._store.record_failure(record)
        except Exception as unwritten:
            raise NotRecorded(record, first_line(unwritten)) from error
        if not written:
            self._progress.say(f"the record of an earlier run of {cell.id} is kept")
        return record

    def _scored(self, cell: Cell, folder: Path, fit: str | None) -> ResultRecord:
        about, dataset = self._fits.about(cell), self._open(cell.dataset)
        self._fits.copy_history(cell, folder)
        made = self._collect(cell, folder, fit)
        self._progress.phase("score")
        started = time.perf_counter()
        scores = score_cell(cell, folder, dataset) if cell.task.protocols else []
        seconds = {
            "fit": about.seconds,
            "predict": sum(rows.seconds for rows in made),
            "score": time.perf_counter() - started,
        }
        if not cell.is_floor and dataset.available()[0]:
            self._progress.phase("picture")
            headline = scores[0] if scores and PROTOCOLS[scores[0].protocol].regresses else None
            write_overlay(folder / OVERLAY, cell, folder, dataset, headline)
        peaks = [peak_memory_mb(self._device), about.peak_memory_mb or 0.0, *(rows.peak_memory_mb for rows in made)]
        found = self._provenance() | about.machine | self._about_run(cell, bool(about.resumed))
        gaps = count_absent(folder, splits_of(cell, self._open))
        found |= {"images_predicted": sum(map(len, made))} | remarks(cell, dataset, scores, gaps)
        found |= {"parameters": about.parameters} if about.parameters else {}
        found |= smallest_batch(made) | seconds_waiting(about.seconds_waiting, made)
        record = cell.record(score_records(scores), seconds, max(peaks), found)
        given = keypoints_given(cell, self._open)
        return record.model_copy(update={"num_keypoints": given, "digests": self._digests(cell, fit)})

    def _collect(self, cell: Cell, folder: Path, fit: str | None) -> list[Rows]:
        """Write the keypoints of all splits from their parts; returns what was predicted, each set of images once."""
        made: dict[tuple[str, ...], Rows] = {}
        for split, ids in splits_of(cell, self._open).items():
            if ids not in made:
                made[ids] = self._partial(cell, split, fit).resume()
            if len(made[ids]) < len(ids):
                raise NotReady(f"images of split {split} are not all predicted")
            write_predictions(folder, split, ids, made[ids].keypoints, made[ids].found.scores)
        return list(made.values())

    def _about_run(self, cell: Cell, resumed: bool) -> dict[str, Any]:
        return {
            "fit_id": cell.fit_id,
            "fit_reused": self._fits.is_reused(cell),
            "fit_resumed": resumed,
            "processes": self._coordinator.size,
        }

    def _partial(self, cell: Cell, split: Predicted, fit: str | None) -> PartialPredictions:
        """The parts of a split's predictions that were made with the fit of a digest."""
        ids, given = splits_of(cell, self._open)[split], keypoints_given(cell, self._open)
        folder, whose = self._store.partial(cell.fit_id), belongs_to(cell, fit)
        since = self._began if self._refit else 0.0
        return PartialPredictions(folder, whose, ids, given, self._made_on, split, since)

    def _made_on(self) -> tuple[dict[str, Any], float]:
        smaller = {} if self.batch_size == BATCH_SIZE else {BATCH: self.batch_size}
        return machine(self._device) | smaller, peak_memory_mb(self._device)

    def _provenance(self) -> dict[str, Any]:
        found = provenance(self._device)
        return found if self._argv is None else found | {"argv": list(self._argv)}

    def _digests(self, cell: Cell, fit: str | None) -> Digests:
        """The digests of what a cell was made from; a fit of an earlier run has the source that it was made with."""
        found = read_fit(self._fits.folder(cell))
        source = found.source if found and found.source else cell.source
        return Digests(fit=fit, source=source, imported=kept_import(cell, self._store.output))


def seconds_waiting(fit: float | None, made: Sequence[Rows]) -> dict[str, dict[str, float]]:
    """The seconds of fit and predict in which the method waited for images, for the provenance, as far as known."""
    waited = {"fit": math.nan if fit is None else fit, "predict": sum(rows.waited for rows in made)}
    known = {stage: seconds for stage, seconds in waited.items() if math.isfinite(seconds)}
    return {"seconds_waiting": known} if known else {}


def smallest_batch(made: Sequence[Rows]) -> dict[str, int]:
    """The smallest batch in which keypoints were predicted, for the provenance; {} if all batches were as usual."""
    found = [json.loads(text).get(BATCH, BATCH_SIZE) for rows in made for text in rows.machines]
    return {BATCH: min(found)} if found and min(found) < BATCH_SIZE else {}
