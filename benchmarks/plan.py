"""From what the user asked for to the cells to run, with the tasks that cannot be run and what they need."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from benchmarks.cells import Cell
from benchmarks.errors import bad_settings
from benchmarks.registry import DATASETS, is_own, method_class, opener
from benchmarks.settings import parse_settings
from benchmarks.tasks import Profile, Task
from metrics.protocols import PROTOCOLS

if TYPE_CHECKING:
    from benchmarks.registry import Open
    from datasets.base import DatasetCard
    from methods.base import MethodConfig

FLOORS = ("centre", "grid", "random_points")
COUNTERPARTS = {"stable_keypoints": "random_tokens"}  # a method's own floor, which takes the method's settings


@dataclass(frozen=True)
class Plan:
    """Cells in the order they run, and ``skipped``: what each task that cannot be run lacks."""

    cells: list[Cell]
    skipped: dict[str, str]


@dataclass(frozen=True)
class Request:
    """What the user asked for.

    ``datasets`` opens a dataset by its name; ``assignments`` are the ``--set`` options as written.
    """

    methods: Sequence[str]
    tasks: Sequence[Task]
    profile: Profile
    datasets: Open = field(default_factory=lambda: opener(None))
    seeds: int = 1
    limit: int | None = None
    floors: bool = True
    assignments: Sequence[str] = field(default_factory=tuple)

    def all_methods(self) -> list[str]:
        """The methods with the floors that go with them, floors first, each once."""
        floors: list[str] = []
        if self.floors:
            floors = [*FLOORS, *(COUNTERPARTS[method] for method in self.methods if method in COUNTERPARTS)]
        return list(dict.fromkeys([*floors, *self.methods]))

    def settings(self) -> dict[str, dict[str, Any]]:
        """The settings of each method; those of a method go to its own floor too, as far as that knows them."""
        methods = self.all_methods()
        settings = parse_settings(self.assignments, methods)
        for method, floor in COUNTERPARTS.items():
            if method in settings and floor in methods:
                known = method_class(floor).Config.model_fields
                shared = {name: value for name, value in settings[method].items() if name in known}
                settings[floor] = shared | settings.get(floor, {})
        return settings


def make_plan(request: Request) -> Plan:
    """The cells of a request, task by task.

    Raises UserError for an unknown method or setting, DatasetError for data that is there but broken, and
    MethodError for a method that lacks something.
    """
    settings = request.settings()
    configs = {name: _config(name, request.profile, settings.get(name, {})) for name in request.all_methods()}
    templates = [_template(name, config, request.profile, settings.get(name, {})) for name, config in configs.items()]
    cells: list[Cell] = []
    skipped: dict[str, str] = {}
    for task in request.tasks:
        lacking = lack(task, request.profile, request.datasets)
        if lacking:
            skipped[task.id] = lacking
        else:
            cells.extend(_cells(task, request, templates))
    return Plan(cells, skipped)


def _template(name: str, config: MethodConfig, profile: Profile, settings: dict[str, Any]) -> dict[str, Any]:
    cls = method_class(name)
    plain = config.model_dump(mode="json")
    defaults = _config(name, profile, {}).model_dump(mode="json")
    changed = [f"{key}={_shown(plain[key])}" for key in settings if plain.get(key) != defaults.get(key)]
    return {
        "method": name,
        "label": cls.card.name + (f" ({', '.join(changed)})" if changed else ""),
        "version": cls.version,
        "settings": settings,
        "config": plain,
        "identity": cls(config=config).identity(),
        "is_floor": cls.card.is_floor,
        "supervision": cls.card.supervision,
    }


def _shown(value: Any) -> Any:
    """A setting as labels have it: of a path only the name."""
    return Path(value).name if isinstance(value, str) and Path(value).is_absolute() else value


def _config(name: str, profile: Profile, settings: dict[str, Any]) -> MethodConfig:
    cls = method_class(name)
    try:
        return cls.config_for(profile, settings)
    except ValidationError as error:
        raise bad_settings(name, error, cls.Config) from error


def lack(task: Task, profile: Profile, datasets: Open) -> str:
    """What a task needs that is not there, or ''."""
    for name in dict.fromkeys((task.fit_dataset_id(profile), task.dataset_id(profile))):
        if not is_own(name) and name not in DATASETS.entries:
            return f"there is no loader for '{name}' yet"
        found, reason = datasets(name).available()
        if not found:
            return reason
    return ""


def _cells(task: Task, request: Request, templates: Sequence[dict[str, Any]]) -> Iterator[Cell]:
    """A task's cells; without landmarks, what could only be compared by its scores is left out unless asked for."""
    source = request.datasets(task.fit_dataset_id(request.profile))
    target = request.datasets(task.dataset_id(request.profile))
    digests = {"fit": source.digest("fit"), "regress": target.digest("regress"), "test": target.digest("test")}
    scored = task.model_copy(update={"protocols": _applicable(task.protocols, target.card)})
    for seed in range(request.seeds):
        for template in templates:
            if scored.protocols or template["method"] in request.methods:
                yield Cell(
                    **template, task=scored, profile=request.profile, seed=seed, limit=request.limit, digests=digests
                )


def _applicable(protocols: Sequence[str], card: DatasetCard) -> tuple[str, ...]:
    """The protocols that need nothing a dataset lacks."""
    has = {"interocular": card.interocular, "left_right_pairs": card.left_right_pairs, "boxes": card.has_boxes}
    return tuple(name for name in protocols if all(has[need] for need in PROTOCOLS[name].needs))
