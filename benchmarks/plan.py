"""From what the user asked for to the cells to run, with the tasks that cannot be run and what they need."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from benchmarks.cells import Cell
from benchmarks.errors import bad_settings
from benchmarks.registry import DATASETS, method_class, open_dataset
from benchmarks.settings import parse_settings
from benchmarks.tasks import Profile, Task

if TYPE_CHECKING:
    from datasets.base import KeypointDataset
    from methods.base import MethodConfig

    Open = Callable[[str], KeypointDataset]

FLOORS = ("centre", "grid", "random_points")
COUNTERPARTS = {"stable_keypoints": "random_tokens"}  # a method's own floor, which takes the method's settings


@dataclass(frozen=True)
class Plan:
    """Cells in the order they run, and ``skipped``: what each task that cannot be run lacks."""

    cells: list[Cell]
    skipped: dict[str, str]


@dataclass(frozen=True)
class Request:
    """What the user asked for; ``assignments`` are the ``--set`` options as written."""

    methods: Sequence[str]
    tasks: Sequence[Task]
    profile: Profile
    root: Path | None = None
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
    open_once = cache(lambda name: open_dataset(name, request.root))
    cells: list[Cell] = []
    skipped: dict[str, str] = {}
    for task in request.tasks:
        lacking = lack(task, request.profile, open_once)
        if lacking:
            skipped[task.id] = lacking
        else:
            cells.extend(_cells(task, request, templates, _digests(task, request.profile, open_once)))
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


def lack(task: Task, profile: Profile, open_once: Open) -> str:
    """What a task needs that is not there, or ''."""
    for name in dict.fromkeys((task.fit_dataset_id(profile), task.dataset_id(profile))):
        if name not in DATASETS.entries:
            return f"there is no loader for '{name}' yet"
        found, reason = open_once(name).available()
        if not found:
            return reason
    return ""


def _digests(task: Task, profile: Profile, open_once: Open) -> dict[str, str]:
    source, target = open_once(task.fit_dataset_id(profile)), open_once(task.dataset_id(profile))
    return {"fit": source.digest("fit"), "regress": target.digest("regress"), "test": target.digest("test")}


def _cells(
    task: Task, request: Request, templates: Sequence[dict[str, Any]], digests: dict[str, str]
) -> Iterator[Cell]:
    for seed in range(request.seeds):
        for template in templates:
            yield Cell(**template, task=task, profile=request.profile, seed=seed, limit=request.limit, digests=digests)
