"""The fits of cells: made in this process, or loaded from the run directory that other processes share."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.progress import Progress
from benchmarks.records.digests import FIT, FitRecord, fit_digest, read_fit
from benchmarks.records.provenance import machine, peak_memory_mb
from benchmarks.records.store import Store
from benchmarks.registry import method_class
from benchmarks.run.cells import Cell, content_hash
from benchmarks.run.distributed import Coordinator, fit_images
from benchmarks.run.fits import BrokenFit, Stamp, copy_history, keep_fit, load_fit, stamp, write_history
from benchmarks.run.images import ImageCache
from benchmarks.run.supervision import keypoints_given
from benchmarks.run.units.unit import first_of_fits, keeps_fit
from methods.prefetch import seconds_waited

if TYPE_CHECKING:
    from benchmarks.registry import Open
    from methods.base import Method


class NotReady(Exception):
    """A stage of a cell lacks what an earlier stage makes; the message says what."""


@dataclass
class Fitted:
    """A fitted method with what is recorded about its fit, and the curves of a fit that this process made.

    ``digest`` is that of the fit's files, None if it cannot be kept.
    """

    key: tuple[str, str]
    method: Method
    about: FitRecord
    digest: str | None
    history: Sequence[Mapping[str, float]] = ()


class Fitter:
    """Makes or loads fits, and holds the last one in memory. The arguments are those of ``Worker``.

    ``began`` is the time of the file system at which the run began; with ``refit`` a fit that was kept before it does
    not count.
    """

    def __init__(
        self,
        store: Store,
        datasets: Open,
        device: str,
        progress: Progress,
        coordinator: Coordinator,
        images: ImageCache,
        cells: Sequence[Cell],
        refit: bool,
        began: float,
    ) -> None:
        self._store = store
        self._open = datasets
        self._device = device
        self._progress = progress
        self._coordinator = coordinator
        self._images = images
        self._refit = refit
        self._first = {fit: cell.id for fit, cell in first_of_fits(cells).items()}
        self._began = began
        self._made: dict[str, str] = {}
        self._broken: tuple[Path, Stamp] | None = None
        self._fitted: Fitted | None = None

    def folder(self, cell: Cell) -> Path:
        """The folder of a cell's fit."""
        return self._store.fits / cell.fit_id

    def is_fitted(self, cell: Cell) -> bool:
        """Whether this process holds the fit of a cell or can load it; prints one line about a broken one."""
        if self._held(cell):
            return True
        self.free(cell)
        kept = self.folder(cell)
        if not kept.is_dir() or self._is_outdated(cell) or self._broken == (kept, stamp(kept)):
            return False
        method = self._new(cell)
        try:
            about, digest = load_fit(method, kept)
        except BrokenFit as broken:
            self._broken = kept, stamp(kept)
            self._progress.say(f"{broken}: fitted again", "yellow")
            return False
        if about.parameters is None:  # a fit of an older version
            about = about.model_copy(update={"parameters": _parameters(method)})
        self._fitted = Fitted(_key(cell), method, about, digest)
        return True

    def fit(self, cell: Cell) -> None:
        """Learn the keypoints of a cell, and keep what was learned.

        If another process has kept the same fit in the meantime, that one is loaded, so that all cells share it.
        """
        self._fitted = None  # one model at a time is in memory
        kept, method = self.folder(cell), self._new(cell)
        before = stamp(kept)
        resumed = self._give_checkpoints(cell, method)
        with self._coordinator.gathered(cell, method):
            images = fit_images(cell, method, self._open, self._images)
        stage = self._progress.stage("fit", "steps", lambda: images.given)
        started, waited = time.perf_counter(), seconds_waited()
        method.fit(images, keypoints_given(cell, self._open), cell.seed, stage)
        about = FitRecord(
            seconds=time.perf_counter() - started,
            source=dict(cell.source),
            resumed=resumed,
            machine=machine(self._device),
            peak_memory_mb=peak_memory_mb(self._device),
            parameters=_parameters(method),
            seconds_waiting=seconds_waited() - waited,
        )
        is_kept, digest = True, None
        if keeps_fit(cell):
            is_kept, digest = keep_fit(self._store, kept, method, stage.history, about, before)
        self._store.drop_checkpoints(cell.fit_id)
        self._made.setdefault(cell.fit_id, cell.id)
        if is_kept or not self.is_fitted(cell):
            self._fitted = Fitted(_key(cell), method, about, digest, stage.history)

    def free(self, cell: Cell) -> None:
        """Free the memory of the model that this process holds, unless it is that of the cell."""
        if not self._held(cell):
            self._fitted = None

    def fitted(self, cell: Cell) -> Fitted:
        """The fitted method of a cell; one whose fit cannot be kept on disk is fitted here. Raises NotReady."""
        if not self.is_fitted(cell):
            if keeps_fit(cell):
                raise self._lacking(cell)
            self.fit(cell)
        if self._fitted is None:
            raise self._lacking(cell)
        return self._fitted

    def _lacking(self, cell: Cell) -> NotReady:
        return NotReady(f"its fit {self.folder(cell)} is not there")

    def digest(self, cell: Cell) -> str | None:
        """The digest of the kept fit of a cell, None for a method that cannot keep it. Raises NotReady without one."""
        found = None if self._is_outdated(cell) else fit_digest(self.folder(cell))
        if found is None and keeps_fit(cell) and not self._held(cell):
            raise self._lacking(cell)
        return found

    def about(self, cell: Cell) -> FitRecord:
        """What is recorded about the fit of a cell; the model is loaded only if that does not say all."""
        kept = read_fit(self.folder(cell))
        return kept if kept and kept.machine and not self._held(cell) else self.fitted(cell).about

    def copy_history(self, cell: Cell, folder: Path) -> None:
        """Write the curves of a cell's fit, if there are any, to a folder."""
        if self._fitted and self._held(cell) and self._fitted.history:
            write_history(folder, self._fitted.history)
        else:
            copy_history(self.folder(cell), folder)

    def is_reused(self, cell: Cell) -> bool:
        """Whether the fit of a cell was made before this run, or in this run for another cell."""
        if cell.fit_id in self._made:
            return self._made[cell.fit_id] != cell.id
        return self._first.get(cell.fit_id, cell.id) != cell.id or self._is_earlier(cell)

    def _held(self, cell: Cell) -> bool:
        """Whether this process holds the fit of a cell, which another process has not replaced in the meantime."""
        held = self._fitted
        return held is not None and held.key == _key(cell) and held.digest == fit_digest(self.folder(cell))

    def _is_outdated(self, cell: Cell) -> bool:
        return self._refit and self._is_earlier(cell)

    def _is_earlier(self, cell: Cell) -> bool:
        """Whether the fit of a cell was kept before this run."""
        try:
            return (self.folder(cell) / FIT).stat().st_mtime < self._began
        except OSError:
            return False

    def _new(self, cell: Cell) -> Method:
        cls = method_class(cell.method)
        return cls(config=cls.config_for(cell.profile, cell.settings), device=self._device)

    def _give_checkpoints(self, cell: Cell, method: Method) -> bool:
        """Set the folder for the method's checkpoints; returns whether the folder exists already."""
        method.checkpoints = self._store.checkpoints(cell.fit_id)
        if self._refit or not method.checkpoints.is_dir():
            self._store.drop_checkpoints(cell.fit_id)
        return method.checkpoints.exists()


def _key(cell: Cell) -> tuple[str, str]:
    """What a fitted method depends on: its fit, and the settings that matter in ``predict`` alone."""
    return cell.fit_id, content_hash(cell.config)


def _parameters(method: Method) -> dict[str, int] | None:
    found = method.parameters()
    return {name: int(count) for name, count in asdict(found).items()} if found else None
