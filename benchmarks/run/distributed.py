"""A run by torchrun: the first process (coordinator) runs and records the cells, the others (workers) join fits.

All processes make the same plan. The workers then wait until the coordinator names a cell; they write no file, and
print only errors.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from benchmarks.errors import first_line
from benchmarks.registry import method_class
from benchmarks.run.images import DatasetImages, ImageCache, LabelledImages
from benchmarks.run.supervision import keypoints_given, learns_from_landmarks
from benchmarks.signals import exit_status
from methods.parallel import Team, own_device, world

if TYPE_CHECKING:
    from benchmarks.registry import Open
    from benchmarks.run.cells import Cell
    from benchmarks.run.plan import Plan
    from methods.base import Method


def is_worker() -> bool:
    """Whether this process is a worker. Raises MethodError for an impossible rank or world size."""
    return world()[0] > 0


class Coordinator:
    """The coordinator's side of a run on ``device``; does nothing if there are no workers."""

    def __init__(self, device: str) -> None:
        self.size = world()[1]
        self._team = Team(own_device(device)) if self.size > 1 else None

    @contextmanager
    def gathered(self, cell: Cell, method: Method) -> Iterator[None]:
        """Prepare the fit of ``method`` in the block. A shared fit starts in all processes, or in none if one fails."""
        if self._team is None or not method.shares_fit:
            yield
            return
        self._team.say(cell.id)
        with self._team.agreed():
            yield

    def dismiss(self) -> None:
        """Tell the workers that no fit is left, and close the process group."""
        if self._team is not None:
            self._team.say("")
            _leave(self._team)


def run_worker(plan: Plan, datasets: Open, device: str) -> int:
    """Join each fit that the coordinator names until no fit is left; returns the exit status."""
    team = Team(own_device(device))
    cells = {cell.id: cell for cell in plan.cells}
    images = ImageCache()
    status = 0
    while True:
        try:
            name = _next_cell(team)
            if name is None:
                return status or 1
            if not name:
                _leave(team)
                return status
            _join_fit(team, cells[name], datasets, device, images)
        except KeyboardInterrupt as stop:  # all processes get it: they stop the fit, and the coordinator ends the run
            status = exit_status(stop)
        except Exception as error:  # the coordinator gets it too, records it and continues
            text = f"process {team.rank}: {first_line(error)}"
            Console(stderr=True).print(Text(text, style="red"), soft_wrap=True)


def _next_cell(team: Team) -> str | None:
    """The id of the cell that the coordinator names, '' if no fit is left, None if the coordinator is gone."""
    try:
        return team.say()
    except RuntimeError:
        return None


def _leave(team: Team) -> None:
    """Wait for all processes, then close the process group: an early exit could abort processes that still read."""
    import torch
    import torch.distributed as dist

    with suppress(RuntimeError):
        team.total(torch.zeros(1))
        dist.destroy_process_group()


def _join_fit(team: Team, cell: Cell, datasets: Open, device: str, images: ImageCache) -> None:
    with team.agreed():
        cls = method_class(cell.method)
        method = cls(config=cls.config_for(cell.profile, cell.settings), device=device)
        stream = fit_images(cell, method, datasets, images)
    method.fit(stream, keypoints_given(cell, datasets), cell.seed, lambda done, total, **scalars: None)


def fit_images(cell: Cell, method: Method, datasets: Open, cache: ImageCache) -> DatasetImages:
    """The images of a cell's fit, with their landmarks only for a supervised method.

    A method that uses no pixels gets no images, so that they need not be on disk.
    """
    if not method.image_size:
        return DatasetImages(datasets(cell.dataset), (), 0, cache)
    dataset = datasets(cell.fit_dataset)
    ids = cell.task.choose_fit(dataset.split("fit"), cell.seed)[: cell.limit]
    kind = LabelledImages if learns_from_landmarks(cell) else DatasetImages
    return kind(dataset, ids, method.image_size, cache)
