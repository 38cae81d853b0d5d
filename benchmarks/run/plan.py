"""The plan of a run: the cells of a request, and the tasks that cannot be run, each with a reason.

Imported keypoints give one cell for each task that the folder has an import of, with one seed. They need the dataset's
annotations but no images.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from benchmarks.errors import UserError, bad_settings
from benchmarks.records.digests import source_digests
from benchmarks.registry import DATASETS, full_method_name, is_custom, is_imported, method_class, opener
from benchmarks.run.cells import Cell, content_hash
from benchmarks.run.imported import imports
from benchmarks.run.supervision import keypoints_given
from benchmarks.settings import parse_settings
from benchmarks.tasks import SUITES, Profile, Task, given_by, too_few
from leaderboard.records import Variant
from leaderboard.tables import TABLES

if TYPE_CHECKING:
    from benchmarks.registry import Open
    from methods.base import Ablation, MethodConfig

FLOORS = ("centre", "grid", "random_points")


@dataclass(frozen=True)
class Plan:
    """Cells in the order they run, and ``skipped``: the reason for each task that cannot be run."""

    cells: list[Cell]
    skipped: dict[str, str]


@dataclass(frozen=True)
class Request:
    """The user's request.

    ``datasets`` opens a dataset by its name. ``assignments`` are the ``--set`` options as written. Ablations run on the
    ``tasks`` that belong to a suite of ablations in ``suites``.
    """

    methods: Sequence[str]
    tasks: Sequence[Task]
    profile: Profile
    datasets: Open = field(default_factory=lambda: opener(None))
    seeds: int = 1
    limit: int | None = None
    floors: bool = True
    assignments: Sequence[str] = field(default_factory=tuple)
    suites: Sequence[str] = field(default_factory=tuple)

    def all_methods(self) -> list[str]:
        """The methods and their baselines ("floors"), baselines first, each once."""
        floors = [*FLOORS, *self.own_floors().values()] if self.floors else []
        return list(dict.fromkeys([*floors, *self.methods]))

    def own_floors(self) -> dict[str, str]:
        """The methods that name a baseline of their own, each with its baseline."""
        found = {name: method_class(name).floor for name in self.methods if not is_imported(name)}
        return {name: floor for name, floor in found.items() if floor is not None}

    def ablated(self) -> set[str]:
        """Names of the tasks that ablations run on."""
        return {task for name in self.suites if TABLES[SUITES[name].kind].ablations for task in SUITES[name].tasks}

    def settings(self) -> dict[str, dict[str, Any]]:
        """The settings of each method; a method's own baseline gets the method's settings that it has too."""
        methods = self.all_methods()
        settings = parse_settings(self.assignments, [name for name in methods if not is_imported(name)])
        for method, floor in self.own_floors().items():
            if method in settings and floor in methods:
                known = method_class(floor).Config.model_fields
                shared = {name: value for name, value in settings[method].items() if name in known}
                settings[floor] = shared | settings.get(floor, {})
        return settings


def make_plan(request: Request) -> Plan:
    """The cells of a request, task by task.

    Raises UserError for an unknown method or setting and if no method has ablations to run, DatasetError for broken
    data, and MethodError for a method that lacks something.
    """
    request = replace(request, methods=[full_method_name(name) for name in request.methods])
    settings = request.settings()
    templates = [
        _template(name, request.profile, settings.get(name, {}))
        for name in request.all_methods()
        if not is_imported(name)
    ]
    imported = imports([name for name in request.methods if is_imported(name)])
    cells: list[Cell] = []
    skipped: dict[str, str] = {}
    for task in request.tasks:
        lacking = lack(task, request.profile, request.datasets)
        if not lacking:
            here = [_on(task.fit_dataset_id(request.profile), template, request.profile) for template in templates]
            ablated = _ablations(task, request, here) if task.id in request.ablated() else []
            cells.extend(_cells(task, request, [*here, *ablated]))
        elif templates:
            skipped[task.id] = lacking
        for method in imported:
            lacking = method.lack(task, request.profile, request.datasets)
            if lacking:
                skipped[f"{task.id} by {method.label}"] = lacking
            else:
                dataset = request.datasets(task.dataset_id(request.profile))
                cells.append(method.cell(task, request.profile, request.limit, dataset))
    return Plan([_with_protocols(cell, request.datasets) for cell in cells], skipped)


def _on(fit_dataset: str, template: dict[str, Any], profile: Profile) -> dict[str, Any]:
    """The template, with the settings that its method changes for the fit dataset, if any."""
    name, settings = template["method"], template["settings"]
    own = method_class(name).settings_on(fit_dataset, _config(name, profile, settings))
    if not own:
        return template
    rest = {key: value for key, value in settings.items() if key not in own}
    elsewhere, usual = (_config(name, profile, {**rest, **more}).model_dump(mode="json") for more in ({}, own))
    found = _template(name, profile, settings, own)
    config = found["config"]
    return found | {"by_dataset": {key: elsewhere[key] for key in own if config[key] == usual[key] != elsewhere[key]}}


def _ablations(task: Task, request: Request, templates: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Templates of the methods' ablations; baselines have none.

    Raises UserError if there are none, and for an ablation that equals the full method or another ablation.
    """
    found = []
    runs_here = [name for name in request.methods if not is_imported(name)]
    for plain in templates:
        name = plain["method"]
        if name not in runs_here or plain["is_floor"]:
            continue
        config = _config(name, request.profile, plain["settings"])
        seen = {content_hash(config.model_dump(mode="json")): "the full method"}
        for ablation in method_class(name).ablations(config, task.num_keypoints):
            template = _ablated(plain, ablation, request.profile)
            same = seen.setdefault(content_hash(template["config"]), f"'{ablation.name}'")
            if same != f"'{ablation.name}'":
                raise UserError(f"{name}: ablation '{ablation.name}' is the same as {same}; change one of them")
            found.append(template)
    if not found and runs_here:
        raise UserError(
            f"{', '.join(request.methods)}: no ablations to run on {task.id}; choose a method that has ablations"
        )
    return found


