"""Runs cells as ``run`` does, in a run directory of its own, on one thread of the processor."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.errors import UserError

if TYPE_CHECKING:
    from benchmarks.regress.measures import Rows
    from benchmarks.run.executor import InProcess
    from leaderboard.records import ResultRecord

DEVICE = "cpu"


class Ran:
    """A cell that was run: its record, its loss history by name, and the keypoints of its test images."""

    def __init__(self, record: ResultRecord, folder: Path) -> None:
        self.record = record
        self._folder = folder

    @cached_property
    def history(self) -> dict[str, list[float]]:
        """Scalars of every step by name; none where the method reports none."""
        from benchmarks.records.store import HISTORY, read_columns

        path = self._folder / HISTORY
        return read_columns(path) if path.exists() else {}

    @cached_property
    def keypoints(self) -> Rows:
        """A row (x0, y0, x1, y1, ...) for each test image."""
        from benchmarks.records.store import read_predictions

        found = read_predictions(self._folder, "test")[1]
        return tuple(tuple(row) for row in found.reshape(len(found), -1).tolist())


class Bench:
    """A run directory, and what runs cells in it."""

    def __init__(self, output: Path) -> None:
        self._output = output

    def run(self, method: str, task: str, settings: Mapping[str, Any] | None = None, limit: int | None = None) -> Ran:
        """Run a method on a mini task with seed 0. Raises UserError where it fails, naming the reason."""
        from benchmarks.registry import opener
        from benchmarks.run.plan import Request, make_plan
        from benchmarks.tasks import TASKS

        request = Request(
            methods=[method],
            tasks=[TASKS[task]],
            profile="mini",
            datasets=opener(None),
            limit=limit,
            floors=False,
            assignments=[f"{method}.{name}={json.dumps(value)}" for name, value in (settings or {}).items()],
        )
        plan = make_plan(request)
        if not plan.cells:
            raise UserError(f"{method} on {task} was skipped: {plan.skipped.get(task, 'no reason given')}")
        with one_thread():
            record = self._executor.submit(plan.cells[0])
        if record.failure:
            raise UserError(f"{method} on {task} failed: {record.failure.type}: {record.failure.message}")
        return Ran(record, self._output / "cells" / record.cell_id)

    @cached_property
    def _executor(self) -> InProcess:
        from rich.console import Console

        from benchmarks.progress import Progress
        from benchmarks.records.store import Store
        from benchmarks.registry import opener
        from benchmarks.run.distributed import Lead
        from benchmarks.run.executor import InProcess

        store = Store(self._output)
        store.prepare()
        return InProcess(store, opener(None), DEVICE, Progress(Console(quiet=True), 1), Lead(DEVICE))


@contextmanager
def opened() -> Iterator[Bench]:
    """A bench in a temporary folder, which goes at the end."""
    with tempfile.TemporaryDirectory(prefix="regress-") as folder:
        yield Bench(Path(folder))


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch on one thread in the block, since sums split among threads round differently."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
