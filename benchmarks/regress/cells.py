"""Cells of the grid that need a method: settings, the baselines (floors) on every mini task, and fits of few steps."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.errors import UserError
from benchmarks.run.plan import FLOORS
from benchmarks.tasks import TASKS

if TYPE_CHECKING:
    from benchmarks.regress.compare import Cell
    from benchmarks.regress.references import Metrics
    from benchmarks.run.executor import InProcess
    from leaderboard.records import ResultRecord

DEVICE = "cpu"
DIGITS = 9  # significant digits of the numbers that are kept; tolerances are far wider


@dataclass(frozen=True)
class Fit:
    """A method with settings that make its fit short, on some tasks with ``limit`` images a split.

    Two or three steps are enough to show a change, and too few for rounding to grow visible.
    """

    name: str
    method: str
    tasks: tuple[str, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    limit: int = 12


_WORLDS = ("celeba_aligned", "cub_all", "taichi")  # a task of each mini world
_FEW = {"selection_images": 8}
_DOUBLE = {**_FEW, "dtype": "float64"}  # rounds so little that other processors choose the same tokens
_SLOW = {"steps": 3, "learning_rate": 1e-4}  # biases before a normalisation have no gradient; only rounding moves them
FITS = (
    Fit("random_tokens", "random_tokens", tuple(TASKS), {**_DOUBLE, "selection_images": 3}, limit=3),
    Fit("stable_keypoints", "stable_keypoints", _WORLDS, {**_DOUBLE, "steps": 3}, limit=6),
    Fit("stable_keypoints_as_shipped", "stable_keypoints", ("cub_all",), {**_FEW, "steps": 1}, limit=6),
    Fit("autolink", "autolink", _WORLDS, _SLOW),
    Fit("imm", "imm", ("celeba_aligned",), _SLOW),
    Fit("dift_kmeans", "dift_kmeans", ("celeba_aligned",)),
    Fit("ppl", "ppl", ("celeba_aligned",), _SLOW),
    Fit("thewlis", "thewlis", ("celeba_aligned",), _SLOW),
    Fit("lmdis", "lmdis", ("celeba_aligned",), _SLOW),
    Fit("dino_kmeans", "dino_kmeans", ("celeba_aligned",)),
    Fit("dff", "dff", ("celeba_aligned",)),
    Fit("supervised", "supervised", ("celeba_aligned",), {"steps": 3}),
)
_PINNED = {
    method: {"features": "vgg16"} for method in ("autolink", "ppl", "imm")
}  # their default depends on the machine


class Bench:
    """Runs cells as ``run`` does, on mini tasks with seed 0, in a run directory of its own."""

    def __init__(self, output: Path) -> None:
        self._output = output

    def run(
        self, method: str, task: str, settings: Mapping[str, Any] | None = None, limit: int | None = None
    ) -> tuple[ResultRecord, Path]:
        """Run a method on a task; returns the record and the folder of the cell. Raises UserError if it fails."""
        from benchmarks.registry import opener
        from benchmarks.run.plan import Request, make_plan

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
        return record, self._output / "cells" / record.cell_id

    @cached_property
    def _executor(self) -> InProcess:
        from rich.console import Console

        from benchmarks.progress import Progress
        from benchmarks.records.store import Store
        from benchmarks.registry import opener
        from benchmarks.run.distributed import Coordinator
        from benchmarks.run.executor import InProcess

        store = Store(self._output)
        store.prepare()
        return InProcess(store, opener(None), DEVICE, Progress(Console(quiet=True), 1), Coordinator(DEVICE))


@contextmanager
def opened() -> Iterator[Bench]:
    """A bench in a temporary folder, which is removed at the end."""
    with tempfile.TemporaryDirectory(prefix="regress-") as folder:
        yield Bench(Path(folder))


@contextmanager
def one_thread() -> Iterator[None]:
    """Use one thread of torch in the block: sums that are split among threads round differently."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def setting_cells() -> dict[str, Cell]:
    """Cells with the settings of the methods in ``FITS``, under both profiles and the preset of the released code."""
    mini = dict.fromkeys(fit.method for fit in FITS)
    return {
        **{f"settings/{method}": partial(settings_of, method, "mini") for method in mini},
        **{
            f"settings/{method}/paper": partial(settings_of, method, "paper", **_PINNED.get(method, {}))
            for method in mini
        },
        "settings/stable_keypoints/official": partial(settings_of, "stable_keypoints", "paper", preset="official"),
    }


def floor_cells(bench: Bench) -> dict[str, Cell]:
    """The baselines in ``FLOORS``, on every mini task with all images."""
    tasks = list(filter(_is_drawn, TASKS))
    return {f"floors/{floor}/{task}": partial(measure_floor, bench, floor, task) for floor in FLOORS for task in tasks}


def fit_cells(bench: Bench) -> dict[str, Cell]:
    """The methods of ``FITS`` on their tasks."""
    chosen = [(fit, task) for fit in FITS for task in fit.tasks if _is_drawn(task)]
    return {f"fits/{fit.name}/{task}": partial(measure_fit, bench, fit, task) for fit, task in chosen}


def _is_drawn(task: str) -> bool:
    """Whether a task has a synthetic counterpart, so that it can be measured without data."""
    return TASKS[task].dataset_id("mini").startswith("mini_")


def settings_of(method: str, profile: str, **settings: Any) -> Metrics:
    """Every setting of a method in a profile, as JSON values."""
    from benchmarks.registry import method_class

    return method_class(method).config_for(profile, settings).model_dump(mode="json")


def measure_floor(bench: Bench, floor: str, task: str) -> Metrics:
    """The value of a baseline under every protocol of the task."""
    record, _ = bench.run(floor, task)
    return {score.protocol: rounded(score.value) for score in record.scores}


def measure_fit(bench: Bench, fit: Fit, task: str) -> Metrics:
    """Every scalar that the fit reports, step by step, and the keypoints of the test images."""
    from benchmarks.records.store import HISTORY, read_columns, read_predictions

    _, folder = bench.run(fit.method, task, fit.settings, fit.limit)
    history = read_columns(folder / HISTORY) if (folder / HISTORY).exists() else {}
    values: Metrics = {
        f"step {int(step)}: {name}": rounded(column[row])
        for row, step in enumerate(history.pop("step", []))
        for name, column in history.items()
    }
    keypoints = read_predictions(folder, "test")[1]
    rows = [[rounded(number) for number in row.ravel().tolist()] for row in keypoints]
    return {**values, "keypoints": rows}


def rounded(number: float) -> float | int:
    """A number with ``DIGITS`` significant digits; a whole number as int."""
    short = float(f"{number:.{DIGITS}g}")
    return int(short) if short.is_integer() else short
