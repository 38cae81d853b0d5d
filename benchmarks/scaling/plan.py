"""The units of the paper's tasks, made by the code that plans a run, and the job that stands for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from benchmarks.registry import method_class, open_dataset
from benchmarks.run.cells import Cell
from benchmarks.run.images import CACHE_BYTES
from benchmarks.run.options import SHARD_SIZE
from benchmarks.run.units.unit import STAGES, Unit, units_of
from benchmarks.scaling.costs import Costs, DatasetCosts, MethodCosts
from benchmarks.scaling.schedule import Job
from benchmarks.tasks import SUITES, TASKS, Task

if TYPE_CHECKING:
    from benchmarks.registry import Open
    from datasets.base import DatasetCard, Split

TASK_NAMES = tuple(task for suite in ("aligned", "wild", "generalization") for task in SUITES[suite].tasks)
METHODS = (
    *("random_tokens", "grid", "random_points"),
    *("stable_keypoints", "autolink", "imm", "dift_kmeans", "supervised"),
)


@dataclass(frozen=True)
class Settings:
    """What is run: ``methods`` on ``tasks`` with ``seeds`` seeds, ``changes`` to the settings of each method by name.

    ``sharing`` says whether tasks share fits. Methods whose fit several processes can share use ``fit_gpus`` GPUs.
    """

    tasks: tuple[str, ...] = TASK_NAMES
    methods: tuple[str, ...] = METHODS
    seeds: int = 3
    shard_size: int = SHARD_SIZE
    sharing: bool = True
    fit_gpus: int = 1
    changes: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Numbered:
    """A dataset's card, with numbers in place of the ids of images; no file is read."""

    card: DatasetCard

    def split(self, name: Split) -> tuple[str, ...]:
        """As many ids as the card counts; splits have no image in common."""
        return _ids(name, self.card.counts[name])


@dataclass(frozen=True)
class Work:
    """A job with its unit and cell, and the parts of its seconds.

    ``waits`` are the seconds that it waits for images beyond those of the method, and ``reads`` the images that it
    decodes.
    """

    job: Job
    unit: Unit
    cell: Cell
    waits: float = 0.0
    reads: float = 0.0

    @property
    def title(self) -> str:
        """Stage, method and dataset in words, such as 'fit of imm on taichi'."""
        dataset = self.cell.fit_dataset if self.unit.stage == "fit" else self.cell.dataset
        return f"{self.unit.stage} of {self.cell.method} on {dataset}"


def cells_of(settings: Settings) -> list[Cell]:
    """The cells, task by task, with the presets of profile paper."""
    return [
        _cell(TASKS[task], method, seed, settings.changes.get(method, {}))
        for task in settings.tasks
        for seed in range(settings.seeds)
        for method in settings.methods
    ]


def work_of(settings: Settings, costs: Costs) -> list[Work]:
    """The units as jobs; each comes after all that it needs, and so in the order of the file of a plan."""
    cells, opened = cells_of(settings), cast("Open", numbered)
    if settings.sharing:
        units = units_of(cells, opened, settings.shard_size)
    else:
        apart = [unit for cell in cells for unit in units_of([cell], opened, settings.shard_size)]
        units = sorted(apart, key=lambda unit: STAGES.index(unit.stage))
    return _Builder(settings, costs, cells).build(units)


@cache
def _ids(split: Split, count: int) -> tuple[str, ...]:
    return tuple(f"{split}/{number}" for number in range(count))


@cache
def numbered(name: str) -> Numbered:
    """A dataset by name, without its files."""
    return Numbered(open_dataset(name, None).card)


def _cell(task: Task, method: str, seed: int, changes: dict[str, Any]) -> Cell:
    cls = method_class(method)
    own = cls.settings_on(task.fit_dataset_id("paper"), cls.config_for("paper", changes))
    whole = {**own, **changes}
    return Cell(
        method=method,
        label=cls.card.name,
        version=cls.version,
        settings=whole,
        config=cls.config_for("paper", whole).model_dump(mode="json"),
        identity={},
        is_floor=cls.card.is_floor,
        supervision=cls.card.supervision,
        saw_landmarks=cls.card.saw_landmarks,
        task=task,
        profile="paper",
        seed=seed,
        limit=None,
        digests={split: split for split in ("fit", "regress", "test")},
    )


