"""A run launched by torchrun: the first process drives and records, the others help with fits that are shared.

The others make the same plan, then wait to be told of a cell. They write nothing, and print nothing but what fails.
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
    """Whether this is one of the processes that only help. Raises MethodError for numbers that cannot be."""
    return world()[0] > 0


class Lead:
    """What the first process tells the others; where it is alone, nothing. ``device`` is the run's."""

    def __init__(self, device: str) -> None:
        self.size = world()[1]
        self._team = Team(own_device(device)) if self.size > 1 else None

    @contextmanager
    def gathered(self, cell: Cell, method: Method) -> Iterator[None]:
        """Make the fit of ``method`` ready in the block, and in the others if it is shared: in all of them or none."""
        if self._team is None or not method.shares_fit:
            yield
            return
        self._team.say(cell.id)
        with self._team.agreed():
            yield

    def dismiss(self) -> None:
        """Let the others go home."""
        if self._team is not None:
            self._team.say("")
            _part(self._team)


def help_out(plan: Plan, datasets: Open, device: str) -> int:
    """Take part in each fit that the first process tells of, until it is done; the exit status."""
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
        except KeyboardInterrupt as stop:  # told to all of them: they end the fit, and the first says when it is over
            status = exit_status(stop)
        except Exception as error:  # in the first process too, which records it and goes on
            text = f"process {team.rank}: {first_line(error)}"
            Console(stderr=True).print(Text(text, style="red"), soft_wrap=True)


def _told(team: Team) -> str | None:
    """The cell that the first process tells of, '' when all are done, None where that process is gone."""
    try:
        return team.say()
    except RuntimeError:
        return None


def _part(team: Team) -> None:
    """Wait for the other processes and close the connections: one that just exits may abort those that still read."""
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
    """The images that a cell learns from, with their landmarks for a supervised method and for no other.

    A method that looks at no pixels is given none: the images it would learn from need not be there.
    """
    if not method.image_size:
        return DatasetImages(datasets(cell.dataset), (), 0, cache)
    dataset = datasets(cell.fit_dataset)
    ids = cell.task.choose_fit(dataset.split("fit"), cell.seed)[: cell.limit]
    kind = LabelledImages if learns_from_landmarks(cell) else DatasetImages
    return kind(dataset, ids, method.image_size, cache)
