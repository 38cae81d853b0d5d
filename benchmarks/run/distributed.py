"""A run launched by torchrun: the first process runs the cells and records them, the others take part in shared fits.

All processes make the same plan. The others then wait until the first one names a cell; they write no file, and print
only errors.
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


def is_helper() -> bool:
    """Whether this process only takes part in fits. Raises MethodError for an impossible rank or world size."""
    return world()[0] > 0


class Lead:
    """The first process's side of a run on ``device``; does nothing if there is no other process."""

    def __init__(self, device: str) -> None:
        self.size = world()[1]
        self._team = Team(own_device(device)) if self.size > 1 else None

    @contextmanager
    def gathered(self, cell: Cell, method: Method) -> Iterator[None]:
        """Prepare the fit of ``method`` in the block; a shared one in all processes, or in none if one fails."""
        if self._team is None or not method.shares_fit:
            yield
            return
        self._team.say(cell.id)
        with self._team.agreed():
            yield

    def dismiss(self) -> None:
        """Tell the other processes that no fit is left, and close the process group."""
        if self._team is not None:
            self._team.say("")
            _part(self._team)


def help_out(plan: Plan, datasets: Open, device: str) -> int:
    """Take part in each fit that the first process names until it has no more; gives the exit status."""
    team = Team(own_device(device))
    cells = {cell.id: cell for cell in plan.cells}
    images = ImageCache()
    status = 0
    while True:
        try:
            name = _told(team)
            if name is None:
                return status or 1
            if not name:
                _part(team)
                return status
            _help(team, cells[name], datasets, device, images)
        except KeyboardInterrupt as stop:  # comes to all processes: they stop the fit, and the first one ends the run
            status = exit_status(stop)
        except Exception as error:  # comes in the first process too, which records it and goes on
            text = f"process {team.rank}: {first_line(error)}"
            Console(stderr=True).print(Text(text, style="red"), soft_wrap=True)


def _told(team: Team) -> str | None:
    """The id of the cell that the first process names, '' when no fit is left, None if that process is gone."""
    try:
        return team.say()
    except RuntimeError:
        return None


def _part(team: Team) -> None:
    """Wait for the other processes, then close the process group: an early exit could abort those that still read."""
    import torch
    import torch.distributed as dist

    with suppress(RuntimeError):
        team.total(torch.zeros(1))
        dist.destroy_process_group()


def _help(team: Team, cell: Cell, datasets: Open, device: str, images: ImageCache) -> None:
    with team.agreed():
        cls = method_class(cell.method)
        method = cls(config=cls.config_for(cell.profile, cell.settings), device=device)
        stream = fit_images(cell, method, datasets, images)
    method.fit(stream, keypoints_given(cell, datasets), cell.seed, lambda done, total, **scalars: None)


def fit_images(cell: Cell, method: Method, datasets: Open, cache: ImageCache) -> DatasetImages:
    """The images that a cell learns from; a supervised method, and no other, gets their landmarks too.

    A method that uses no pixels gets no images, so that they need not be on disk.
    """
    if not method.image_size:
        return DatasetImages(datasets(cell.dataset), (), 0, cache)
    dataset = datasets(cell.fit_dataset)
    ids = cell.task.choose_fit(dataset.split("fit"), cell.seed)[: cell.limit]
    kind = LabelledImages if learns_from_landmarks(cell) else DatasetImages
    return kind(dataset, ids, method.image_size, cache)