class _Builder:
    """Makes jobs of units; remembers which jobs the later ones need."""

    def __init__(self, settings: Settings, costs: Costs, cells: Sequence[Cell]) -> None:
        self._settings, self._costs = settings, costs
        self._cells = {cell.id: cell for cell in cells}
        self._counts = {name: numbered(name).card.counts for cell in cells for name in (cell.fit_dataset, cell.dataset)}
        self._names = {name: cell.fit_id if settings.sharing else name for name, cell in self._cells.items()}
        self._fits: dict[str, list[int]] = {}
        self._shards: dict[str, list[int]] = {}
        self._made: list[Work] = []

    def build(self, units: Sequence[Unit]) -> list[Work]:
        for unit in units:
            cell = self._cells[unit.cell_id]
            {"fit": self._fit, "predict": self._predict, "score": self._score}[unit.stage](unit, cell)
        return self._made

    def _fit(self, unit: Unit, cell: Cell) -> None:
        costs, count = self._costs.method(cell.method), self._counts[cell.fit_dataset]["fit"]
        gpus = self._settings.fit_gpus if method_class(cell.method).shares_fit else 1
        steps, looks = cell.config.get("steps", 0), looked_at(cell, count) / gpus
        batch = cell.config.get("batch_size", 0) / gpus
        seconds = looks * costs.look.seconds if costs.look else 0.0
        if costs.step:
            seconds += steps * costs.step.seconds * batch / usual_batch(cell.method)
        reads = decoded(steps * batch + looks, count, costs.side)
        for _ in range(gpus):  # one for each process, which works as long as the whole fit lasts
            number = self._add(unit, cell, seconds, reads)
            self._fits.setdefault(self._names[unit.cell_id], []).append(number)

    def _predict(self, unit: Unit, cell: Cell) -> None:
        costs, count = self._costs.method(cell.method), unit.last - unit.first
        reads = count if costs.side else 0
        needs = self._fits.get(self._names[unit.cell_id], [])
        number = self._add(unit, cell, count * costs.predict.seconds, reads, needs)
        self._shards.setdefault(unit.cell_id, []).append(number)

    def _score(self, unit: Unit, cell: Cell) -> None:
        costs, dataset = self._costs, self._costs.dataset(cell.dataset)
        count = sum(self._counts[cell.dataset][split] for split in ("regress", "test"))
        seconds = costs.record.seconds + count * len(cell.task.protocols) * costs.score.seconds
        if dataset.annotation:
            seconds += count * (dataset.annotation.seconds + costs.read.seconds)
        self._add(unit, cell, seconds, 0, self._shards[unit.cell_id])

    def _add(self, unit: Unit, cell: Cell, seconds: float, reads: float, needs: Sequence[int] = ()) -> int:
        """Append the job of a unit, whose images are decoded while the method works; returns its index."""
        costs, own = self._costs, self._costs.method(cell.method)
        name = cell.fit_dataset if unit.stage == "fit" else cell.dataset
        counts, dataset = self._counts[name], costs.dataset(name)
        images = reads * self._image(own, dataset) / costs.threads
        job = Job(
            seconds=max(seconds, images) + costs.unit.seconds,
            needs=tuple(needs),
            model="" if unit.stage == "score" else self._names[unit.cell_id],
            load=own.load.seconds,
            dataset=name,
            opening=(counts["fit"] + counts["test"]) * costs.listed.seconds if dataset.annotation else 0.0,
        )
        self._made.append(Work(job, unit, cell, max(0.0, images - seconds), reads))
        return len(self._made) - 1

    def _image(self, method: MethodCosts, dataset: DatasetCosts) -> float:
        """The seconds that one thread needs for an image."""
        return dataset.decode[method.side].seconds + dataset.files * self._costs.read.seconds if method.side else 0.0


def looked_at(cell: Cell, count: int) -> float:
    """The number of fit images that a method sees once besides its steps, of ``count``; 0 in its settings means all."""
    for name in ("selection_images", "fit_images"):
        if name in cell.config:
            return float(cell.config[name] or count)
    return 0.0


def usual_batch(method: str) -> int:
    """The images in a step of a method with the paper's preset."""
    return int(method_class(method).config_for("paper", {}).model_dump()["batch_size"])


def decoded(given: float, count: int, side: int) -> float:
    """The number of images to decode when ``given`` of ``count`` images are read; the cache holds the others."""
    room = CACHE_BYTES / (3 * side**2) if side else 0.0
    return min(given, count + (given - count) * max(0.0, 1 - room / count)) if side else 0.0