def _ablated(template: dict[str, Any], ablation: Ablation, profile: Profile) -> dict[str, Any]:
    """The template of an ablation: the method's template with the ablation's settings on top of the user's."""
    settings = {**template["settings"], **ablation.settings}
    changed = _template(template["method"], profile, settings)
    full = {name: value for name, value in template["config"].items() if changed["config"].get(name) != value}
    variant = Variant(name=ablation.name, full=full, note=ablation.note)
    by_dataset = {key: value for key, value in template["by_dataset"].items() if key not in ablation.settings}
    return changed | {"label": f"{template['label']}, {ablation.name}", "variant": variant, "by_dataset": by_dataset}


def _template(
    name: str, profile: Profile, settings: Mapping[str, Any], own: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The fields that a method's cells share; ``own`` are settings for the fit dataset, which the user's override."""
    cls = method_class(name)
    whole = {**(own or {}), **settings}
    config = _config(name, profile, whole)
    plain = config.model_dump(mode="json")
    defaults = _config(name, profile, own or {}).model_dump(mode="json")
    shown = [key for key in plain if key in cls.Config.of_label]
    shown += [key for key in settings if plain.get(key) != defaults.get(key) and key not in shown]
    changed = [f"{key}={_shown(plain[key])}" for key in shown]
    return {
        "method": name,
        "label": cls.card.name + (f" ({', '.join(changed)})" if changed else ""),
        "version": cls.version,
        "settings": whole,
        "config": plain,
        "by_dataset": {},
        "identity": cls(config=config).identity(),
        "is_floor": cls.card.is_floor,
        "supervision": cls.card.supervision,
        "saw_landmarks": cls.card.saw_landmarks,
        "of_predict": tuple(sorted(cls.Config.of_predict)),
        "source": source_digests(name),
    }


def _shown(value: Any) -> Any:
    """A setting in a label; a path is cut to its name."""
    return Path(value).name if isinstance(value, str) and Path(value).is_absolute() else value


def _config(name: str, profile: Profile, settings: Mapping[str, Any]) -> MethodConfig:
    cls = method_class(name)
    try:
        return cls.config_for(profile, settings)
    except ValidationError as error:
        raise bad_settings(name, error, cls.Config) from error


def lack(task: Task, profile: Profile, datasets: Open) -> str:
    """The reason why a task cannot be run, or ''."""
    for name in dict.fromkeys((task.fit_dataset_id(profile), task.dataset_id(profile))):
        if not is_custom(name) and name not in DATASETS.entries:
            return f"there is no loader for '{name}' yet"
        found, reason = datasets(name).available()
        if not found:
            return reason
    count = datasets(task.fit_dataset_id(profile)).card.counts["fit"]
    return too_few(task, count) if task.fit_images is not None and count < task.fit_images else ""


def _cells(task: Task, request: Request, templates: Sequence[dict[str, Any]]) -> Iterator[Cell]:
    """A task's cells; on images without landmarks, only for the methods that the user named."""
    source = request.datasets(task.fit_dataset_id(request.profile))
    target = request.datasets(task.dataset_id(request.profile))
    digests = {"fit": source.digest("fit"), "regress": target.digest("regress"), "test": target.digest("test")}
    for seed in range(request.seeds):
        for template in templates:
            if target.card.landmark_names or template["method"] in request.methods:
                yield Cell(
                    **template, task=task, profile=request.profile, seed=seed, limit=request.limit, digests=digests
                )


def _with_protocols(cell: Cell, datasets: Open) -> Cell:
    """The cell with those protocols of its task whose needs are met by its dataset and its keypoints.

    Keypoints from elsewhere have no protocol that needs the model. Raises UserError for a supervised method on images
    without landmarks.
    """
    dataset, given = datasets(cell.dataset), keypoints_given(cell, datasets)
    wanted, masked = cell.task.protocols, dataset.card.has_masks and dataset.masked()
    found = given_by(dataset.card, wanted, masked, given, runs_here=cell.made_by is None)
    return cell.model_copy(update={"task": cell.task.model_copy(update={"protocols": found})})
